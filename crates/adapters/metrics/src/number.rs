//! Numbers as servers write them in JSON: a number, a text (`"NaN"`, `"Infinity"`, `"1.5"`), or
//! `null` for none.

use serde::{Deserialize, Deserializer, de};

/// A number, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Number(pub(crate) Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Number, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number, a text of one, or null")]
        enum Written {
            Number(f64),
            Text(String),
            None(()),
        }
        match Written::deserialize(from)? {
            Written::Number(value) => Ok(Number(Some(value))),
            Written::None(()) => Ok(Number(None)),
            Written::Text(text) => match text.trim().parse() {
                Ok(value) => Ok(Number(Some(value))),
                Err(_) => Err(de::Error::invalid_value(
                    de::Unexpected::Str(&text),
                    &"a number",
                )),
            },
        }
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
