//! What one decision of the engine costs, for a rollout with ten steps.
//!
//! The situations are not made up field by field: a service is taken there by the engine itself, in
//! a world in which everything that is wanted comes true at once.

use anyhow::{Result, bail};
use serde::Serialize;
use sluice_engine::decide;
use sluice_model::plan::{
    CanarySize, Check, Exposure, Limit, Metric, OnTrouble, RolloutHooks, Step, Strategy,
};
use sluice_model::routes::Assignment;
use sluice_model::{
    CheckName, Command, CommandId, CommandKind, Decision, Measurement, Observation, Plan,
    ReplicaCounts, RevisionNumber, RolloutState, Rule, ServiceName, ServiceStatus, Side, Stage,
    Timestamp, Weight,
};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Steps of the plan.
const STEPS: u32 = 10;
/// Time at each step.
const BAKE: Duration = Duration::from_secs(600);
/// Calls between two looks at the clock, which itself costs as much as a part of a decision.
const BATCH: u32 = 200;
/// Time between two decisions on the way there: as often as a running Sluice decides.
const TURN: Duration = Duration::from_secs(2);
/// Decisions until a situation is reached, at most.
const TURNS_MAX: u32 = 10_000;
const STABLE: RevisionNumber = RevisionNumber(1);
const CANARY: RevisionNumber = RevisionNumber(2);

/// One situation in which a decision is made.
pub struct Situation {
    /// For people.
    pub name: &'static str,
    plan: Plan,
    status: ServiceStatus,
    observation: Observation,
    now: Timestamp,
}

/// The cost of a decision in one situation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Which situation.
    pub situation: String,
    /// Median over batches of the mean time of a call, in nanoseconds.
    pub median_ns: f64,
    /// The same that 99 % of the batches kept.
    pub p99_ns: f64,
    /// The most transitions and log entries that the decision has.
    pub entries: usize,
}

impl Situation {
    /// The situations in which a service is most of the time, and the dearer ones.
    ///
    /// # Errors
    /// When the engine does not get there.
    pub fn all() -> Result<Vec<Self>> {
        let mut world = World::new()?;
        let half = STEPS / 2;
        let nothing_new = |decision: &Decision| decision.report.entries.is_empty();
        world.deploy(STABLE);
        let healthy = world.reach("healthy, nothing to do", |decision| {
            decision.status.running().is_none() && nothing_new(decision)
        })?;
        world.deploy(CANARY);
        let baking = world.reach("baking, checks pass", |decision| {
            is_baking(&decision.status, half) && nothing_new(decision)
        })?;
        let passing = world.reach("the bake is over, next step", |decision| {
            decision
                .report
                .entries
                .iter()
                .any(|entry| entry.rule == Rule::StepPassed)
        })?;
        let observation = observation(&baking.plan, &baking.decide(), 0.5, baking.now);
        let failing = Self {
            name: "a check fails, abort",
            observation,
            plan: baking.plan.clone(),
            status: baking.status.clone(),
            now: baking.now,
        };
        Ok(vec![healthy, baking, passing, failing])
    }

    /// Measures the cost for about `time`.
    #[must_use]
    pub fn measure(&self, time: Duration) -> Cost {
        let mut means = Vec::new();
        let started = Instant::now();
        while started.elapsed() < time || means.is_empty() {
            let batch = Instant::now();
            for _call in 0..BATCH {
                black_box(self.decide());
            }
            means.push(batch.elapsed().as_nanos() as f64 / f64::from(BATCH));
        }
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((means.len() - 1) as f64 * share) as usize];
        Cost {
            situation: self.name.to_owned(),
            median_ns: at(0.5),
            p99_ns: at(0.99),
            entries: self.decide().report.entries.len(),
        }
    }

    /// One decision.
    #[must_use]
    pub fn decide(&self) -> Decision {
        decide(
            black_box(&self.plan),
            black_box(&self.status),
            black_box(&self.observation),
            black_box(self.now),
        )
    }
}

/// Ten steps from 1 % to 100 %, three checks in each, as a cautious plan has them.
fn plan() -> Plan {
    let check = |name: &str, metric, limit| Check {
        name: CheckName(name.to_owned()),
        metric,
        limit,
        window: Duration::from_secs(60),
        samples_min: 100,
        on_fail: OnTrouble::Abort,
    };
    let percents = [1, 5, 10, 20, 30, 40, 50, 60, 80, 100_u16];
    let step = |percent: u16| Step {
        name: format!("{percent} %"),
        exposure: Exposure::Split {
            weight: Weight::from_basis_points(percent * 100).unwrap_or(Weight::FULL),
            matches: Vec::new(),
            mirror: None,
            canary: CanarySize::ByWeight,
            preview: false,
        },
        bake: BAKE,
        checks: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    };
    Plan {
        strategy: Strategy::Canary,
        replicas: 10,
        steps: percents.into_iter().map(step).collect(),
        assignment: Assignment::PerRequest,
        checks: vec![
            check("errors", Metric::ErrorRatio, Limit::Max(0.05)),
            check(
                "errors-against-stable",
                Metric::ErrorRatio,
                Limit::RelativeMax {
                    factor: 2.0,
                    margin: 0.005,
                },
            ),
            check(
                "p99",
                Metric::Latency(0.99),
                Limit::RelativeMax {
                    factor: 1.2,
                    margin: 5.0,
                },
            ),
        ],
        hooks: RolloutHooks::default(),
        progress_deadline: Duration::from_secs(600),
        min_ready: Duration::ZERO,
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: Duration::from_secs(300),
        keep_aborted: Duration::from_secs(300),
        stuck_after: Duration::from_secs(24 * 3_600),
        slow_after: Duration::from_secs(48 * 3_600),
        crash_loop_restarts: 3,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}

/// A service and a world in which everything that is wanted comes true at once.
struct World {
    plan: Plan,
    status: ServiceStatus,
    observation: Observation,
    now: Timestamp,
}

impl World {
    fn new() -> Result<Self> {
        let name = ServiceName::new("checkout").map_err(anyhow::Error::msg)?;
        Ok(Self {
            plan: plan(),
            status: ServiceStatus::new(name),
            observation: Observation {
                settled: true,
                ..Observation::default()
            },
            now: Timestamp(1_800_000_000_000),
        })
    }

    fn deploy(&mut self, revision: RevisionNumber) {
        self.observation.commands.push(Command {
            id: CommandId(u64::from(revision.0)),
            actor: "bench".to_owned(),
            at: self.now,
            kind: CommandKind::Deploy { revision },
        });
    }

    /// Lets the engine decide again and again until a decision is `wanted`: the situation in which
    /// it was made.
    fn reach(
        &mut self,
        name: &'static str,
        wanted: impl Fn(&Decision) -> bool,
    ) -> Result<Situation> {
        for _turn in 0..TURNS_MAX {
            let decision = decide(&self.plan, &self.status, &self.observation, self.now);
            let situation = Situation {
                name,
                plan: self.plan.clone(),
                status: self.status.clone(),
                observation: self.observation.clone(),
                now: self.now,
            };
            if wanted(&decision) {
                return Ok(situation);
            }
            self.observation = observation(&self.plan, &decision, 0.001, self.now);
            self.status = decision.status;
            self.now = self.now.after(TURN);
        }
        bail!("the engine did not come to: {name}")
    }
}

fn is_baking(status: &ServiceStatus, at: u32) -> bool {
    matches!(
        status.running().map(|rollout| &rollout.state),
        Some(RolloutState::Stepping { step, stage: Stage::Baking { .. } }) if *step == at
    )
}

/// A world in which everything wanted is there, and both sides fail with these ratios.
fn observation(plan: &Plan, decision: &Decision, error_ratio: f64, now: Timestamp) -> Observation {
    let counts = |count: u32| ReplicaCounts {
        running: count,
        ready: count,
        available: count,
        ..ReplicaCounts::default()
    };
    let since = decision
        .status
        .rollout
        .as_ref()
        .and_then(|rollout| rollout.traffic_since)
        .unwrap_or(now);
    let measurement = |check: &Check| {
        let value = |ratio: f64| match check.metric {
            Metric::Latency(_) => 20.0,
            _ => ratio,
        };
        let side = |ratio: f64| Side {
            value: Some(value(ratio)),
            count: 50_000,
        };
        let measured = Measurement {
            canary: side(error_ratio),
            baseline: side(0.001),
            window: check.window,
            evidence: None,
            from: since,
        };
        (check.name.clone(), measured)
    };
    Observation {
        settled: true,
        replicas: decision
            .desired
            .replicas
            .iter()
            .map(|(revision, count)| (*revision, counts(*count)))
            .collect(),
        measurements: plan.checks.iter().map(measurement).collect(),
        effects: BTreeMap::new(),
        commands: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_situations_are_what_they_are_called() {
        let situations = Situation::all().expect("the engine gets there");
        let rules: Vec<Vec<Rule>> = situations
            .iter()
            .map(|situation| {
                situation
                    .decide()
                    .report
                    .entries
                    .iter()
                    .map(|entry| entry.rule)
                    .collect()
            })
            .collect();
        assert_eq!(rules[0], []);
        assert_eq!(rules[1], []);
        assert!(rules[2].contains(&Rule::StepPassed), "{:?}", rules[2]);
        assert!(
            rules[3].contains(&Rule::CheckFailed) || rules[3].contains(&Rule::Aborted),
            "{:?}",
            rules[3]
        );
    }
}
