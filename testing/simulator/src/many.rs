//! Thousands of services at once: what a turn costs.

use crate::platform::Behaviour;
use crate::random::Random;
use crate::site::Site;
use serde::Serialize;
use sluice_control::Cell;
use sluice_engine::{decide, plan_revision};
use sluice_model::command::CommandKind;
use sluice_model::plan::{
    CanarySize, Check, Exposure, Limit, Metric, OnTrouble, RolloutHooks, Step, Strategy,
};
use sluice_model::routes::Assignment;
use sluice_model::{CheckName, Observation, Plan, ServiceName, Weight};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Steps of each service's plan.
const STEPS: u16 = 10;
/// Simulated time between two turns of a service.
const TURN_MS: i64 = 500;
/// Simulated time at the end: every rollout is through by then.
const END_MS: i64 = 60_000;

/// The figures of a run. Times in microseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Services.
    pub services: usize,
    /// Steps of each plan.
    pub steps: u16,
    /// Turns taken.
    pub turns: u64,
    /// Services whose second revision was promoted.
    pub promoted: usize,
    /// Simulated seconds.
    pub simulated_seconds: i64,
    /// A whole turn (observe, decide, persist, act) in the fake world, on average.
    pub turn_us: f64,
    /// `decide` alone, for a service with a running rollout: on average.
    pub decide_us: f64,
    /// Half of the calls took at most this.
    pub decide_p50_us: f64,
    /// 99 of 100 took at most this.
    pub decide_p99_us: f64,
    /// Seconds of work for each simulated second, on one core.
    pub load: f64,
}

/// Rolls a new revision out on that many services at once.
///
/// # Panics
/// When a service's name would be too long, at more than 10^50 services.
#[must_use]
pub fn run(services: usize, seed: u64) -> Figures {
    let random = Random::new(seed);
    let mut seats: Vec<(Cell, Site)> = (0..services).map(|number| seat(number, &random)).collect();
    let (mut turns, mut busy) = (0_u64, Duration::ZERO);
    let mut decides = Vec::new();
    for now in (0..END_MS).step_by(TURN_MS as usize) {
        for (number, (cell, site)) in seats.iter_mut().enumerate() {
            site.advance(now);
            let wall = site.wall();
            if now == 4 * TURN_MS {
                let revision = site.store.add_revision(plan());
                site.platform.set_behaviour(revision, Behaviour::default());
                site.store
                    .ask(wall, "ada", CommandKind::Deploy { revision });
            }
            let sampled = number % 16 == (now / TURN_MS) as usize % 16;
            let running = cell.status().running().is_some();
            let before = (sampled && running).then(|| cell.status().clone());
            let started = started();
            let outcome = cell.turn(site, wall);
            busy += started.elapsed();
            turns += 1;
            if let (Some(before), Some(_)) = (before, &outcome.decision) {
                decides.push(time_decide(&before, site, &outcome.observation, wall));
            }
        }
    }
    figures(services, turns, busy, decides, &seats)
}

fn time_decide(
    before: &sluice_model::ServiceStatus,
    site: &Site,
    observation: &Observation,
    wall: sluice_model::Timestamp,
) -> Duration {
    let plan = plan_revision(before, &observation.commands)
        .and_then(|revision| site.store.plans.get(&revision));
    let Some(plan) = plan else {
        return Duration::ZERO;
    };
    let started = started();
    let decision = decide(plan, before, observation, wall);
    let took = started.elapsed();
    drop(decision);
    took
}

/// The only place of the simulator that reads a clock: it measures, and decides nothing.
fn started() -> Instant {
    Instant::now()
}

fn figures(
    services: usize,
    turns: u64,
    busy: Duration,
    mut decides: Vec<Duration>,
    seats: &[(Cell, Site)],
) -> Figures {
    decides.sort_unstable();
    let micros = |span: Duration| span.as_secs_f64() * 1e6;
    let at = |share: f64| {
        let index = (decides.len() as f64 * share) as usize;
        decides.get(index).copied().map_or(0.0, micros)
    };
    let total: Duration = decides.iter().sum();
    let promoted = seats
        .iter()
        .filter(|(cell, _)| cell.status().stable.is_some_and(|revision| revision.0 == 2));
    Figures {
        services,
        steps: STEPS,
        turns,
        promoted: promoted.count(),
        simulated_seconds: END_MS / 1_000,
        turn_us: micros(busy) / turns.max(1) as f64,
        decide_us: micros(total) / decides.len().max(1) as f64,
        decide_p50_us: at(0.5),
        decide_p99_us: at(0.99),
        load: busy.as_secs_f64() / (END_MS as f64 / 1_000.0),
    }
}

fn seat(number: usize, random: &Random) -> (Cell, Site) {
    let name = ServiceName::new(format!("service{number}")).expect("a short name");
    let mut site = Site::new(name, &random.fork(number as u64));
    let revision = site.store.add_revision(plan());
    let wall = site.wall();
    site.store
        .ask(wall, "ada", CommandKind::Deploy { revision });
    (Cell::new(site.store.status.clone()), site)
}

/// Ten steps with a bake and a check each.
fn plan() -> Plan {
    let check = Check {
        name: CheckName("errors".to_owned()),
        metric: Metric::ErrorRatio,
        limit: Limit::Max(0.05),
        window: Duration::from_secs(5),
        samples_min: 5,
        on_fail: OnTrouble::Abort,
    };
    let step = |number: u16| Step {
        name: format!("{} %", number * 10),
        exposure: Exposure::Split {
            weight: Weight::from_basis_points(number * 1_000).unwrap_or(Weight::FULL),
            matches: Vec::new(),
            mirror: None,
            canary: CanarySize::ByWeight,
            preview: false,
        },
        bake: Duration::from_secs(2),
        checks: vec![check.clone()],
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    };
    Plan {
        strategy: Strategy::Canary,
        replicas: 2,
        steps: (1..=STEPS).map(step).collect(),
        assignment: Assignment::PerRequest,
        checks: Vec::new(),
        hooks: RolloutHooks::default(),
        progress_deadline: Duration::from_secs(60),
        min_ready: Duration::ZERO,
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: Duration::ZERO,
        keep_aborted: Duration::ZERO,
        stuck_after: Duration::from_secs(600),
        slow_after: Duration::from_secs(600),
        crash_loop_restarts: 5,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}
