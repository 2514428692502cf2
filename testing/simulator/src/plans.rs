//! Random plans of every strategy, with short spans: what counts is the order of things.

use crate::random::Random;
use sluice_model::plan::{
    CanarySize, Check, Exposure, Gate, Hook, HookAction, Limit, Metric, NotWorse, OnTrouble,
    RolloutHooks, Step, Strategy,
};
use sluice_model::routes::{Assignment, Condition, Mirror, RequestMatch, TextMatch};
use sluice_model::{CheckName, Plan, Weight};
use std::collections::BTreeMap;
use std::time::Duration;

/// The highest error ratio that a check lets pass; revisions are far below or far above.
const ERRORS_MAX: f64 = 0.05;

/// Bound on false rollbacks of the comparisons. It is small, because a run's promises know no chance: what is
/// taken back is bad. How often the usual bound errs is measured in `releases`.
const ALPHA: f64 = 1e-6;

/// A random plan for a service of about `replicas` replicas; `compares` says whether it may have comparisons,
/// which need random traffic.
pub(crate) fn plan(random: &mut Random, replicas: u32, compares: bool) -> Plan {
    let mut checks = checks(random);
    if compares {
        if random.chance(50) {
            checks.clear();
        }
        for check in &mut checks {
            // By chance a bad revision might look good in a few requests.
            check.samples_min = 100;
        }
        checks.extend(comparisons(random));
    }
    let (strategy, mut steps) = match random.below(20) {
        0 | 1 => (
            Strategy::Recreate,
            vec![bare("replace", Exposure::Recreate)],
        ),
        2..6 => (
            Strategy::Rolling,
            vec![bare("roll", rolling(random, replicas))],
        ),
        6..9 => (Strategy::BlueGreen, blue_green(random)),
        9..11 => (Strategy::Shadow, shadow(random)),
        11 => {
            let mut steps = weights(random);
            steps.pop();
            steps.push(bare("roll", rolling(random, replicas)));
            (Strategy::Canary, steps)
        }
        _ => (Strategy::Canary, weights(random)),
    };
    let by_step = random.chance(60);
    for step in &mut steps {
        step.bake = Duration::from_millis(random.pick(&[0, 500, 1_500, 4_000]));
        if by_step {
            step.checks = checks
                .iter()
                .filter(|check| judges(step, check))
                .cloned()
                .collect();
        }
        step.before = hooks(random, 8);
        step.after = hooks(random, 8);
        step.gate = random.chance(8).then(|| gate(random));
    }
    let seconds = |random: &mut Random, low: i64, high: i64| {
        Duration::from_millis(random.between(low * 1_000, high * 1_000) as u64)
    };
    Plan {
        strategy,
        replicas: if random.chance(85) {
            replicas
        } else {
            random.between(1, 4) as u32
        },
        steps,
        assignment: Assignment::PerRequest,
        checks: if by_step { Vec::new() } else { checks },
        hooks: RolloutHooks {
            start: hooks(random, 15),
            promoted: hooks(random, 15),
            aborted: hooks(random, 15),
        },
        progress_deadline: seconds(random, 4, 15),
        min_ready: Duration::from_millis(random.pick(&[0, 0, 300, 1_000])),
        deadline: random.chance(25).then(|| seconds(random, 10, 60)),
        on_deadline: trouble(random),
        keep_warm: Duration::from_millis(random.pick(&[0, 3_000, 15_000])),
        keep_aborted: Duration::from_millis(random.pick(&[0, 0, 5_000])),
        stuck_after: seconds(random, 3, 30),
        slow_after: seconds(random, 5, 60),
        crash_loop_restarts: random.between(1, 5) as u32,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}

fn trouble(random: &mut Random) -> OnTrouble {
    random.pick(&[
        OnTrouble::Abort,
        OnTrouble::Abort,
        OnTrouble::Pause,
        OnTrouble::Continue,
    ])
}

fn bare(name: &str, exposure: Exposure) -> Step {
    Step {
        name: name.to_owned(),
        exposure,
        bake: Duration::ZERO,
        checks: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    }
}

fn rolling(random: &mut Random, replicas: u32) -> Exposure {
    Exposure::Rolling {
        max_surge: random.below(u64::from(replicas) + 1) as u32,
        max_unavailable: random.below(u64::from(replicas) + 1) as u32,
    }
}

fn split(random: &mut Random, basis_points: u16) -> Exposure {
    let canary = match random.below(6) {
        0 => CanarySize::Full,
        1 => CanarySize::Count(random.between(1, 3) as u32),
        _ => CanarySize::ByWeight,
    };
    Exposure::Split {
        weight: Weight::from_basis_points(basis_points).unwrap_or(Weight::FULL),
        matches: if random.chance(12) {
            vec![by_header()]
        } else {
            Vec::new()
        },
        mirror: None,
        canary,
        preview: random.chance(10),
    }
}

fn by_header() -> RequestMatch {
    let value = TextMatch::Exact("yes".to_owned());
    let name = "x-canary".to_owned();
    RequestMatch {
        all: vec![Condition::Header { name, value }],
    }
}

/// One to ten steps with growing weights, the last of them full.
fn weights(random: &mut Random) -> Vec<Step> {
    let count = random.between(1, 10);
    let mut drawn: Vec<u16> = (1..count)
        .map(|_| random.between(0, 9_999) as u16)
        .collect();
    drawn.sort_unstable();
    drawn.push(10_000);
    drawn
        .into_iter()
        .map(|it| bare("share", split(random, it)))
        .collect()
}

fn blue_green(random: &mut Random) -> Vec<Step> {
    let full = |basis_points, preview| Exposure::Split {
        weight: Weight::from_basis_points(basis_points).unwrap_or(Weight::FULL),
        matches: Vec::new(),
        mirror: None,
        canary: CanarySize::Full,
        preview,
    };
    let mut preview = bare("preview", full(0, true));
    preview.gate = random.chance(30).then(|| gate(random));
    vec![preview, bare("switch", full(10_000, false))]
}

fn shadow(random: &mut Random) -> Vec<Step> {
    let mut first = split(random, 0);
    if let Exposure::Split { mirror, .. } = &mut first {
        *mirror = Some(Mirror {
            share: Weight::from_basis_points(random.between(1, 10_000) as u16)
                .unwrap_or(Weight::FULL),
            unsafe_methods: false,
            compare: random.chance(70),
        });
    }
    let mut steps = vec![bare("shadow", first)];
    steps.extend(weights(random));
    steps
}

/// The checks of a plan. Most plans look at errors.
fn checks(random: &mut Random) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |random: &mut Random, name: &str, metric, limit| {
        checks.push(Check {
            name: CheckName(name.to_owned()),
            metric,
            limit,
            window: Duration::from_millis(random.between(500, 20_000) as u64),
            samples_min: random.pick(&[20, 50]),
            on_fail: random.pick(&[OnTrouble::Abort, OnTrouble::Abort, OnTrouble::Pause]),
        });
    };
    if random.chance(70) {
        add(random, "errors", Metric::ErrorRatio, Limit::Max(ERRORS_MAX));
    }
    if random.chance(20) {
        let limit = Limit::RelativeMax {
            factor: 2.0,
            margin: 0.05,
        };
        add(random, "against-stable", Metric::ErrorRatio, limit);
    }
    if random.chance(10) {
        add(random, "latency", Metric::Latency(0.95), Limit::Max(500.0));
    }
    if random.chance(20) {
        add(
            random,
            "differences",
            Metric::MirrorDiffRatio,
            Limit::Max(0.1),
        );
    }
    checks
}

/// Comparisons with the stable revision. The margins are far above what good revisions differ in.
fn comparisons(random: &mut Random) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |random: &mut Random, name: &str, metric| {
        let (ratio, margin) = (random.pick(&[1.0, 1.5]), random.pick(&[0.005, 0.01]));
        let limit = NotWorse {
            ratio,
            margin,
            accept_ratio: ratio + 0.5,
            accept_margin: random.pick(&[0.01, 0.03, 0.2]),
            alpha: ALPHA,
            beta: random.pick(&[0.05, 0.001]),
            share: 1.0,
        };
        checks.push(Check {
            name: CheckName(name.to_owned()),
            metric,
            limit: Limit::NotWorse(limit),
            window: Duration::from_secs(10),
            samples_min: random.pick(&[10, 50]),
            on_fail: random.pick(&[OnTrouble::Abort, OnTrouble::Abort, OnTrouble::Pause]),
        });
    };
    if random.chance(80) {
        add(random, "compared-errors", Metric::ErrorRatio);
    }
    if random.chance(30) {
        add(random, "compared-refusals", Metric::ClientErrorRatio);
    }
    if random.chance(20) {
        add(random, "compared-timeouts", Metric::TimeoutRatio);
    }
    if random.chance(35) {
        let quantile = random.pick(&[0.5, 0.9, 0.99]);
        add(random, "compared-latency", Metric::Latency(quantile));
    }
    let share = 1.0 / checks.len().max(1) as f64;
    for check in &mut checks {
        if let Limit::NotWorse(limit) = &mut check.limit {
            limit.share = share;
        }
    }
    checks
}

/// Whether a step gives a check something to judge; where it does not, formats leave the check out.
fn judges(step: &Step, check: &Check) -> bool {
    if matches!(check.limit, Limit::NotWorse(_)) {
        return match step.exposure {
            Exposure::Split { weight, .. } => weight > Weight::ZERO && weight < Weight::FULL,
            Exposure::Rolling { .. } => true,
            Exposure::Recreate => false,
        };
    }
    match (&step.exposure, check.metric) {
        (Exposure::Split { mirror, .. }, Metric::MirrorDiffRatio) => {
            mirror.as_ref().is_some_and(|mirror| mirror.compare)
        }
        (_, Metric::MirrorDiffRatio) => false,
        (Exposure::Split { weight, mirror, .. }, _) => *weight > Weight::ZERO || mirror.is_some(),
        _ => true,
    }
}

/// Whether a plan's way of replacing always leaves a replica that serves.
pub(crate) fn keeps_serving(plan: &Plan) -> bool {
    plan.steps.iter().all(|step| match step.exposure {
        Exposure::Split { .. } => true,
        Exposure::Rolling {
            max_unavailable, ..
        } => max_unavailable < plan.replicas,
        Exposure::Recreate => false,
    })
}

/// Whether a plan cannot let a revision pass that fails half of its requests.
pub(crate) fn catches_bad_revisions(plan: &Plan) -> bool {
    let errors = |check: &&Check| check.name.as_str() == "errors";
    let by_step = plan
        .steps
        .iter()
        .flat_map(|step| &step.checks)
        .any(|check| errors(&check));
    by_step || plan.checks.iter().any(|check| errors(&check))
}

fn hooks(random: &mut Random, percent: u64) -> Vec<Hook> {
    let count = if random.chance(percent) {
        random.between(1, 2)
    } else {
        0
    };
    (0..count)
        .map(|_| Hook {
            // Told apart from the hooks of other plans.
            name: format!("hook-{}", random.below(1_000_000)),
            action: HookAction::Command {
                command: vec!["true".to_owned()],
                env: BTreeMap::new(),
            },
            timeout: Duration::from_millis(random.between(500, 3_000) as u64),
            retries: random.below(3) as u32,
            on_failure: trouble(random),
        })
        .collect()
}

fn gate(random: &mut Random) -> Gate {
    Gate {
        name: "go".to_owned(),
        timeout: random
            .chance(60)
            .then(|| Duration::from_millis(random.between(1_000, 8_000) as u64)),
        on_timeout: trouble(random),
    }
}
