//! The trend of a gauge as its user meets it: leaks that are found in time, heaps that are left alone,
//! and what bad input does. `heaps` draws the gauges; nothing here reads a clock.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod heaps;
mod inputs;
mod rates;
mod verdicts;
