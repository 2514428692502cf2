//! A value, written as its Go type would.

use super::fields::{Field, Kind, Struct};
use super::{Misfit, Written, amount, text};
use crate::api::Time;
use serde_json::{Map, Value};

/// Writes a struct; `kind` is one.
pub(super) fn fields(kind: &Kind, fields: &Map<String, Value>) -> Result<Written, Misfit> {
    let mut writer = Writer::default();
    match kind {
        Kind::Struct(declared) => writer.object(declared, Some(fields))?,
        _ => unreachable!("the fields are those of a struct"),
    }
    Ok(writer.finish())
}

/// Writes a value.
pub(super) fn value(kind: &Kind, value: &Value) -> Result<Written, Misfit> {
    let mut writer = Writer::default();
    writer.value(kind, Some(value))?;
    Ok(writer.finish())
}

#[derive(Default)]
struct Writer {
    out: String,
    has_unknown: bool,
}

impl Writer {
    fn finish(self) -> Written {
        Written {
            text: self.out,
            is_whole: !self.has_unknown,
        }
    }

    /// Writes what a type makes of a value; to Go, `null` and an absent value are the same: the type's zero value.
    fn value(&mut self, kind: &Kind, value: Option<&Value>) -> Result<(), Misfit> {
        let value = value.filter(|value| !value.is_null());
        match (kind, value) {
            (Kind::Struct(declared), None) => return self.object(declared, None),
            (Kind::Struct(declared), Some(Value::Object(fields))) => {
                return self.object(declared, Some(fields));
            }
            (Kind::Bool, None) => self.out.push_str("false"),
            (Kind::Bool, Some(Value::Bool(is))) => self.out.push_str(&is.to_string()),
            (Kind::Int32 | Kind::Int64 | Kind::IntOrText, None) => self.out.push('0'),
            (Kind::Int32 | Kind::IntOrText, Some(Value::Number(number))) => {
                let whole = number
                    .as_i64()
                    .and_then(|number| i32::try_from(number).ok());
                let whole = whole.ok_or_else(|| misfit(kind, value))?;
                self.out.push_str(&whole.to_string());
            }
            (Kind::Int64, Some(Value::Number(number))) => {
                let whole = number.as_i64().ok_or_else(|| misfit(kind, value))?;
                self.out.push_str(&whole.to_string());
            }
            (Kind::Text, None) => self.out.push_str("\"\""),
            (Kind::Text | Kind::IntOrText, Some(Value::String(written))) => {
                text::write_text(&mut self.out, written);
            }
            (Kind::Quantity, None) => self.out.push_str("\"0\""),
            (Kind::Quantity, Some(written)) => {
                let canonical = match written {
                    Value::String(written) => amount::canonical(written),
                    Value::Number(number) => amount::canonical(&text::number(number)),
                    _ => None,
                };
                let canonical = canonical.ok_or_else(|| misfit(kind, value))?;
                text::write_text(&mut self.out, &canonical);
            }
            (Kind::Time, Some(Value::String(written))) => {
                let time = Time::parse(written).map_err(|_| misfit(kind, value))?;
                text::write_text(&mut self.out, &time.to_string());
            }
            (Kind::Raw, Some(raw)) => text::write_raw(&mut self.out, raw),
            (Kind::Pointer(kind), Some(value)) => return self.value(kind, Some(value)),
            (Kind::List(kind), Some(Value::Array(items))) => return self.list(kind, items),
            (Kind::Map(kind), Some(Value::Object(entries))) => return self.map(kind, entries),
            (Kind::Time | Kind::Raw | Kind::Pointer(_) | Kind::List(_) | Kind::Map(_), None) => {
                self.out.push_str("null");
            }
            _ => return Err(misfit(kind, value)),
        }
        Ok(())
    }

    fn object(
        &mut self,
        declared: &Struct,
        fields: Option<&Map<String, Value>>,
    ) -> Result<(), Misfit> {
        self.out.push('{');
        let mut is_first = true;
        let mut known = 0;
        for Field {
            name,
            kind,
            is_omitted,
        } in declared.0
        {
            let value = fields.and_then(|fields| fields.get(*name));
            known += usize::from(value.is_some());
            if *is_omitted && is_empty(kind, value) {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                self.out.push(',');
            }
            text::write_text(&mut self.out, name);
            self.out.push(':');
            self.value(kind, value)
                .map_err(|misfit| misfit.within(name, name))?;
        }
        self.out.push('}');
        let Some(fields) = fields.filter(|fields| fields.len() > known) else {
            return Ok(());
        };
        self.has_unknown |= fields.iter().any(|(name, value)| {
            !value.is_null() && declared.0.iter().all(|field| field.name != name)
        });
        Ok(())
    }

    fn list(&mut self, kind: &Kind, items: &[Value]) -> Result<(), Misfit> {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.value(kind, Some(item))
                .map_err(|misfit| misfit.within(&format!("[{at}]"), &at.to_string()))?;
        }
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, kind: &Kind, entries: &Map<String, Value>) -> Result<(), Misfit> {
        let mut entries: Vec<(&String, &Value)> = entries.iter().collect();
        entries.sort_by_key(|(key, _)| *key);
        self.out.push('{');
        for (at, (key, value)) in entries.into_iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            text::write_text(&mut self.out, key);
            self.out.push(':');
            self.value(kind, Some(value))
                .map_err(|misfit| misfit.within(key, key))?;
        }
        self.out.push('}');
        Ok(())
    }
}

/// Whether Go's `omitempty` leaves a value out. One of another type than the field's is not empty: it is an error.
fn is_empty(kind: &Kind, value: Option<&Value>) -> bool {
    match (kind, value) {
        (_, None | Some(Value::Null)) => true,
        (Kind::Bool, Some(Value::Bool(is))) => !is,
        (Kind::Int32 | Kind::Int64, Some(Value::Number(number))) => number.as_i64() == Some(0),
        (Kind::Text, Some(Value::String(text))) => text.is_empty(),
        (Kind::List(_), Some(Value::Array(items))) => items.is_empty(),
        (Kind::Map(_), Some(Value::Object(entries))) => entries.is_empty(),
        _ => false,
    }
}

/// What a value of [`Kind::Quantity`] should be.
const AMOUNT: &str = "an amount, as `500m` or `1Gi`";
/// Longest part of a value that is shown.
const SHOWN_MAX: usize = 60;

fn misfit(kind: &Kind, value: Option<&Value>) -> Misfit {
    let found = value.map_or_else(String::new, Value::to_string);
    Misfit {
        path: String::new(),
        pointer: String::new(),
        found: found.chars().take(SHOWN_MAX).collect(),
        wanted: match kind {
            Kind::Bool => "true or false",
            Kind::Int32 => "a whole number of 32 bits",
            Kind::Int64 => "a whole number of 64 bits",
            Kind::Text => "a text",
            Kind::Quantity => AMOUNT,
            Kind::IntOrText => "a whole number of 32 bits, or a text",
            Kind::Time => "a time, as `2026-11-21T08:30:00Z`",
            Kind::Struct(_) | Kind::Map(_) => "a mapping",
            Kind::List(_) => "a list",
            Kind::Raw | Kind::Pointer(_) => "what it should be",
        },
    }
}

impl Misfit {
    /// Whether an amount should be there, as of memory.
    pub(crate) fn is_amount(&self) -> bool {
        self.wanted == AMOUNT
    }

    fn within(mut self, outer: &str, token: &str) -> Misfit {
        let token = token.replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{token}{}", self.pointer);
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{outer}{dot}{}", self.path);
        self
    }
}
