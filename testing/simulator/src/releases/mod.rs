//! Releases by the thousand: how often a good one is taken back, and how soon a bad one is caught.
//!
//! A release runs through engine, loop and analysis in the fake world, under a plan that the document format
//! made of a `sluice.yaml`, with random traffic and nothing else that goes wrong. [`case`] says what is released
//! and under which traffic, [`mod@release`] plays one, [`tally`] counts many and says what they prove, with
//! [`interval`]. Everything follows from the seed.

pub mod case;
pub mod interval;
pub mod release;
pub mod tally;

use case::{Bad, Case, Judged};
use release::{Release, release};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tally::{Detection, Tally};

/// Plays A/A releases: both revisions are equally good. One for each seed.
#[must_use]
pub fn good(first: u64, count: u64, workers: usize, judged: Judged) -> Tally {
    let mut tally = Tally::default();
    for (seed, release) in each(first, count, workers, |seed| {
        release(&Case::good(seed, judged), seed)
    }) {
        tally.add(seed, &release);
    }
    tally
}

/// Plays releases of a revision that is worse, one for each seed.
#[must_use]
pub fn bad(bad: Bad, first: u64, count: u64, workers: usize, judged: Judged) -> Detection {
    let mut detection = Detection::new(bad);
    let played = each(first, count, workers, |seed| {
        release(&Case::bad(bad, judged), seed)
    });
    for (_, release) in played {
        detection.add(&release);
    }
    detection
}

/// Plays the seeds on several threads; what came of them by rising seed.
fn each(
    first: u64,
    count: u64,
    workers: usize,
    play: impl Fn(u64) -> Release + Sync,
) -> Vec<(u64, Release)> {
    let next = AtomicU64::new(first);
    let end = first.saturating_add(count);
    let played = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let release = play(seed);
                    let mut played = played.lock().unwrap_or_else(|it| it.into_inner());
                    played.push((seed, release));
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap_or_else(|it| it.into_inner());
    played.sort_by_key(|(seed, _)| *seed);
    played
}
