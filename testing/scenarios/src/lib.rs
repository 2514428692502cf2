//! Readable scripts with golden reports: stories that a user would tell, on the fake world of
//! `sluice-simulator`.
//!
//! A script (`scenarios/*.txt`) holds a `sluice.yaml`, what operators do, and what happens to the world;
//! its report (`*.golden`) tells what Sluice did about it, with times, weights and phases. [`script`] reads
//! the lines, [`stage`] plays them. The test `stories` compares every script with its report;
//! `UPDATE_GOLDEN=1` writes the reports anew. There is no chance in a scenario: everything that happens
//! stands in the script.

mod evidence;
pub mod script;
pub mod stage;

/// Plays a script and returns its report.
///
/// # Errors
/// The line that cannot be understood, or the promise that was broken.
pub fn play(text: &str) -> Result<String, String> {
    let lines = script::read(text)?;
    stage::play(&lines)
}
