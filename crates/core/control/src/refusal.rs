//! Commands that the engine cannot answer, because no plan is known for what they name.
//!
//! The engine decides by a plan. A deployment of a revision that the store does not have, or any command
//! to a service that never had one, would wait for ever; it is refused here, and the refusal is
//! recorded like any other answer.

use crate::{Cell, World};
use sluice_engine::plan_revision;
use sluice_model::report::CommandAnswer;
use sluice_model::{
    Command, CommandKind, CommandOutcome, Report, ReportEntry, RevisionNumber, Rule, ServiceStatus,
    Timestamp,
};

/// A command that cannot be carried out, and why.
pub(crate) struct Refusal {
    command: Command,
    message: String,
}

/// The commands of a service, sorted.
pub(crate) struct Sorted {
    /// Those that the engine can answer now: up to the first that it cannot.
    pub(crate) answerable: Vec<Command>,
    /// The next one, when the engine cannot answer it.
    pub(crate) refusal: Option<Refusal>,
    /// Whether some are left for the next turn.
    pub(crate) more: bool,
}

/// Sorts the commands.
pub(crate) fn sort(
    world: &mut impl World,
    status: &ServiceStatus,
    mut commands: Vec<Command>,
) -> Sorted {
    commands.retain(|command| command.id > status.last_command);
    if commands.is_empty() {
        return Sorted {
            answerable: commands,
            refusal: None,
            more: false,
        };
    }
    let known = plan_revision(status, &commands).is_some_and(|it| world.plan(status, it).is_some());
    let names_unknown = |command: &Command| {
        named(status, command).is_some_and(|it| world.plan(status, it).is_none())
    };
    let unanswerable = match commands.iter().position(names_unknown) {
        _ if !known => Some(0),
        position => position,
    };
    let Some(index) = unanswerable else {
        return Sorted {
            answerable: commands,
            refusal: None,
            more: false,
        };
    };
    let more = commands.len() > 1;
    let refusal = (index == 0).then(|| {
        let command = commands[0].clone();
        let message = why(status, &command);
        Refusal { command, message }
    });
    commands.truncate(index);
    Sorted {
        answerable: commands,
        refusal,
        more,
    }
}

/// The revision whose plan a command needs next.
fn named(status: &ServiceStatus, command: &Command) -> Option<RevisionNumber> {
    match command.kind {
        CommandKind::Deploy { revision } => Some(revision),
        CommandKind::Undo { to: None } if status.running().is_none() => {
            status.former.first().copied()
        }
        CommandKind::Undo { to } => to,
        CommandKind::Retry => status.rollout.as_ref().map(|rollout| rollout.target),
        _ => None,
    }
}

fn why(status: &ServiceStatus, command: &Command) -> String {
    let service = &status.service;
    match named(status, command) {
        Some(revision) => format!(
            "there is no revision {revision} of {service}; `sluice history {service}` lists what there is"
        ),
        None if status.stable.is_some() || status.rollout.is_some() => {
            format!("the plan of the present revision of {service} cannot be read from the store")
        }
        None => format!("{service} has no revision yet; start with `sluice deploy {service}`"),
    }
}

impl Cell {
    /// Records the refusal of one command.
    ///
    /// # Errors
    /// The store's; then the command is still to be answered.
    pub(crate) fn refuse(
        &mut self,
        world: &mut impl World,
        refusal: Refusal,
        now: Timestamp,
    ) -> Result<(), String> {
        let Refusal { command, message } = refusal;
        let mut status = self.status.clone();
        status.last_command = command.id;
        let entry = ReportEntry {
            rule: Rule::CommandRefused,
            message: message.clone(),
            actor: Some(command.actor),
            evidence: Vec::new(),
        };
        let outcome = CommandOutcome::Refused { message };
        let report = Report {
            entries: vec![entry],
            commands: vec![CommandAnswer {
                id: command.id,
                outcome,
            }],
            ..Report::default()
        };
        self.store(world, &status, &report, false, now)?;
        self.status = status;
        Ok(())
    }
}
