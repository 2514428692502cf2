//! The vocabulary of Sluice: services, revisions, plans, statuses, observations, decisions.
//!
//! Every crate speaks in these types. Nothing here reads a clock, a file or a socket, and nothing
//! here decides: behaviour beyond construction and validation lives in `core`. Read `plan` for
//! what a user asks for, `status` for where a service stands, `observation` for what the world
//! looks like, and `decision` for what the engine answers.

pub mod analysis;
pub mod command;
pub mod counters;
pub mod decision;
pub mod diagnostic;
pub mod ids;
pub mod millis;
pub mod minute;
pub mod observation;
pub mod outside;
pub mod plan;
pub mod report;
pub mod revision;
pub mod routes;
pub mod status;
pub mod time;
pub mod view;
pub mod weight;
pub mod workload;

pub use analysis::{Evidence, Sequential, SplitCounts, WeightCounts};
pub use command::{Command, CommandKind, CommandOutcome};
pub use counters::{Histogram, SideCounters};
pub use decision::{Decision, Desired, Effect, EffectAction};
pub use diagnostic::{Diagnostic, Severity, SourcePlace};
pub use ids::{
    CheckName, CommandId, EffectId, ReplicaId, RevisionNumber, RolloutId, ServiceName, SourceName,
};
pub use minute::Minute;
pub use observation::{EffectOutcome, Measurement, Observation, ReplicaCounts, Side};
pub use plan::Plan;
pub use report::{Judgement, Report, ReportEntry, Rule, Verdict};
pub use revision::Revision;
pub use routes::Routes;
pub use status::{Rollout, RolloutState, ServiceStatus, Stage};
pub use time::Timestamp;
pub use weight::Weight;
