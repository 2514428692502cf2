//! A release: the strategy, the steps and the patience with which a change reaches its users.

use super::{
    AmountText, AnalysisFields, Brief, Checks, FailWord, Field, GateFields, Hooks, Many,
    PercentText, RiskText, RolloutHookFields, SpanText, Text,
};
use crate::reading::Located;
use schemars::JsonSchema;
use serde::Deserialize;

/// A preset, a risk class or a name from `releases`; or a plan.
pub(crate) type Release = Brief<Text, ReleaseFields>;

/// A release in full: at most one of `use`, `strategy` and `risk` says where it starts from (`canary` by
/// default); every other field given here takes the place of that one's.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Release")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReleaseFields {
    /// Starts from this preset, risk class or name from `releases`.
    pub(crate) r#use: Field<Text>,
    /// The strategy; its preset is where the release starts from.
    pub(crate) strategy: Field<StrategyWord>,
    /// The risk class; its plan is where the release starts from. LOW: 10, 50, 100 % at 15m; MEDIUM: 1, 5,
    /// 25, 50, 100 % at 30m; HIGH: 1, 5, 10, 25, 50, 100 % at 1h; CRITICAL: shadow, then the same at 4h.
    pub(crate) risk: Field<RiskText>,
    /// The steps in order (canary and shadow); the last one has weight 100. A percentage alone is a step
    /// with that weight.
    pub(crate) steps: Field<Vec<Located<Brief<PercentText, StepFields>>>>,
    /// Time at each step that does not say its own, the last one (100 %) excepted.
    pub(crate) bake: Field<SpanText>,
    /// `none`, or checks that hold in every step that has traffic to judge; besides the default ones,
    /// unless `defaultChecks` is false.
    pub(crate) checks: Field<Checks>,
    /// The error rates of the comparisons with the stable revision.
    pub(crate) analysis: Field<AnalysisFields>,
    /// Whether the default checks apply; true by default (canary, blue-green, shadow).
    pub(crate) default_checks: Field<bool>,
    /// Hooks around the rollout as a whole.
    pub(crate) hooks: Field<RolloutHookFields>,
    /// Hooks that try the new revision before it gets traffic (blue-green).
    pub(crate) smoke: Field<Hooks>,
    /// Whether the switch follows by itself once the smoke hooks pass (blue-green); true by default.
    pub(crate) auto_promote: Field<bool>,
    /// How requests are copied in the first step (shadow).
    pub(crate) mirror: Field<Brief<PercentText, MirrorFields>>,
    /// Replicas above the full size (rolling): a number, or a percentage, rounded up. 25% by default.
    pub(crate) max_surge: Field<AmountText>,
    /// Replicas below the full size (rolling): a number, or a percentage, rounded down. 0 by default.
    pub(crate) max_unavailable: Field<AmountText>,
    /// How long a replica must be ready before it counts; by default 0s with a readiness probe, else 2s.
    pub(crate) min_ready: Field<SpanText>,
    /// Longest time for a step's replicas to become available; 2m by default, or what the startup probe
    /// allows and 1m.
    pub(crate) progress_deadline: Field<SpanText>,
    /// Longest time for the whole rollout, pauses and gates not counted; none by default.
    pub(crate) deadline: Field<SpanText>,
    /// What happens at that deadline; `abort` by default.
    pub(crate) on_deadline: Field<FailWord>,
    /// How long the replaced revision keeps its capacity after the promotion, so that an undo is
    /// instant; 10m for blue-green, 30s for canary and shadow, 0s else.
    pub(crate) keep_warm: Field<SpanText>,
    /// How long an aborted revision's processes stay, without traffic, for a look; 0s by default.
    pub(crate) keep_aborted: Field<SpanText>,
    /// A warning when nothing moved for this long; 10m more than the longest bake by default.
    pub(crate) stuck_after: Field<SpanText>,
    /// A warning when the rollout takes longer; 30m, or one and a half times its bakes, by default.
    pub(crate) slow_after: Field<SpanText>,
    /// Restarts of one replica within a step that abort the rollout, 1 to 100; 3 by default.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) crash_loop_restarts: Field<u32>,
    /// Former revisions that are kept for an undo, 1 to 20; 10 by default.
    #[schemars(range(min = 1, max = 20))]
    pub(crate) history_limit: Field<u32>,
}

/// The strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Strategy")]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyWord {
    /// Growing shares of the traffic: 5, 25, 50, 100 %, 1m each.
    Canary,
    /// A full second side, then one switch, then the old side kept warm.
    BlueGreen,
    /// Replica by replica.
    Rolling,
    /// Stop everything, then start the new revision: an outage by design.
    Recreate,
    /// Copies of the traffic first, then a canary.
    Shadow,
}

/// A step: replicas first, then `before` hooks, then the traffic, the bake and the checks, then `after`
/// hooks, then the gate.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Step")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StepFields {
    /// Name, for people; the weight by default.
    pub(crate) name: Field<Text>,
    /// Share of the traffic for the new revision, in percent: 0 to 100, never less than the step before.
    /// 0 by default when `match` or `mirror` is given.
    pub(crate) weight: Field<PercentText>,
    /// Shortest time at this step.
    pub(crate) bake: Field<SpanText>,
    /// Replicas of the new revision: a number, or `full`; what its weight needs by default, and as a
    /// least.
    pub(crate) replicas: Field<Text>,
    /// `none`, or further checks of this step.
    pub(crate) checks: Field<Checks>,
    /// Hooks that run when the replicas are there, before the traffic moves.
    pub(crate) before: Field<Hooks>,
    /// Hooks that run when the bake is over and the checks pass.
    pub(crate) after: Field<Hooks>,
    /// An approval that the next step waits for: its name, or the full form.
    pub(crate) gate: Field<Brief<Text, GateFields>>,
    /// Requests that go to the new revision whatever the weight: any one of these. Stays in force until a
    /// later step gives its own.
    pub(crate) r#match: Field<Many<MatchFields>>,
    /// Copies of the stable revision's requests: a share in percent, or the full form.
    pub(crate) mirror: Field<Brief<PercentText, MirrorFields>>,
    /// Whether the preview address leads to the new revision.
    pub(crate) preview: Field<bool>,
}

/// Conditions on a request; all must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Match")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MatchFields {
    /// A header, or several.
    pub(crate) header: Field<Many<TextMatchFields>>,
    /// A cookie, or several.
    pub(crate) cookie: Field<Many<TextMatchFields>>,
    /// The path, without the query.
    pub(crate) path: Field<TextMatchFields>,
    /// Users, as the service's `sticky` names them.
    pub(crate) user: Field<Many<Text>>,
}

/// A condition on a text: `exact` or `prefix`; any value when neither is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TextMatch")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TextMatchFields {
    /// Name of the header or cookie; not for `path`.
    pub(crate) name: Field<Text>,
    /// Exactly this.
    pub(crate) exact: Field<Text>,
    /// Begins with this.
    pub(crate) prefix: Field<Text>,
    /// `true`: any value.
    pub(crate) present: Field<bool>,
}

/// How requests are copied.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Mirror")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MirrorFields {
    /// Share of the requests that are copied, in percent; 100 by default.
    pub(crate) share: Field<PercentText>,
    /// Also copies methods that may write (POST, PUT, PATCH, DELETE); false by default.
    pub(crate) unsafe_methods: Field<bool>,
    /// Compares status and body with the stable revision's; true by default.
    pub(crate) compare: Field<bool>,
}
