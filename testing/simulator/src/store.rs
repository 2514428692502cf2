//! A fake store: what survives a crash of Sluice.

use sluice_analysis::ledger::Ledger;
use sluice_control::Record;
use sluice_model::{
    Command, CommandId, CommandKind, CommandOutcome, Plan, ReportEntry, RevisionNumber,
    ServiceStatus, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is stored of one service.
#[derive(Clone, Debug)]
pub struct Store {
    /// The status as last stored.
    pub status: ServiceStatus,
    /// The decision log.
    pub log: Vec<(Timestamp, ReportEntry)>,
    /// All commands that were ever asked.
    pub commands: Vec<Command>,
    /// Their answers.
    pub answers: BTreeMap<CommandId, CommandOutcome>,
    /// The plans of the revisions.
    pub plans: BTreeMap<RevisionNumber, Arc<Plan>>,
    /// Until when nothing can be written, on the simulation's own clock.
    pub fails_until: i64,
    /// The books of the running rollout's comparisons.
    ledger: Option<Ledger>,
}

impl Store {
    /// An empty store of a service.
    #[must_use]
    pub fn new(status: ServiceStatus) -> Self {
        Self {
            status,
            log: Vec::new(),
            commands: Vec::new(),
            answers: BTreeMap::new(),
            plans: BTreeMap::new(),
            fails_until: 0,
            ledger: None,
        }
    }

    /// Adds a revision.
    pub fn add_revision(&mut self, plan: Plan) -> RevisionNumber {
        let last = self
            .plans
            .keys()
            .next_back()
            .map_or(0, |revision| revision.0);
        let revision = RevisionNumber(last + 1);
        self.plans.insert(revision, Arc::new(plan));
        revision
    }

    /// Adds a command; its number.
    pub fn ask(&mut self, at: Timestamp, actor: &str, kind: CommandKind) -> CommandId {
        let id = CommandId(self.commands.len() as u64 + 1);
        self.commands.push(Command {
            id,
            actor: actor.to_owned(),
            at,
            kind,
        });
        id
    }

    /// The commands behind `last`, as far as they have no answer.
    #[must_use]
    pub fn open_commands(&self, last: CommandId) -> Vec<Command> {
        // Numbers count from 1 without a gap.
        let from = (last.0 as usize).min(self.commands.len());
        let open = |command: &&Command| !self.answers.contains_key(&command.id);
        self.commands[from..].iter().filter(open).cloned().collect()
    }

    /// Stores the books of the comparisons, or that there are none.
    pub fn save_ledger(&mut self, ledger: Option<&Ledger>) {
        self.ledger = ledger.cloned();
    }

    /// The books as another process reads them: only what is written down comes back.
    ///
    /// # Panics
    /// When a ledger cannot be written down, or is not read back: a defect of its form.
    #[must_use]
    pub fn ledger(&self) -> Option<Ledger> {
        let ledger = self.ledger.as_ref()?;
        let text = serde_json::to_string(ledger).expect("a ledger is written down");
        Some(serde_json::from_str(&text).expect("a ledger is read back"))
    }

    /// Whether there are books.
    #[must_use]
    pub fn has_ledger(&self) -> bool {
        self.ledger.is_some()
    }

    /// Stores a transition.
    pub fn commit(&mut self, record: &Record<'_>) {
        self.status.clone_from(record.status);
        self.log.extend(
            record
                .entries
                .iter()
                .map(|entry| (record.at, entry.clone())),
        );
        for answer in record.answers {
            self.answers.insert(answer.id, answer.outcome.clone());
        }
    }
}
