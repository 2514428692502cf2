//! One worker's view of a service: the snapshot in a form without atomics, the idle connections to
//! its replicas, and the choice of a replica.

use super::Worker;
use crate::charge::Charge;
use crate::h1::client::ReplicaConnection;
use crate::h2::client::Sender;
use crate::replica::Replica;
use crate::service::{ServiceState, Snapshot};
use crate::shards::{Count, Shard};
use crate::units::Units;
use arc_swap::ArcSwap;
use arc_swap::cache::Cache;
use sluice_model::RevisionNumber;
use std::cell::{Cell, RefCell, RefMut};
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// Idle connections kept for each replica and worker.
const IDLE_MAX: usize = 256;
/// Looks of the housekeeping (seconds, nearly) that one is kept for.
const IDLE_LOOKS_MAX: u32 = 30;
/// Looks at a routing that changes under a decision before the decision is taken anyway.
const LOOKS_MAX: usize = 8;

/// A service as one worker sees it.
pub(crate) struct ServiceLocal {
    pub(crate) state: Arc<ServiceState>,
    worker: Weak<Worker>,
    cache: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    view: RefCell<Rc<View>>,
    failures: Arc<Count>,
}

impl ServiceLocal {
    pub(super) fn new(state: Arc<ServiceState>, worker: &Rc<Worker>) -> ServiceLocal {
        let cache = Cache::new(Arc::clone(&state.snapshot));
        let failures = state.failures_of(worker.index);
        let nothing = View {
            snapshot: state.snapshot.load_full(),
            revisions: Vec::new(),
        };
        let view = View::next(&nothing, Arc::clone(&nothing.snapshot), worker.index);
        ServiceLocal {
            state,
            worker: Rc::downgrade(worker),
            cache: RefCell::new(cache),
            view: RefCell::new(Rc::new(view)),
            failures,
        }
    }

    /// Counts an answer that the proxy had to make up.
    pub(crate) fn count_failure(&self) {
        self.failures.add(1);
    }

    /// The present view: one relaxed load when nothing changed.
    fn view(&self) -> Rc<View> {
        let mut cache = self.cache.borrow_mut();
        let snapshot = cache.load();
        let mut view = self.view.borrow_mut();
        if !Arc::ptr_eq(snapshot, &view.snapshot)
            && let Some(worker) = self.worker.upgrade()
        {
            *view = Rc::new(View::next(&view, Arc::clone(snapshot), worker.index));
        }
        Rc::clone(&view)
    }

    /// Lets `choose` choose on a view that did not change while it chose. What it chose on one that
    /// did is dropped. See [`Replica::in_flight`] for what this rules out.
    pub(crate) fn settled<T>(&self, mut choose: impl FnMut(&View) -> T) -> T {
        let mut looks = 1;
        loop {
            let view = self.view();
            let chosen = choose(&view);
            let same = Arc::ptr_eq(self.cache.borrow_mut().load(), &view.snapshot);
            if same || looks == LOOKS_MAX {
                return chosen;
            }
            looks += 1;
        }
    }

    /// Takes a change over now, and not with the next request.
    pub(super) fn refresh(&self) {
        self.view();
    }

    /// Closes connections that were idle for long, or that the replica closed.
    pub(super) fn keep_house(&self) {
        for revision in &self.view().revisions {
            for replica in &revision.replicas {
                let mut idle = replica.idle.borrow_mut();
                idle.retain_mut(|connection| connection.stays_idle(IDLE_LOOKS_MAX));
                replica.senders().retain(|sender| !sender.is_closed());
            }
        }
    }
}

/// A snapshot as one worker sees it.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    revisions: Vec<Rc<RevisionLocal>>,
}

impl View {
    /// The view of the next snapshot: replicas that stay keep their connections.
    fn next(before: &View, snapshot: Arc<Snapshot>, worker: usize) -> View {
        let mut known: Vec<Rc<ReplicaLocal>> = before
            .revisions
            .iter()
            .flat_map(|revision| revision.replicas.iter().cloned())
            .collect();
        let revisions = snapshot
            .revisions
            .iter()
            .map(|state| {
                let replicas = state.replicas.iter().map(|replica| {
                    match known
                        .iter()
                        .position(|known| Arc::ptr_eq(&known.replica, replica))
                    {
                        Some(at) => known.swap_remove(at),
                        None => Rc::new(ReplicaLocal::new(Arc::clone(replica))),
                    }
                });
                Rc::new(RevisionLocal {
                    number: state.number,
                    replicas: replicas.collect(),
                    total: state.total.of(worker),
                    segment: state.segment.of(worker),
                    units: snapshot.units.clone(),
                })
            })
            .collect();
        known.iter().for_each(|gone| gone.leave());
        View {
            snapshot,
            revisions,
        }
    }

    /// The revision with this number, if there is anything to it.
    pub(crate) fn revision(&self, number: RevisionNumber) -> Option<&Rc<RevisionLocal>> {
        self.revisions
            .iter()
            .find(|revision| revision.number == number)
    }

    /// Reserves a replica of a revision for a request: of two that may be asked, the one with fewer requests.
    /// `tried` ones are left out; ejected ones too, unless there is no other.
    pub(crate) fn lease(
        &self,
        worker: &Rc<Worker>,
        number: RevisionNumber,
        tried: &[Rc<ReplicaLocal>],
    ) -> Option<Charge> {
        let revision = self.revision(number)?;
        let replicas = &revision.replicas;
        let start = if replicas.len() > 1 {
            worker.pick(replicas.len())
        } else {
            0
        };
        let pick = |even_ejected: bool| {
            let (late, early) = replicas.split_at_checked(start)?;
            early
                .iter()
                .chain(late)
                .filter(|replica| !tried.iter().any(|tried| Rc::ptr_eq(tried, replica)))
                .filter(|replica| {
                    even_ejected || !replica.replica.is_ejected(|| worker.shared.now_ms())
                })
                .take(2)
                .min_by_key(|replica| replica.replica.in_flight_of(worker.index))
        };
        let replica = pick(false).or_else(|| pick(true))?;
        Some(Charge::reserve(worker, revision, replica))
    }
}

/// A revision in a view.
pub(crate) struct RevisionLocal {
    pub(crate) number: RevisionNumber,
    replicas: Vec<Rc<ReplicaLocal>>,
    total: Arc<Shard>,
    segment: Arc<Shard>,
    /// The users that are compared, with the segment's number.
    pub(crate) units: Option<(Arc<Units>, u64)>,
}

impl RevisionLocal {
    /// One without replicas, to be measured.
    #[cfg(feature = "measure")]
    pub(crate) fn alone(
        number: RevisionNumber,
        total: Arc<Shard>,
        segment: Arc<Shard>,
        units: Option<(Arc<Units>, u64)>,
    ) -> RevisionLocal {
        RevisionLocal {
            number,
            replicas: Vec::new(),
            total,
            segment,
            units,
        }
    }

    /// Counts in the revision's counters, and in its segment's when the request came `by_chance`.
    pub(crate) fn count(&self, by_chance: bool, count: impl Fn(&Shard)) {
        count(&self.total);
        if by_chance {
            count(&self.segment);
        }
    }
}

/// A replica as one worker sees it, with its idle connections. It outlives views.
pub(crate) struct ReplicaLocal {
    pub(crate) replica: Arc<Replica>,
    idle: RefCell<Vec<ReplicaConnection>>,
    senders: RefCell<Vec<Sender>>,
    /// Held while a connection is opened that many requests will share.
    pub(crate) opening: tokio::sync::Mutex<()>,
    /// Whether it left the routing: connections are not kept any more.
    gone: Cell<bool>,
}

impl ReplicaLocal {
    pub(crate) fn new(replica: Arc<Replica>) -> ReplicaLocal {
        ReplicaLocal {
            replica,
            idle: RefCell::default(),
            senders: RefCell::default(),
            opening: tokio::sync::Mutex::default(),
            gone: Cell::new(false),
        }
    }

    /// The idle connection that was used last.
    pub(crate) fn take_idle(&self) -> Option<ReplicaConnection> {
        self.idle.borrow_mut().pop()
    }

    /// Keeps a connection for another request.
    pub(crate) fn keep_idle(&self, connection: ReplicaConnection) {
        let mut idle = self.idle.borrow_mut();
        if !self.gone.get() && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// The shared connections.
    pub(crate) fn senders(&self) -> RefMut<'_, Vec<Sender>> {
        self.senders.borrow_mut()
    }

    /// Keeps a connection for other requests to share, unless there are `max` already.
    pub(crate) fn keep_sender(&self, sender: Sender, max: usize) {
        let mut senders = self.senders.borrow_mut();
        senders.retain(|sender| !sender.is_closed());
        if !self.gone.get() && senders.len() < max {
            senders.push(sender);
        }
    }

    fn leave(&self) {
        self.gone.set(true);
        self.idle.borrow_mut().clear();
        self.senders.borrow_mut().clear();
    }
}
