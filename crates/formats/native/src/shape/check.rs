//! A check: a metric and what it must keep.

use super::{Brief, Entries, FactorText, Field, LimitText, MatchFields, SpanText, Text};
use crate::reading::Located;
use schemars::JsonSchema;
use serde::Deserialize;

/// `none`, or a list of checks.
pub(crate) type Checks = Brief<Text, Vec<Located<CheckFields>>>;

/// A check: one metric and at most one of `notWorse`, `max`, `min`, `maxRelative`, `minRelative` and `trend`; or a
/// `condition`, a `kayenta` score, or a `goal`; or a `query` with `max`, `min`, `maxRelative` or `minRelative`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Check")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CheckFields {
    /// Name, unique among the checks of a release; one of a default check replaces that. The metric's
    /// by default.
    pub(crate) name: Field<Text>,
    /// What is measured on the new revision; not beside `condition`.
    pub(crate) metric: Field<MetricWord>,
    /// An expression in CEL that must be true, over `canary.METRIC` and `baseline.METRIC`:
    /// `canary.errorRatio <= 2.0 * baseline.errorRatio`.
    pub(crate) condition: Field<Text>,
    /// A canary config of Kayenta's, scored on Sluice's own figures; not beside `metric`.
    pub(crate) kayenta: Field<KayentaFields>,
    /// What users shall do: a request with these conditions that is answered with 2xx or 3xx. Each user counts once,
    /// and not fewer of the new revision's may reach it. At most four in a release; not beside `metric`.
    pub(crate) goal: Field<MatchFields>,
    /// What an outside server is asked: PromQL, or a JSON path. `{{revision}}`, `{{side}}` and `{{service}}` stand for the
    /// side that is asked about. Needs `source`; not beside `metric`.
    pub(crate) query: Field<Text>,
    /// Who is asked: a name from `sources`.
    pub(crate) source: Field<Text>,
    /// Time between two questions, 1s to 1h; 15s by default.
    pub(crate) interval: Field<SpanText>,
    /// The value may be at most this: a share (`1%`, `0.01`), a time (`500ms`), a size (`512MiB`), or a
    /// number.
    pub(crate) max: Field<LimitText>,
    /// The value must be at least this.
    pub(crate) min: Field<LimitText>,
    /// The value may be at most this multiple of the stable revision's, measured at the same time: `2x`,
    /// or `{factor: 2x, margin: 1%}`.
    pub(crate) max_relative: Field<Brief<FactorText, RelativeFields>>,
    /// The value must be at least this multiple of the stable revision's.
    pub(crate) min_relative: Field<Brief<FactorText, RelativeFields>>,
    /// Compared with the stable revision request by request, with stated error rates; what a check of a ratio
    /// or a latency does when it has no other limit. A multiple (`1.25x`), or the full form.
    pub(crate) not_worse: Field<Brief<FactorText, NotWorseFields>>,
    /// `max` or `min` must not be passed in M of the last N periods, instead of over one window.
    pub(crate) alarm: Field<AlarmFields>,
    /// The value must not grow so that it reaches its ceiling within this time: a leak. For `memory`, `openFiles`
    /// and `inFlight`; a time (`1d`), or the full form.
    pub(crate) trend: Field<Brief<SpanText, TrendFields>>,
    /// The time that is looked back, never before the step began; by default the longest bake of the
    /// release, 1m to 1h. Beside `query`, how far the query itself looks back: by default its longest range
    /// (`[5m]`), else 1m.
    pub(crate) window: Field<SpanText>,
    /// Fewest requests to the new revision within the window (since the rollout began, for `notWorse`) for a
    /// verdict; below it the rollout waits. 100 by default, 200 for limits relative to the stable revision.
    #[schemars(range(min = 1))]
    pub(crate) samples_min: Field<u64>,
    /// What a failure does; `abort` by default.
    pub(crate) on_fail: Field<FailWord>,
}

/// A multiple of the stable revision's value, with an allowance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Relative")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RelativeFields {
    /// The multiple: `2x`, `1.5`.
    #[schemars(required)]
    pub(crate) factor: Field<FactorText>,
    /// Allowance on top (for `maxRelative`) or below (for `minRelative`), in the metric's unit; 0 by
    /// default.
    pub(crate) margin: Field<LimitText>,
}

/// How much worse than the stable revision is too much, and how much is accepted. For a latency, the rates are
/// those of requests slower than the stable revision's quantile.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NotWorse")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NotWorseFields {
    /// The new revision is worse when its rate is above this multiple of the stable one's, plus `margin`; 1x
    /// by default for failures, 1.25x for 4xx and latencies.
    pub(crate) ratio: Field<FactorText>,
    /// See `ratio`: a share of the requests; 0 by default for failures, 0.5% for 4xx and latencies.
    pub(crate) margin: Field<LimitText>,
    /// A step passes when the rate is proved to be below this multiple of the stable one's, plus
    /// `acceptMargin`; 1.5x by default.
    pub(crate) accept_ratio: Field<FactorText>,
    /// See `acceptRatio`: a share of the requests at a weight of 25 % and more; larger at smaller weights, up to
    /// 5%. 0.5% by default for failures, 2% for 4xx and latencies.
    pub(crate) accept_margin: Field<LimitText>,
}

/// A canary config and what its metrics are here. `sluice convert kayenta` writes one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Kayenta")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KayentaFields {
    /// The canary config: JSON, as Spinnaker stores it, as one text (`config: |`).
    #[schemars(required)]
    pub(crate) config: Field<Text>,
    /// What each metric of the config is here, by its name there.
    #[schemars(required)]
    pub(crate) metrics: Field<Entries<MetricWord>>,
    /// The time that one sample covers; 1m by default.
    pub(crate) period: Field<SpanText>,
    /// Fewest samples for a score; 30 by default.
    #[schemars(range(min = 1, max = 480))]
    pub(crate) samples: Field<u64>,
    /// From this score on the step passes; that of the config by default.
    pub(crate) pass: Field<LimitText>,
    /// Below this score the release fails; that of the config by default.
    pub(crate) marginal: Field<LimitText>,
}

/// An alarm: M of the last N datapoints beyond the limit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Alarm")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AlarmFields {
    /// `M of N`: as in `3 of 5`. N is 1 to 1440.
    #[schemars(required)]
    pub(crate) datapoints: Field<Text>,
    /// The time that one datapoint covers; 1m by default.
    pub(crate) period: Field<SpanText>,
    /// What a datapoint without data stands for: nothing (`missing`, by default), a bad value (`breaching`), a good one
    /// (`notBreaching`), or the state as it is (`ignore`).
    pub(crate) missing: Field<MissingWord>,
}

/// What a datapoint without data stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Missing")]
#[serde(rename_all = "camelCase")]
pub(crate) enum MissingWord {
    /// Nothing.
    Missing,
    /// A bad value.
    Breaching,
    /// A good value.
    NotBreaching,
    /// The state stays as it is.
    Ignore,
}

/// How far a gauge may grow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Trend")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrendFields {
    /// The time within which the ceiling must not be reached; 1d by default.
    pub(crate) horizon: Field<SpanText>,
    /// Where the value must not get, in its unit; by default what the machine has, or the process may have. `inFlight`
    /// needs one.
    pub(crate) ceiling: Field<LimitText>,
    /// Age below which a replica is not judged; 30s by default. Longer for a service that fills caches.
    pub(crate) warm_up: Field<SpanText>,
    /// The time over which the least value is taken; longer than the time between two collections of garbage. 30s by
    /// default.
    pub(crate) block: Field<SpanText>,
    /// Bound on the probability that a service without a leak fails; 0.25% by default.
    pub(crate) false_alarm: Field<LimitText>,
}

/// The error rates of a release's comparisons, all together.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Analysis")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AnalysisFields {
    /// Bound on the probability that a release that is not worse is taken back, over the whole rollout; 1% by
    /// default.
    pub(crate) false_rollback: Field<LimitText>,
    /// Bound on the probability that a release beyond what is accepted passes, for each comparison; 5% by
    /// default.
    pub(crate) false_pass: Field<LimitText>,
}

/// What a check measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Metric")]
#[serde(rename_all = "camelCase")]
pub(crate) enum MetricWord {
    /// Share of requests that failed: 5xx, timeouts, lost connections.
    ErrorRatio,
    /// Share of requests answered 4xx.
    ClientErrorRatio,
    /// Share of requests that timed out.
    TimeoutRatio,
    /// Median latency.
    LatencyP50,
    /// Latency that 90 % of the requests keep.
    LatencyP90,
    /// Latency that 95 % of the requests keep.
    LatencyP95,
    /// Latency that 99 % of the requests keep.
    LatencyP99,
    /// Requests per second.
    RequestRate,
    /// CPU of all the revision's replicas, in cores.
    Cpu,
    /// Resident memory of the largest replica.
    Memory,
    /// Open file descriptors of the replica that has the most.
    OpenFiles,
    /// Requests that are being served.
    InFlight,
    /// Share of mirrored responses that differed from the stable revision's.
    MirrorDiffRatio,
}

/// What a failing check, a missed deadline or an unanswered gate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "OnFail")]
#[serde(rename_all = "camelCase")]
pub(crate) enum FailWord {
    /// Back to the stable revision.
    Abort,
    /// Hold and ask.
    Pause,
}
