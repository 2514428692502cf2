//! Waiting for a service to get somewhere: `wait`, and `--wait` of the commands that start rollouts.
//!
//! A wait survives a restart of Sluice. It never asks for anything: when its time is up, or it is
//! interrupted, the rollout goes on.

use super::args::WaitFor;
use super::failure::{Exit, Failure};
use super::output::Output;
use crate::view::lines::News;
use serde::Serialize;
use sluice_model::ids::{RevisionNumber, ServiceName};
use sluice_model::time::format_span;
use sluice_model::view::{Phase, RolloutOutcome, ServiceView};
use sluice_server::wire::WatchEvent;
use sluice_server::{Client, ClientError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long Sluice may be away in the middle of a wait, as during its own upgrade.
pub(crate) const ABSENCE_MAX: Duration = Duration::from_secs(60);

/// Time between two tries to find it again.
pub(crate) const RETRY: Duration = Duration::from_millis(500);

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    /// The rollout was promoted.
    Promoted,
    /// The service is healthy.
    Healthy,
    /// The rollout was aborted.
    Aborted,
    /// Another revision took its place.
    Superseded,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) what: WaitFor,
    /// Only this revision will do.
    pub(crate) revision: Option<RevisionNumber>,
}

impl Goal {
    /// The end of the rollout to a revision.
    pub(crate) fn promoted(revision: RevisionNumber) -> Goal {
        Goal {
            what: WaitFor::Promoted,
            revision: Some(revision),
        }
    }

    /// What a view means for the goal; `None` when it is still open.
    fn judge(self, view: &ServiceView) -> Option<Outcome> {
        match (self.what, view.canary) {
            (WaitFor::Healthy, _) => {
                let is_right = self.revision.is_none() || view.stable == self.revision;
                (view.phase == Phase::Healthy && is_right).then_some(Outcome::Healthy)
            }
            (WaitFor::Promoted, Some(canary)) => match self.revision {
                Some(revision) if revision != canary => Some(Outcome::Superseded),
                _ => None,
            },
            (WaitFor::Promoted, None) => {
                let rollout = view.rollout?;
                let is_right = self
                    .revision
                    .is_none_or(|revision| revision == rollout.revision);
                match rollout.outcome {
                    RolloutOutcome::Running => None,
                    // A rollout to stable itself is none: there was nothing to do.
                    _ if !is_right && view.stable == self.revision => Some(Outcome::Promoted),
                    _ if !is_right => Some(Outcome::Superseded),
                    RolloutOutcome::Promoted => Some(Outcome::Promoted),
                    RolloutOutcome::Aborted | RolloutOutcome::Returned => Some(Outcome::Aborted),
                }
            }
        }
    }
}

/// Waits until the goal is reached or cannot be any more, telling what changes on the way.
pub(crate) async fn wait(
    client: &Client,
    service: &ServiceName,
    goal: Goal,
    within: Duration,
    output: Output,
) -> Result<Exit, Failure> {
    let until = Instant::now() + within;
    let reached = timeout_at(until, follow(client, service, goal, output)).await;
    match reached {
        Ok(reached) => {
            let (outcome, view) = reached?;
            tell(outcome, &view, output)
        }
        Err(_) => Err(Failure::new(
            Exit::TimedOut,
            "timed-out",
            format!(
                "`{service}` was not there within {}; it goes on by itself",
                format_span(within)
            ),
        )
        .with_help(format!("look with `sluice explain {service}`"))),
    }
}

fn tell(outcome: Outcome, view: &ServiceView, output: Output) -> Result<Exit, Failure> {
    #[derive(Serialize)]
    struct Shown<'a> {
        outcome: Outcome,
        #[serde(flatten)]
        view: &'a ServiceView,
    }
    let service = &view.service;
    if output.is_json() {
        output.json(&Shown { outcome, view })?;
    }
    let (code, message, help) = match outcome {
        Outcome::Promoted | Outcome::Healthy => return Ok(Exit::Done),
        Outcome::Aborted => (
            "aborted",
            format!("the rollout was aborted: {}", view.message),
            format!("`sluice explain {service}` shows the evidence"),
        ),
        Outcome::Superseded => (
            "superseded",
            "another revision took the place of this rollout".to_owned(),
            format!("`sluice history {service}` shows which, and by whom"),
        ),
    };
    if output.is_json() {
        return Ok(Exit::Failed);
    }
    Err(Failure::new(Exit::Failed, code, message).with_help(help))
}

/// Follows the service over restarts of Sluice. The caller bounds the time.
async fn follow(
    client: &Client,
    service: &ServiceName,
    goal: Goal,
    output: Output,
) -> Result<(Outcome, ServiceView), Failure> {
    let mut news = News::default();
    let mut away_since: Option<Instant> = None;
    loop {
        let broke =
            match follow_once(client, service, goal, output, &mut news, &mut away_since).await {
                Ok(reached) => return Ok(reached),
                Err(Broke::Failed(failure)) => return Err(failure),
                Err(Broke::Away(error)) => error,
            };
        let since = *away_since.get_or_insert_with(Instant::now);
        if since.elapsed() > ABSENCE_MAX {
            return Err(broke.into());
        }
        sleep(RETRY).await;
    }
}

/// Why following broke off.
enum Broke {
    /// Sluice is away; it may come back.
    Away(ClientError),
    /// There is nothing to wait for.
    Failed(Failure),
}

async fn follow_once(
    client: &Client,
    service: &ServiceName,
    goal: Goal,
    output: Output,
    news: &mut News,
    away_since: &mut Option<Instant>,
) -> Result<(Outcome, ServiceView), Broke> {
    // A Sluice that was never there is an error at once; one that was may come back.
    let was_there = away_since.is_some() || !news.is_empty();
    let broke = |error: ClientError| {
        if error.is_absence() && was_there {
            Broke::Away(error)
        } else {
            Broke::Failed(error.into())
        }
    };
    let mut events = client.watch(Some(service)).await.map_err(broke)?;
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => {
                return Err(Broke::Away(ClientError::Lost {
                    cause: "it ended".to_owned(),
                }));
            }
            // The connection was there: silence or a break is an absence like another.
            Err(error @ (ClientError::Lost { .. } | ClientError::TimedOut { .. })) => {
                return Err(Broke::Away(error));
            }
            Err(error) if error.is_absence() => return Err(Broke::Away(error)),
            Err(error) => return Err(Broke::Failed(error.into())),
        };
        *away_since = None;
        match event {
            WatchEvent::Synced => {}
            WatchEvent::Gone(name) => {
                let message = format!("`{name}` was taken out of the document");
                return Err(Broke::Failed(Failure::new(
                    Exit::Missing,
                    "unknown-service",
                    message,
                )));
            }
            WatchEvent::View(view) => {
                if let Some(line) = news.tell(&view)
                    && !output.is_json()
                {
                    output.text(line).map_err(Broke::Failed)?;
                }
                if let Some(outcome) = goal.judge(&view) {
                    return Ok((outcome, *view));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::samples::{CANARY, aborted, healthy, progressing, rollout};

    #[test]
    fn a_view_means_what_its_rollout_came_to() {
        let mut short = healthy("s");
        short.phase = Phase::Degraded;
        let mut promoted = healthy("s");
        promoted.stable = Some(CANARY);
        promoted.rollout = rollout(4, CANARY, RolloutOutcome::Promoted);
        let mut first = progressing("s");
        first.stable = None;
        let any = |what| Goal {
            what,
            revision: None,
        };
        let other = Goal::promoted(RevisionNumber(9));
        for (name, view, goal, expected) in [
            ("running", progressing("s"), Goal::promoted(CANARY), None),
            (
                "running, any",
                progressing("s"),
                any(WaitFor::Promoted),
                None,
            ),
            (
                "the first one runs",
                first.clone(),
                Goal::promoted(CANARY),
                None,
            ),
            (
                "another runs",
                progressing("s"),
                other,
                Some(Outcome::Superseded),
            ),
            (
                "promoted",
                promoted.clone(),
                Goal::promoted(CANARY),
                Some(Outcome::Promoted),
            ),
            (
                "promoted, any",
                healthy("s"),
                any(WaitFor::Promoted),
                Some(Outcome::Promoted),
            ),
            (
                "aborted",
                aborted("s"),
                Goal::promoted(CANARY),
                Some(Outcome::Aborted),
            ),
            (
                "aborted, any",
                aborted("s"),
                any(WaitFor::Promoted),
                Some(Outcome::Aborted),
            ),
            (
                "replicas missing, any",
                short.clone(),
                any(WaitFor::Promoted),
                Some(Outcome::Promoted),
            ),
            (
                "healthy",
                healthy("s"),
                any(WaitFor::Healthy),
                Some(Outcome::Healthy),
            ),
            ("degraded", aborted("s"), any(WaitFor::Healthy), None),
            (
                "running is not healthy",
                progressing("s"),
                any(WaitFor::Healthy),
                None,
            ),
        ] {
            assert_eq!(goal.judge(&view), expected, "{name}");
        }
        let wrong = Goal {
            what: WaitFor::Healthy,
            revision: Some(CANARY),
        };
        assert_eq!(
            wrong.judge(&healthy("s")),
            None,
            "healthy on another revision"
        );
    }
}
