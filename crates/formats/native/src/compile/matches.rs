//! Requests that go to the new revision whatever the weight.

use super::hooks::header_name;
use super::steps::{StepContext, refuse_on_tcp};
use super::words::present;
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{Field, Many, MatchFields, Text, TextMatchFields};
use sluice_model::routes::{Assignment, Condition, RequestMatch, TextMatch};

/// The `match` field of a step.
pub(crate) fn matches(
    context: &StepContext<'_>,
    field: &Field<Many<MatchFields>>,
) -> Vec<RequestMatch> {
    let Some((node, Many(list))) = present(field) else {
        return Vec::new();
    };
    refuse_on_tcp(context, node, "matching requests");
    if list.is_empty() {
        context.notes.error(
            node,
            "empty-match",
            "the list of matches is empty",
            "add conditions, or remove `match`",
        );
    }
    list.iter()
        .filter_map(|item| one(context, item.node, item.value.as_ref()?))
        .collect()
}

fn one(context: &StepContext<'_>, node: NodeId, fields: &MatchFields) -> Option<RequestMatch> {
    let notes = context.notes;
    let mut all = of_request(notes, fields);
    if let Some((at, Many(users))) = present(&fields.user) {
        all.extend(user(context, at, users));
    }
    let asked = fields.header.is_some()
        || fields.cookie.is_some()
        || fields.path.is_some()
        || fields.user.is_some();
    if !asked {
        notes.error(
            node,
            "empty-match",
            "the match has no condition",
            "add one of `header`, `cookie`, `path` and `user`",
        );
    }
    (!all.is_empty()).then_some(RequestMatch { all })
}

/// The conditions that a request meets by itself, whoever sends it.
pub(super) fn of_request(notes: &Notes, fields: &MatchFields) -> Vec<Condition> {
    let mut all = Vec::new();
    for item in listed(&fields.header) {
        if let Some((name, value)) = named(notes, item, "header") {
            let name = header_name(notes, item.node, name);
            all.extend(name.map(|name| Condition::Header { name, value }));
        }
    }
    for item in listed(&fields.cookie) {
        if let Some((name, value)) = named(notes, item, "cookie") {
            let name = cookie_name(notes, item.node, name);
            all.extend(name.map(|name| Condition::Cookie { name, value }));
        }
    }
    if let Some((at, path)) = present(&fields.path) {
        if let Some(name) = &path.name {
            notes.error(
                name.node,
                "not-applicable",
                "a path has no name",
                "remove `name`",
            );
        }
        let value = text_match(notes, at, path);
        if let Some(TextMatch::Exact(text) | TextMatch::Prefix(text)) = &value
            && !text.starts_with('/')
        {
            notes.error(
                at,
                "bad-path",
                format!("the path `{}` can never match", clip(text)),
                "begin it with `/`",
            );
        }
        all.extend(value.map(|value| Condition::Path { value }));
    }
    all
}

fn user(context: &StepContext<'_>, at: NodeId, users: &[Located<Text>]) -> Option<Condition> {
    if context.facts.assignment == Assignment::PerRequest {
        context.notes.error(
            at,
            "user-without-sticky",
            "users cannot be told apart: the service has no `sticky`",
            "add `sticky: {header: x-user}` (or a cookie) to the service",
        );
        return None;
    }
    let any_of: Vec<String> = users
        .iter()
        .filter_map(|user| user.value.as_ref().map(|Text(name)| name.clone()))
        .collect();
    if any_of.is_empty() || any_of.iter().any(String::is_empty) {
        context.notes.error(
            at,
            "empty-match",
            "a user is missing",
            "list the users, as in `user: [ada, grace]`",
        );
        return None;
    }
    Some(Condition::User { any_of })
}

fn listed(field: &Field<Many<TextMatchFields>>) -> &[Located<TextMatchFields>] {
    present(field).map_or(&[], |(_, Many(list))| list.as_slice())
}

fn named<'a>(
    notes: &Notes,
    item: &'a Located<TextMatchFields>,
    what: &str,
) -> Option<(&'a str, TextMatch)> {
    let fields = item.value.as_ref()?;
    let value = text_match(notes, item.node, fields);
    let Some(name) = &fields.name else {
        notes.error(
            item.node,
            "missing-field",
            format!("the {what} has no name"),
            format!("write `{what}: {{name: …, exact: …}}`"),
        );
        return None;
    };
    let Text(name) = name.value.as_ref()?;
    Some((name, value?))
}

fn text_match(notes: &Notes, node: NodeId, fields: &TextMatchFields) -> Option<TextMatch> {
    if let Some((at, false)) = present(&fields.present).map(|(at, present)| (at, *present)) {
        notes.error(
            at,
            "bad-value",
            "Sluice cannot match what is absent",
            "remove `present: false`",
        );
        return None;
    }
    let given = [
        &fields.exact.as_ref().map(|f| f.node),
        &fields.prefix.as_ref().map(|f| f.node),
        &fields.present.as_ref().map(|f| f.node),
    ];
    if given.iter().filter(|node| node.is_some()).count() > 1 {
        notes.error(
            node,
            "conflict",
            "only one of `exact`, `prefix` and `present` can be given",
            "keep one of them",
        );
        return None;
    }
    if let Some(exact) = &fields.exact {
        return exact
            .value
            .as_ref()
            .map(|Text(text)| TextMatch::Exact(text.clone()));
    }
    if let Some(prefix) = &fields.prefix {
        return prefix
            .value
            .as_ref()
            .map(|Text(text)| TextMatch::Prefix(text.clone()));
    }
    Some(TextMatch::Present)
}

/// A cookie's name: a token, as RFC 6265 has it.
pub(crate) fn cookie_name(notes: &Notes, node: NodeId, text: &str) -> Option<String> {
    // The characters of a token are those of a header's name; case matters in a cookie.
    if header_like(text) {
        return Some(text.to_owned());
    }
    notes.error(
        node,
        "bad-name",
        format!("`{}` is not the name of a cookie", clip(text)),
        "use letters, digits, `-` and `_`, as in `user-id`",
    );
    None
}

fn header_like(text: &str) -> bool {
    http::HeaderName::from_bytes(text.as_bytes()).is_ok()
}
