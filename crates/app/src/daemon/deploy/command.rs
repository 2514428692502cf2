//! A command on its way: stored, and waited for until a decision answers it.

use super::super::clock;
use super::super::parts::Parts;
use super::blocking;
use sluice_model::ServiceName;
use sluice_model::command::{CommandKind, CommandOutcome};
use sluice_server::{ApiError, ErrorCode};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for the decision that answers a command.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Sends a command and waits for its answer.
pub(in crate::daemon) async fn command(
    parts: &Arc<Parts>,
    service: &ServiceName,
    actor: &str,
    kind: CommandKind,
) -> Result<CommandOutcome, ApiError> {
    let (keeper, name, who) = (Arc::clone(parts), service.clone(), actor.to_owned());
    let answer = blocking(move || send(&keeper, &name, &who, kind)).await??;
    parts.shared.wake(service);
    match tokio::time::timeout(ANSWER_WAIT, answer).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => Err(shutting_down()),
        Err(_) => Err(ApiError::timed_out(format!(
            "the command was not answered within {} s",
            ANSWER_WAIT.as_secs()
        ))),
    }
}

pub(super) fn shutting_down() -> ApiError {
    ApiError::new(ErrorCode::ShuttingDown, "Sluice is ending")
        .with_help("a command that was stored is carried out at the next start")
}

type Answer = tokio::sync::oneshot::Receiver<CommandOutcome>;

/// Stores a command. An abort works even when it cannot be stored.
fn send(
    parts: &Parts,
    service: &ServiceName,
    actor: &str,
    kind: CommandKind,
) -> Result<Answer, ApiError> {
    let at = clock::now();
    let is_abort = matches!(kind, CommandKind::Abort { .. });
    parts.shared.register(service, || {
        match parts.store.add_command(service, actor, kind.clone(), at) {
            Ok(id) => Ok(id),
            Err(error) if is_abort => {
                tracing::error!(%error, %service, "the abort could not be stored; it is carried out all the same");
                Ok(parts.shared.add_volatile(service, actor, kind.clone(), at))
            }
            Err(error) => Err(ApiError::store_unavailable(error)),
        }
    })
}

pub(super) fn accepted(outcome: CommandOutcome) -> Result<(), ApiError> {
    match outcome {
        CommandOutcome::Accepted => Ok(()),
        CommandOutcome::Refused { message } => Err(ApiError::refused(message)),
    }
}
