//! Numbers, durations, times and raw values as Argo reads them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use sluice_model::time::Timestamp;
use std::borrow::Cow;
use std::fmt;

/// A number, or a text that stands for one: `5`, `"25%"`, `"{{args.count}}"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A text.
    String(String),
}

impl IntOrString {
    /// The number, read from the text if it is one; 0 when the text is none (Go's `IntValue`).
    #[must_use]
    pub fn int_value(&self) -> i32 {
        match self {
            IntOrString::Int(number) => *number,
            IntOrString::String(text) => text.parse().unwrap_or(0),
        }
    }

    /// The number before the `%`, when this is a percentage of Kubernetes' form (`^[0-9]+%$`).
    #[must_use]
    pub fn percent(&self) -> Option<i32> {
        let IntOrString::String(text) = self else {
            return None;
        };
        let digits = text.strip_suffix('%')?;
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| all_digits)
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntOrString::Int(number) => write!(f, "{number}"),
            IntOrString::String(text) => write!(f, "{text}"),
        }
    }
}

impl From<i32> for IntOrString {
    fn from(number: i32) -> Self {
        IntOrString::Int(number)
    }
}

impl From<&str> for IntOrString {
    fn from(text: &str) -> Self {
        IntOrString::String(text.to_owned())
    }
}

impl JsonSchema for IntOrString {
    fn schema_name() -> Cow<'static, str> {
        "IntOrString".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": true,
        })
    }
}

/// A duration in Go's form, as `30s`, `5m`, `1h30m`; empty when it is not given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DurationText(pub String);

impl DurationText {
    /// The duration in nanoseconds.
    ///
    /// # Errors
    /// A sentence when the text is no duration.
    pub fn nanoseconds(&self) -> Result<i64, String> {
        go_duration_ns(&self.0)
    }
}

impl From<&str> for DurationText {
    fn from(text: &str) -> Self {
        DurationText(text.to_owned())
    }
}

/// A duration in nanoseconds as Go's `time.ParseDuration` reads it: a sign, then numbers with a
/// fraction and one of the units ns, us, µs, ms, s, m, h; or a lone `0`.
///
/// # Errors
/// A sentence when the text is no duration, or one of more than 292 years.
pub fn go_duration_ns(text: &str) -> Result<i64, String> {
    let bad = |why: &str| {
        format!(
            "`{text}` is not a duration{why}; write numbers with units, as in `30s`, `5m`, `1h30m`"
        )
    };
    let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(bad(""));
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| bad(": a unit is missing"))?;
        let (number, after) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(bad(""));
        }
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit_ns: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            _ => return Err(bad(&format!(": `{unit}` is no unit"))),
        };
        let long = |_| bad(": it is longer than can be counted");
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(long)?
        };
        // Beyond 18 digits a fraction says nothing in nanoseconds.
        let fraction = fraction.get(..18).unwrap_or(fraction);
        let scale = 10_i128.pow(fraction.len() as u32);
        let part: i128 = if fraction.is_empty() {
            0
        } else {
            fraction.parse().map_err(long)?
        };
        total = whole
            .checked_mul(unit_ns)
            .and_then(|ns| ns.checked_add(part * unit_ns / scale))
            .and_then(|ns| ns.checked_add(total))
            .filter(|ns| *ns <= i128::from(i64::MAX))
            .ok_or_else(|| bad(": it is longer than can be counted"))?;
        rest = after;
    }
    let total = total as i64;
    Ok(if negative { -total } else { total })
}

/// A moment in RFC 3339, written as Kubernetes does: UTC, whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl Time {
    /// Reads RFC 3339 with any offset; a fraction is kept to the millisecond.
    ///
    /// # Errors
    /// A sentence when the text is no such time.
    pub fn parse(text: &str) -> Result<Time, String> {
        parse_rfc3339(text)
            .map(|millis| Time(Timestamp(millis)))
            .ok_or_else(|| {
                format!("`{text}` is not a time; write RFC 3339, as in `2026-11-21T08:30:00Z`")
            })
    }
}

fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| digits)
    };
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if bytes.len() < 20
        || separators.iter().any(|&(at, byte)| bytes[at] != byte)
        || !matches!(bytes[10], b'T' | b't')
    {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut zone_at = 19;
    let mut millis = 0;
    if bytes[19] == b'.' {
        let digits = bytes[20..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let fraction = text.get(20..20 + digits).filter(|part| !part.is_empty())?;
        let padded: String = fraction.chars().chain("00".chars()).take(3).collect();
        millis = padded.parse::<i64>().ok()?;
        zone_at = 20 + digits;
    }
    let offset_minutes = match text.get(zone_at..)? {
        "Z" | "z" => 0,
        zone if zone.len() == 6 && zone.as_bytes()[3] == b':' => {
            let (hours, minutes) = (
                number(zone_at + 1..zone_at + 3)?,
                number(zone_at + 4..zone_at + 6)?,
            );
            let span = hours * 60 + minutes;
            match zone.as_bytes()[0] {
                _ if hours > 23 || minutes > 59 => return None,
                b'+' => span,
                b'-' => -span,
                _ => return None,
            }
        }
        _ => return None,
    };
    // Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (`days_from_civil`).
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(((days * 24 + hour) * 60 + minute - offset_minutes) * 60_000 + second * 1_000 + millis)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second, _) = self.0.civil();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    /// `null` is the zero time, as in Go.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(text) => Time::parse(&text).map_err(D::Error::custom),
            None => Ok(Time::default()),
        }
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// An object whose content is somebody else's: a plugin's configuration, a JSON body. Kept as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawObject(pub Map<String, Value>);

impl JsonSchema for RawObject {
    fn schema_name() -> Cow<'static, str> {
        "RawObject".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}
