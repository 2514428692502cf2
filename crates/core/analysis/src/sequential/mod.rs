//! Decisions per request, with a stated error rate.
//!
//! A test at a fixed time may be looked at once; looked at every second it cries wolf one time in
//! four. The tests here are e-processes: they may be looked at after every request, and the
//! probability that a right release ever crosses the line 1/α is at most α.
//!
//! - [`Betting`] compares how often something bad happens (an error, a timeout, an answer slower
//!   than a frozen threshold) on the canary and on the concurrent baseline, with a margin, over
//!   changing weights; in the other [`Direction`] it proves that a canary is *not* worse.
//! - [`log_mean`] makes one decision of many metrics, [`culprits`] names those to blame.
//! - [`SplitTest`] asks whether the traffic was split as the weight says, without which the rest
//!   proves nothing.
//! - [`requests_to_decide`] says how long all this will take.
//!
//! What is not here: when to look, what to do when a line is crossed, and that a crossing stays
//! crossed: the engine's business. Intervals for people to look at are in [`crate::confidence`].

mod bets;
mod betting;
mod counts;
mod expectation;
mod hypothesis;
mod mixture;
mod numerics;
mod prepared;
mod split;

pub use betting::{Betting, log_e_of};
pub use counts::{BadCounts, Counts, Segment};
pub use expectation::{BadExpectation, Rates, requests_to_decide};
pub use hypothesis::{BadHypothesis, Direction, Hypothesis};
pub use mixture::{culprits, log_mean};
pub use prepared::Prepared;
pub use split::{BadSplit, PreparedSplit, SplitSegment, SplitTest, dirichlet_multinomial_log_e};
