//! One request as far as it is counted, for the benchmarks: all that a `Charge` does from the choice of a replica to the
//! last byte, both readings of the clock included, without a socket. Only with the feature `measure`.

use crate::charge::Charge;
use crate::config::ProxyConfig;
use crate::replica::Replica;
use crate::shards::Shards;
use crate::units::Units;
use crate::worker::local::{ReplicaLocal, RevisionLocal};
use crate::worker::{Shared, Worker};
use http::StatusCode;
use http::header::HeaderMap;
use sluice_model::{ReplicaId, RevisionNumber, RolloutId};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

/// A worker that counts requests.
pub struct Counting {
    worker: Rc<Worker>,
    revision: Rc<RevisionLocal>,
    replica: Rc<ReplicaLocal>,
    segment: Shards,
    headers: HeaderMap,
    sticky: bool,
    requests: u64,
}

impl Counting {
    /// Counts requests by themselves, or their users when they are `sticky`.
    #[must_use]
    pub fn new(sticky: bool) -> Counting {
        let (shared, _inboxes) = Shared::new(ProxyConfig::default(), 1);
        let worker = Worker::alone(Arc::new(shared));
        let replica = Replica::new(
            ReplicaId("measured".into()),
            SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            1,
        );
        let (total, segment) = (Shards::new(1), Shards::new(1));
        let units = sticky.then(|| (Arc::new(Units::new(RolloutId(1))), 1));
        let revision = RevisionLocal::alone(RevisionNumber(2), total.of(0), segment.of(0), units);
        Counting {
            worker,
            revision: Rc::new(revision),
            replica: Rc::new(ReplicaLocal::new(Arc::new(replica))),
            segment,
            headers: HeaderMap::new(),
            sticky,
            requests: 0,
        }
    }

    /// A request that is answered with 200; one of a thousand with 500.
    pub fn request(&mut self) {
        self.requests += 1;
        let user = self.requests.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut charge = Charge::reserve(&self.worker, &self.revision, &self.replica);
        charge.assigned_by_chance(self.sticky.then_some(user >> 16));
        charge.begin();
        let status = match self.requests % 1_000 {
            0 => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::OK,
        };
        charge.answered(status, &self.headers);
        charge.sent(100);
        charge.complete();
    }

    /// Requests, or users, that count in the comparison so far.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.segment.sum().assigned
    }
}
