//! Numbers as servers write them in JSON: a number, a text (`"NaN"`, `"Infinity"`, `"1.5"`), or
//! `null` for none.
//!
//! A number beyond all bounds is infinite: Graphite writes `1e9999`, which serde_json refuses. That
//! is why the text is read here; it works in what is read directly, not in tagged or untagged enums.

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

/// A number, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Number(pub(crate) Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Number, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        let raw = raw.get();
        if raw == "null" {
            return Ok(Number(None));
        }
        let bad = || {
            de::Error::invalid_value(
                de::Unexpected::Other("something else"),
                &"a number, a text of one, or null",
            )
        };
        let number = if raw.starts_with('"') {
            let text: String = serde_json::from_str(raw).map_err(|_| bad())?;
            text.trim().parse()
        } else {
            raw.parse()
        };
        number.map(|number| Number(Some(number))).map_err(|_| bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_form_and_nothing_else_is() {
        for (json, expected) in [
            ("1.5", Some(1.5)),
            ("7", Some(7.0)),
            (r#""1e3""#, Some(1000.0)),
            (r#""Infinity""#, Some(f64::INFINITY)),
            (r#""-Infinity""#, Some(f64::NEG_INFINITY)),
            ("1e9999", Some(f64::INFINITY)),
            ("-1e9999", Some(f64::NEG_INFINITY)),
            ("null", None),
        ] {
            let number: Number = serde_json::from_str(json).expect(json);
            assert_eq!(number.0, expected, "{json}");
        }
        let nan: Number = serde_json::from_str(r#""NaN""#).expect("NaN");
        assert!(nan.0.is_some_and(f64::is_nan));
        for json in [r#""x""#, "true", "[1]"] {
            assert!(serde_json::from_str::<Number>(json).is_err(), "{json}");
        }
    }
}
