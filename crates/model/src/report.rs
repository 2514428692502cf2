//! Why: the report of a decision, as data.

use crate::command::CommandOutcome;
use crate::ids::{CheckName, CommandId};
use crate::observation::Measurement;
use crate::plan::{Limit, Metric};
use serde::{Deserialize, Serialize};

/// What one decision found and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What changed, in order; each entry goes to the decision log. Empty when nothing changed.
    pub entries: Vec<ReportEntry>,
    /// What the rollout waits for, for people; absent when it waits for nothing.
    pub waiting: Option<String>,
    /// The checks as they stand.
    pub checks: Vec<Judgement>,
    /// Answers to commands.
    pub commands: Vec<CommandAnswer>,
}

/// One thing that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportEntry {
    /// The rule that fired.
    pub rule: Rule,
    /// The same for people: what, why, and the next step where there is one.
    pub message: String,
    /// Who asked for it; absent when Sluice decided by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The judgements behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Judgement>,
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandAnswer {
    /// Which command.
    pub id: CommandId,
    /// What became of it.
    pub outcome: CommandOutcome,
}

/// The rules of the engine; each decision names the one that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// A rollout began.
    RolloutStarted,
    /// A newer revision took the place of the one being rolled out.
    RolloutSuperseded,
    /// The stable revision was asked for again in the middle of a rollout.
    ReturnedToStable,
    /// The replicas a step needs are there.
    CapacityReady,
    /// A step's traffic began.
    StepEntered,
    /// A step's bake is over and its checks pass.
    StepPassed,
    /// A hook succeeded.
    HookSucceeded,
    /// A hook failed.
    HookFailed,
    /// A gate waits for an answer.
    GateWaiting,
    /// A gate was answered.
    GateAnswered,
    /// A gate was not answered in time.
    GateTimedOut,
    /// A check failed.
    CheckFailed,
    /// A replica restarts again and again.
    CrashLoop,
    /// No replica of the new revision is left ready while it has traffic.
    NothingReady,
    /// The replicas were not available in time.
    ProgressDeadline,
    /// The rollout took too long.
    RolloutDeadline,
    /// The new revision is the stable one now.
    Promoted,
    /// Back to stable.
    Aborted,
    /// The rollout is held.
    Paused,
    /// The rollout goes on.
    Resumed,
    /// The rest of the plan is skipped by command.
    PromotedFully,
    /// A step is skipped by command.
    StepSkipped,
    /// An aborted rollout is tried again.
    Retried,
    /// The stable side has its full capacity again.
    CapacityRestored,
    /// The kept capacity of a replaced or aborted revision is given up.
    CapacityReleased,
    /// A command could not be carried out.
    CommandRefused,
    /// The rollout takes long.
    SlowWarning,
    /// Nothing moves.
    StuckWarning,
    /// The clock went back, or jumped; waiting times were moved with it.
    ClockMoved,
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Within the limit.
    Pass,
    /// Beyond the limit.
    Fail,
    /// There is data, but it cannot tell.
    Inconclusive,
    /// Not enough data.
    NoData,
}

/// A check's verdict with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// Which check.
    pub check: CheckName,
    /// What it measures.
    pub metric: Metric,
    /// What was allowed.
    pub limit: Limit,
    /// Fewest observations for a verdict.
    #[serde(default)]
    pub samples_min: u64,
    /// What it says.
    pub verdict: Verdict,
    /// The same for people, with both sides' figures.
    pub message: String,
    /// The figures.
    pub measurement: Option<Measurement>,
}
