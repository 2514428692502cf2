//! Secrets: handed in by the caller under a name, and shown nowhere.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Shortest value that is blotted out of messages: shorter ones occur in innocent words.
const BLOT_CHARS_MIN: usize = 4;

/// What stands in a message where a secret stood.
const BLOT: &str = "***";

/// A value that is never printed: its `Debug` form is blank, and it has no other.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret with this value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLOT)
    }
}

/// Secrets by the names under which queries and servers ask for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// No secrets.
    #[must_use]
    pub fn none() -> Secrets {
        Secrets::default()
    }

    /// The same with one more; an older one of that name is replaced.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Secrets {
        self.0.insert(name.into(), Secret::new(value));
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Secret> {
        self.0.values()
    }
}

/// Text that is written out, or the name of a secret: in JSON, `"text"` or `{"secret": "name"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "text, or an object with the name of a `secret`")]
pub enum Text {
    /// The text itself.
    Plain(String),
    /// The whole text is a secret of this name.
    Secret {
        /// Name of the secret.
        secret: String,
    },
}

impl Text {
    /// The name of a secret.
    #[must_use]
    pub fn secret(name: impl Into<String>) -> Text {
        Text::Secret {
            secret: name.into(),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::Plain(text.to_owned())
    }
}

/// Blots the secrets out of a message.
pub(crate) fn blot<'a>(message: &str, secrets: impl Iterator<Item = &'a Secret>) -> String {
    let mut values: Vec<&str> = secrets
        .map(Secret::expose)
        .filter(|value| value.chars().count() >= BLOT_CHARS_MIN)
        .collect();
    // A secret that contains another goes first, or its rest would show.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
        .into_iter()
        .fold(message.to_owned(), |text, value| text.replace(value, BLOT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_blank_however_deep_it_lies() {
        let secrets = Secrets::none().with("password", "hunter2");
        assert_eq!(format!("{secrets:?}"), r#"Secrets({"password": ***})"#);
        assert!(!format!("{secrets:#?}").contains("hunter2"));
    }

    #[test]
    fn secrets_are_blotted_out_longest_first_and_short_ones_left() {
        let secrets = Secrets::none()
            .with("a", "hunter2")
            .with("b", "hunter2-and-more")
            .with("c", "e");
        let blotted = blot("tried hunter2-and-more, then hunter2", secrets.values());
        assert_eq!(blotted, "tried ***, then ***");
    }

    #[test]
    fn text_is_stored_as_itself_or_as_the_name_of_a_secret() {
        for (text, json) in [
            (Text::from("plain"), r#""plain""#),
            (Text::secret("token"), r#"{"secret":"token"}"#),
        ] {
            assert_eq!(serde_json::to_string(&text).expect("json"), json);
            assert_eq!(serde_json::from_str::<Text>(json).expect("text"), text);
        }
        let error = serde_json::from_str::<Text>("[1]").expect_err("neither");
        assert!(error.to_string().contains("name of a `secret`"), "{error}");
    }
}
