//! Functions of templates beyond Go's own: those of sprig that texts of messages use, with its order of arguments (the
//! value comes last, so that it can be piped), and `call` for `.time.Now` and `.time.Parse`.

mod given;
mod texts;
mod time;

pub(super) use given::value_of;
pub(super) use time::time;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use given::{Given, array, at, entries, float, int, is_empty, json, kind, text, wrong};
use gtmpl_ng::{Func, Value};
use texts::{indented, quoted, repeat, substring, title, truncated};
use time::call;

/// All functions, by name.
pub(super) const ALL: [(&str, Func); 62] = [
    ("call", call),
    // Numbers.
    ("add", |given| fold(given, 0, i64::wrapping_add)),
    ("add1", |given| {
        Ok(int(at(given, 0)?).wrapping_add(1).into())
    }),
    ("sub", |given| {
        Ok(int(at(given, 0)?).wrapping_sub(int(at(given, 1)?)).into())
    }),
    ("mul", |given| fold(given, 1, i64::wrapping_mul)),
    ("div", |given| divide("div", given, i64::checked_div)),
    ("mod", |given| divide("mod", given, i64::checked_rem)),
    ("max", |given| extreme(given, std::cmp::Ordering::is_gt)),
    ("min", |given| extreme(given, std::cmp::Ordering::is_lt)),
    ("int", |given| Ok(int(at(given, 0)?).into())),
    ("int64", |given| Ok(int(at(given, 0)?).into())),
    ("float64", |given| Ok(float(at(given, 0)?).into())),
    ("ceil", |given| Ok(float(at(given, 0)?).ceil().into())),
    ("floor", |given| Ok(float(at(given, 0)?).floor().into())),
    ("round", round),
    // Texts.
    ("toString", |given| Ok(text(at(given, 0)?).into())),
    ("quote", |given| Ok(quoted(given, '"').into())),
    ("squote", |given| Ok(quoted(given, '\'').into())),
    ("upper", |given| {
        Ok(text(at(given, 0)?).to_uppercase().into())
    }),
    ("lower", |given| {
        Ok(text(at(given, 0)?).to_lowercase().into())
    }),
    ("title", |given| Ok(title(&text(at(given, 0)?)).into())),
    ("trim", |given| Ok(text(at(given, 0)?).trim().into())),
    ("trimAll", |given| {
        let set = text(at(given, 0)?);
        Ok(text(at(given, 1)?).trim_matches(|c| set.contains(c)).into())
    }),
    ("trimPrefix", |given| {
        let (prefix, from) = (text(at(given, 0)?), text(at(given, 1)?));
        Ok(from.strip_prefix(&prefix).unwrap_or(&from).into())
    }),
    ("trimSuffix", |given| {
        let (suffix, from) = (text(at(given, 0)?), text(at(given, 1)?));
        Ok(from.strip_suffix(&suffix).unwrap_or(&from).into())
    }),
    ("trunc", truncated),
    ("substr", substring),
    ("replace", |given| {
        let (old, new) = (text(at(given, 0)?), text(at(given, 1)?));
        Ok(text(at(given, 2)?).replace(&old, &new).into())
    }),
    ("contains", |given| {
        Ok(text(at(given, 1)?).contains(&text(at(given, 0)?)).into())
    }),
    ("hasPrefix", |given| {
        Ok(text(at(given, 1)?).starts_with(&text(at(given, 0)?)).into())
    }),
    ("hasSuffix", |given| {
        Ok(text(at(given, 1)?).ends_with(&text(at(given, 0)?)).into())
    }),
    ("repeat", repeat),
    ("cat", |given| {
        Ok(given.iter().map(text).collect::<Vec<_>>().join(" ").into())
    }),
    ("nospace", |given| {
        Ok(text(at(given, 0)?)
            .split_whitespace()
            .collect::<String>()
            .into())
    }),
    ("indent", |given| indented(given, "")),
    ("nindent", |given| indented(given, "\n")),
    ("b64enc", |given| {
        Ok(STANDARD.encode(text(at(given, 0)?)).into())
    }),
    ("b64dec", |given| {
        let bytes = STANDARD.decode(text(at(given, 0)?));
        let read = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        read.map(Value::from)
            .ok_or_else(|| wrong("b64dec: the value is no Base64 of a text"))
    }),
    ("toJson", |given| Ok(json(at(given, 0)?).to_string().into())),
    ("toPrettyJson", |given| {
        Ok(format!("{:#}", json(at(given, 0)?)).into())
    }),
    ("fromJson", |given| {
        match serde_json::from_str(&text(at(given, 0)?)) {
            Ok(value) => Ok(value_of(&value)),
            Err(cause) => Err(wrong(format!("fromJson: {cause}"))),
        }
    }),
    // Choices.
    ("default", |given| {
        let value = given.get(1).unwrap_or(&Value::Nil);
        Ok(if is_empty(value) {
            at(given, 0)?
        } else {
            value
        }
        .clone())
    }),
    ("empty", |given| Ok(is_empty(at(given, 0)?).into())),
    ("coalesce", |given| {
        let mut full = given.iter().filter(|value| !is_empty(value));
        Ok(full.next().cloned().unwrap_or(Value::Nil))
    }),
    ("ternary", |given| {
        let is_true = *at(given, 2)? == Value::Bool(true);
        Ok(at(given, usize::from(!is_true))?.clone())
    }),
    ("fail", |given| Err(wrong(text(at(given, 0)?)))),
    // Lists.
    ("list", |given| Ok(Value::Array(given.to_vec()))),
    ("join", |given| {
        let parts: Vec<String> = match at(given, 1)? {
            Value::Array(items) => items.iter().map(text).collect(),
            one => vec![text(one)],
        };
        Ok(parts.join(&text(at(given, 0)?)).into())
    }),
    ("splitList", |given| {
        let (separator, from) = (text(at(given, 0)?), text(at(given, 1)?));
        let parts = from.split(separator.as_str());
        Ok(Value::Array(parts.map(Value::from).collect()))
    }),
    ("first", |given| {
        Ok(array("first", given)?
            .first()
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    ("last", |given| {
        Ok(array("last", given)?.last().cloned().unwrap_or(Value::Nil))
    }),
    ("rest", |given| {
        Ok(Value::Array(
            array("rest", given)?.iter().skip(1).cloned().collect(),
        ))
    }),
    ("has", |given| match at(given, 1)? {
        Value::Array(items) => Ok(items.contains(at(given, 0)?).into()),
        _ => Ok(false.into()),
    }),
    ("uniq", |given| {
        let mut kept: Vec<Value> = Vec::new();
        for item in array("uniq", given)? {
            if !kept.contains(item) {
                kept.push(item.clone());
            }
        }
        Ok(Value::Array(kept))
    }),
    ("sortAlpha", |given| {
        let mut texts: Vec<String> = array("sortAlpha", given)?.iter().map(text).collect();
        texts.sort();
        Ok(Value::Array(texts.into_iter().map(Value::from).collect()))
    }),
    // Maps.
    ("dict", dict),
    ("get", |given| {
        let key = text(at(given, 1)?);
        Ok(entries("get", given)?
            .get(key.as_str())
            .map_or_else(|| "".into(), |value| (*value).clone()))
    }),
    ("hasKey", |given| {
        let key = text(at(given, 1)?);
        Ok(entries("hasKey", given)?.contains_key(key.as_str()).into())
    }),
    ("keys", |given| {
        let entries = entries("keys", given)?;
        Ok(Value::Array(entries.into_keys().map(Value::from).collect()))
    }),
    ("dig", dig),
    ("kindOf", |given| Ok(kind(at(given, 0)?).into())),
    ("kindIs", |given| {
        Ok((text(at(given, 0)?) == kind(at(given, 1)?)).into())
    }),
];

fn fold(given: &[Value], from: i64, with: fn(i64, i64) -> i64) -> Given {
    Ok(given.iter().map(int).fold(from, with).into())
}

fn divide(name: &str, given: &[Value], with: fn(i64, i64) -> Option<i64>) -> Given {
    let (left, right) = (int(at(given, 0)?), int(at(given, 1)?));
    with(left, right)
        .map(Value::from)
        .ok_or_else(|| wrong(format!("{name}: {left} cannot be divided by {right}")))
}

fn extreme(given: &[Value], is_better: fn(std::cmp::Ordering) -> bool) -> Given {
    let mut best = int(at(given, 0)?);
    for number in given.iter().map(int) {
        if is_better(number.cmp(&best)) {
            best = number;
        }
    }
    Ok(best.into())
}

fn round(given: &[Value]) -> Given {
    let places = int(at(given, 1)?).clamp(0, 15);
    let scale = 10_f64.powi(i32::try_from(places).unwrap_or(0));
    Ok(((float(at(given, 0)?) * scale).round() / scale).into())
}

fn dict(given: &[Value]) -> Given {
    let pairs = given.chunks(2).map(|pair| {
        let value = pair.get(1).cloned().unwrap_or_else(|| "".into());
        (text(&pair[0]), value)
    });
    Ok(Value::Map(pairs.collect()))
}

/// `dig KEY… DEFAULT MAP`.
fn dig(given: &[Value]) -> Given {
    let [keys @ .., default, map] = given else {
        return Err(wrong("dig takes keys, a default and a map"));
    };
    let mut found = map;
    for key in keys {
        let next = match found {
            Value::Map(entries) | Value::Object(entries) => entries.get(&text(key)),
            _ => None,
        };
        match next {
            Some(next) => found = next,
            None => return Ok(default.clone()),
        }
    }
    Ok(found.clone())
}
