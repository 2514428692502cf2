//! `audit`: the decision log, and the proof that nobody changed it.
//!
//! Read from the state folder itself, not through the daemon: a proof should not have to trust the
//! process that it is about, and works when none runs. Only with `--server` is the daemon asked.

use super::args::{AuditCommand, AuditShowArgs, Global};
use super::failure::{Exit, Failure};
use super::locate;
use super::neutrality;
use super::output::Output;
use crate::daemon::{wire_entry, wire_verify};
use crate::view::text::{Line, Tone};
use serde::Serialize;
use sluice_model::ids::ServiceName;
use sluice_model::report::Judgement;
use sluice_server::wire::{AuditQuery, LogEntry, VerifyReport};
use sluice_store::{LOG_PAGE_MAX, LogQuery, Reader, StoreError};
use std::collections::VecDeque;

pub(crate) async fn audit(
    global: &Global,
    what: AuditCommand,
    output: Output,
) -> Result<Exit, Failure> {
    match what {
        AuditCommand::Show(args) => {
            let entries = entries(global, args).await?;
            if output.is_json() {
                output.json(&entries)?;
            } else {
                output.lines(&entries.iter().map(line).collect::<Vec<_>>())?;
            }
            Ok(Exit::Done)
        }
        AuditCommand::Neutrality(args) => neutrality::neutrality(&open(global)?, &args, output),
        AuditCommand::Replay(args) => replay(global, args.entry, output).await,
        AuditCommand::Verify => {
            let report = verify(global).await?;
            if output.is_json() {
                output.json(&report)?;
            } else {
                output.text(&report.message)?;
                if let Some(head) = &report.head {
                    output.text(format!("last hash: {head}"))?;
                }
            }
            Ok(if report.intact {
                Exit::Done
            } else {
                Exit::Failed
            })
        }
    }
}

async fn entries(global: &Global, args: AuditShowArgs) -> Result<Vec<LogEntry>, Failure> {
    let (service, limit) = (args.one.service, args.limit);
    if global.server.is_some() {
        let query = AuditQuery {
            service,
            limit: Some(limit),
            before: None,
        };
        let found = locate::client(global)?.audit(&query).await?;
        return Ok(found);
    }
    let reader = open(global)?;
    newest(&reader, service, limit, LOG_PAGE_MAX).map_err(|error| unreadable(&error))
}

/// What `audit replay` prints of one check.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplayedCheck {
    check: String,
    same: bool,
    stored: Judgement,
    again: Judgement,
}

async fn replay(global: &Global, number: u64, output: Output) -> Result<Exit, Failure> {
    let entry = entry(global, number).await?;
    if entry.evidence.is_empty() {
        return Err(Failure::new(
            Exit::Missing,
            "entry",
            format!(
                "entry {number} ({}) stands on no measurements; those of the rules checkFailed and stepPassed do",
                entry.rule
            ),
        ));
    }
    let replayed = sluice_analysis::replay(&entry.evidence);
    let checks: Vec<ReplayedCheck> = replayed
        .into_iter()
        .map(|it| ReplayedCheck {
            check: it.stored.check.to_string(),
            same: it.is_same(),
            stored: it.stored,
            again: it.again,
        })
        .collect();
    if output.is_json() {
        output.json(&checks)?;
    } else {
        output.lines(&checks.iter().flat_map(replayed_lines).collect::<Vec<_>>())?;
    }
    Ok(if checks.iter().all(|check| check.same) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn replayed_lines(check: &ReplayedCheck) -> Vec<Line> {
    let (tone, word) = if check.same {
        (Tone::Good, "the same, bit for bit")
    } else {
        (Tone::Bad, "NOT THE SAME")
    };
    vec![
        Line::new()
            .with(Tone::Strong, &check.check)
            .with(Tone::Plain, format!("  {:?}  ", check.again.verdict))
            .with(tone, word),
        Line::new().with(Tone::Quiet, format!("  stored  {}", check.stored.message)),
        Line::new().with(Tone::Quiet, format!("  again   {}", check.again.message)),
    ]
}

async fn entry(global: &Global, number: u64) -> Result<LogEntry, Failure> {
    let found = if global.server.is_some() {
        let query = AuditQuery {
            service: None,
            limit: Some(1),
            before: Some(number.saturating_add(1)),
        };
        let found = locate::client(global)?.audit(&query).await?;
        found.into_iter().next()
    } else {
        let query = LogQuery {
            since_seq: number.saturating_sub(1),
            limit: 1,
            ..LogQuery::default()
        };
        let page = open(global)?
            .log(&query)
            .map_err(|error| unreadable(&error))?;
        page.into_iter().next().map(wire_entry)
    };
    found
        .filter(|entry| entry.sequence == number)
        .ok_or_else(|| {
            Failure::new(
                Exit::Missing,
                "entry",
                format!("there is no entry {number}; `sluice audit show` lists them"),
            )
        })
}

async fn verify(global: &Global) -> Result<VerifyReport, Failure> {
    if global.server.is_some() {
        return Ok(locate::client(global)?.verify().await?);
    }
    let report = open(global)?.verify().map_err(|error| unreadable(&error))?;
    Ok(wire_verify(&report))
}

fn open(global: &Global) -> Result<Reader, Failure> {
    let state_dir = locate::state_dir(global.state.as_deref())?;
    Reader::open(&state_dir).map_err(|error| unreadable(&error))
}

pub(super) fn unreadable(error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::Missing { .. } => Exit::Missing,
        _ => Exit::Failed,
    };
    Failure::new(exit, "state", error.to_string())
}

/// The newest entries, oldest first, read in pages of so many.
fn newest(
    reader: &Reader,
    service: Option<ServiceName>,
    limit: u32,
    page: u32,
) -> Result<Vec<LogEntry>, StoreError> {
    // Without a choice of service the numbers say where the newest begin.
    let since_seq = match &service {
        None => reader.log_head()?.seq.saturating_sub(u64::from(limit)),
        Some(_) => 0,
    };
    let mut query = LogQuery {
        service,
        since_seq,
        limit: page,
        ..LogQuery::default()
    };
    let mut newest = VecDeque::new();
    loop {
        let page = reader.log(&query)?;
        let Some(last) = page.last() else {
            return Ok(newest.into());
        };
        query.since_seq = last.seq;
        newest.extend(page.into_iter().map(wire_entry));
        let surplus = newest.len().saturating_sub(limit as usize);
        newest.drain(..surplus);
    }
}

/// Number, time, service, rule, what, by whom.
fn line(entry: &LogEntry) -> Line {
    let mut line = Line::new()
        .with(
            Tone::Quiet,
            format!("{:>6}  {}  ", entry.sequence, entry.at),
        )
        .with(
            Tone::Strong,
            entry.service.as_ref().map_or("–", ServiceName::as_str),
        )
        .with(Tone::Quiet, format!("  {}  ", entry.rule))
        .with(Tone::Plain, &entry.message);
    if let Some(actor) = &entry.actor {
        line.push(Tone::Quiet, format!("  ({actor})"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::Timestamp;
    use sluice_store::{Note, Store};

    #[test]
    fn the_newest_entries_come_oldest_first_over_all_pages() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let service = ServiceName::new("mail").expect("a name");
        let note = |n: i64| Note {
            rule: "started".into(),
            message: format!("entry {n}"),
            actor: None,
            details: None,
        };
        for n in 1..=25 {
            let about = (n % 2 == 0).then_some(&service);
            store.append(about, &note(n), Timestamp(n)).expect("append");
        }
        let numbers = |service: Option<&ServiceName>, limit| -> Vec<u64> {
            let found = newest(&store, service.cloned(), limit, 10).expect("entries");
            found.iter().map(|entry| entry.sequence).collect()
        };
        assert_eq!(numbers(None, 3), [23, 24, 25]);
        assert_eq!(numbers(None, 21), (5..=25).collect::<Vec<_>>());
        assert_eq!(numbers(None, 9_999), (1..=25).collect::<Vec<_>>());
        assert_eq!(numbers(Some(&service), 2), [22, 24]);
        assert_eq!(numbers(Some(&service), 9_999).len(), 12);
    }
}
