//! `{{name}}` in texts.

use super::ArgumentError;
use std::collections::BTreeMap;

/// Puts values in place of `{{name}}`; blanks around the name make no difference. Values are not looked
/// into again.
///
/// # Errors
/// When a name has no value, or a `{{` has no `}}`.
pub fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, ArgumentError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            return Err(ArgumentError(format!("`{{{{` has no `}}}}` in `{text}`")));
        };
        let value = values
            .get(name.trim())
            .ok_or_else(|| ArgumentError(format!("failed to resolve {{{{{name}}}}}")))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}
