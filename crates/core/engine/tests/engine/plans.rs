//! Plans for the engine's tests.

use sluice_model::plan::{
    CanarySize, Check, Exposure, Gate, Hook, HookAction, Limit, Metric, OnTrouble, RolloutHooks,
    Step, Strategy,
};
use sluice_model::routes::Assignment;
use sluice_model::{CheckName, Plan, Weight};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn percent(percent: f64) -> Weight {
    Weight::from_percent(percent).expect("a percentage")
}

pub(crate) fn split(percentage: f64) -> Exposure {
    Exposure::Split {
        weight: percent(percentage),
        matches: Vec::new(),
        mirror: None,
        canary: CanarySize::ByWeight,
        preview: false,
    }
}

pub(crate) fn step(name: &str, exposure: Exposure, bake_s: u64) -> Step {
    Step {
        name: name.to_owned(),
        exposure,
        bake: seconds(bake_s),
        checks: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    }
}

pub(crate) fn plan(strategy: Strategy, replicas: u32, steps: Vec<Step>) -> Plan {
    Plan {
        strategy,
        replicas,
        steps,
        assignment: Assignment::PerRequest,
        checks: Vec::new(),
        hooks: RolloutHooks::default(),
        progress_deadline: seconds(60),
        min_ready: Duration::ZERO,
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: Duration::ZERO,
        keep_aborted: Duration::ZERO,
        stuck_after: seconds(600),
        slow_after: seconds(1_800),
        crash_loop_restarts: 5,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}

/// A canary of ten replicas; each step has a weight and bakes 10 s.
pub(crate) fn canary(weights: &[f64]) -> Plan {
    let steps = weights
        .iter()
        .map(|it| step(&format!("{it} %"), split(*it), 10))
        .collect();
    plan(Strategy::Canary, 10, steps)
}

pub(crate) fn rolling(replicas: u32, max_surge: u32, max_unavailable: u32) -> Plan {
    let exposure = Exposure::Rolling {
        max_surge,
        max_unavailable,
    };
    plan(Strategy::Rolling, replicas, vec![step("roll", exposure, 0)])
}

pub(crate) fn recreate(replicas: u32) -> Plan {
    plan(
        Strategy::Recreate,
        replicas,
        vec![step("replace", Exposure::Recreate, 0)],
    )
}

/// Preview with a smoke hook and a gate, then the switch; the old side stays warm for a minute.
pub(crate) fn blue_green() -> Plan {
    let full = |weight, preview| Exposure::Split {
        weight: percent(weight),
        matches: Vec::new(),
        mirror: None,
        canary: CanarySize::Full,
        preview,
    };
    let mut preview = step("preview", full(0.0, true), 0);
    preview.after = vec![hook("smoke")];
    preview.gate = Some(gate(None, OnTrouble::Abort));
    let switch = step("switch", full(100.0, false), 5);
    let mut plan = plan(Strategy::BlueGreen, 3, vec![preview, switch]);
    plan.keep_warm = seconds(60);
    plan
}

pub(crate) fn hook(name: &str) -> Hook {
    Hook {
        name: name.to_owned(),
        action: HookAction::Command {
            command: vec!["true".to_owned()],
            env: [].into(),
        },
        timeout: seconds(30),
        retries: 0,
        on_failure: OnTrouble::Abort,
    }
}

pub(crate) fn gate(timeout_s: Option<u64>, on_timeout: OnTrouble) -> Gate {
    Gate {
        name: "go".to_owned(),
        timeout: timeout_s.map(seconds),
        on_timeout,
    }
}

/// At most 1 % errors, over at least 100 requests of the step.
pub(crate) fn errors(name: &str) -> Check {
    Check {
        name: CheckName(name.to_owned()),
        metric: Metric::ErrorRatio,
        limit: Limit::Max(0.01),
        window: seconds(300),
        samples_min: 100,
        on_fail: OnTrouble::Abort,
    }
}

/// At most twice the baseline's errors.
pub(crate) fn errors_against_stable(name: &str) -> Check {
    Check {
        limit: Limit::RelativeMax {
            factor: 2.0,
            margin: 0.0,
        },
        ..errors(name)
    }
}
