//! Values of secrets: given by whoever can read them, and never written down.

use crate::api::{Argument, SecretKeyRef};
use std::collections::BTreeMap;
use std::fmt;

/// What stands for a secret's value in a text that is kept.
const REDACTED: &str = "*****";

/// The secrets that arguments refer to, as far as they could be read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    values: BTreeMap<(String, String), Result<String, String>>,
}

impl Secrets {
    /// No secrets.
    #[must_use]
    pub fn none() -> Self {
        Secrets::default()
    }

    /// Adds the value of a key.
    pub fn insert(&mut self, reference: &SecretKeyRef, value: String) {
        self.values.insert(place(reference), Ok(value));
    }

    /// Adds why a key has no value: the Secret or the key is not there. A read that may succeed later is to
    /// be repeated instead; until then nothing is decided.
    pub fn insert_missing(&mut self, reference: &SecretKeyRef, cause: String) {
        self.values.insert(place(reference), Err(cause));
    }

    /// The value of a key.
    pub(super) fn value(&self, reference: &SecretKeyRef) -> Result<&str, String> {
        match self.values.get(&place(reference)) {
            Some(Ok(value)) => Ok(value),
            Some(Err(cause)) => Err(cause.clone()),
            None => Err(format!(
                "key '{}' does not exist in secret '{}'",
                reference.key, reference.name
            )),
        }
    }

    /// The text without the secrets that are in it. An empty secret hides nothing.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut values: Vec<&str> = self
            .values
            .values()
            .filter_map(|value| value.as_deref().ok())
            .filter(|value| !value.is_empty())
            .collect();
        // The longest first: one may be part of another.
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        values
            .into_iter()
            .fold(text.to_owned(), |text, value| text.replace(value, REDACTED))
    }
}

impl fmt::Debug for Secrets {
    /// The references alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

fn place(reference: &SecretKeyRef) -> (String, String) {
    (reference.name.clone(), reference.key.clone())
}

/// The secrets that must be read before a run can measure, in the order of its arguments.
#[must_use]
pub fn secret_references(arguments: &[Argument]) -> Vec<&SecretKeyRef> {
    arguments
        .iter()
        .filter_map(|argument| argument.value_from.as_ref()?.secret_key_ref.as_ref())
        .collect()
}
