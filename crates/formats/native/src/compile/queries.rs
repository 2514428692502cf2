//! Checks that ask an outside server. What the servers are is in `sources`.

use super::checks::{self, Draft};
use super::limits::{is_relative, limit};
use super::promql::longest_range;
use super::remembering;
use super::sources::{Sources, refuse_unknown_placeholders};
use super::words::{plain_text, positive_span, present};
use crate::nearest::did_you_mean;
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{CheckFields, Text};
use sluice_model::analysis::AlarmSettings;
use sluice_model::outside::{OutsideQuery, Provider, SIDE_PLACEHOLDERS, placeholders};
use sluice_model::plan::{Check, Limit, Metric, Step};
use sluice_model::time::format_span;
use sluice_model::{CheckName, SourceName};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time between two questions when nothing is said.
const INTERVAL: Duration = Duration::from_secs(15);
/// Shortest and longest time between two questions.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3_600);
/// How far a query looks back when neither it nor the check says so.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest query, in bytes: what the answer's evidence keeps with each decision.
const QUERY_BYTES_MAX: usize = 4_096;

/// Reads `query`.
pub(super) fn read(
    notes: &Notes,
    sources: &Sources,
    node: NodeId,
    query: &Located<Text>,
    fields: &CheckFields,
) -> Option<Draft> {
    refuse_others(notes, fields)?;
    let text = text(notes, query);
    let source = source(notes, sources, node, fields);
    let interval = interval(notes, fields);
    let limit = threshold(notes, node, fields);
    let (text, source, interval, limit) = (text?, source?, interval?, limit?);
    let address = sources.get(&source).map(|server| server.address.as_str());
    let tells_sides = |text| {
        let mut names = placeholders(text).into_iter();
        names.any(|name| SIDE_PLACEHOLDERS.contains(&name))
    };
    let per_side = tells_sides(&text) || address.is_some_and(tells_sides);
    if is_relative(&limit) && !per_side {
        notes.error(
            query.node,
            "same-query",
            "the query is the same for both revisions, so that there is nothing to compare",
            "tell them apart by `{{revision}}` or `{{side}}`, as in `{revision=\"{{revision}}\"}`, or use `max` or `min`",
        );
        return None;
    }
    let window = window(notes, sources, query.node, (&text, &source), fields)?;
    let limit = match limit {
        // Each answer is a datapoint.
        Limit::Alarm(settings) => Limit::Alarm(AlarmSettings {
            period: interval,
            ..settings
        }),
        limit => limit,
    };
    Some(Draft {
        check: Check {
            name: checks::name(notes, fields, source.as_str())?,
            metric: Metric::Outside,
            window: remembering::window(&limit).unwrap_or(window),
            limit,
            samples_min: 1,
            on_fail: checks::on_fail(fields),
        },
        query: Some(OutsideQuery {
            source,
            text,
            per_side,
            window,
            interval,
        }),
        node: Some(node),
        window_given: true,
        for_copies: false,
    })
}

/// How far the query looks back: the check's word, or the query's own ranges.
fn window(
    notes: &Notes,
    sources: &Sources,
    node: NodeId,
    (text, source): (&str, &SourceName),
    fields: &CheckFields,
) -> Option<Duration> {
    let given = match &fields.window {
        Some(_) => Some(positive_span(notes, &fields.window)?),
        None => None,
    };
    let is_promql = sources
        .get(source)
        .is_some_and(|server| server.provider == Provider::Prometheus);
    if !is_promql {
        return Some(given.unwrap_or(WINDOW));
    }
    let range = match longest_range(text) {
        Ok(range) => range,
        Err(problem) => {
            notes.error(
                node,
                "bad-query",
                format!("the query is not whole: {problem}"),
                "close what is open; the server's own page shows best whether it is right",
            );
            return None;
        }
    };
    if let (Some(given), Some(range)) = (given, range)
        && given < range
    {
        notes.warning(
            node,
            "window-shorter-than-range",
            format!(
                "the query looks back {}, and the check takes what it answers as of {}",
                format_span(range),
                format_span(given)
            ),
            "leave `window` out, or a step is judged by what was before it",
        );
    }
    Some(given.or(range).unwrap_or(WINDOW))
}

/// What asks nobody needs no source.
pub(super) fn refuse_without_query(notes: &Notes, fields: &CheckFields) {
    let given = [
        ("source", fields.source.as_ref().map(|field| field.node)),
        ("interval", fields.interval.as_ref().map(|field| field.node)),
    ];
    for (name, node) in given {
        if let Some(node) = node {
            notes.error(
                node,
                "not-applicable",
                format!("`{name}` has no meaning without `query`"),
                "add `query`, or leave it out",
            );
        }
    }
}

fn refuse_others(notes: &Notes, fields: &CheckFields) -> Option<()> {
    fn node<T>(field: &Option<Located<T>>) -> Option<NodeId> {
        field.as_ref().map(|field| field.node)
    }
    let given = [
        ("metric", node(&fields.metric)),
        ("condition", node(&fields.condition)),
        ("kayenta", node(&fields.kayenta)),
        ("goal", node(&fields.goal)),
        ("notWorse", node(&fields.not_worse)),
        ("trend", node(&fields.trend)),
        ("samplesMin", node(&fields.samples_min)),
    ];
    let mut given = given
        .iter()
        .filter_map(|(name, at)| at.map(|at| (*name, at)));
    let Some((name, at)) = given.next() else {
        return Some(());
    };
    notes.error(
        at,
        "conflict",
        format!("`{name}` has no meaning beside `query`"),
        "a query has one of `max`, `min`, `maxRelative` and `minRelative`, and maybe `alarm`: leave the other out, or make it two checks",
    );
    None
}

fn threshold(notes: &Notes, node: NodeId, fields: &CheckFields) -> Option<Limit> {
    let is_bare = fields.max.is_none()
        && fields.min.is_none()
        && fields.max_relative.is_none()
        && fields.min_relative.is_none();
    if is_bare {
        notes.error(
            node,
            "missing-limit",
            "the check does not say what the answer must keep",
            "add one of `max`, `min`, `maxRelative` and `minRelative`, as in `min: 5`",
        );
        return None;
    }
    if let Some((_, alarm)) = present(&fields.alarm)
        && let Some(period) = &alarm.period
    {
        notes.error(
            period.node,
            "conflict",
            "`period` has no meaning beside `query`: each answer is a datapoint",
            "leave it out, and set the check's `interval`",
        );
        return None;
    }
    limit(notes, node, Metric::Outside, fields)
}

fn text(notes: &Notes, query: &Located<Text>) -> Option<String> {
    let text = plain_text(notes, query)?.trim();
    if text.is_empty() {
        notes.error(
            query.node,
            "bad-query",
            "the query is empty",
            "write what the source is asked, as in `sum(rate(orders_total[1m]))`",
        );
        return None;
    }
    if text.len() > QUERY_BYTES_MAX {
        notes.error(
            query.node,
            "bad-query",
            format!("the query has {} bytes", text.len()),
            format!("write one of at most {QUERY_BYTES_MAX}, or record it as a rule in the server"),
        );
        return None;
    }
    refuse_unknown_placeholders(notes, query.node, text)?;
    Some(text.to_owned())
}

fn source(
    notes: &Notes,
    sources: &Sources,
    node: NodeId,
    fields: &CheckFields,
) -> Option<SourceName> {
    let Some(field) = &fields.source else {
        notes.error(
            node,
            "missing-field",
            "the check does not say who is asked",
            "add `source: NAME`, and `sources: {NAME: {prometheus: http://127.0.0.1:9090}}` to the document",
        );
        return None;
    };
    let Text(text) = field.value.as_ref()?;
    let name = SourceName(text.clone());
    if sources.has(&name) {
        return Some(name);
    }
    let names = sources.names();
    let help = match names.is_empty() {
        true => "add `sources: {NAME: {prometheus: http://127.0.0.1:9090}}` to the document".into(),
        false => did_you_mean(text, &names),
    };
    notes.error(
        field.node,
        "unknown-source",
        format!("the document has no source `{}`", clip(text)),
        help,
    );
    None
}

fn interval(notes: &Notes, fields: &CheckFields) -> Option<Duration> {
    let Some(field) = &fields.interval else {
        return Some(INTERVAL);
    };
    let interval = positive_span(notes, &fields.interval)?;
    if !INTERVALS.contains(&interval) {
        notes.error(
            field.node,
            "out-of-range",
            "the interval is out of range",
            "write 1s to 1h",
        );
        return None;
    }
    Some(interval)
}

/// Adds the queries of checks to those of the plan; under one name there is one query.
pub(super) fn collect(
    notes: &Notes,
    queries: &mut BTreeMap<CheckName, OutsideQuery>,
    drafts: &[Draft],
) {
    for draft in drafts {
        let Some(query) = &draft.query else { continue };
        let name = &draft.check.name;
        let known = queries.entry(name.clone()).or_insert_with(|| query.clone());
        if let (Some(node), true) = (draft.node, known != query) {
            notes.error(
                node,
                "conflict",
                format!("the check `{name}` asks something else in another step"),
                "give one of them another `name`",
            );
        }
    }
}

/// Drops the queries that no step's check asks.
pub(super) fn keep_asked(queries: &mut BTreeMap<CheckName, OutsideQuery>, steps: &[Step]) {
    queries.retain(|name, _| {
        let mut checks = steps.iter().flat_map(|step| &step.checks);
        checks.any(|check| check.metric == Metric::Outside && check.name == *name)
    });
}
