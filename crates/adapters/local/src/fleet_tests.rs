//! Which replicas start and stop: properties over any fleet, and the order by example.

use super::*;
use proptest::prelude::*;
use sluice_model::workload::{Stopping, Workload};
use std::path::Path;

fn spec(revision: u32, digest: &str) -> Arc<Spec> {
    Arc::new(Spec {
        service: ServiceName::new("shop").expect("a valid name"),
        revision: RevisionNumber(revision),
        digest: digest.to_owned(),
        workload: Workload {
            command: vec!["server".to_owned()],
            artifacts: Vec::new(),
            env: BTreeMap::new(),
            env_files: Vec::new(),
            workdir: "/".to_owned(),
            user: None,
            readiness: None,
            liveness: None,
            startup: None,
            stop: Stopping {
                drain: Duration::ZERO,
                grace: Duration::ZERO,
            },
        },
        h2c: false,
        min_ready: Duration::ZERO,
    })
}

#[derive(Default)]
struct World {
    books: ServiceFleet,
    made: u64,
}

impl World {
    fn wanting(wanted: &[(u32, u32)]) -> World {
        let mut world = World::default();
        world.want(wanted);
        world
    }

    fn want(&mut self, wanted: &[(u32, u32)]) {
        self.books.applied = true;
        self.books.wanted = wanted
            .iter()
            .map(|(revision, count)| (RevisionNumber(*revision), (*count, spec(*revision, "a"))))
            .collect();
    }

    fn add(&mut self, spec: &Arc<Spec>, ready: bool, stopping: bool) -> String {
        self.made += 1;
        let id = ReplicaId(format!("r{:04}", self.made));
        let log = ReplicaLog::new(Path::new("/logs"), &spec.service, spec.revision, &id);
        let mut replica = Replica {
            spec: spec.clone(),
            log: Arc::new(log),
            goal: watch::Sender::new(Goal::Run),
            sequence: self.made,
            state: if ready {
                ReplicaState::Ready
            } else {
                ReplicaState::Starting
            },
            ready_since: ready.then(|| (Instant::now(), Timestamp(0))),
            process: Some((1, 1)),
            port: Some(20_000),
            restarts: 0,
            last_failure: None,
            not_ready: None,
            sample: None,
        };
        if stopping {
            replica.stop();
        }
        self.books.replicas.insert(id.clone(), replica);
        id.0
    }

    fn carry_out(&mut self) -> Vec<Step> {
        let steps = self.books.steps();
        for step in &steps {
            match step {
                Step::Start(spec) => {
                    self.add(spec, false, false);
                }
                Step::Stop(id) => {
                    self.books
                        .replicas
                        .get_mut(id)
                        .expect("it stops what there is")
                        .stop();
                }
            }
        }
        steps
    }

    fn running(&self) -> BTreeMap<u32, u32> {
        let mut running = BTreeMap::new();
        for replica in self
            .books
            .replicas
            .values()
            .filter(|replica| !replica.is_stopping())
        {
            *running.entry(replica.spec.revision.0).or_default() += 1;
        }
        running
    }
}

#[test]
fn the_surplus_goes_not_ready_first_then_the_youngest() {
    let mut world = World::wanting(&[(1, 2)]);
    let one = spec(1, "a");
    let old = world.add(&one, true, false);
    let starting = world.add(&one, false, false);
    let middle = world.add(&one, true, false);
    let young = world.add(&one, true, false);
    let mut stopped: Vec<String> = world
        .carry_out()
        .into_iter()
        .map(|step| match step {
            Step::Stop(id) => id.0,
            Step::Start(spec) => panic!("nothing is missing, but {spec:?} was started"),
        })
        .collect();
    stopped.sort();
    assert_eq!(stopped, [starting, young]);
    assert!(
        world.books.endpoints()[&RevisionNumber(1)]
            .iter()
            .all(|(id, _)| id.0 == old || id.0 == middle)
    );
}

#[test]
fn a_stopping_replica_is_replaced_and_not_taken_back() {
    let mut world = World::wanting(&[(1, 1)]);
    world.add(&spec(1, "a"), true, true);
    assert_eq!(world.carry_out(), [Step::Start(spec(1, "a"))]);
    let counts = world.books.counts(Instant::now(), Duration::ZERO);
    let side = &counts[&RevisionNumber(1)];
    assert_eq!((side.running, side.ready, side.stopping), (1, 0, 1));
}

#[test]
fn a_replica_of_another_version_under_the_same_number_is_replaced() {
    let mut world = World::wanting(&[(1, 1)]);
    let other = world.add(&spec(1, "of a store that was lost"), true, false);
    let steps = world.carry_out();
    assert_eq!(
        steps,
        [Step::Stop(ReplicaId(other)), Step::Start(spec(1, "a"))]
    );
}

#[test]
fn nothing_happens_before_it_is_known_what_is_wanted() {
    let mut world = World::default();
    world.add(&spec(1, "a"), true, false);
    assert_eq!(world.carry_out(), []);
}

#[test]
fn what_is_beyond_the_bound_is_not_started_and_said() {
    let most = u32::try_from(REPLICAS_MAX).expect("a small number");
    let mut world = World::wanting(&[(1, most - 1), (2, u32::MAX)]);
    world.carry_out();
    assert_eq!(world.running(), BTreeMap::from([(1, most - 1), (2, 1)]));
    let counts = world.books.counts(Instant::now(), Duration::ZERO);
    assert_eq!(counts[&RevisionNumber(1)].last_failure, None);
    let failure = counts[&RevisionNumber(2)]
        .last_failure
        .clone()
        .expect("it is said");
    assert!(failure.contains("256 replicas"), "{failure}");
}

proptest! {
    #[test]
    fn any_fleet_becomes_what_is_wanted_at_once_and_then_rests(
        wanted in proptest::collection::btree_map(1_u32..5, 0_u32..6, 0..4),
        there in proptest::collection::vec((1_u32..6, any::<bool>(), any::<bool>()), 0..30),
    ) {
        let wanted: Vec<(u32, u32)> = wanted.into_iter().collect();
        let mut world = World::wanting(&wanted);
        let mut ready_there: BTreeMap<u32, u32> = BTreeMap::new();
        for (revision, ready, stopping) in there {
            world.add(&spec(revision, "a"), ready, stopping);
            *ready_there.entry(revision).or_default() += u32::from(ready && !stopping);
        }
        world.carry_out();
        let expected: BTreeMap<u32, u32> =
            wanted.iter().copied().filter(|(_, count)| *count > 0).collect();
        prop_assert_eq!(world.running(), expected);
        // As many ready replicas stay as are wanted, if there were so many.
        let endpoints = world.books.endpoints();
        for (revision, count) in &wanted {
            let stay = endpoints.get(&RevisionNumber(*revision)).map_or(0, Vec::len);
            let had = ready_there.get(revision).copied().unwrap_or(0);
            prop_assert_eq!(stay, had.min(*count) as usize);
        }
        prop_assert_eq!(world.carry_out(), []);
    }
}
