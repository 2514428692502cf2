//! From samples to a verdict, with the evidence.
//!
//! [`judge`] holds a [`Measurement`](sluice_model::Measurement) against a check's limit;
//! [`window`] turns cumulative counters into measurements. Pure: no clock, no IO. What follows from
//! a verdict is the engine's business. The sequential tests (decisions with a stated error rate) will
//! stand beside [`judge`] and answer with the same [`Verdict`](sluice_model::Verdict).

mod judge;
pub mod window;

pub use judge::{BAD_EVENTS_MIN, judge};
