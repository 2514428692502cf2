//! From samples to a verdict, with the evidence.
//!
//! [`judge`] holds a [`Measurement`](sluice_model::Measurement) against a check's limit;
//! [`window`] turns cumulative counters into measurements. Pure: no clock, no IO. What follows from
//! a verdict is the engine's business.
//!
//! [`standing`] keeps trends and alarms; [`outside`] takes what metric servers answered.
//!
//! [`sequential`] decides per request, with a bound on how often it is wrong however often it is looked
//! at; [`ledger`] keeps the counts it needs and [`judge_comparisons`] holds its e-values against the bounds; [`confidence`] has the intervals, with the same guarantee, that people are shown beside it.

pub mod alarm;
mod comparison;
mod condition;
pub mod confidence;
mod evaluation;
mod goal;
mod judge;
mod learned;
pub mod ledger;
pub mod neutrality;
pub mod outside;
mod period;
mod replay;
mod score;
pub mod sequential;
pub mod standing;
pub mod trend;
pub mod window;
mod words;

pub use comparison::{SPLIT_ALPHA, judge_comparisons, log_mean_e};
pub use judge::{BAD_EVENTS_MIN, judge};
pub use learned::{BEYOND_MIN, REMEMBERED, RecentLatency, SLACK_MICROS};
pub use replay::{Replayed, replay};
