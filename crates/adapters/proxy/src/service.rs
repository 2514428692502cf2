//! A service as all workers see it: one immutable [`Snapshot`] of routes and replicas behind one
//! pointer. Whoever changes something builds the next snapshot aside and stores the pointer: a change
//! of the weights is one atomic store, and no request ever sees half of it.

use crate::config::{Endpoint, ListenerRole};
use crate::listen::ListenerState;
use crate::replica::Replica;
use crate::shards::{Count, Shards};
use crate::units::{USERS_MAX, Units};
use arc_swap::ArcSwap;
use sluice_model::routes::Assignment;
use sluice_model::{ReplicaId, RevisionNumber, Routes, ServiceName, SideCounters, Weight};
use sluice_routing::{RouteError, RouteTable};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counters by segment and revision that are remembered for each service: two revisions in more
/// segments than any sensible plan has steps.
const SEGMENTS_MAX: usize = 64;
/// Revisions whose cumulative counters are remembered for each service.
const REVISIONS_MAX: usize = 64;
/// Replicas out of routing that still had requests, remembered until they have none.
const LEAVING_MAX: usize = 4_096;

/// Routes and replicas at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) table: RouteTable,
    /// By rising number.
    pub(crate) revisions: Vec<RevisionState>,
    /// The users that are compared, with the number of the present weight segment.
    pub(crate) units: Option<(Arc<Units>, u64)>,
}

/// One revision in a snapshot.
#[derive(Debug)]
pub(crate) struct RevisionState {
    pub(crate) number: RevisionNumber,
    pub(crate) replicas: Vec<Arc<Replica>>,
    /// Counters since the service is known.
    pub(crate) total: Arc<Shards>,
    /// Counters of the present weight segment.
    pub(crate) segment: Arc<Shards>,
}

/// The users of a rollout that keeps them on their side; the same as before while the rollout is.
fn units_for(routes: &Routes, before: Option<Arc<Units>>) -> Option<Arc<Units>> {
    let sides = routes
        .weights
        .values()
        .filter(|weight| **weight > Weight::ZERO);
    if routes.assignment == Assignment::PerRequest || sides.count() < 2 {
        return None;
    }
    before
        .filter(|units| units.rollout == routes.salt)
        .or_else(|| Some(Arc::new(Units::new(routes.salt))))
}

/// A service.
pub(crate) struct ServiceState {
    pub(crate) name: ServiceName,
    /// Shared, so that each worker can have a cache of it.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// Answers that the proxy had to make up, by worker.
    failures: Vec<Arc<Count>>,
    control: Mutex<Control>,
    workers: usize,
}

struct Control {
    routes: Routes,
    table: RouteTable,
    replicas: BTreeMap<RevisionNumber, Vec<Arc<Replica>>>,
    /// Out of routing, perhaps still with requests.
    leaving: BTreeMap<ReplicaId, Arc<Replica>>,
    totals: BTreeMap<RevisionNumber, Arc<Shards>>,
    segments: BTreeMap<(u64, RevisionNumber), Arc<Shards>>,
    units: Option<Arc<Units>>,
    listeners: BTreeMap<ListenerRole, Arc<ListenerState>>,
}

impl ServiceState {
    pub(crate) fn new(name: ServiceName, workers: usize) -> Result<ServiceState, RouteError> {
        let routes = Routes::default();
        let table = RouteTable::new(&routes)?;
        Ok(ServiceState {
            name,
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot {
                table: table.clone(),
                revisions: Vec::new(),
                units: None,
            })),
            failures: (0..workers).map(|_| Arc::default()).collect(),
            control: Mutex::new(Control {
                routes,
                table,
                replicas: BTreeMap::new(),
                leaving: BTreeMap::new(),
                totals: BTreeMap::new(),
                segments: BTreeMap::new(),
                units: None,
                listeners: BTreeMap::new(),
            }),
            workers,
        })
    }

    /// The state behind the lock. A panic while it was held left it as it was before or after one of
    /// the assignments below, each of which is complete in itself.
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_routes(&self, routes: &Routes) -> Result<(), RouteError> {
        let table = RouteTable::new(routes)?;
        let mut control = self.control();
        control.routes = routes.clone();
        control.table = table;
        self.publish(&mut control);
        Ok(())
    }

    pub(crate) fn set_endpoints(&self, revision: RevisionNumber, endpoints: Vec<Endpoint>) {
        let mut control = self.control();
        let mut before = control.replicas.remove(&revision).unwrap_or_default();
        let mut known = BTreeSet::new();
        let replicas: Vec<Arc<Replica>> = endpoints
            .into_iter()
            .filter(|endpoint| known.insert(endpoint.id.clone()))
            .map(|Endpoint { id, address }| {
                let at = before
                    .iter()
                    .position(|old| old.id == id && old.address == address);
                match at {
                    Some(at) => before.swap_remove(at),
                    None => match control.leaving.remove(&id) {
                        Some(back) if back.address == address => back,
                        _ => Arc::new(Replica::new(id, address, self.workers)),
                    },
                }
            })
            .collect();
        if !replicas.is_empty() {
            control.replicas.insert(revision, replicas);
        }
        self.publish(&mut control);
        control.leaving.retain(|_, replica| replica.in_flight() > 0);
        for replica in before {
            if control.leaving.len() < LEAVING_MAX {
                control.leaving.insert(replica.id.clone(), replica);
            }
        }
    }

    /// Builds the next snapshot and stores it.
    fn publish(&self, control: &mut Control) {
        let routes = &control.routes;
        let mut numbers: BTreeSet<RevisionNumber> = routes.weights.keys().copied().collect();
        numbers.extend(routes.matches.iter().map(|route| route.revision));
        numbers.extend(routes.mirror.iter().map(|route| route.revision));
        numbers.extend(routes.preview);
        numbers.extend(control.replicas.keys());
        let segment = routes.segment;
        let revisions = numbers
            .iter()
            .map(|number| RevisionState {
                number: *number,
                replicas: control.replicas.get(number).cloned().unwrap_or_default(),
                total: self.shards(control.totals.entry(*number)),
                segment: self.shards(control.segments.entry((segment, *number))),
            })
            .collect();
        let excess = control
            .segments
            .len()
            .saturating_sub(SEGMENTS_MAX.max(2 * numbers.len()));
        let old: Vec<_> = control
            .segments
            .keys()
            .filter(|key| key.0 != segment)
            .take(excess)
            .copied()
            .collect();
        old.iter().for_each(|key| {
            control.segments.remove(key);
        });
        if control.totals.len() > REVISIONS_MAX {
            let excess = control.totals.len() - REVISIONS_MAX;
            let old: Vec<_> = control
                .totals
                .iter()
                .filter(|(number, shards)| !numbers.contains(number) && shards.sum().in_flight == 0)
                .map(|(number, _)| *number)
                .take(excess)
                .collect();
            old.iter().for_each(|number| {
                control.totals.remove(number);
            });
        }
        control.units = units_for(routes, control.units.take());
        self.snapshot.store(Arc::new(Snapshot {
            table: control.table.clone(),
            revisions,
            units: control.units.clone().map(|units| (units, segment)),
        }));
    }

    fn shards<K: Ord>(
        &self,
        entry: std::collections::btree_map::Entry<'_, K, Arc<Shards>>,
    ) -> Arc<Shards> {
        Arc::clone(entry.or_insert_with(|| Arc::new(Shards::new(self.workers))))
    }

    /// Requests of a replica, also of one that left the routing; `None` for one that is not known.
    pub(crate) fn in_flight(&self, id: &ReplicaId) -> Option<u64> {
        let control = self.control();
        let routed = control
            .replicas
            .values()
            .flatten()
            .find(|replica| replica.id == *id);
        routed
            .or_else(|| control.leaving.get(id))
            .map(|replica| replica.in_flight())
    }

    pub(crate) fn counters(&self) -> BTreeMap<RevisionNumber, SideCounters> {
        self.control()
            .totals
            .iter()
            .map(|(number, shards)| (*number, shards.sum()))
            .collect()
    }

    pub(crate) fn segment_counters(&self) -> BTreeMap<(RevisionNumber, u64), SideCounters> {
        let control = self.control();
        let segments = control.segments.iter();
        segments
            .map(|((segment, number), shards)| ((*number, *segment), shards.sum()))
            .collect()
    }

    pub(crate) fn users_max_reached(&self) -> Option<usize> {
        let control = self.control();
        let is_full = control.units.as_ref().is_some_and(|units| units.is_full());
        is_full.then_some(USERS_MAX)
    }

    /// Where a worker counts the answers that it makes up.
    pub(crate) fn failures_of(&self, worker: usize) -> Arc<Count> {
        Arc::clone(&self.failures[worker])
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.iter().map(|count| count.get()).sum()
    }

    /// Puts a listener in its place; the one that was there is answered.
    pub(crate) fn set_listener(&self, listener: Arc<ListenerState>) -> Option<Arc<ListenerState>> {
        self.control().listeners.insert(listener.role, listener)
    }

    pub(crate) fn remove_listener(&self, role: ListenerRole) -> Option<Arc<ListenerState>> {
        self.control().listeners.remove(&role)
    }

    pub(crate) fn listener(&self, role: ListenerRole) -> Option<Arc<ListenerState>> {
        self.control().listeners.get(&role).cloned()
    }

    pub(crate) fn listeners(&self) -> Vec<Arc<ListenerState>> {
        self.control().listeners.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::Weight;

    #[test]
    fn histories_are_bounded_and_keep_what_is_in_use() {
        let name = ServiceName::new("shop").expect("a name");
        let service = ServiceState::new(name, 1).expect("empty routes are valid");
        for number in 1..=300_u32 {
            let revision = RevisionNumber(number);
            let routes = Routes {
                weights: BTreeMap::from([(revision, Weight::FULL)]),
                // Segments that start anew, as after a restore, are no reason to lose the present one.
                segment: u64::from(301 - number),
                ..Routes::default()
            };
            service
                .set_routes(&routes)
                .expect("the weights sum to 100 %");
        }
        let segments = service.segment_counters();
        assert!(segments.len() <= SEGMENTS_MAX, "{}", segments.len());
        assert!(segments.contains_key(&(RevisionNumber(300), 1)));
        let totals = service.counters();
        assert!(totals.len() <= REVISIONS_MAX, "{}", totals.len());
        assert!(totals.contains_key(&RevisionNumber(300)));
    }
}
