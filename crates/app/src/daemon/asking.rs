//! Asks outside metric servers what checks want to know, away from the control thread.
//!
//! The control thread says at each look which checks are judged; what is due is asked by a task of its own, and the
//! latest answers lie ready for the next look. Nothing is stored: after a restart everything is asked again. What an
//! answer means is the analysis's matter (`sluice_analysis::outside`); how a server is spoken to is in `sources`.

use super::clock;
use super::shared::{Shared, lock};
use super::sources::{Question, Sources};
use sluice_analysis::outside::{Answer, Round};
use sluice_model::outside::{Asked, MetricSource, OutsideQuery, filled};
use sluice_model::plan::{Check, Metric};
use sluice_model::time::format_span;
use sluice_model::{
    CheckName, Plan, RevisionNumber, Rollout, RolloutId, ServiceName, ServiceStatus, SourceName,
    Timestamp,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Checks that are asked about at the same time, of all services; others wait for the next look.
const ASKED_AT_ONCE_MAX: usize = 16;

/// See the module.
pub(super) struct Asking {
    runtime: Handle,
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    sources: Arc<Sources>,
    services: Arc<Mutex<BTreeMap<ServiceName, OfAttempt>>>,
}

/// What is known for the checks of one attempt of a rollout.
struct OfAttempt {
    rollout: RolloutId,
    attempt: u32,
    checks: BTreeMap<CheckName, Known>,
}

impl OfAttempt {
    fn is_of(&self, rollout: &Rollout) -> bool {
        (self.rollout, self.attempt) == (rollout.id, rollout.attempt)
    }
}

/// What is known for one check.
#[derive(Default)]
struct Known {
    asked_at: Option<Timestamp>,
    /// How long the server wants to be left alone since then, if it said so.
    rest: Duration,
    under_way: bool,
    round: Option<Round>,
}

impl Known {
    /// A clock that went back is no reason to wait for it.
    fn is_due(&self, query: &OutsideQuery, now: Timestamp) -> bool {
        let apart = query.interval.max(self.rest);
        let waits = |at| now >= at && now.since(at) < apart;
        !self.under_way && !self.asked_at.is_some_and(waits)
    }
}

impl Asking {
    pub(super) fn new(runtime: Handle, shared: Arc<Shared>) -> Asking {
        Asking {
            runtime,
            shared,
            slots: Arc::new(Semaphore::new(ASKED_AT_ONCE_MAX)),
            sources: Arc::default(),
            services: Arc::default(),
        }
    }

    /// Asks what is due for the checks that are judged now, and forgets the others.
    pub(super) fn look(
        &self,
        status: &ServiceStatus,
        plan: &Plan,
        judged: &[&Check],
        now: Timestamp,
    ) {
        let mut services = lock(&self.services);
        let asks = judged.iter().any(|check| check.metric == Metric::Outside);
        let Some(rollout) = status.running().filter(|_| asks) else {
            services.remove(&status.service);
            return;
        };
        let of_attempt = services
            .remove(&status.service)
            .filter(|known| known.is_of(rollout));
        let mut of_attempt = of_attempt.unwrap_or_else(|| OfAttempt {
            rollout: rollout.id,
            attempt: rollout.attempt,
            checks: BTreeMap::new(),
        });
        let is_judged = |name: &CheckName| judged.iter().any(|check| check.name == *name);
        of_attempt.checks.retain(|name, _| is_judged(name));
        for check in judged {
            let Some((query, server)) = query_of(plan, check) else {
                continue;
            };
            let known = of_attempt.checks.entry(check.name.clone()).or_default();
            if known.is_due(query, now) {
                let baseline = status
                    .stable
                    .filter(|_| query.per_side && check.limit.needs_baseline());
                let question = |revision, side| {
                    question(&status.service, query, server, (revision, side), now)
                };
                let asked = Questions {
                    at: now,
                    canary: question(rollout.target, "canary"),
                    baseline: baseline.map(|revision| question(revision, "baseline")),
                };
                known.under_way = self.start(status, rollout, check, asked);
                if known.under_way {
                    known.asked_at = Some(now);
                }
            }
        }
        services.insert(status.service.clone(), of_attempt);
    }

    /// Starts to ask, unless too many are asked already.
    fn start(
        &self,
        status: &ServiceStatus,
        rollout: &Rollout,
        check: &Check,
        asked: Questions,
    ) -> bool {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return false;
        };
        let (shared, services) = (Arc::clone(&self.shared), Arc::clone(&self.services));
        let sources = Arc::clone(&self.sources);
        let (service, check) = (status.service.clone(), check.name.clone());
        let (rollout, attempt) = (rollout.id, rollout.attempt);
        self.runtime.spawn(async move {
            let _slot = slot;
            let (round, rest) = asked.answered(&sources).await;
            let mut all = lock(&services);
            let known = all
                .get_mut(&service)
                .filter(|of| (of.rollout, of.attempt) == (rollout, attempt))
                .and_then(|of| of.checks.get_mut(&check));
            // A check that is judged no longer was forgotten, and its answer is of no use.
            if let Some(known) = known {
                known.under_way = false;
                known.rest = rest;
                known.round = Some(round);
                drop(all);
                shared.wake(&service);
            }
        });
        true
    }

    /// The latest answers for a check; `None` while there are none.
    pub(super) fn round(&self, service: &ServiceName, check: &Check) -> Option<Round> {
        let services = lock(&self.services);
        services
            .get(service)?
            .checks
            .get(&check.name)?
            .round
            .clone()
    }
}

/// Longest wait for an answer when a person waits for the list.
const TRIED_WITHIN: Duration = Duration::from_secs(5);

/// What a check's query brought when it was tried.
pub(super) struct Tried {
    pub(super) check: CheckName,
    pub(super) source: SourceName,
    /// The number, or the cause.
    pub(super) value: Result<f64, String>,
}

impl Asking {
    /// Asks everything that a plan's checks ask once, of this revision, all at the same time.
    pub(super) async fn try_all(
        &self,
        service: &ServiceName,
        plan: &Plan,
        revision: RevisionNumber,
    ) -> Vec<Tried> {
        let mut asked = JoinSet::new();
        for (check, query) in &plan.queries {
            let Some(server) = plan.sources.get(&query.source) else {
                continue;
            };
            let question = question(service, query, server, (revision, "canary"), clock::now());
            let (sources, slots) = (Arc::clone(&self.sources), Arc::clone(&self.slots));
            let (check, source) = (check.clone(), query.source.clone());
            asked.spawn(async move {
                let ask = async {
                    let _slot = slots.acquire().await.map_err(|closed| closed.to_string())?;
                    let asked = sources.ask(&question).await;
                    asked.map_err(|failure| failure.cause)
                };
                let value = tokio::time::timeout(TRIED_WITHIN, ask).await;
                let late = || format!("no answer within {}", format_span(TRIED_WITHIN));
                Tried {
                    check,
                    source,
                    value: value.unwrap_or_else(|_elapsed| Err(late())),
                }
            });
        }
        let mut tried = asked.join_all().await;
        tried.sort_by(|one, other| one.check.cmp(&other.check));
        tried
    }
}

/// What a check asks whom.
fn query_of<'p>(plan: &'p Plan, check: &Check) -> Option<(&'p OutsideQuery, &'p MetricSource)> {
    let asks = check.metric == Metric::Outside;
    let query = plan.queries.get(&check.name).filter(|_| asks)?;
    Some((query, plan.sources.get(&query.source)?))
}

fn question(
    service: &ServiceName,
    query: &OutsideQuery,
    server: &MetricSource,
    (revision, side): (RevisionNumber, &'static str),
    at: Timestamp,
) -> Question {
    let asked = Asked {
        service,
        revision,
        side,
    };
    Question {
        source: query.source.clone(),
        server: MetricSource {
            address: filled(&server.address, &asked),
            ..server.clone()
        },
        query: filled(&query.text, &asked),
        at,
    }
}

/// The questions of one check.
struct Questions {
    at: Timestamp,
    canary: Question,
    baseline: Option<Question>,
}

impl Questions {
    /// The answers, and how long the server wants to be left alone.
    async fn answered(self, sources: &Arc<Sources>) -> (Round, Duration) {
        let (canary, baseline) = tokio::join!(answer(sources, self.canary), async {
            match self.baseline {
                Some(question) => Some(answer(sources, question).await),
                None => None,
            }
        });
        let ((canary, rest), (baseline, rest_too)) = (canary, baseline.unzip());
        let round = Round {
            asked_at: self.at,
            canary,
            baseline,
        };
        (round, rest.max(rest_too.unwrap_or_default()))
    }
}

/// In a task of its own, so that a bug in it is an answer as well.
async fn answer(sources: &Arc<Sources>, question: Question) -> (Answer, Duration) {
    let sources = Arc::clone(sources);
    let query = question.query.clone();
    let asked = tokio::spawn(async move { sources.ask(&question).await });
    let value = match asked.await {
        Ok(value) => value,
        Err(error) => Err(format!("asking failed ({error}); please report this").into()),
    };
    let rest = value.as_ref().err().map_or(Duration::ZERO, |it| it.rest);
    let answer = Answer {
        query,
        answered_at: clock::now(),
        value: value.map_err(|failure| failure.cause),
    };
    (answer, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_asked_once_an_interval_and_less_when_the_server_says_so() {
        let query = OutsideQuery {
            source: SourceName("prod".into()),
            text: "up".into(),
            per_side: false,
            window: Duration::from_secs(60),
            interval: Duration::from_secs(15),
        };
        let known = |asked_at: Option<i64>, rest_seconds, under_way| Known {
            asked_at: asked_at.map(|second| Timestamp(second * 1_000)),
            rest: Duration::from_secs(rest_seconds),
            under_way,
            round: None,
        };
        for (known, second, due) in [
            (known(None, 0, false), 100, true),
            (known(Some(100), 0, false), 114, false),
            (known(Some(100), 0, false), 115, true),
            (known(Some(100), 60, false), 159, false),
            (known(Some(100), 60, false), 160, true),
            (known(Some(100), 0, true), 1_000, false),
            // A clock that went back.
            (known(Some(100), 60, false), 99, true),
        ] {
            assert_eq!(known.is_due(&query, Timestamp(second * 1_000)), due);
        }
    }
}
