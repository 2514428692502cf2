//! Plays a script: the production control loop in the fake world, and a report of what it did.

use crate::evidence;
use crate::script::{Answers, Line, Replicas, Step};
use sluice_control::Cell;
use sluice_engine::phase_and_message;
use sluice_model::command::{CommandKind, CommandOutcome};
use sluice_model::time::format_span;
use sluice_model::{
    CommandId, Decision, Observation, Plan, RevisionNumber, Routes, Timestamp, Weight,
};
use sluice_simulator::effects::Fate;
use sluice_simulator::platform::Behaviour;
use sluice_simulator::random::Random;
use sluice_simulator::site::{CrashPoint, Hooks, START, Site};
use sluice_simulator::traffic::Quality;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Most turns at one moment: more is a spin.
const TURNS_AT_ONCE_MAX: usize = 100;
/// From the start of Sluice until every replica was looked at.
const SETTLES_AFTER_MS: i64 = 500;

struct Stage {
    site: Site,
    cell: Cell,
    document: Option<Plan>,
    behaviours: BTreeMap<RevisionNumber, Behaviour>,
    qualities: BTreeMap<RevisionNumber, Quality>,
    look_every_ms: i64,
    killed_for_ms: i64,
    wake: Option<i64>,
    last: Option<Decision>,
    seen: Observation,
    told_entries: usize,
    told_routes: Routes,
    report: String,
}

/// Plays the lines.
///
/// # Errors
/// A line that cannot be played, or a promise of the simulator that was broken.
pub fn play(lines: &[Line]) -> Result<String, String> {
    let mut stage: Option<Stage> = None;
    let mut opening = String::new();
    for line in lines {
        match (&line.step, &mut stage) {
            (None, Some(stage)) => stage.tell(&format!("\n{}", line.text)),
            (None, None) => {
                opening.push_str(&line.text);
                opening.push('\n');
            }
            (Some(Step::Document(text)), open) => {
                let (name, plan) = read_document(text)?;
                match open {
                    Some(stage) => {
                        stage.tell("> document");
                        stage.document = Some(plan);
                    }
                    None => stage = Some(Stage::open(name, plan, std::mem::take(&mut opening))),
                }
            }
            (Some(step), Some(stage)) => {
                stage.tell(&format!("> {}", line.text));
                stage.play(step)?;
            }
            (Some(_), None) => return Err("a script begins with its document".to_owned()),
        }
    }
    let stage = stage.ok_or("the script has no document")?;
    match &stage.site.watch.violation {
        Some(violation) => Err(format!(
            "{}: {}\n{}",
            violation.promise, violation.seen, stage.report
        )),
        None => Ok(stage.report),
    }
}

fn read_document(text: &str) -> Result<(sluice_model::ServiceName, Plan), String> {
    let parsed = sluice_native::parse("sluice.yaml", text, "/srv");
    let wrong: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    let document = parsed.document.ok_or_else(|| wrong.join("\n"))?;
    let spec = document
        .services
        .into_iter()
        .next()
        .ok_or("the document has no service")?;
    Ok((spec.name, spec.plan))
}

impl Stage {
    fn open(name: sluice_model::ServiceName, plan: Plan, opening: String) -> Stage {
        let site = Site::new(name, &Random::new(0));
        Stage {
            cell: Cell::new(site.store.status.clone()),
            site,
            document: Some(plan),
            behaviours: BTreeMap::new(),
            qualities: BTreeMap::new(),
            look_every_ms: 0,
            killed_for_ms: 0,
            wake: None,
            last: None,
            seen: Observation::default(),
            told_entries: 0,
            told_routes: Routes::default(),
            report: opening,
        }
    }

    fn tell(&mut self, line: &str) {
        self.report.push_str(line);
        self.report.push('\n');
    }

    fn play(&mut self, step: &Step) -> Result<(), String> {
        let now = self.site.now;
        match step {
            Step::Document(_) => {}
            Step::Deploy => {
                let plan = self
                    .document
                    .clone()
                    .ok_or("there is no document to deploy")?;
                let revision = self.site.store.add_revision(plan);
                self.command(CommandKind::Deploy { revision })?;
            }
            Step::Command(kind) => self.command(kind.clone())?,
            Step::After(span) => self.until(now + span)?,
            Step::LookEvery(span) => self.look_every_ms = *span,
            Step::Traffic(rate) => self.site.traffic.rate = *rate,
            Step::Revision(revision, answers) => {
                let quality = self.qualities.entry(*revision).or_default();
                match answers {
                    Answers::Fail(share) => quality.errors = *share,
                    Answers::Take(latency_ms) => quality.latency_ms = *latency_ms,
                    Answers::Differ(share) => quality.differs = *share,
                }
                self.site.traffic.set_quality(*revision, *quality);
            }
            Step::Replicas(revision, how) => self.replicas(*revision, *how)?,
            Step::Hooks(fate, takes_ms) => self.hooks(*fate, *takes_ms),
            Step::Store(works) => self.site.store.fails_until = if *works { 0 } else { i64::MAX },
            Step::Killed(None, span) => self.kill(*span)?,
            Step::Killed(Some(point), span) => {
                self.killed_for_ms = *span;
                self.arm(*point);
            }
            Step::ClockJumps(span) => {
                self.site.skew += span;
                self.turns()?;
            }
            Step::Status => self.tell_status(),
            Step::Evidence => self.tell_evidence(),
        }
        Ok(())
    }

    fn replicas(&mut self, revision: RevisionNumber, how: Replicas) -> Result<(), String> {
        let behaviour = self.behaviours.entry(revision).or_default();
        match how {
            Replicas::StartIn(span) => behaviour.start_ms = (span, span),
            Replicas::NeverReady => behaviour.ready = false,
            Replicas::CrashAfter(span) => behaviour.crash_after_ms = Some(span),
            Replicas::Behave => *behaviour = Behaviour::default(),
            Replicas::Die => {
                self.site.platform.kill(self.site.now, revision, usize::MAX);
                return self.turns();
            }
        }
        let behaviour = behaviour.clone();
        self.site.platform.set_behaviour(revision, behaviour);
        if how == Replicas::Behave {
            // Those that hang never end by themselves: somebody restarts them.
            self.site.platform.kill(self.site.now, revision, usize::MAX);
        }
        Ok(())
    }

    fn hooks(&mut self, fate: Fate, takes_ms: i64) {
        self.site.hooks = Hooks { fate, takes_ms };
    }

    fn arm(&mut self, point: CrashPoint) {
        self.site.crash_at = Some(point);
        self.site.crash_at_entries = true;
    }

    fn command(&mut self, kind: CommandKind) -> Result<(), String> {
        let at = self.site.wall();
        let id = self.site.store.ask(at, "ada", kind);
        self.turns()?;
        self.tell_answer(id);
        Ok(())
    }

    fn tell_answer(&mut self, id: CommandId) {
        let line = match self.site.store.answers.get(&id) {
            Some(CommandOutcome::Accepted) => return,
            Some(CommandOutcome::Refused { message }) => format!("  refused: {message}"),
            None => "  not stored yet".to_owned(),
        };
        self.tell(&line);
    }

    /// Lets time pass; turns are taken when something asks for one.
    fn until(&mut self, end: i64) -> Result<(), String> {
        while self.site.now < end {
            let now = self.site.now;
            let wake = self.wake.map(|wake| wake.max(now + self.look_every_ms));
            let event = self.site.next_event();
            let next = wake.into_iter().chain(event).min().unwrap_or(end);
            if next > end {
                self.site.advance(end);
                return Ok(());
            }
            self.site.advance(next.max(now + 1).min(end));
            self.turns()?;
        }
        Ok(())
    }

    /// Turns at this moment, until none is asked for at once.
    fn turns(&mut self) -> Result<(), String> {
        for _ in 0..TURNS_AT_ONCE_MAX {
            self.site.advance(self.site.now);
            let wall = self.site.wall();
            let outcome = self.cell.turn(&mut self.site, wall);
            if outcome.decision.is_some() {
                self.last = outcome.decision;
                self.seen = outcome.observation;
            }
            let elapsed = |at: Timestamp| at.0 - START.0 - self.site.skew;
            self.wake = outcome.wake_at.map(elapsed);
            self.tell_what_changed();
            if let Some(violation) = &self.site.watch.violation {
                return Err(format!(
                    "{}: {}\n{}",
                    violation.promise, violation.seen, self.report
                ));
            }
            if self.site.crashed {
                return self.kill(self.killed_for_ms);
            }
            if self.wake.is_none_or(|wake| wake > self.site.now) {
                return Ok(());
            }
        }
        Err(format!("Sluice takes turn after turn\n{}", self.report))
    }

    fn kill(&mut self, span: i64) -> Result<(), String> {
        let span_told = format_span(Duration::from_millis(span.unsigned_abs()));
        self.tell(&format!(
            "  {} Sluice is killed; it is back after {span_told}",
            self.time()
        ));
        self.site.advance(self.site.now + span);
        self.site.restart(false, SETTLES_AFTER_MS);
        self.cell = Cell::new(self.site.store.status.clone());
        self.turns()?;
        self.until(self.site.now + SETTLES_AFTER_MS)?;
        self.turns()
    }

    fn time(&self) -> String {
        let seconds = self.site.now / 1_000;
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        format!(
            "{hours:>2}:{minutes:02}:{:02}.{}",
            seconds % 60,
            self.site.now / 100 % 10
        )
    }

    fn tell_what_changed(&mut self) {
        let routes = self
            .site
            .acted()
            .map(|acted| acted.routes.clone())
            .unwrap_or_default();
        let stored = self.site.store.status.routes == routes;
        let (phase, message) = self.phase();
        let head = format!("  {} {:<14} {:<12}", self.time(), shares(&routes), phase);
        let entries: Vec<_> = self.site.store.log[self.told_entries..].to_vec();
        self.told_entries += entries.len();
        for (_, entry) in &entries {
            let actor = entry
                .actor
                .as_ref()
                .map_or_else(String::new, |actor| format!(" ({actor})"));
            self.tell(&format!("{head}{:?}: {}{actor}", entry.rule, entry.message));
        }
        if entries.is_empty() && routes.weights != self.told_routes.weights {
            let note = if stored {
                message
            } else {
                "acted on without being stored".to_owned()
            };
            self.tell(&format!("{head}- {note}"));
        }
        self.told_routes = routes;
    }

    fn phase(&self) -> (String, String) {
        let waiting = self
            .last
            .as_ref()
            .and_then(|it| it.report.waiting.as_deref());
        let (phase, message) = phase_and_message(self.cell.status(), &self.seen, waiting);
        (format!("{phase:?}"), message)
    }

    fn tell_evidence(&mut self) {
        let judged = self.last.as_ref().map(|it| it.report.checks.as_slice());
        let log = &self.site.store.log;
        let lines = evidence::describe(judged.unwrap_or_default(), log);
        for line in lines {
            let line = format!("  {} {line}", self.time());
            self.tell(&line);
        }
    }

    fn tell_status(&mut self) {
        let (phase, message) = self.phase();
        let mut line = format!("  {} {phase}: {message}", self.time());
        let wanted = self
            .site
            .acted()
            .map(|acted| acted.replicas.clone())
            .unwrap_or_default();
        for (revision, count) in wanted {
            // Writing to a string cannot fail.
            let _infallible = write!(line, "; {count} of revision {revision}");
        }
        self.tell(&line);
    }
}

fn shares(routes: &Routes) -> String {
    let share = |(revision, weight): (&RevisionNumber, &Weight)| {
        (*weight > Weight::ZERO).then(|| format!("{revision}={}%", weight.percent()))
    };
    let told: Vec<String> = routes.weights.iter().filter_map(share).collect();
    if told.is_empty() {
        "nothing".to_owned()
    } else {
        told.join(" ")
    }
}
