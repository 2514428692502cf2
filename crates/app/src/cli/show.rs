//! Commands that look: status, history, explain, check, logs. The decision log is `audit`'s.

use super::args::{Global, LogsArgs, One, OneOrAll, StatusArgs};
use super::failure::{Exit, Failure};
use super::locate;
use super::output::Output;
use super::table::Table;
use crate::view::facts;
use crate::view::frame::{Layout, block, frame};
use crate::view::screen;
use crate::view::svg;
use crate::view::text::{Line, Tone};
use sluice_analysis::confidence::error_ratio_difference;
use sluice_model::analysis::{Answered, Evidence};
use sluice_model::ids::RevisionNumber;
use sluice_model::observation::Side;
use sluice_model::outside::on_one_line;
use sluice_model::plan::Metric;
use sluice_model::report::Judgement;
use sluice_model::view::ServiceView;
use sluice_model::{Sequential, WeightCounts};
use sluice_server::wire::{
    CheckState, Checklist, Explanation, HistoryEntry, LogLine, LogsQuery, ReplicaEntry,
    RevisionMark,
};
use std::path::Path;
use std::time::Duration;

/// Columns of a picture.
const PICTURE_WIDTH: usize = 108;
/// Most lines of a picture.
const PICTURE_HEIGHT: usize = 60;
/// Bytes of a mebibyte.
const MIB: f64 = 1_048_576.0;
/// Characters of a digest that people look at.
const DIGEST_SHOWN: usize = 12;

pub(crate) async fn status(
    global: &Global,
    args: StatusArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let views = match &args.one.service {
        Some(name) => vec![client.service(name).await?],
        None => client.services().await?,
    };
    if let Some(path) = &args.picture {
        write_picture(path, &views)?;
    }
    match (output.is_json(), args.one.service, views.as_slice()) {
        (true, Some(_), [view]) => output.json(view)?,
        (true, ..) => output.json(&views)?,
        (false, Some(_), [view]) => output.lines(&block(view, width(), false))?,
        (false, _, []) => {
            output.text("no services yet: add one to sluice.yaml and run `sluice deploy`")?
        }
        (false, ..) => output.lines(&status_table(&views))?,
    }
    Ok(Exit::Done)
}

fn write_picture(path: &Path, views: &[ServiceView]) -> Result<(), Failure> {
    let layout = Layout {
        width: PICTURE_WIDTH,
        height: PICTURE_HEIGHT,
        selected: None,
    };
    let picture = svg::picture(&frame(views, layout), PICTURE_WIDTH, "sluice watch");
    std::fs::write(path, picture).map_err(|error| Failure::file("write", path, &error))
}

/// Columns for blocks of text; a pipe gets them whole.
fn width() -> usize {
    if screen::is_interactive() {
        screen::room().0
    } else {
        PICTURE_WIDTH
    }
}

fn status_table(views: &[ServiceView]) -> Vec<Line> {
    let titles = [
        "SERVICE", "PHASE", "STEP", "STABLE", "CANARY", "WEIGHTS", "READY", "MESSAGE",
    ];
    let mut table = Table::new(&titles);
    for view in views {
        let (tone, phase) = facts::phase(view.phase);
        let (ready, wanted) = view
            .revisions
            .values()
            .fold((0, 0), |(ready, wanted), side| {
                (ready + side.ready, wanted + side.replicas)
            });
        table.row(vec![
            (Tone::Strong, view.service.to_string()),
            (tone, phase.to_owned()),
            (
                Tone::Plain,
                facts::step(view).unwrap_or_else(|| "–".to_owned()),
            ),
            (Tone::Stable, revision(view.stable)),
            (Tone::Canary, revision(view.canary)),
            (Tone::Plain, facts::weights(view)),
            (Tone::Plain, format!("{ready}/{wanted}")),
            (Tone::Plain, view.message.clone()),
        ]);
    }
    table.lines()
}

fn revision(number: Option<RevisionNumber>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| number.to_string())
}

pub(crate) async fn history(global: &Global, one: One, output: Output) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let service = locate::service(&client, one.service).await?;
    let entries = client.history(&service).await?;
    if output.is_json() {
        output.json(&entries)?;
    } else {
        output.lines(&history_table(&entries))?;
    }
    Ok(Exit::Done)
}

fn history_table(entries: &[HistoryEntry]) -> Vec<Line> {
    let mut table = Table::new(&["REVISION", "IS", "CREATED", "BY", "DIGEST", "NOTE"]);
    for entry in entries {
        let (tone, mark) = match entry.mark {
            RevisionMark::Stable => (Tone::Stable, "stable"),
            RevisionMark::Canary => (Tone::Canary, "canary"),
            RevisionMark::Former => (Tone::Plain, "former"),
            RevisionMark::Aborted => (Tone::Bad, "aborted"),
            RevisionMark::Unused => (Tone::Quiet, "–"),
        };
        table.row(vec![
            (Tone::Strong, entry.revision.to_string()),
            (tone, mark.to_owned()),
            (Tone::Plain, entry.created_at.to_string()),
            (Tone::Plain, entry.actor.clone()),
            (
                Tone::Quiet,
                entry.digest.chars().take(DIGEST_SHOWN).collect(),
            ),
            (Tone::Plain, entry.note.clone().unwrap_or_default()),
        ]);
    }
    table.lines()
}

pub(crate) async fn replicas(global: &Global, one: One, output: Output) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let service = locate::service(&client, one.service).await?;
    let entries = client.replicas(&service).await?;
    if output.is_json() {
        output.json(&entries)?;
    } else {
        output.lines(&replica_table(&entries))?;
    }
    Ok(Exit::Done)
}

fn replica_table(entries: &[ReplicaEntry]) -> Vec<Line> {
    let mut table = Table::new(&[
        "REPLICA",
        "REVISION",
        "STATE",
        "PID",
        "PORT",
        "RESTARTS",
        "CPU",
        "MEMORY",
        "LAST FAILURE",
    ]);
    let text = |value: Option<String>| (Tone::Plain, value.unwrap_or_else(|| "–".to_owned()));
    for entry in entries {
        let tone = if entry.state == "ready" {
            Tone::Good
        } else {
            Tone::Plain
        };
        table.row(vec![
            (Tone::Strong, entry.replica.to_string()),
            (Tone::Plain, entry.revision.to_string()),
            (tone, entry.state.clone()),
            text(entry.pid.map(|pid| pid.to_string())),
            text(entry.port.map(|port| port.to_string())),
            (Tone::Plain, entry.restarts.to_string()),
            text(entry.cpu_cores.map(|cores| format!("{cores:.2}"))),
            text(
                entry
                    .memory_bytes
                    .map(|bytes| format!("{:.1} MiB", bytes as f64 / MIB)),
            ),
            (Tone::Plain, entry.last_failure.clone().unwrap_or_default()),
        ]);
    }
    table.lines()
}

pub(crate) async fn explain(global: &Global, one: One, output: Output) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let service = locate::service(&client, one.service).await?;
    let explanation = client.explain(&service).await?;
    if output.is_json() {
        output.json(&explanation)?;
    } else {
        output.lines(&explanation_lines(&explanation, width()))?;
    }
    Ok(Exit::Done)
}

fn explanation_lines(explanation: &Explanation, width: usize) -> Vec<Line> {
    let heading = |text: &str| Line::new().with(Tone::Quiet, text);
    let view = &explanation.view;
    let mut lines = block(view, width, false);
    if let Some(waiting) = &explanation.waiting {
        lines.push(Line::new());
        lines.push(heading("It waits for"));
        lines.push(
            Line::new()
                .with(Tone::Plain, "  ")
                .with(Tone::Plain, waiting),
        );
    }
    if !view.checks.is_empty() {
        lines.push(Line::new());
        lines.push(heading("Evidence of the checks"));
        lines.extend(view.checks.iter().flat_map(evidence));
    }
    if !explanation.recent.is_empty() {
        lines.push(Line::new());
        lines.push(heading("Decided of late, oldest first"));
        for entry in &explanation.recent {
            let mut line = Line::new().with(Tone::Quiet, format!("  {}  ", entry.at));
            line.push(Tone::Plain, &entry.message);
            if let Some(actor) = &entry.actor {
                line.push(Tone::Quiet, format!("  ({actor})"));
            }
            lines.push(line);
            lines.extend(entry.evidence.iter().flat_map(evidence));
        }
    }
    lines
}

/// A judgement with its figures.
fn evidence(judgement: &Judgement) -> Vec<Line> {
    let (tone, sign, verdict) = facts::verdict(judgement.verdict);
    let mut lines = vec![
        Line::new()
            .with(tone, format!("  {sign} "))
            .with(Tone::Strong, judgement.check.as_str())
            .with(tone, format!(" {verdict}: "))
            .with(Tone::Plain, &judgement.message),
    ];
    let sequential = judgement
        .measurement
        .as_ref()
        .and_then(|measured| Some((measured, measured.sequential()?)));
    if let Some((measured, sequential)) = sequential {
        let text = compared(sequential, measured.window);
        lines.push(Line::new().with(Tone::Quiet, format!("      {text}")));
    } else if let Some(asked) = outside(judgement) {
        lines.extend(asked);
    } else if let Some(measured) = &judgement.measurement {
        let side = |side: &Side| {
            format!(
                "{} of {} samples",
                facts::measured(judgement.metric, side.value),
                side.count
            )
        };
        lines.push(Line::new().with(
            Tone::Quiet,
            format!(
                "      canary {}, baseline {}, over {}",
                side(&measured.canary),
                side(&measured.baseline),
                facts::span(measured.window)
            ),
        ));
    }
    lines
}

/// What an outside server was asked, when, and what it said of each side.
fn outside(judgement: &Judgement) -> Option<Vec<Line>> {
    let measured = judgement.measurement.as_ref()?;
    let Some(Evidence::Outside(facts)) = &measured.evidence else {
        return None;
    };
    let line = |name: &str, side: &Side, answered: &Answered| {
        let value = facts::measured(judgement.metric, side.value);
        let (query, at) = (on_one_line(&answered.query), answered.answered_at);
        Line::new().with(
            Tone::Quiet,
            format!("      {name} {value}: `{query}`, answered at {at}"),
        )
    };
    let mut lines = vec![line("canary", &measured.canary, &facts.canary)];
    if let Some(answered) = &facts.baseline {
        lines.push(line("baseline", &measured.baseline, answered));
    }
    Some(lines)
}

/// Both sides' rates, and the difference with an interval that holds however often it is looked at.
fn compared(evidence: &Sequential, over: Duration) -> String {
    let sum = |of: fn(&WeightCounts) -> u64| evidence.counts.iter().map(of).sum::<u64>();
    let canary = (sum(|it| it.canary_events), sum(|it| it.canary_requests));
    let baseline = (sum(|it| it.baseline_events), sum(|it| it.baseline_requests));
    let rate = |(events, requests): (u64, u64)| {
        let share = (requests > 0).then(|| events as f64 / requests as f64);
        facts::measured(Metric::ErrorRatio, share)
    };
    let percent = |share: f64| format!("{:+.2} %", share * 100.0);
    let difference = match error_ratio_difference(canary, baseline, SHOWN_ALPHA) {
        Ok(interval) => format!(
            "; difference {} to {} (95 %)",
            percent(interval.low),
            percent(interval.high)
        ),
        Err(error) => format!("; no interval: {error}"),
    };
    format!(
        "canary {}, baseline {}{difference}, over {}",
        rate(canary),
        rate(baseline),
        facts::span(over)
    )
}

/// The interval of a difference that is shown covers it with a probability of 1 less this, at all looks
/// together.
const SHOWN_ALPHA: f64 = 0.05;

pub(crate) async fn check(
    global: &Global,
    args: OneOrAll,
    output: Output,
) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let names = match &args.service {
        Some(name) => vec![name.clone()],
        None => client
            .services()
            .await?
            .into_iter()
            .map(|view| view.service)
            .collect(),
    };
    let mut lists = Vec::new();
    for name in &names {
        lists.push(client.check(name).await?);
    }
    match (output.is_json(), &args.service, lists.as_slice()) {
        (true, Some(_), [list]) => output.json(list)?,
        (true, ..) => output.json(&lists)?,
        (false, ..) => lists
            .iter()
            .try_for_each(|list| output.lines(&checklist_lines(list)))?,
    }
    Ok(if lists.iter().all(Checklist::passes) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn checklist_lines(list: &Checklist) -> Vec<Line> {
    let mut lines = vec![Line::new().with(Tone::Strong, list.service.as_str())];
    let width = list
        .items
        .iter()
        .map(|item| item.name.len())
        .max()
        .unwrap_or(0);
    for item in &list.items {
        let (tone, sign) = match item.state {
            CheckState::Ok => (Tone::Good, "✔"),
            CheckState::Warn => (Tone::Warn, "!"),
            CheckState::Fail => (Tone::Bad, "✘"),
        };
        lines.push(
            Line::new()
                .with(tone, format!("  {sign} {:width$}  ", item.name))
                .with(Tone::Plain, &item.message),
        );
        if let Some(help) = &item.help {
            lines.push(Line::new().with(Tone::Quiet, format!("    {:width$}  {help}", "")));
        }
    }
    lines
}

pub(crate) async fn logs(global: &Global, args: LogsArgs, output: Output) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let service = locate::service(&client, args.one.service).await?;
    let query = LogsQuery {
        revision: args.revision,
        tail: Some(args.tail),
        follow: args.follow,
    };
    let mut lines = client.logs(&service, &query).await?;
    while let Some(line) = lines.next().await? {
        if output.is_json() {
            output.json_line(&line)?;
        } else {
            output.text(log_line(&line, output.colour))?;
        }
    }
    Ok(Exit::Done)
}

/// A replica's line as it wrote it, colours and all, behind the replica's name.
fn log_line(line: &LogLine, colour: bool) -> String {
    let name = Line::new().with(Tone::Quiet, format!("{} |", line.replica));
    let name = if colour { name.ansi() } else { name.plain() };
    format!("{name} {}", line.text)
}
