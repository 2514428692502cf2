//! Probes: what they ask, and their patience.

use super::places::command;
use super::words::{count, positive_span, present, span};
use crate::notes::{NodeId, Notes, clip};
use crate::shape::{Brief, Field, PathText, Probe as ProbeShape, ProbeFields};
use sluice_model::workload::{Probe, ProbeAction};
use std::time::Duration;

/// Most failures or successes in a row that a probe may ask for.
const PROBE_COUNT_MAX: u32 = 100_000;

/// Longest time that a startup probe allows.
pub(crate) fn startup_time(probe: &Probe) -> Duration {
    probe.initial_delay
        + probe
            .period
            .saturating_mul(probe.failures.min(PROBE_COUNT_MAX))
}

/// A probe: its path, or the full form. The defaults are those of its kind.
pub(crate) fn probe(
    notes: &Notes,
    base_dir: &str,
    field: &Field<ProbeShape>,
    period: Duration,
    failures: u32,
) -> Option<Probe> {
    let (node, shape) = present(field)?;
    match shape {
        Brief::Word(PathText(path)) => Some(Probe {
            action: ProbeAction::Http {
                path: probe_path(notes, node, path)?,
            },
            period,
            timeout: Duration::from_secs(1),
            initial_delay: Duration::ZERO,
            failures,
            successes: 1,
        }),
        Brief::Full(fields) => {
            let action = probe_action(notes, base_dir, node, fields);
            let probe = Probe {
                period: positive_span(notes, &fields.period).unwrap_or(period),
                timeout: positive_span(notes, &fields.timeout).unwrap_or(Duration::from_secs(1)),
                initial_delay: span(notes, &fields.initial_delay).unwrap_or_default(),
                failures: count(notes, &fields.failures, 1..=PROBE_COUNT_MAX).unwrap_or(failures),
                successes: count(notes, &fields.successes, 1..=PROBE_COUNT_MAX).unwrap_or(1),
                action: action?,
            };
            Some(probe)
        }
    }
}

fn probe_action(
    notes: &Notes,
    base_dir: &str,
    node: NodeId,
    fields: &ProbeFields,
) -> Option<ProbeAction> {
    let given = [
        fields.http.as_ref().map(|field| field.node),
        fields.tcp.as_ref().map(|field| field.node),
        fields.command.as_ref().map(|field| field.node),
    ];
    let mut given = given.into_iter().flatten();
    if given.next().is_none() {
        notes.error(
            node,
            "missing-field",
            "the probe asks nothing",
            "add one of `http: /path`, `tcp: true` and `command`",
        );
        return None;
    }
    if let Some(second) = given.next() {
        notes.error(
            second,
            "conflict",
            "a probe asks one thing only",
            "keep one of `http`, `tcp` and `command`",
        );
        return None;
    }
    if let Some((at, PathText(path))) = present(&fields.http) {
        return Some(ProbeAction::Http {
            path: probe_path(notes, at, path)?,
        });
    }
    if let Some((at, words)) = present(&fields.command) {
        return Some(ProbeAction::Command {
            command: command(notes, base_dir, at, words)?,
        });
    }
    match present(&fields.tcp)? {
        (_, true) => Some(ProbeAction::Tcp),
        (at, false) => {
            notes.error(
                at,
                "bad-value",
                "`tcp: false` asks nothing",
                "write `tcp: true`, or remove the probe",
            );
            None
        }
    }
}

fn probe_path(notes: &Notes, node: NodeId, path: &str) -> Option<String> {
    let valid = path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok();
    if !valid {
        notes.error(
            node,
            "bad-path",
            format!("`{}` is not a path to ask for", clip(path)),
            "write a path that begins with `/`, as in `/healthz`, or a full probe, as in `{tcp: true}`",
        );
        return None;
    }
    Some(path.to_owned())
}
