//! Who is charged for a request: the revision whose replica caused the outcome.
//!
//! A [`Charge`] is made when a replica is chosen, and goes with the request until the last byte of the
//! answer. An attempt that fails is charged where it failed, also when another replica then saves the request. A
//! failure is counted at once; a success when the answer is complete, or after [`EARLY`], because a
//! replica may still break off in the middle.

use crate::head::is_grpc;
use crate::shards::Shard;
use crate::units::{Entered, Event};
use crate::worker::Worker;
use crate::worker::local::{ReplicaLocal, RevisionLocal};
use http::StatusCode;
use http::header::HeaderMap;
use sluice_model::plan::GOALS_MAX;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// An answer that takes longer is counted by its head. If it breaks later, that is one failed request
/// more: rather one too many than a failure that nobody sees.
const EARLY: Duration = Duration::from_secs(1);

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection, or it broke, or what came was no HTTP.
    Broken,
    /// No answer in time.
    Timeout,
}

/// The class that an answer is counted in: the index of `SideCounters::classes`.
type Class = usize;

const REFUSED: Class = 3;
const FAILED: Class = 4;

/// What is known of the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// A replica is reserved, nothing was sent.
    Reserved,
    /// Sent, no answer yet.
    Waiting,
    /// The head came; this class will be counted.
    Answered(Class),
    /// A gRPC answer came, whose status comes last.
    GrpcAnswered,
    /// Counted, the body still flows.
    Counted,
    /// Counted and over.
    Over,
}

/// The account of one attempt.
pub(crate) struct Charge {
    worker: Rc<Worker>,
    revision: Rc<RevisionLocal>,
    replica: Rc<ReplicaLocal>,
    started: Instant,
    outcome: Outcome,
    chance: Chance,
    /// The goals that the request reaches if it is answered well: a bit for each place.
    goals: u8,
}

/// What part chance had in where a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chance {
    /// None, or it is not the first attempt: it counts in no comparison.
    None,
    /// The request was assigned by itself.
    Request,
    /// The user, with this hash, was assigned.
    User {
        user: u64,
        /// Whether this is the first request of the user that counts.
        first: bool,
        /// Whether it is the first request of the user at all.
        exposed: bool,
    },
}

impl Chance {
    fn of(revision: &RevisionLocal, user: Option<u64>) -> Chance {
        match (user, &revision.units) {
            (Some(user), Some((units, segment))) => {
                let Entered { first, exposed } = units.enter(user, *segment);
                Chance::User {
                    user,
                    first,
                    exposed,
                }
            }
            (None, _) => Chance::Request,
            // Before two sides share the users there is nothing to compare.
            (Some(_), None) => Chance::None,
        }
    }

    /// Counts the request as one that goes to the revision, and its user where that is the first.
    fn tally_assigned(self, revision: &RevisionLocal) {
        self.tally(revision, |shard| shard.assigned.add(1));
        if matches!(self, Chance::Request | Chance::User { exposed: true, .. }) {
            revision.count(true, |shard| shard.exposed.add(1));
        }
    }

    /// Counts what belongs to every request, or to a user's first.
    fn tally(self, revision: &RevisionLocal, count: impl Fn(&Shard)) {
        let compared = match self {
            Chance::None => false,
            Chance::Request => true,
            Chance::User { first, .. } => first,
        };
        revision.count(compared, count);
    }

    /// Counts what may happen to a user for the first time at any request.
    fn tally_event(self, revision: &RevisionLocal, event: Event, count: impl Fn(&Shard)) {
        let compared = match (self, &revision.units) {
            (Chance::User { user, .. }, Some((units, _))) => units.is_first_event(user, event),
            (chance, _) => chance == Chance::Request,
        };
        revision.count(compared, count);
    }
}

/// Charges a revision that has no replica to serve with for a request: it does not look better for having none.
/// `by_chance` as for [`Charge::assigned_by_chance`], where the weights alone chose it.
pub(crate) fn charge_missing(revision: &RevisionLocal, by_chance: Option<Option<u64>>) {
    let chance = by_chance.map_or(Chance::None, |user| Chance::of(revision, user));
    chance.tally_assigned(revision);
    chance.tally_event(revision, Event::Failed, |shard| {
        shard.classes[FAILED].add(1);
        shard.connect_failures.add(1);
    });
}

impl Charge {
    /// Reserves a replica. Dropped before [`Charge::begin`], it leaves no trace.
    pub(crate) fn reserve(
        worker: &Rc<Worker>,
        revision: &Rc<RevisionLocal>,
        replica: &Rc<ReplicaLocal>,
    ) -> Charge {
        replica.replica.enter(worker.index);
        Charge {
            worker: Rc::clone(worker),
            revision: Rc::clone(revision),
            replica: Rc::clone(replica),
            started: Instant::now(),
            outcome: Outcome::Reserved,
            chance: Chance::None,
            goals: 0,
        }
    }

    /// The weights alone chose the revision, and this is the first attempt: the request, or its user when users
    /// are kept on their side, counts in the comparison of the two sides.
    pub(crate) fn assigned_by_chance(&mut self, user: Option<u64>) {
        self.chance = Chance::of(&self.revision, user);
    }

    /// The request reaches these goals if it is answered with 2xx or 3xx: a bit for each place.
    pub(crate) fn aims_at(&mut self, goals: u8) {
        self.goals = goals;
    }

    fn reach(&self) {
        for place in (0..GOALS_MAX).filter(|place| self.goals & 1 << place != 0) {
            let counts = match (self.chance, &self.revision.units) {
                (Chance::User { user, .. }, Some((units, segment))) => {
                    units.reaches(user, place, *segment)
                }
                (chance, _) => chance == Chance::Request,
            };
            if counts {
                self.revision.count(true, |shard| shard.goals[place].add(1));
            }
        }
    }

    fn tally(&self, count: impl Fn(&Shard)) {
        self.chance.tally(&self.revision, count);
    }

    fn tally_event(&self, event: Event, count: impl Fn(&Shard)) {
        self.chance.tally_event(&self.revision, event, count);
    }

    /// The request is about to be sent.
    pub(crate) fn begin(&mut self) {
        self.outcome = Outcome::Waiting;
        self.tally(|shard| shard.in_flight.add(1));
        self.chance.tally_assigned(&self.revision);
    }

    pub(crate) fn replica(&self) -> &Rc<ReplicaLocal> {
        &self.replica
    }

    pub(crate) fn revision(&self) -> &Rc<RevisionLocal> {
        &self.revision
    }

    /// The attempt failed before an answer.
    pub(crate) fn failed(mut self, failure: Failure) {
        self.fail(failure);
    }

    /// Nothing was sent, for a reason that is not the replica's: leaves no trace.
    pub(crate) fn withdrawn(mut self) {
        self.outcome = Outcome::Over;
    }

    fn fail(&mut self, failure: Failure) {
        self.tally_event(Event::Failed, |shard| {
            shard.classes[FAILED].add(1);
            match failure {
                Failure::Broken => shard.connect_failures.add(1),
                Failure::Timeout => shard.timeouts.add(1),
            }
        });
        self.outcome = Outcome::Over;
        let shared = &self.worker.shared;
        let replica = &self.replica.replica;
        if let Some(span) = replica.failed(|| shared.now_ms(), &shared.config.ejection) {
            let (revision, replica) = (self.revision.number, &replica.id);
            tracing::warn!(%revision, %replica, ?span, "a replica that keeps failing is left out");
        }
    }

    /// The head of the answer came.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let micros = self.started.elapsed().as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.tally(|shard| shard.latency(micros));
        let shared = &self.worker.shared;
        self.replica
            .replica
            .succeeded(|| shared.now_ms(), &shared.config.ejection);
        if is_grpc(headers) && status == StatusCode::OK {
            self.outcome = Outcome::GrpcAnswered;
            self.grpc_status(headers);
            return;
        }
        let class = class_of(status);
        self.outcome = Outcome::Answered(class);
        if class == FAILED {
            self.count(class);
        }
    }

    /// A plain TCP connection was made.
    pub(crate) fn connected(&mut self) {
        self.answered(StatusCode::OK, &HeaderMap::new());
    }

    /// Trailers came, or a head without a body.
    pub(crate) fn grpc_status(&mut self, fields: &HeaderMap) {
        if self.outcome == Outcome::GrpcAnswered
            && let Some(status) = fields.get("grpc-status")
        {
            self.count(grpc_class(status.as_bytes()));
        }
    }

    fn count(&mut self, class: Class) {
        match class {
            FAILED => self.tally_event(Event::Failed, |shard| shard.classes[FAILED].add(1)),
            REFUSED => self.tally_event(Event::Refused, |shard| shard.classes[REFUSED].add(1)),
            class => self.tally(|shard| shard.classes[class].add(1)),
        }
        if self.goals != 0 && (class == 1 || class == 2) {
            self.reach();
        }
        self.outcome = Outcome::Counted;
    }

    /// Body bytes went to the client.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.tally(|shard| shard.bytes_out.add(bytes));
    }

    /// More of the body came after its first piece: a long answer is counted before its end.
    pub(crate) fn goes_on(&mut self) {
        if let Outcome::Answered(class) = self.outcome
            && self.started.elapsed() >= EARLY
        {
            self.count(class);
        }
    }

    /// The answer is complete.
    pub(crate) fn complete(&mut self) {
        match self.outcome {
            Outcome::Answered(class) => self.count(class),
            // gRPC without a status is UNKNOWN to its client.
            Outcome::GrpcAnswered => self.count(FAILED),
            Outcome::Reserved | Outcome::Waiting | Outcome::Counted | Outcome::Over => {}
        }
        self.outcome = Outcome::Over;
    }

    /// The replica broke off in the middle of the answer.
    pub(crate) fn broke_off(&mut self, failure: Failure) {
        if self.outcome != Outcome::Over {
            self.fail(failure);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.replica.replica.leave(self.worker.index);
        if self.outcome == Outcome::Reserved {
            return;
        }
        self.tally(|shard| shard.in_flight.subtract(1));
        if self.outcome == Outcome::Over {
            return;
        }
        // Nobody wants the rest: the client left. An answer that it saw the head of counts.
        if let Outcome::Answered(class) = self.outcome {
            self.count(class);
        }
        self.tally(|shard| shard.client_aborts.add(1));
    }
}

/// 1xx is 0 … 5xx is 4; what is none of them is a failure.
fn class_of(status: StatusCode) -> Class {
    match status.as_u16() {
        code @ 100..600 => usize::from(code / 100 - 1),
        _ => FAILED,
    }
}

/// The class of a `grpc-status`: OK is 2xx; UNKNOWN (2), DEADLINE_EXCEEDED (4), UNIMPLEMENTED (12),
/// INTERNAL (13), UNAVAILABLE (14) and DATA_LOSS (15) are the server's failures, as is what is no status;
/// all others are the client's, 4xx.
fn grpc_class(status: &[u8]) -> Class {
    match status {
        b"0" => 1,
        b"1" | b"3" | b"5" | b"6" | b"7" | b"8" | b"9" | b"10" | b"11" | b"16" => 3,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_their_classes() {
        for (status, class) in [
            (101, 0),
            (200, 1),
            (304, 2),
            (404, 3),
            (500, 4),
            (599, 4),
            (700, 4),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(class_of(status), class, "{status}");
        }
        for (status, class) in [
            ("0", 1),
            ("1", 3),
            ("2", 4),
            ("4", 4),
            ("5", 3),
            ("12", 4),
            ("14", 4),
            ("16", 3),
            ("x", 4),
        ] {
            assert_eq!(grpc_class(status.as_bytes()), class, "{status}");
        }
    }
}
