//! The life of one replica: start, probe, restart with growing pauses, stop.
//!
//! One task per replica. Which replicas there shall be is decided in `fleet`; this task follows its
//! [`Goal`], keeps the replica's line in the books right, and is the only one to signal its processes.

use crate::clock;
use crate::fleet::{Goal, ReplicaState};
use crate::group::Group;
use crate::health::{self, EVENTS_MAX, HealthEvent};
use crate::launch::StartError;
use crate::logs::ReplicaLog;
use crate::probe::Prober;
use crate::process::{Exit, Process};
use crate::procfs;
use crate::record::{Record, Spec};
use crate::shared::Shared;
use crate::start::{self, Running};
use sluice_model::ReplicaId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// First pause before a restart; it doubles with each failure.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest pause before a restart.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A replica that was ready for this long failed for a new reason: pauses begin anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
/// Pause between two looks at the requests in flight.
const DRAIN_POLL: Duration = Duration::from_millis(10);
/// Looks in a row that must find nothing in flight: a request may have chosen the replica just
/// before it left the routing, and not be counted yet.
const DRAIN_QUIET_LOOKS: u32 = 3;
/// Longest grace of a replica once the end is in a hurry ([`crate::LocalPlatform::hurry`]).
pub const HURRY_GRACE: Duration = Duration::from_secs(1);
/// Pause before processes that survived SIGKILL are tried again.
const STUCK_PAUSE: Duration = Duration::from_secs(5);

/// The task of one replica.
pub(crate) struct Supervisor {
    pub(crate) platform: Arc<Shared>,
    pub(crate) id: ReplicaId,
    pub(crate) spec: Arc<Spec>,
    pub(crate) log: Arc<ReplicaLog>,
    pub(crate) goal: watch::Receiver<Goal>,
    pub(crate) restarts: u32,
}

/// Why a replica's process is no longer attended to.
enum End {
    Failed { reason: String, was_healthy: bool },
    Stopped,
    Detached,
}

/// What interrupted the peace of a running replica.
enum Turn {
    Exited,
    Unhealthy(String),
    Stop,
    Detach,
}

impl Supervisor {
    /// Keeps the replica until it is stopped or handed over.
    pub(crate) async fn run(mut self, mut running: Option<Running>) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let started = match (running.take(), self.goal_now()) {
                (Some(running), _) => Ok(running),
                (None, Goal::Run) => self.start().await,
                (None, Goal::Stop | Goal::Hurry) => break,
                (None, Goal::Detach) => return,
            };
            let (reason, was_healthy) = match started {
                Err(error) => (error.to_string(), false),
                Ok(running) => match self.attend(running).await {
                    End::Failed {
                        reason,
                        was_healthy,
                    } => (reason, was_healthy),
                    End::Stopped => break,
                    End::Detached => return,
                },
            };
            if was_healthy {
                backoff = BACKOFF_FIRST;
            }
            if self.goal_now() != Goal::Run {
                continue;
            }
            self.note_failure(&reason, backoff);
            tokio::select! {
                () = sleep(backoff) => {}
                _ = other_goal(&mut self.goal) => {}
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
            if self.goal_now() == Goal::Run {
                self.restarts = self.restarts.saturating_add(1);
            }
        }
        self.leave().await;
    }

    /// A platform that is gone hands its replicas over.
    fn goal_now(&self) -> Goal {
        if self.goal.has_changed().is_err() {
            Goal::Detach
        } else {
            *self.goal.borrow()
        }
    }

    async fn start(&mut self) -> Result<Running, StartError> {
        let restarts = self.restarts;
        self.platform
            .update(&self.spec.service, &self.id, |replica| {
                replica.state = ReplicaState::Starting;
                replica.restarts = restarts;
            });
        let interrupted = |why: &str| StartError::Interrupted(why.to_owned());
        let permit = tokio::select! {
            permit = self.platform.starts.clone().acquire_owned() => {
                permit.map_err(|_| interrupted("the platform is closed"))?
            }
            _ = other_goal(&mut self.goal) => return Err(interrupted("it is being stopped")),
        };
        let platform = self.platform.clone();
        let (id, spec, log) = (self.id.clone(), self.spec.clone(), self.log.clone());
        let started = tokio::task::spawn_blocking(move || {
            let started = start::start(&platform, &id, &spec, &log, restarts);
            drop(permit);
            started
        });
        let running = started
            .await
            .map_err(|error| StartError::Interrupted(error.to_string()))??;
        let process = (
            procfs::number(running.process.pid()),
            running.process.start_ticks(),
        );
        self.platform
            .update(&self.spec.service, &self.id, |replica| {
                replica.process = Some(process);
                replica.port = Some(running.record.port);
            });
        Ok(running)
    }

    /// Watches over a running process until it ends, whoever ends it.
    async fn attend(&mut self, running: Running) -> End {
        let group = self.group(&running.process);
        let (sender, mut events) = mpsc::channel(EVENTS_MAX);
        let prober = Prober {
            port: running.record.port,
            h2c: self.spec.h2c,
            group: group.clone(),
            launch: running.launch.clone(),
        };
        // Ends with this function, whichever way.
        let mut probes = JoinSet::new();
        probes.spawn(health::watch(
            prober,
            self.spec.workload.clone(),
            running.adopted,
            sender,
        ));
        let mut ready_since: Option<Instant> = None;
        let mut healthy = false;
        let mut look_again: Option<Instant> = None;
        let turn = loop {
            tokio::select! {
                () = running.process.ended() => break Turn::Exited,
                goal = other_goal(&mut self.goal) => {
                    break if goal == Goal::Detach { Turn::Detach } else { Turn::Stop };
                }
                Some(event) = events.recv() => match event {
                    HealthEvent::Ready => {
                        let now = Instant::now();
                        ready_since = Some(now);
                        look_again = Some(now + self.spec.min_ready);
                        self.note_ready(now);
                    }
                    HealthEvent::Unready(reason) => {
                        healthy |= was_long(ready_since.take());
                        look_again = None;
                        self.note_unready(reason);
                    }
                    HealthEvent::Restart(reason) => break Turn::Unhealthy(reason),
                },
                () = sleep_until(look_again.unwrap_or_else(Instant::now)), if look_again.is_some() => {
                    look_again = None;
                    self.platform.changed();
                }
            }
        };
        healthy |= was_long(ready_since);
        probes.shutdown().await;
        let reason = match turn {
            Turn::Detach => return End::Detached,
            Turn::Stop => return self.stop(running, &group).await,
            Turn::Exited => {
                self.note_end(ReplicaState::Waiting);
                let reason = self.describe_exit(&running);
                self.end(&running.process, &group, Duration::ZERO).await;
                reason
            }
            Turn::Unhealthy(reason) => {
                self.note_end(ReplicaState::Terminating);
                self.end(&running.process, &group, self.spec.workload.stop.grace)
                    .await;
                reason
            }
        };
        self.platform.ports.give_back(running.record.port);
        running.process.reap();
        End::Failed {
            reason,
            was_healthy: healthy,
        }
    }

    /// Out of routing (which has happened), drain, SIGTERM, grace, SIGKILL; in a hurry the last three at
    /// once.
    async fn stop(&mut self, mut running: Running, group: &Group) -> End {
        running.record.stopping = true;
        self.save(running.record.clone()).await;
        self.note_end(ReplicaState::Draining);
        let stopping = self.spec.workload.stop.clone();
        let mut handed_over = self.goal.clone();
        let mut hurried = self.goal.clone();
        // A grace of zero still is a SIGTERM first, as everywhere.
        let grace = stopping.grace.max(DRAIN_POLL);
        let in_order = async {
            tokio::select! {
                () = self.drain(stopping.drain) => {}
                () = running.process.ended() => {}
            }
            self.note_end(ReplicaState::Terminating);
            self.end(&running.process, group, grace).await;
        };
        let work = async {
            tokio::select! {
                () = in_order => return,
                _ = hurried.wait_for(|goal| *goal == Goal::Hurry) => {}
            }
            self.note_end(ReplicaState::Terminating);
            self.end(&running.process, group, grace.min(HURRY_GRACE))
                .await;
        };
        tokio::select! {
            () = work => {}
            _ = handed_over.wait_for(|goal| *goal == Goal::Detach) => return End::Detached,
        }
        self.platform.ports.give_back(running.record.port);
        running.process.reap();
        End::Stopped
    }

    /// Waits until nothing is in flight, for at most `longest`.
    async fn drain(&self, longest: Duration) {
        let deadline = Instant::now() + longest;
        let mut quiet = 0;
        while quiet < DRAIN_QUIET_LOOKS && Instant::now() < deadline {
            quiet = if self.platform.routing.in_flight(&self.id) == 0 {
                quiet + 1
            } else {
                0
            };
            sleep_until(deadline.min(Instant::now() + DRAIN_POLL)).await;
        }
        if quiet < DRAIN_QUIET_LOOKS && !longest.is_zero() {
            let in_flight = self.platform.routing.in_flight(&self.id);
            tracing::info!(replica = %self.id, in_flight, "the drain's time is over");
        }
    }

    /// Ends the whole group. It does not come back before it is gone: a process that not even
    /// SIGKILL ends holds memory, files and its port.
    async fn end(&self, process: &Process, group: &Group, grace: Duration) {
        let mut left = group.end(Some(process), grace).await;
        while !left.is_empty() {
            tracing::error!(replica = %self.id, pids = ?left, "processes survive SIGKILL: they are stuck in the kernel");
            sleep(STUCK_PAUSE).await;
            left = group.end(Some(process), Duration::ZERO).await;
        }
    }

    fn group(&self, process: &Process) -> Group {
        Group {
            state_id: self.platform.config.sluice_id.clone(),
            replica: self.id.clone(),
            leader: Some((process.pid(), process.start_ticks())),
            others: Vec::new(),
        }
    }

    fn describe_exit(&self, running: &Running) -> String {
        let exit = running.process.exit();
        let after = running.started.elapsed().as_secs_f64();
        let last_line = self.log.last_line(running.log_since);
        let hint =
            (exit == Exit::Code(0)).then(|| "a service has to stay in the foreground".to_owned());
        match last_line.or(hint) {
            Some(text) => format!("{exit} after {after:.1} s: {text}"),
            None => format!("{exit} after {after:.1} s"),
        }
    }

    fn note_ready(&self, now: Instant) {
        self.platform
            .update(&self.spec.service, &self.id, |replica| {
                replica.state = ReplicaState::Ready;
                replica.ready_since = Some((now, clock::now()));
                replica.not_ready = None;
            });
    }

    fn note_unready(&self, reason: String) {
        tracing::warn!(replica = %self.id, %reason, "replica is not ready");
        self.platform
            .update(&self.spec.service, &self.id, |replica| {
                replica.state = ReplicaState::Unready;
                replica.ready_since = None;
                replica.not_ready = Some(reason);
            });
    }

    /// The process gets no more traffic.
    fn note_end(&self, state: ReplicaState) {
        self.platform
            .update(&self.spec.service, &self.id, |replica| {
                replica.state = state;
                replica.ready_since = None;
                replica.not_ready = None;
            });
    }

    fn note_failure(&self, reason: &str, pause: Duration) {
        tracing::warn!(replica = %self.id, %reason, restart_in = ?pause, "replica failed");
        self.platform.set_failure(&self.spec, reason.to_owned());
        self.platform
            .update(&self.spec.service, &self.id, |replica| {
                replica.state = ReplicaState::Waiting;
                replica.ready_since = None;
                replica.process = None;
                replica.port = None;
                replica.sample = None;
                replica.last_failure = Some(reason.to_owned());
            });
    }

    async fn save(&self, record: Record) {
        let platform = self.platform.clone();
        if let Err(error) =
            tokio::task::spawn_blocking(move || start::save(&platform, &record)).await
        {
            tracing::warn!(replica = %self.id, %error, "the replica's record was not written");
        }
    }

    /// Nothing of it runs any more: strikes it from the books.
    async fn leave(self) {
        let platform = self.platform.clone();
        let (service, id) = (self.spec.service.clone(), self.id.clone());
        let left = tokio::task::spawn_blocking(move || platform.forget(&service, &id)).await;
        if let Err(error) = left {
            tracing::error!(replica = %self.id, %error, "a replica that ended was not struck from the books");
        }
    }
}

/// Waits until the goal is no longer to run. A platform that is gone has handed over. Cancel-safe.
async fn other_goal(goal: &mut watch::Receiver<Goal>) -> Goal {
    goal.wait_for(|goal| *goal != Goal::Run)
        .await
        .map_or(Goal::Detach, |goal| *goal)
}

fn was_long(ready_since: Option<Instant>) -> bool {
    ready_since.is_some_and(|since| since.elapsed() >= HEALTHY_AFTER)
}
