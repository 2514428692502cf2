//! What a plan would do to a release, before there is one.
//!
//! A [`Course`] is a plan as traffic sees it: weights, bakes, and the checks that counting requests can
//! judge; what it leaves out, it says. [`simulate`] takes one release through it, request counts drawn by
//! chance, decisions made by the analysis and the rules of a real rollout; [`Summary`] makes figures of
//! many. [`outlook`] tells without chance about how long each step takes, and what never ends.
//!
//! Pure: chance comes in through [`Chance`], and who wants many runs on many threads, calls from them.
//! Not here: processes that start or crash, hooks, gates, people (`sluice-engine` and the scenarios of
//! `testing/` have those).

mod comparing;
mod course;
mod notes;
mod outlook;
mod release;
mod run;
mod signal;
mod summary;
mod threshold;

pub use course::Course;
pub use outlook::{Outlook, StepOutlook, outlook};
pub use release::{BadTraffic, Latency, Release, Traffic};
pub use run::{Ending, Run, simulate};
pub use summary::{Share, Spread, Summary};

/// Where the draws come from: a seeded generator, so that the same seed gives the same figures.
pub trait Chance {
    /// How many arrive, of a Poisson stream, where `mean` are expected; `mean` is above 0.
    fn poisson(&mut self, mean: f64) -> u64;
    /// How many of `trials` happen, each with a probability above 0 and below 1.
    fn binomial(&mut self, trials: u64, probability: f64) -> u64;
}
