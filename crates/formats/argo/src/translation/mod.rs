//! A Rollout as Sluice's plan: what each step shows to how many users, for how long, and who is asked.
//!
//! `steps` walks a canary's steps; blue-green is three. What a plan cannot say, as an analysis or an
//! experiment, is a diagnostic and not in the plan. Counts of pods are not the plan's business on
//! Kubernetes: `workload` has them.

mod matching;
mod steps;

use crate::api::{BlueGreenStrategy, Rollout, RolloutAnalysis, RolloutSpec};
use crate::validation::Problem;
use crate::workload::{AbortDelay, MoveBounds, abort_delay, scale_down_delay};
use sluice_model::diagnostic::Severity;
use sluice_model::plan::{
    CanarySize, Exposure, Gate, OnTrouble, Plan, RolloutHooks, Step, Strategy,
};
use sluice_model::routes::Assignment;
use sluice_model::weight::Weight;
use std::collections::BTreeMap;
use std::time::Duration;

/// Time without any movement after which Sluice warns.
const STUCK_AFTER: Duration = Duration::from_secs(10 * 60);
/// Time of a rollout, beside its pauses, after which Sluice warns.
const SLOW_AFTER: Duration = Duration::from_secs(30 * 60);
/// A canary that keeps its pods for ever is looked after for this long.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A plan, and what the Rollout says beyond it.
#[derive(Clone, Debug, PartialEq)]
pub struct Translated {
    /// The plan.
    pub plan: Plan,
    /// What is not in it, and what happens instead; warnings all.
    pub beyond: Vec<Problem>,
}

/// The plan of a Rollout. `None` when it has no strategy, or two: `validate` says so.
#[must_use]
pub fn translate(rollout: &Rollout) -> Option<Translated> {
    let spec = &rollout.spec;
    let mut beyond = Beyond::default();
    let (strategy, steps) = match (&spec.strategy.blue_green, &spec.strategy.canary) {
        (Some(blue_green), None) => (
            Strategy::BlueGreen,
            blue_green_steps(blue_green, &mut beyond),
        ),
        (None, Some(canary)) if canary.steps.is_empty() && canary.traffic_routing.is_none() => {
            let background = canary.analysis.as_ref().map(|run| &run.analysis);
            beyond.analysis(background, "spec.strategy.canary.analysis");
            (Strategy::Rolling, vec![rolling(spec)])
        }
        (None, Some(canary)) => (Strategy::Canary, steps::canary(canary, &mut beyond)),
        _ => return None,
    };
    if spec.replicas() < 1 {
        beyond.note(
            "replicas",
            "spec.replicas",
            "the Rollout has no pods; the plan is that of one pod",
            "write at least 1 to see what it does",
        );
    }
    if !spec.progress_deadline_abort {
        beyond.note(
            "progress-deadline",
            "spec.progressDeadlineSeconds",
            "a Rollout that makes no progress in this time is only said to be degraded; by the plan it is taken back",
            "write `progressDeadlineAbort: true` to have it taken back everywhere",
        );
    }
    let seconds = |number: i32| Duration::from_secs(u64::try_from(number).unwrap_or(0));
    let plan = Plan {
        strategy,
        replicas: u32::try_from(spec.replicas()).unwrap_or(0).max(1),
        steps,
        assignment: Assignment::PerRequest,
        checks: Vec::new(),
        hooks: RolloutHooks::default(),
        progress_deadline: seconds(spec.progress_deadline_seconds()),
        min_ready: seconds(spec.min_ready_seconds),
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: scale_down_delay(&spec.strategy),
        keep_aborted: match abort_delay(&spec.strategy) {
            AbortDelay::Forever => FOR_EVER,
            AbortDelay::Seconds { seconds: delay, .. } => seconds(delay),
        },
        stuck_after: STUCK_AFTER,
        slow_after: SLOW_AFTER,
        // Argo looks at availability only.
        crash_loop_restarts: u32::MAX,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    };
    Some(Translated {
        plan,
        beyond: beyond.0,
    })
}

/// Without steps and router pods are replaced one after the other.
fn rolling(spec: &RolloutSpec) -> Step {
    let bounds = MoveBounds::of(&spec.strategy, spec.replicas());
    step(
        "replace".to_owned(),
        Exposure::Rolling {
            max_surge: u32::try_from(bounds.surge).unwrap_or(0),
            max_unavailable: u32::try_from(bounds.unavailable).unwrap_or(0),
        },
    )
}

fn blue_green_steps(blue_green: &BlueGreenStrategy, beyond: &mut Beyond) -> Vec<Step> {
    let path = "spec.strategy.blueGreen";
    beyond.analysis(
        blue_green.pre_promotion_analysis.as_ref(),
        &format!("{path}.prePromotionAnalysis"),
    );
    beyond.analysis(
        blue_green.post_promotion_analysis.as_ref(),
        &format!("{path}.postPromotionAnalysis"),
    );
    let preview = |canary| Exposure::Split {
        weight: Weight::ZERO,
        matches: Vec::new(),
        mirror: None,
        canary,
        preview: !blue_green.preview_service.is_empty(),
    };
    let count = blue_green
        .preview_replica_count
        .and_then(|count| u32::try_from(count).ok());
    let mut first = step(
        "preview".to_owned(),
        preview(count.map_or(CanarySize::Full, CanarySize::Count)),
    );
    if blue_green.auto_promotion_enabled == Some(false) {
        first.gate = Some(promotion());
    } else {
        let seconds = u64::try_from(blue_green.auto_promotion_seconds).unwrap_or(0);
        first.bake = Duration::from_secs(seconds);
    }
    let mut all = vec![first];
    if count.is_some() {
        all.push(step("all pods".to_owned(), preview(CanarySize::Full)));
    }
    all.push(everything("switch"));
    all
}

fn everything(name: &str) -> Step {
    step(
        name.to_owned(),
        Exposure::Split {
            weight: Weight::FULL,
            matches: Vec::new(),
            mirror: None,
            canary: CanarySize::Full,
            preview: false,
        },
    )
}

fn step(name: String, exposure: Exposure) -> Step {
    Step {
        name,
        exposure,
        bake: Duration::ZERO,
        checks: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    }
}

/// The approval that a pause without a duration waits for.
fn promotion() -> Gate {
    Gate {
        name: "promote".to_owned(),
        timeout: None,
        on_timeout: OnTrouble::Pause,
    }
}

/// What is not in the plan.
#[derive(Default)]
struct Beyond(Vec<Problem>);

impl Beyond {
    fn note(
        &mut self,
        rule: &'static str,
        path: impl Into<String>,
        cause: impl Into<String>,
        next_step: impl Into<String>,
    ) {
        self.0.push(Problem {
            severity: Severity::Warning,
            rule,
            path: path.into(),
            cause: cause.into(),
            next_step: next_step.into(),
        });
    }

    fn analysis(&mut self, analysis: Option<&RolloutAnalysis>, path: &str) {
        let Some(analysis) = analysis else {
            return;
        };
        let names: Vec<&str> = analysis
            .templates
            .iter()
            .map(|template| template.template_name.as_str())
            .collect();
        self.note(
            "beyond-the-plan",
            path,
            format!(
                "the analysis by {} runs on a cluster and is not in the plan",
                names.join(", ")
            ),
            "expect the rollout to wait for it there, and to go back when it fails",
        );
    }
}
