//! Histories by chance, seeded, and the plans that they are replayed under.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Binomial, Distribution, Normal, Poisson};
use sluice_model::plan::{
    CanarySize, Check, Exposure, Limit, Metric, NotWorse, OnTrouble, RolloutHooks, Step, Strategy,
};
use sluice_model::routes::Assignment;
use sluice_model::{
    CheckName, Histogram, Minute, Plan, RevisionNumber, SideCounters, Timestamp, Weight,
};
use sluice_tuning::{Chance, Findings, Replay, Tuning};
use std::collections::BTreeMap;
use std::time::Duration;

/// Chance for a replay.
pub(crate) struct Seeded(pub(crate) Xoshiro256PlusPlus);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Seeded {
        Seeded(Xoshiro256PlusPlus::seed_from_u64(seed))
    }
}

impl Chance for Seeded {
    fn binomial(&mut self, trials: u64, probability: f64) -> u64 {
        Binomial::new(trials, probability)
            .unwrap()
            .sample(&mut self.0)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0.random_range(0..bound)
    }
}

/// How the shares of a process move from minute to minute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Course {
    /// Not at all.
    Steady,
    /// Over the day: at its peak three times as many failures and twice the traffic.
    Daily,
    /// A random walk that is drawn back, within some hours; the value is that of its logarithm after a minute.
    Wandering(f64),
}

/// A service: requests per second, and the share of them that fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) rate: f64,
    pub(crate) errors: f64,
    pub(crate) course: Course,
}

impl Process {
    /// So many minutes of it.
    pub(crate) fn minutes(self, count: usize, seed: u64) -> Vec<Minute> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let normal = Normal::new(0.0, 1.0).unwrap();
        let mut walk: f64 = 0.0;
        let minute = |number: usize| {
            let phase = number as f64 / 1_440.0 * std::f64::consts::TAU;
            let (traffic, errors) = match self.course {
                Course::Steady => (1.0, 1.0),
                Course::Daily => (1.5 - 0.5 * phase.cos(), 2.0 - phase.cos()),
                Course::Wandering(step) => {
                    walk = 0.98 * walk + step * normal.sample(&mut random);
                    (1.0, walk.exp())
                }
            };
            let requests: f64 = Poisson::new(self.rate * traffic * 60.0)
                .unwrap()
                .sample(&mut random);
            let requests = requests as u64;
            let failing = (self.errors * errors).min(1.0);
            let failed = Binomial::new(requests, failing)
                .unwrap()
                .sample(&mut random);
            let mut counted = SideCounters {
                requests,
                classes: [0, requests - failed, 0, 0, failed],
                ..SideCounters::default()
            };
            latencies(requests, &mut counted.latency, &mut random);
            let at = Timestamp(1_795_273_560_000 + number as i64 * 60_000);
            Minute {
                cpu_cores: Some(0.2),
                memory_bytes: Some(50_000_000),
                ..Minute::of(at, RevisionNumber(3), &counted)
            }
        };
        (0..count).map(minute).collect()
    }
}

/// Latencies of which half are below 20 ms, and one in a hundred is 300 ms or slower.
fn latencies(requests: u64, into: &mut Histogram, random: &mut Xoshiro256PlusPlus) {
    let (mut rest, mut share) = (requests, 1.0);
    for (millis, part) in [
        (5, 0.2),
        (15, 0.3),
        (25, 0.25),
        (60, 0.15),
        (120, 0.09),
        (300, 0.007),
        (900, 0.003),
    ] {
        let here = Binomial::new(rest, f64::min(part / share, 1.0)).unwrap();
        let here = here.sample(random);
        into.add(Histogram::bucket_of(millis * 1_000), here);
        rest -= here;
        share -= part;
    }
}

pub(crate) fn check(name: &str, metric: Metric, limit: Limit) -> Check {
    Check {
        name: CheckName(name.to_owned()),
        metric,
        window: Duration::from_secs(60),
        samples_min: match limit {
            Limit::RelativeMax { .. } => 200,
            _ => 100,
        },
        limit,
        on_fail: OnTrouble::Abort,
    }
}

pub(crate) fn not_worse(accept_margin: f64) -> Limit {
    Limit::NotWorse(NotWorse {
        ratio: 1.0,
        margin: 0.0,
        accept_ratio: 1.5,
        accept_margin,
        alpha: 0.01,
        beta: 0.05,
        share: 1.0,
    })
}

/// A canary of 25 and 50 % for a minute each.
pub(crate) fn plan(checks: &[Check]) -> Plan {
    let step = |percent: f64, bake: u64| Step {
        name: format!("{percent} %"),
        exposure: Exposure::Split {
            weight: Weight::from_percent(percent).unwrap(),
            matches: Vec::new(),
            mirror: None,
            canary: CanarySize::ByWeight,
            preview: false,
        },
        bake: Duration::from_secs(bake),
        checks: if percent < 100.0 {
            checks.to_vec()
        } else {
            Vec::new()
        },
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    };
    Plan {
        strategy: Strategy::Canary,
        replicas: 1,
        steps: vec![step(25.0, 60), step(50.0, 60), step(100.0, 0)],
        assignment: Assignment::PerRequest,
        checks: Vec::new(),
        hooks: RolloutHooks::default(),
        progress_deadline: Duration::from_secs(600),
        min_ready: Duration::ZERO,
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: Duration::from_secs(600),
        keep_aborted: Duration::from_secs(60),
        stuck_after: Duration::from_secs(600),
        slow_after: Duration::from_secs(1_800),
        crash_loop_restarts: 3,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}

/// What a history says about a plan.
pub(crate) fn tuned(plan: &Plan, minutes: Vec<Minute>, target: f64, seed: u64) -> Findings {
    let tuning = Tuning::new(plan, minutes, target).unwrap();
    let mut chance = Seeded::new(seed);
    let replays: Vec<Replay> = (0..tuning.rollouts())
        .map(|number| tuning.replay(number, &mut chance).unwrap())
        .collect();
    tuning.conclude(&replays)
}
