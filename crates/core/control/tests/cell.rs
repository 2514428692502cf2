//! The order that survives every crash: persist, then act; and what is done when nothing can be stored.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sluice_control::{Cell, HEARTBEAT, Record, STORE_RETRY, World};
use sluice_model::command::{CommandKind, CommandOutcome};
use sluice_model::plan::{
    CanarySize, Check, Exposure, Limit, Metric, OnTrouble, RolloutHooks, Step, Strategy,
};
use sluice_model::report::CommandAnswer;
use sluice_model::routes::Assignment;
use sluice_model::{
    CheckName, Command, CommandId, Decision, Measurement, Observation, Plan, ReplicaCounts,
    ReportEntry, RevisionNumber, Rule, ServiceName, ServiceStatus, Side, Timestamp, Weight,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const START: Timestamp = Timestamp(1_000_000_000);

#[derive(Clone, Debug, PartialEq)]
enum Event {
    Persisted,
    PersistFailed,
    Acted,
    Answered(Vec<u64>),
}

struct Fake {
    now: Timestamp,
    plan: Arc<Plan>,
    known: BTreeSet<u32>,
    commands: Vec<Command>,
    stored: Option<ServiceStatus>,
    log: Vec<ReportEntry>,
    answers: Vec<CommandAnswer>,
    store_works: bool,
    settled: bool,
    errors: f64,
    events: Vec<Event>,
    acted: Option<Decision>,
    effects_allowed: Vec<bool>,
}

impl World for Fake {
    fn commands(&mut self, status: &ServiceStatus) -> Vec<Command> {
        let open = self
            .commands
            .iter()
            .filter(|command| command.id > status.last_command);
        open.cloned().collect()
    }

    fn plan(&mut self, _: &ServiceStatus, revision: RevisionNumber) -> Option<Arc<Plan>> {
        self.known
            .contains(&revision.0)
            .then(|| Arc::clone(&self.plan))
    }

    fn observe(&mut self, status: &ServiceStatus, _: &Plan, now: Timestamp) -> Observation {
        let wanted = self
            .acted
            .iter()
            .flat_map(|decision| &decision.desired.replicas);
        let replicas = wanted.map(|(revision, count)| {
            let counts = ReplicaCounts {
                running: *count,
                ready: *count,
                available: *count,
                ..ReplicaCounts::default()
            };
            (*revision, counts)
        });
        let from = status
            .running()
            .and_then(|rollout| rollout.traffic_since)
            .unwrap_or(now);
        let side = |value| Side {
            value: Some(value),
            count: if from < now { 1_000 } else { 0 },
        };
        let measurement = Measurement {
            canary: side(self.errors),
            baseline: side(0.0),
            from,
            window: now.since(from),
            evidence: None,
        };
        Observation {
            settled: self.settled,
            replicas: replicas.collect(),
            measurements: BTreeMap::from([(CheckName("errors".to_owned()), measurement)]),
            ..Observation::default()
        }
    }

    fn persist(&mut self, record: &Record<'_>) -> Result<(), String> {
        if !self.store_works {
            self.events.push(Event::PersistFailed);
            return Err("the disk is full".to_owned());
        }
        self.events.push(Event::Persisted);
        self.stored = Some(record.status.clone());
        self.log.extend(record.entries.iter().cloned());
        self.answers.extend(record.answers.iter().cloned());
        Ok(())
    }

    fn act(&mut self, decision: &Decision, effects: bool) {
        self.events.push(Event::Acted);
        self.effects_allowed.push(effects);
        self.acted = Some(decision.clone());
    }

    fn answered(&mut self, answers: &[CommandAnswer]) {
        if !answers.is_empty() {
            let ids = answers.iter().map(|answer| answer.id.0).collect();
            self.events.push(Event::Answered(ids));
        }
    }
}

fn plan() -> Plan {
    let step = |weight: f64, bake_s| Step {
        name: format!("{weight} %"),
        exposure: Exposure::Split {
            weight: Weight::from_percent(weight).unwrap(),
            matches: Vec::new(),
            mirror: None,
            canary: CanarySize::ByWeight,
            preview: false,
        },
        bake: Duration::from_secs(bake_s),
        checks: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    };
    Plan {
        strategy: Strategy::Canary,
        replicas: 4,
        steps: vec![step(25.0, 30), step(100.0, 0)],
        assignment: Assignment::PerRequest,
        checks: vec![Check {
            name: CheckName("errors".to_owned()),
            metric: Metric::ErrorRatio,
            limit: Limit::Max(0.01),
            window: Duration::from_secs(60),
            samples_min: 10,
            on_fail: OnTrouble::Abort,
        }],
        hooks: RolloutHooks::default(),
        progress_deadline: Duration::from_secs(60),
        min_ready: Duration::ZERO,
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: Duration::ZERO,
        keep_aborted: Duration::ZERO,
        stuck_after: Duration::from_secs(600),
        slow_after: Duration::from_secs(600),
        crash_loop_restarts: 5,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}

fn empty() -> (Cell, Fake) {
    let service = ServiceName::new("shop").unwrap();
    let fake = Fake {
        now: START,
        plan: Arc::new(plan()),
        known: BTreeSet::from([1, 2, 3]),
        commands: Vec::new(),
        stored: None,
        log: Vec::new(),
        answers: Vec::new(),
        store_works: true,
        settled: true,
        errors: 0.0,
        events: Vec::new(),
        acted: None,
        effects_allowed: Vec::new(),
    };
    (Cell::new(ServiceStatus::new(service)), fake)
}

/// A service whose revision 2 has a quarter of the traffic.
fn at_a_quarter() -> (Cell, Fake) {
    let (mut cell, mut fake) = empty();
    for revision in [1, 2] {
        fake.ask(CommandKind::Deploy {
            revision: RevisionNumber(revision),
        });
        fake.turns(&mut cell);
    }
    assert_eq!(fake.weight(2), 25.0);
    fake.events.clear();
    (cell, fake)
}

impl Fake {
    fn ask(&mut self, kind: CommandKind) -> u64 {
        let id = self.commands.len() as u64 + 1;
        self.commands.push(Command {
            id: CommandId(id),
            actor: "ada".to_owned(),
            at: self.now,
            kind,
        });
        id
    }

    /// Turns until the service waits.
    fn turns(&mut self, cell: &mut Cell) {
        for _ in 0..100 {
            let before = self
                .acted
                .as_ref()
                .map(|decision| decision.desired.replicas.clone());
            let outcome = cell.turn(self, self.now);
            let acted = self
                .acted
                .as_ref()
                .map(|decision| decision.desired.replicas.clone());
            if outcome.wake_at.is_none_or(|at| at > self.now) && before == acted {
                return;
            }
        }
        panic!("it comes to no rest");
    }

    fn pass(&mut self, cell: &mut Cell, span: Duration) {
        self.now = self.now.after(span);
        self.turns(cell);
    }

    fn weight(&self, revision: u32) -> f64 {
        let weights = &self.acted.as_ref().unwrap().desired.routes.weights;
        weights
            .get(&RevisionNumber(revision))
            .map_or(0.0, |weight| weight.percent())
    }

    fn entries(&self, rule: Rule) -> usize {
        self.log.iter().filter(|entry| entry.rule == rule).count()
    }
}

fn abort() -> CommandKind {
    CommandKind::Abort {
        reason: "bad".to_owned(),
    }
}

#[test]
fn a_decision_is_stored_before_it_is_answered_and_acted_on() {
    let (mut cell, mut fake) = at_a_quarter();
    let id = fake.ask(abort());
    let now = fake.now;
    cell.turn(&mut fake, now);
    let expected = [Event::Persisted, Event::Answered(vec![id]), Event::Acted];
    assert_eq!(fake.events, expected);
    assert_eq!(fake.stored.as_ref(), Some(cell.status()));
}

#[test]
fn a_turn_that_changes_nothing_writes_nothing() {
    let (mut cell, mut fake) = at_a_quarter();
    for _ in 0..20 {
        fake.pass(&mut cell, Duration::from_millis(100));
    }
    assert!(!fake.events.contains(&Event::Persisted));
    fake.pass(&mut cell, HEARTBEAT);
    let written = fake
        .events
        .iter()
        .filter(|event| **event == Event::Persisted)
        .count();
    assert_eq!(written, 1, "so that a crash knows when it was last watched");
    assert_eq!(fake.stored.as_ref().unwrap().decided_at, fake.now);
}

#[test]
fn nothing_goes_forward_while_the_store_fails() {
    let (mut cell, mut fake) = at_a_quarter();
    fake.store_works = false;
    let id = fake.ask(CommandKind::Promote { full: true });
    for _ in 0..120 {
        fake.pass(&mut cell, Duration::from_secs(1));
    }
    assert_eq!(fake.weight(2), 25.0);
    assert!(
        !fake
            .events
            .iter()
            .any(|event| matches!(event, Event::Answered(_)))
    );
    assert!(fake.effects_allowed.last() == Some(&false));
    fake.store_works = true;
    fake.pass(&mut cell, STORE_RETRY);
    assert!(fake.events.contains(&Event::Answered(vec![id])));
    assert_eq!(cell.status().stable, Some(RevisionNumber(2)));
    assert_eq!(fake.entries(Rule::ClockMoved), 0, "the time was watched");
}

#[test]
fn an_abort_needs_no_store_and_is_recorded_as_soon_as_it_can_be() {
    let (mut cell, mut fake) = at_a_quarter();
    fake.store_works = false;
    fake.errors = 0.5;
    fake.pass(&mut cell, Duration::from_millis(100));
    assert_eq!((fake.weight(1), fake.weight(2)), (100.0, 0.0));
    assert_eq!(
        fake.effects_allowed.last(),
        Some(&false),
        "no effect without a record"
    );
    for _ in 0..10 {
        fake.pass(&mut cell, Duration::from_secs(1));
        assert_eq!(fake.weight(2), 0.0);
    }
    assert_eq!(fake.entries(Rule::Aborted), 0);
    fake.store_works = true;
    fake.pass(&mut cell, STORE_RETRY);
    assert_eq!(
        (fake.entries(Rule::CheckFailed), fake.entries(Rule::Aborted)),
        (1, 1)
    );
    assert_eq!(fake.stored.as_ref(), Some(cell.status()));
    fake.pass(&mut cell, Duration::from_secs(5));
    assert_eq!(fake.entries(Rule::Aborted), 1, "once");
}

#[test]
fn an_abort_by_command_is_answered_at_once_and_its_answer_is_recorded_later() {
    let (mut cell, mut fake) = at_a_quarter();
    fake.store_works = false;
    let id = fake.ask(abort());
    fake.turns(&mut cell);
    assert!(fake.events.contains(&Event::Answered(vec![id])));
    fake.store_works = true;
    fake.pass(&mut cell, STORE_RETRY);
    let recorded: Vec<u64> = fake.answers.iter().map(|answer| answer.id.0).collect();
    assert_eq!(recorded, [1, 2, id]);
    let told = fake
        .events
        .iter()
        .filter(|event| matches!(event, Event::Answered(_)))
        .count();
    assert_eq!(told, 1);
}

#[test]
fn a_store_that_fails_is_left_alone_for_a_while_but_the_canary_is_watched() {
    let (mut cell, mut fake) = at_a_quarter();
    fake.store_works = false;
    fake.ask(CommandKind::Pause { reason: None });
    for _ in 0..50 {
        let now = fake.now.after(Duration::from_millis(100));
        fake.now = now;
        let wake = cell.turn(&mut fake, now).wake_at.unwrap();
        assert!(wake > now && wake <= now.after(Duration::from_millis(100)));
    }
    let tries = fake
        .events
        .iter()
        .filter(|event| **event == Event::PersistFailed)
        .count();
    assert_eq!(tries, 10, "twice a second");
}

#[test]
fn after_a_crash_the_traffic_is_as_stored_even_if_nothing_can_be_stored() {
    let (_, mut fake) = at_a_quarter();
    let stored = fake.stored.clone().unwrap();
    fake.store_works = false;
    fake.acted = None;
    fake.settled = false;
    let mut cell = Cell::new(stored);
    fake.pass(&mut cell, Duration::from_secs(3_600));
    assert_eq!((fake.weight(1), fake.weight(2)), (75.0, 25.0));
    let replicas = &fake.acted.as_ref().unwrap().desired.replicas;
    assert_eq!(replicas.values().copied().collect::<Vec<_>>(), [4, 1]);
    fake.store_works = true;
    fake.settled = true;
    fake.pass(&mut cell, STORE_RETRY);
    assert_eq!(
        fake.entries(Rule::ClockMoved),
        1,
        "and the gap is told once"
    );
}

#[test]
fn commands_about_what_does_not_exist_are_refused_not_left_waiting() {
    let (mut cell, mut fake) = empty();
    let asked = [
        fake.ask(CommandKind::Pause { reason: None }),
        fake.ask(CommandKind::Deploy {
            revision: RevisionNumber(9),
        }),
        fake.ask(CommandKind::Undo {
            to: Some(RevisionNumber(8)),
        }),
        fake.ask(CommandKind::Deploy {
            revision: RevisionNumber(1),
        }),
        fake.ask(CommandKind::Deploy {
            revision: RevisionNumber(7),
        }),
    ];
    fake.turns(&mut cell);
    let answers: Vec<(u64, bool)> = fake
        .answers
        .iter()
        .map(|answer| (answer.id.0, answer.outcome == CommandOutcome::Accepted))
        .collect();
    let accepted = [false, false, false, true, false];
    assert_eq!(answers, asked.into_iter().zip(accepted).collect::<Vec<_>>());
    assert_eq!(cell.status().stable, Some(RevisionNumber(1)));
    let messages: Vec<&str> = fake
        .log
        .iter()
        .map(|entry| entry.message.as_str())
        .collect();
    assert!(
        messages
            .iter()
            .any(|it| it.contains("there is no revision 9 of shop")),
        "{messages:?}"
    );
}

#[test]
fn a_refusal_that_cannot_be_stored_does_not_blind_the_guards() {
    let (mut cell, mut fake) = at_a_quarter();
    fake.store_works = false;
    fake.ask(CommandKind::Deploy {
        revision: RevisionNumber(9),
    });
    fake.errors = 0.5;
    fake.pass(&mut cell, Duration::from_millis(100));
    assert_eq!(fake.weight(2), 0.0);
}

#[test]
fn a_command_behind_others_is_not_forgotten_because_it_cannot_be_carried_out() {
    let (mut cell, mut fake) = at_a_quarter();
    fake.ask(CommandKind::Pause { reason: None });
    fake.ask(CommandKind::Deploy {
        revision: RevisionNumber(9),
    });
    let now = fake.now;
    assert_eq!(cell.turn(&mut fake, now).wake_at, Some(now));
    assert_eq!(cell.turn(&mut fake, now).wake_at, Some(now));
    assert_eq!(
        fake.answers.len(),
        4,
        "two deployments, the hold, and the refusal"
    );
}

#[test]
fn a_refusal_that_cannot_be_stored_is_tried_again() {
    let (mut cell, mut fake) = empty();
    fake.ask(CommandKind::Deploy {
        revision: RevisionNumber(1),
    });
    fake.turns(&mut cell);
    fake.store_works = false;
    fake.ask(CommandKind::Deploy {
        revision: RevisionNumber(9),
    });
    let now = fake.now;
    let outcome = cell.turn(&mut fake, now);
    assert!(outcome.store_error.is_some());
    assert_eq!(outcome.wake_at, Some(now.after(STORE_RETRY)));
    fake.store_works = true;
    fake.pass(&mut cell, STORE_RETRY);
    assert_eq!(fake.answers.len(), 2);
}

#[test]
fn a_former_revision_that_is_gone_cannot_be_undone_to() {
    let (mut cell, mut fake) = at_a_quarter();
    fake.ask(CommandKind::Promote { full: true });
    fake.turns(&mut cell);
    fake.known.remove(&1);
    fake.ask(CommandKind::Undo { to: None });
    fake.turns(&mut cell);
    let last = fake.answers.last().unwrap();
    assert!(
        matches!(&last.outcome, CommandOutcome::Refused { message } if message.contains("no revision 1"))
    );
    assert_eq!(cell.status().stable, Some(RevisionNumber(2)));
}
