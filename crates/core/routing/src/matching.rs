//! Conditions on a request, and the little that routing must know of one.

use sluice_model::routes::{Condition, RequestMatch, TextMatch};

/// What routing asks about a request. Values are bytes: header values need not be UTF-8.
pub trait RequestFacts {
    /// The first value of a header; `name` is lower-case.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// The value of a cookie.
    fn cookie(&self, name: &str) -> Option<&[u8]>;

    /// The path, without the query.
    fn path(&self) -> &[u8];

    /// Whether the method is one that does not write (RFC 9110 §9.2.1): GET, HEAD, OPTIONS, TRACE.
    fn is_safe(&self) -> bool;
}

/// The value of the cookie `name` in one `Cookie` header line (RFC 6265 §4.2.1); the first one wins.
#[must_use]
pub fn cookie_value<'line>(line: &'line [u8], name: &str) -> Option<&'line [u8]> {
    line.split(|byte| *byte == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(
            value
                .strip_prefix(b"\"")
                .and_then(|v| v.strip_suffix(b"\""))
                .unwrap_or(value),
        )
    })
}

/// Whether all conditions hold. `unit` is the unit of the assignment (the user), if there is one.
/// A match without conditions holds for nothing: it can only come from a bug or a damaged store, and
/// must not send all users to a canary.
pub(crate) fn holds(wanted: &RequestMatch, facts: &impl RequestFacts, unit: Option<&[u8]>) -> bool {
    !wanted.all.is_empty()
        && wanted.all.iter().all(|condition| match condition {
            Condition::Header { name, value } => text(value, facts.header(name)),
            Condition::Cookie { name, value } => text(value, facts.cookie(name)),
            Condition::Path { value } => text(value, Some(facts.path())),
            Condition::User { any_of } => {
                unit.is_some_and(|unit| any_of.iter().any(|user| user.as_bytes() == unit))
            }
        })
}

fn text(wanted: &TextMatch, found: Option<&[u8]>) -> bool {
    match (wanted, found) {
        (_, None) => false,
        (TextMatch::Exact(text), Some(found)) => found == text.as_bytes(),
        (TextMatch::Prefix(text), Some(found)) => found.starts_with(text.as_bytes()),
        (TextMatch::Present, Some(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        for (line, name, value) in [
            ("a=1; b=2", "b", Some("2")),
            ("ab=1;b=2", "b", Some("2")),
            ("b=\"q\"", "b", Some("q")),
            ("b=x=y", "b", Some("x=y")),
            ("b=", "b", Some("")),
            ("bb=1", "b", None),
            ("b", "b", None),
            ("", "b", None),
            ("b=1; b=2", "b", Some("1")),
        ] {
            assert_eq!(
                cookie_value(line.as_bytes(), name),
                value.map(str::as_bytes),
                "{line}"
            );
        }
    }
}
