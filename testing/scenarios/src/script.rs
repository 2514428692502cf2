//! The lines of a script.
//!
//! ```text
//! # Words behind a hash are for the reader.
//! document                            the sluice.yaml: the indented lines that follow
//!   services: …
//! deploy                              a new revision, as the document stands
//! pause · resume · promote · promote full · abort REASON · retry · undo · undo to 3
//! after 90s                           time passes
//! look every 10s                      between two turns, when nothing else asks for one
//! traffic 200/s
//! revision 2 fails 5%                 so many of its requests
//! revision 2 answers in 300ms
//! revision 2 differs in 3%            of its mirrored answers
//! replicas of 2 start in 3s · never get ready · crash after 2s · behave
//! replicas of 2 die                   all of them; they start again
//! hooks succeed · fail · hang · lose their answer, and take 2s
//! store fails · store works
//! sluice is killed for 5s             now
//! sluice will be killed after storing for 5s      (before storing, after acting) at its next transition
//! clock jumps by -1h
//! status                              phase and message
//! evidence                            what the comparisons stand on: now, or in the last entry of the log with any
//! ```

use sluice_model::command::CommandKind;
use sluice_model::time::parse_span;
use sluice_model::{RevisionNumber, Timestamp};
use sluice_simulator::effects::Fate;
use sluice_simulator::site::CrashPoint;

/// One line, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The document from now on.
    Document(String),
    /// A new revision of it.
    Deploy,
    /// Another command.
    Command(CommandKind),
    /// Time passes, in milliseconds.
    After(i64),
    /// Shortest time between two turns that nothing else asks for, in milliseconds.
    LookEvery(i64),
    /// Requests per second.
    Traffic(f64),
    /// How a revision answers.
    Revision(RevisionNumber, Answers),
    /// How a revision's replicas behave.
    Replicas(RevisionNumber, Replicas),
    /// What hooks do, and how long they take, in milliseconds.
    Hooks(Fate, i64),
    /// Whether the store can be written.
    Store(bool),
    /// Sluice is killed for so many milliseconds: now, or at the given point of its next transition.
    Killed(Option<CrashPoint>, i64),
    /// The wall clock jumps, in milliseconds.
    ClockJumps(i64),
    /// Phase and message are told.
    Status,
    /// What the comparisons stand on is told.
    Evidence,
}

/// What is set of a revision's answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answers {
    /// Share of failures, 0 to 1.
    Fail(f64),
    /// Latency in milliseconds.
    Take(u64),
    /// Share of mirrored answers that differ, 0 to 1.
    Differ(f64),
}

/// How replicas behave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Replicas {
    /// Ready so many milliseconds after their start.
    StartIn(i64),
    /// Never ready.
    NeverReady,
    /// They end so many milliseconds after their start.
    CrashAfter(i64),
    /// As healthy replicas do.
    Behave,
    /// All of them die once.
    Die,
}

/// A line as it stands in the script, and what it means.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The text, for the report; comments are lines without meaning.
    pub text: String,
    /// The meaning.
    pub step: Option<Step>,
}

/// Reads a script.
///
/// # Errors
/// The number and text of the line that is not understood.
pub fn read(text: &str) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> = Vec::new();
    for (number, raw) in text.lines().enumerate() {
        let line = raw.split(" #").next().unwrap_or(raw).trim_end();
        if line.is_empty() {
            continue;
        }
        if line.starts_with('#') {
            let text = line.to_owned();
            lines.push(Line { text, step: None });
            continue;
        }
        if let Some(yaml) = line.strip_prefix("  ") {
            let Some(Step::Document(document)) = lines.last_mut().and_then(|it| it.step.as_mut())
            else {
                return Err(format!(
                    "line {}: `{line}` is indented, but no document begins above",
                    number + 1
                ));
            };
            document.push_str(yaml);
            document.push('\n');
            continue;
        }
        let step = understand(line)
            .ok_or_else(|| format!("line {}: `{line}` is not understood", number + 1))?;
        lines.push(Line {
            text: line.to_owned(),
            step: Some(step),
        });
    }
    Ok(lines)
}

fn understand(line: &str) -> Option<Step> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let command = |kind| Some(Step::Command(kind));
    match words.as_slice() {
        ["document"] => Some(Step::Document(String::new())),
        ["deploy"] => Some(Step::Deploy),
        ["pause"] => command(CommandKind::Pause { reason: None }),
        ["resume"] => command(CommandKind::Resume),
        ["promote"] => command(CommandKind::Promote { full: false }),
        ["promote", "full"] => command(CommandKind::Promote { full: true }),
        ["abort", reason @ ..] => command(CommandKind::Abort {
            reason: reason.join(" "),
        }),
        ["retry"] => command(CommandKind::Retry),
        ["undo"] => command(CommandKind::Undo { to: None }),
        ["undo", "to", to] => command(CommandKind::Undo {
            to: Some(revision(to)?),
        }),
        ["after", span] => Some(Step::After(millis(span)?)),
        ["look", "every", span] => Some(Step::LookEvery(millis(span)?)),
        ["traffic", rate] => Some(Step::Traffic(rate.strip_suffix("/s")?.parse().ok()?)),
        ["revision", number, "fails", share] => Some(Step::Revision(
            revision(number)?,
            Answers::Fail(percent(share)?),
        )),
        ["revision", number, "answers", "in", span] => {
            let latency = u64::try_from(millis(span)?).ok()?;
            Some(Step::Revision(revision(number)?, Answers::Take(latency)))
        }
        ["revision", number, "differs", "in", share] => Some(Step::Revision(
            revision(number)?,
            Answers::Differ(percent(share)?),
        )),
        ["replicas", "of", number, behaviour @ ..] => {
            Some(Step::Replicas(revision(number)?, replicas(behaviour)?))
        }
        ["hooks", what @ .., "and", "take", span] => Some(Step::Hooks(fate(what)?, millis(span)?)),
        ["store", "fails"] => Some(Step::Store(false)),
        ["store", "works"] => Some(Step::Store(true)),
        ["sluice", "is", "killed", "for", span] => Some(Step::Killed(None, millis(span)?)),
        ["sluice", "will", "be", "killed", when, what, "for", span] => {
            let point = match (*when, *what) {
                ("before", "storing") => CrashPoint::BeforePersist,
                ("after", "storing") => CrashPoint::BeforeAct,
                ("after", "acting") => CrashPoint::AfterAct,
                _ => return None,
            };
            Some(Step::Killed(Some(point), millis(span)?))
        }
        ["clock", "jumps", "by", span] => {
            let back = span.strip_prefix('-');
            let span = millis(back.unwrap_or(span))?;
            Some(Step::ClockJumps(if back.is_some() { -span } else { span }))
        }
        ["status"] => Some(Step::Status),
        ["evidence"] => Some(Step::Evidence),
        _ => None,
    }
}

fn replicas(words: &[&str]) -> Option<Replicas> {
    match words {
        ["start", "in", span] => Some(Replicas::StartIn(millis(span)?)),
        ["never", "get", "ready"] => Some(Replicas::NeverReady),
        ["crash", "after", span] => Some(Replicas::CrashAfter(millis(span)?)),
        ["behave"] => Some(Replicas::Behave),
        ["die"] => Some(Replicas::Die),
        _ => None,
    }
}

fn fate(words: &[&str]) -> Option<Fate> {
    match words {
        ["succeed"] => Some(Fate::Succeeds),
        ["fail"] => Some(Fate::Fails),
        ["hang"] => Some(Fate::Hangs),
        ["lose", "their", "answer"] => Some(Fate::AnswerLost),
        _ => None,
    }
}

fn revision(text: &str) -> Option<RevisionNumber> {
    text.parse().ok().map(RevisionNumber)
}

fn millis(text: &str) -> Option<i64> {
    let span = parse_span(text).ok()?;
    Some(Timestamp(0).after(span).0)
}

fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.parse().ok()?;
    Some(number / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        for (text, expected) in [
            (
                "deploy\nrevsion 2 fails 5%\n",
                "line 2: `revsion 2 fails 5%` is not understood",
            ),
            (
                "revision 2 fails five%\n",
                "line 1: `revision 2 fails five%` is not understood",
            ),
            (
                "deploy\n  a: b\n",
                "line 2: `  a: b` is indented, but no document begins above",
            ),
        ] {
            assert_eq!(read(text), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_document_is_the_indented_lines() {
        let lines = read("document\n  a:\n    b: 1\nundo to 3 # why\n").expect("a script");
        assert_eq!(
            lines[0].step,
            Some(Step::Document("a:\n  b: 1\n".to_owned()))
        );
        let to = Some(RevisionNumber(3));
        assert_eq!(lines[1].step, Some(Step::Command(CommandKind::Undo { to })));
    }
}
