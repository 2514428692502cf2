//! Hooks and gates.

use super::places::{command, environment, split};
use super::words::{check_label, count, label, positive_span, present};
use crate::notes::{NodeId, Notes, clip};
use crate::shape::{
    Brief, Entries, FailWord, FailureWord, Field, GateFields, Hook as HookShape, HookFields,
    HookText, Hooks, Many, Text,
};
use http::{HeaderName, HeaderValue, Uri};
use sluice_model::plan::{Gate, Hook, HookAction, OnTrouble};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest time of one attempt, when the document does not say.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most attempts after the first.
const RETRIES_MAX: u32 = 20;

/// A list of hooks. `on_failure` is what a failure does unless the hook says otherwise.
pub(crate) fn hooks(
    notes: &Notes,
    base_dir: &str,
    field: &Field<Hooks>,
    on_failure: OnTrouble,
) -> Vec<Hook> {
    let Some((_, Many(list))) = present(field) else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|item| hook(notes, base_dir, item.node, item.value.as_ref()?, on_failure))
        .collect()
}

fn hook(
    notes: &Notes,
    base_dir: &str,
    node: NodeId,
    shape: &HookShape,
    on_failure: OnTrouble,
) -> Option<Hook> {
    match shape {
        Brief::Word(HookText(text)) => {
            let action = if text.contains("://") && !text.contains(char::is_whitespace) {
                HookAction::Webhook {
                    url: url(notes, node, text)?,
                    headers: BTreeMap::new(),
                }
            } else {
                let words = split(notes, node, text)?;
                let words = words.into_iter().map(|word| crate::reading::Located {
                    node,
                    value: Some(Text(word)),
                });
                let command = command(notes, base_dir, node, &Brief::Full(words.collect()))?;
                HookAction::Command {
                    command,
                    env: BTreeMap::new(),
                }
            };
            Some(Hook {
                name: default_name(&action),
                action,
                timeout: TIMEOUT,
                retries: 0,
                on_failure,
            })
        }
        Brief::Full(fields) => full(notes, base_dir, node, fields, on_failure),
    }
}

fn full(
    notes: &Notes,
    base_dir: &str,
    node: NodeId,
    fields: &HookFields,
    on_failure: OnTrouble,
) -> Option<Hook> {
    let action = match (&fields.run, &fields.webhook) {
        (Some(run), None) => {
            if let Some(headers) = &fields.headers {
                notes.error(
                    headers.node,
                    "not-applicable",
                    "a command has no headers",
                    "remove `headers`, or use `env`",
                );
            }
            let env = environment(notes, &fields.env);
            let command = command(notes, base_dir, run.node, run.value.as_ref()?)?;
            HookAction::Command { command, env }
        }
        (None, Some(webhook)) => {
            if let Some(env) = &fields.env {
                notes.error(
                    env.node,
                    "not-applicable",
                    "a webhook has no environment",
                    "remove `env`, or use `headers`",
                );
            }
            let headers = headers(notes, &fields.headers);
            let Text(text) = webhook.value.as_ref()?;
            HookAction::Webhook {
                url: url(notes, webhook.node, text)?,
                headers,
            }
        }
        (Some(_), Some(webhook)) => {
            notes.error(
                webhook.node,
                "conflict",
                "the hook has both `run` and `webhook`",
                "make it two hooks",
            );
            return None;
        }
        (None, None) => {
            notes.error(
                node,
                "missing-field",
                "the hook does nothing",
                "add `run` (a command) or `webhook` (an address)",
            );
            return None;
        }
    };
    let on_failure = match present(&fields.on_failure) {
        Some((_, FailureWord::Abort)) => OnTrouble::Abort,
        Some((_, FailureWord::Pause)) => OnTrouble::Pause,
        Some((_, FailureWord::Continue)) => OnTrouble::Continue,
        None => on_failure,
    };
    Some(Hook {
        name: label(notes, &fields.name).unwrap_or_else(|| default_name(&action)),
        action,
        timeout: positive_span(notes, &fields.timeout).unwrap_or(TIMEOUT),
        retries: count(notes, &fields.retries, 0..=RETRIES_MAX).unwrap_or(0),
        on_failure,
    })
}

/// The program's file name, or the webhook's host.
fn default_name(action: &HookAction) -> String {
    let name = match action {
        HookAction::Command { command, .. } => command
            .first()
            .and_then(|program| program.rsplit('/').next())
            .map(str::to_owned),
        HookAction::Webhook { url, .. } => url
            .parse::<Uri>()
            .ok()
            .and_then(|uri| uri.host().map(str::to_owned)),
    };
    name.filter(|name| !name.is_empty())
        .map_or_else(|| "hook".to_owned(), |name| clip(&name))
}

fn url(notes: &Notes, node: NodeId, text: &str) -> Option<String> {
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    });
    if uri.is_none() {
        notes.error(
            node,
            "bad-url",
            format!("`{}` is not the address of a webhook", clip(text)),
            "write an `http://` or `https://` address",
        );
        return None;
    }
    Some(text.to_owned())
}

fn headers(notes: &Notes, field: &Field<Entries<Text>>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let Some((_, Entries(entries))) = present(field) else {
        return headers;
    };
    for (name, value) in entries {
        let (Some(Text(name_text)), Some(Text(value_text))) = (&name.value, &value.value) else {
            continue;
        };
        let Some(name_text) = header_name(notes, name.node, name_text) else {
            continue;
        };
        if HeaderValue::from_str(value_text).is_err() {
            notes.error(
                value.node,
                "bad-header",
                "the value has characters that a header cannot carry",
                "write it on one line, without control characters",
            );
            continue;
        }
        headers.insert(name_text, value_text.clone());
    }
    headers
}

/// A header's name in lower case.
pub(crate) fn header_name(notes: &Notes, node: NodeId, text: &str) -> Option<String> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) => Some(name.as_str().to_owned()),
        Err(_) => {
            notes.error(
                node,
                "bad-header",
                format!("`{}` is not the name of a header", clip(text)),
                "use letters, digits and `-`, as in `x-user`",
            );
            None
        }
    }
}

/// A gate: its name, or the full form.
pub(crate) fn gate(notes: &Notes, field: &Field<Brief<Text, GateFields>>) -> Option<Gate> {
    let (node, shape) = present(field)?;
    let fields = match shape {
        Brief::Word(Text(name)) => {
            return check_label(notes, node, name).then(|| Gate {
                name: name.clone(),
                timeout: None,
                on_timeout: OnTrouble::Abort,
            });
        }
        Brief::Full(fields) => fields,
    };
    if fields.name.is_none() {
        notes.error(
            node,
            "missing-field",
            "the gate does not say what is asked",
            "add `name`, as in `name: looks good?`",
        );
    }
    if let (Some(on_timeout), None) = (&fields.on_timeout, &fields.timeout) {
        notes.error(
            on_timeout.node,
            "gate-timeout",
            "the gate waits for ever, so `onTimeout` has no effect",
            "add `timeout`, as in `timeout: 1h`, or remove `onTimeout`",
        );
    }
    let on_timeout = match present(&fields.on_timeout) {
        Some((_, FailWord::Pause)) => OnTrouble::Pause,
        Some((_, FailWord::Abort)) | None => OnTrouble::Abort,
    };
    Some(Gate {
        name: label(notes, &fields.name)?,
        timeout: positive_span(notes, &fields.timeout),
        on_timeout,
    })
}
