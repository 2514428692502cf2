//! How a change reaches its users: the plan of a rollout, fully spelled out.
//!
//! Presets and risk classes are the formats' business; here every strategy is a list of steps.

use crate::analysis::{AlarmSettings, TrendSettings};
use crate::ids::{CheckName, SourceName};
use crate::millis;
use crate::outside::{MetricSource, OutsideQuery};
use crate::routes::{Assignment, Mirror, RequestMatch};
use crate::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The plan by which a service moves from its stable revision to a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The strategy's name, for people.
    pub strategy: Strategy,
    /// Replicas of the service at full size; at least 1.
    pub replicas: u32,
    /// The steps in order; never empty, and the last one gives the new revision everything.
    pub steps: Vec<Step>,
    /// How a request is assigned to a side while two revisions share the traffic.
    pub assignment: Assignment,
    /// Checks that hold in every step, besides the step's own.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// What checks of [`Metric::Outside`] ask, by the check's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<CheckName, OutsideQuery>,
    /// The servers that they ask.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<SourceName, MetricSource>,
    /// Hooks around the rollout as a whole.
    #[serde(default)]
    pub hooks: RolloutHooks,
    /// Longest time for a step's replicas to become available.
    #[serde(with = "millis")]
    pub progress_deadline: Duration,
    /// How long a replica must be ready before it counts as available.
    #[serde(with = "millis")]
    pub min_ready: Duration,
    /// Longest time for the whole rollout, pauses and gates not counted.
    #[serde(default, with = "millis::option")]
    pub deadline: Option<Duration>,
    /// What happens at that deadline.
    #[serde(default)]
    pub on_deadline: OnTrouble,
    /// How long the replaced revision keeps its full capacity after the promotion, so that an undo
    /// is instant.
    #[serde(with = "millis")]
    pub keep_warm: Duration,
    /// How long an aborted canary's processes stay, without traffic, for a look.
    #[serde(with = "millis")]
    pub keep_aborted: Duration,
    /// A warning when nothing moved for this long (A11: 10 min).
    #[serde(with = "millis")]
    pub stuck_after: Duration,
    /// A warning when the rollout takes longer than this (A11: 30 min).
    #[serde(with = "millis")]
    pub slow_after: Duration,
    /// Restarts of one replica within a step that count as a crash loop and abort the rollout.
    pub crash_loop_restarts: u32,
}

/// The name of a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Stop everything, then start the new revision.
    Recreate,
    /// Replace replica by replica.
    Rolling,
    /// A full second side, then one switch.
    BlueGreen,
    /// Growing shares of the traffic.
    Canary,
    /// Copies of the traffic first.
    Shadow,
}

impl Strategy {
    /// The name as documents write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Recreate => "recreate",
            Strategy::Rolling => "rolling",
            Strategy::BlueGreen => "blue-green",
            Strategy::Canary => "canary",
            Strategy::Shadow => "shadow",
        }
    }
}

/// One step: capacity first, then `before` hooks, then traffic, bake and checks, then `after` hooks,
/// then the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The step's name, for people: `5 %`, `preview`, `switch`.
    pub name: String,
    /// What the step does to traffic and capacity.
    pub exposure: Exposure,
    /// Shortest time at this exposure.
    #[serde(with = "millis")]
    pub bake: Duration,
    /// Checks of this step.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Hooks that run when the capacity is there, before the traffic moves.
    #[serde(default)]
    pub before: Vec<Hook>,
    /// Hooks that run when the bake is over and the checks pass.
    #[serde(default)]
    pub after: Vec<Hook>,
    /// An approval that the next step waits for.
    #[serde(default)]
    pub gate: Option<Gate>,
}

/// What a step does to traffic and capacity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Exposure {
    /// The stable side keeps its full capacity; the canary gets a share of the traffic.
    Split {
        /// The canary's share.
        weight: Weight,
        /// Requests that go to the canary whatever the weight.
        #[serde(default)]
        matches: Vec<RequestMatch>,
        /// Copies of stable's requests sent to the canary.
        #[serde(default)]
        mirror: Option<Mirror>,
        /// How many replicas the canary has.
        canary: CanarySize,
        /// Whether the preview address leads to the canary.
        #[serde(default)]
        preview: bool,
    },
    /// Replicas are replaced in batches; the traffic follows the replicas.
    Rolling {
        /// Replicas above the full size, at most.
        max_surge: u32,
        /// Replicas below the full size, at most. Not zero together with `max_surge`.
        max_unavailable: u32,
    },
    /// The old revision is stopped before the new one starts: an outage by design.
    Recreate,
}

/// How many replicas a canary has in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CanarySize {
    /// As many as its weight needs, rounded up, at least one.
    ByWeight,
    /// The service's full size.
    Full,
    /// This many; raised to what the weight needs.
    Count(u32),
}

/// A judged metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Unique within the plan.
    pub name: CheckName,
    /// What is measured.
    pub metric: Metric,
    /// What the canary's value must keep.
    pub limit: Limit,
    /// The window of the measurement; it never reaches back before the step began.
    #[serde(with = "millis")]
    pub window: Duration,
    /// Fewest canary observations for a verdict; below it the answer is "no data".
    pub samples_min: u64,
    /// What a failing verdict does.
    #[serde(default)]
    pub on_fail: OnTrouble,
}

/// What a check measures, of one side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Share of requests that failed: 5xx, timeouts, lost connections. 0 to 1.
    ErrorRatio,
    /// Share of requests answered 4xx. 0 to 1.
    ClientErrorRatio,
    /// Share of requests that timed out. 0 to 1.
    TimeoutRatio,
    /// Latency quantile, 0 to 1, in milliseconds.
    Latency(f64),
    /// Requests per second.
    RequestRate,
    /// CPU of all the side's replicas, in cores.
    Cpu,
    /// Largest resident memory of a replica, in bytes.
    Memory,
    /// Open file descriptors of the replica that has the most.
    OpenFiles,
    /// Requests that are being served: the length of the queue.
    InFlight,
    /// Share of mirrored responses that differed. 0 to 1.
    MirrorDiffRatio,
    /// Whatever a condition names ([`Limit::Condition`]).
    Condition,
    /// 0 to 100, from several metrics ([`Limit::Score`]).
    Score,
    /// Share of the users who reached a goal ([`Limit::Goal`]). 0 to 1.
    Goal,
    /// What an outside server answers to the check's query ([`Plan::queries`]), in the query's own unit.
    Outside,
}

impl Metric {
    /// The metrics that conditions can name, by name: the documents' words.
    pub const NAMED: [(&'static str, Metric); 12] = [
        ("errorRatio", Metric::ErrorRatio),
        ("clientErrorRatio", Metric::ClientErrorRatio),
        ("timeoutRatio", Metric::TimeoutRatio),
        ("latencyP50", Metric::Latency(0.5)),
        ("latencyP90", Metric::Latency(0.9)),
        ("latencyP95", Metric::Latency(0.95)),
        ("latencyP99", Metric::Latency(0.99)),
        ("requestRate", Metric::RequestRate),
        ("cpu", Metric::Cpu),
        ("memory", Metric::Memory),
        ("openFiles", Metric::OpenFiles),
        ("inFlight", Metric::InFlight),
    ];

    /// Whether it tells what the replicas use or have on hand: one value at a time, whatever was requested.
    #[must_use]
    pub fn is_gauge(self) -> bool {
        matches!(
            self,
            Metric::Cpu | Metric::Memory | Metric::OpenFiles | Metric::InFlight
        )
    }
}

/// What a value must keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// The canary's value is at most this.
    Max(f64),
    /// The canary's value is at least this.
    Min(f64),
    /// The canary's value is at most `factor` × the baseline's, plus `margin`.
    RelativeMax {
        /// Allowed multiple of the baseline's value; above 0.
        factor: f64,
        /// Allowed excess, in the metric's unit; at least 0.
        margin: f64,
    },
    /// The canary's value is at least `factor` × the baseline's, less `margin`.
    RelativeMin {
        /// Required multiple of the baseline's value; above 0.
        factor: f64,
        /// Allowed shortfall, in the metric's unit; at least 0.
        margin: f64,
    },
    /// Tested request by request against the concurrent baseline, with stated error rates; belongs to
    /// the plan as a whole.
    NotWorse(NotWorse),
    /// A gauge must not grow so that it reaches its ceiling within the horizon: a leak.
    Trend(TrendLimit),
    /// The canary's value must not be beyond a threshold in M of the last N periods.
    Alarm(AlarmSettings),
    /// An expression over both sides' values that must be true.
    Condition(ConditionLimit),
    /// A canary config, judged as Kayenta does.
    Score(ScoreLimit),
    /// What users shall do: not fewer of the canary's reach it than of the baseline's.
    Goal(GoalLimit),
}

/// A goal of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoalLimit {
    /// The requests by which it is reached, if they are answered with 2xx or 3xx.
    pub when: RequestMatch,
    /// Bound on the probability that the interval of the difference ever misses the truth. 0 to 1.
    pub alpha: f64,
}

/// Most goals of a plan.
pub const GOALS_MAX: usize = 4;
/// Most users of a rollout that are counted, on all sides together, where users are kept on their side.
pub const USERS_COUNTED_MAX: u64 = 131_072;

/// How a release is scored, metric by metric, against the concurrent baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreLimit {
    /// The canary config: JSON, as Spinnaker stores it.
    pub config: String,
    /// What each of its metrics is here, by its name there.
    pub metrics: BTreeMap<String, Metric>,
    /// The time that one sample covers.
    #[serde(with = "millis")]
    pub period: Duration,
    /// Fewest periods for a score; at least 1.
    pub periods_min: u32,
    /// From this score on the step passes.
    pub pass: f64,
    /// Below this score the release fails.
    pub marginal: f64,
}

/// An expression in CEL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionLimit {
    /// As it was written.
    pub text: String,
    /// Whether it names values of the baseline.
    pub compares: bool,
}

impl Limit {
    /// Whether it sets the canary against the baseline, so that both must have traffic.
    #[must_use]
    pub fn needs_baseline(&self) -> bool {
        match self {
            Limit::RelativeMax { .. } | Limit::RelativeMin { .. } | Limit::NotWorse(_) => true,
            Limit::Score(_) | Limit::Goal(_) => true,
            Limit::Condition(condition) => condition.compares,
            Limit::Max(_) | Limit::Min(_) | Limit::Trend(_) | Limit::Alarm(_) => false,
        }
    }
}

/// How far a gauge of the canary may grow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendLimit {
    /// Where it must not get, in the metric's unit; above 0. Absent: what the machine allows.
    pub ceiling: Option<f64>,
    /// The time for which that must not happen.
    #[serde(with = "millis")]
    pub horizon: Duration,
    /// How it is told.
    pub settings: TrendSettings,
}

/// A sequential comparison of how often an event happens on both sides: a failed request, or one slower
/// than a quantile of the baseline that was frozen before.
///
/// Two tests run at once. The one says "worse" when the canary's rate is above `ratio` × the
/// baseline's plus `margin`; the other says "not worse" when it is below `accept_ratio` × the baseline's
/// plus the accepted margin. Between them nothing is said, and the rollout waits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotWorse {
    /// The multiple of the baseline's rate beyond which the canary is worse; above 0.
    pub ratio: f64,
    /// The excess beyond which it is worse, as a share of the requests; 0 to 1.
    pub margin: f64,
    /// The multiple below which it is not worse; above 0.
    pub accept_ratio: f64,
    /// The excess below which it is not worse, as a share of the requests, from a quarter of the traffic
    /// on; see [`NotWorse::accept_margin_at`].
    pub accept_margin: f64,
    /// Bound on the probability that a canary that is not worse is taken back, in the whole rollout and
    /// over all its comparisons; the same in each of them. 0 to 1.
    pub alpha: f64,
    /// Bound on the probability that a canary beyond the accepted rate is let on to the next step, for
    /// this comparison; 0 to 1.
    pub beta: f64,
    /// This comparison's share of `alpha`; the shares of a plan sum to 1.
    pub share: f64,
}

/// Largest accepted excess at a small weight.
pub const ACCEPT_MARGIN_MAX: f64 = 0.05;
/// The weight from which on the accepted excess is the tight one.
const ACCEPT_TIGHT_FROM: f64 = 0.25;

impl NotWorse {
    /// The excess that is accepted at a weight (0 to 1): the smaller the share of the users, the larger,
    /// so that weight × excess, the share of users who meet it, keeps the same bound in each step, and
    /// each step needs about the same number of requests. Never above [`ACCEPT_MARGIN_MAX`], nor below
    /// [`NotWorse::accept_margin`].
    #[must_use]
    pub fn accept_margin_at(&self, weight: f64) -> f64 {
        let loose = self.accept_margin * (ACCEPT_TIGHT_FROM / weight.max(1e-9));
        loose.min(ACCEPT_MARGIN_MAX).max(self.accept_margin)
    }
}

/// What a failing check or hook, or a deadline, does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnTrouble {
    /// Back to stable.
    #[default]
    Abort,
    /// Hold and ask.
    Pause,
    /// Note it and go on (hooks only).
    Continue,
}

/// An approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// What is asked, for people.
    pub name: String,
    /// How long it waits; for ever when absent.
    #[serde(default, with = "millis::option")]
    pub timeout: Option<Duration>,
    /// What happens when nobody answers in time.
    #[serde(default)]
    pub on_timeout: OnTrouble,
}

/// Work outside Sluice at a point of the rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// The hook's name, for people.
    pub name: String,
    /// What runs.
    pub action: HookAction,
    /// Longest time of one attempt.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// What a hook that failed at all attempts does.
    #[serde(default)]
    pub on_failure: OnTrouble,
}

/// What a hook runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookAction {
    /// A command on this machine; exit code 0 is success. `SLUICE_*` variables tell it where the
    /// rollout stands. No shell is involved.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Further environment.
        #[serde(default)]
        env: BTreeMap<String, String>,
    },
    /// A POST of the rollout's state as JSON; 2xx is success.
    Webhook {
        /// Where to.
        url: String,
        /// Further headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
}

/// Hooks around the rollout as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutHooks {
    /// Before the first step; may abort.
    pub start: Vec<Hook>,
    /// After the promotion; cannot change it.
    pub promoted: Vec<Hook>,
    /// After an abort; cannot change it.
    pub aborted: Vec<Hook>,
}

impl Plan {
    /// The goals of the plan, each once, in a fixed order: what is counted by their place in it. At most [`GOALS_MAX`].
    #[must_use]
    pub fn goals(&self) -> Vec<(&CheckName, &RequestMatch)> {
        let of_steps = self.steps.iter().flat_map(|step| &step.checks);
        goals_of(self.checks.iter().chain(of_steps))
    }

    /// The plan by which an older revision comes back, or a rollout is finished at once: the same
    /// way of replacing, without bakes, checks, hooks and gates. Capacity still comes before traffic.
    #[must_use]
    pub fn fast_step(&self) -> Step {
        let exposure = match self.steps.last().map(|step| &step.exposure) {
            Some(Exposure::Recreate) => Exposure::Recreate,
            Some(Exposure::Rolling {
                max_surge,
                max_unavailable,
            }) => Exposure::Rolling {
                max_surge: *max_surge,
                max_unavailable: *max_unavailable,
            },
            _ => Exposure::Split {
                weight: Weight::FULL,
                matches: Vec::new(),
                mirror: None,
                canary: CanarySize::Full,
                preview: false,
            },
        };
        Step {
            name: "switch".to_owned(),
            exposure,
            bake: Duration::ZERO,
            checks: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            gate: None,
        }
    }
}

/// The goals among checks, each once, in their order.
pub fn goals_of<'c>(
    checks: impl IntoIterator<Item = &'c Check>,
) -> Vec<(&'c CheckName, &'c RequestMatch)> {
    let mut goals: Vec<(&CheckName, &RequestMatch)> = Vec::new();
    for check in checks {
        if let Limit::Goal(limit) = &check.limit
            && goals.len() < GOALS_MAX
            && !goals.iter().any(|(name, _)| **name == check.name)
        {
            goals.push((&check.name, &limit.when));
        }
    }
    goals
}
