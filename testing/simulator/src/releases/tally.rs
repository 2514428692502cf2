//! What many releases prove: rates with their intervals, and the figures of what was caught.

use super::case::Bad;
use super::interval::interval;
use super::release::{End, Release};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The stated bound on good releases that are taken back.
pub const BOUND: f64 = 0.01;
/// Seeds that are named, at most.
const NAMED_MAX: usize = 20;

/// A/A releases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Played.
    pub releases: u64,
    /// Promoted.
    pub promoted: u64,
    /// Taken back.
    pub taken_back: u64,
    /// How often each check was to blame.
    pub blamed: BTreeMap<String, u64>,
    /// Looks in all of them.
    pub looks: u64,
    /// Requests in all of them while both sides had traffic.
    pub requests: u64,
    /// Seeds of releases that were taken back.
    pub taken_back_seeds: Vec<u64>,
    /// Seeds that came to nothing, and why: there should be none.
    pub wrong: Vec<(u64, String)>,
}

impl Tally {
    /// Counts a release.
    pub fn add(&mut self, seed: u64, release: &Release) {
        self.releases += 1;
        self.looks += release.looks;
        self.requests += release.requests;
        match &release.end {
            End::Promoted => self.promoted += 1,
            End::TakenBack { checks, .. } => {
                self.taken_back += 1;
                for check in checks {
                    *self.blamed.entry(check.to_string()).or_default() += 1;
                }
                if self.taken_back_seeds.len() < NAMED_MAX {
                    self.taken_back_seeds.push(seed);
                }
            }
            End::Undecided { waiting } => self.wrong.push((seed, waiting.clone())),
            End::Broken(violation) => {
                let why = format!("{}: {}", violation.promise, violation.seen);
                self.wrong.push((seed, why));
            }
        }
    }

    /// Adds another tally, of other seeds.
    pub fn merge(&mut self, other: Tally) {
        self.releases += other.releases;
        self.promoted += other.promoted;
        self.taken_back += other.taken_back;
        for (check, count) in other.blamed {
            *self.blamed.entry(check).or_default() += count;
        }
        self.looks += other.looks;
        self.requests += other.requests;
        self.taken_back_seeds.extend(other.taken_back_seeds);
        self.taken_back_seeds.truncate(NAMED_MAX);
        self.wrong.extend(other.wrong);
    }

    /// What is proved of the bound.
    #[must_use]
    pub fn verdict(&self) -> Proved {
        let (low, high) = interval(self.taken_back, self.releases);
        if low > BOUND {
            Proved::Broken
        } else if high <= BOUND {
            Proved::Kept
        } else {
            Proved::Open
        }
    }

    /// Whether every release that was not taken back was promoted, and the bound is not proved broken.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.wrong.is_empty() && self.verdict() != Proved::Broken
    }
}

/// What the releases say about the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// The whole interval lies below it.
    Kept,
    /// The interval reaches beyond it: more releases would tell.
    Open,
    /// The whole interval lies above it.
    Broken,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = interval(self.taken_back, self.releases);
        let verdict = match self.verdict() {
            Proved::Kept => "kept",
            Proved::Open => "not broken; more releases would prove it",
            Proved::Broken => "BROKEN",
        };
        write!(
            f,
            "{} A/A releases with {} looks at {} requests: {} promoted, {} taken back ({}, 95 % interval {} to {}); bound of {} {verdict}",
            self.releases,
            self.looks,
            self.requests,
            self.promoted,
            self.taken_back,
            percent(self.taken_back as f64 / self.releases.max(1) as f64),
            percent(low),
            percent(high),
            percent(BOUND),
        )?;
        if !self.blamed.is_empty() {
            let blamed: Vec<String> = self
                .blamed
                .iter()
                .map(|(check, count)| format!("{check} {count}"))
                .collect();
            write!(f, "; blamed: {}", blamed.join(", "))?;
        }
        if !self.wrong.is_empty() {
            write!(f, "; {} came to nothing", self.wrong.len())?;
        }
        Ok(())
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// How a bad revision fared.
#[derive(Clone, Debug)]
pub struct Detection {
    /// What was wrong with it.
    pub bad: Bad,
    /// Played.
    pub releases: u64,
    /// Milliseconds from the canary's first traffic until it was taken back, of those that were.
    took_ms: Vec<i64>,
    /// The canary's requests of the same.
    exposed: Vec<u64>,
    /// Those that were promoted.
    pub promoted: u64,
    /// Those that waited, or broke a promise.
    pub wrong: u64,
}

impl Detection {
    /// Nothing yet.
    #[must_use]
    pub fn new(bad: Bad) -> Detection {
        Detection {
            bad,
            releases: 0,
            took_ms: Vec::new(),
            exposed: Vec::new(),
            promoted: 0,
            wrong: 0,
        }
    }

    /// Counts a release.
    pub fn add(&mut self, release: &Release) {
        self.releases += 1;
        match release.end {
            End::TakenBack { .. } => {
                self.took_ms.push(release.took_ms);
                self.exposed.push(release.canary_requests);
            }
            End::Promoted => self.promoted += 1,
            End::Undecided { .. } | End::Broken(_) => self.wrong += 1,
        }
    }

    /// The share that was caught.
    #[must_use]
    pub fn caught(&self) -> f64 {
        self.took_ms.len() as f64 / self.releases.max(1) as f64
    }

    /// Seconds until it was taken back, of so much of those that were.
    #[must_use]
    pub fn seconds(&self, quantile: f64) -> f64 {
        at(&self.took_ms, quantile) as f64 / 1_000.0
    }

    /// Requests that it got until then.
    #[must_use]
    pub fn exposed(&self, quantile: f64) -> u64 {
        at(&self.exposed, quantile)
    }
}

/// The value at a quantile; nothing when there is none.
fn at<T: Copy + Ord + Default>(values: &[T], quantile: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    let value = sorted.get(rank.max(1) - 1);
    value.copied().unwrap_or_default()
}

impl fmt::Display for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<10} at {:>5}/s: {:>3} of {} caught, after {:.1} s (median) and {:.1} s (9 of 10), with {} and {} requests to the canary",
            self.bad.name,
            self.bad.rate,
            self.took_ms.len(),
            self.releases,
            self.seconds(0.5),
            self.seconds(0.9),
            self.exposed(0.5),
            self.exposed(0.9),
        )?;
        if self.promoted + self.wrong > 0 {
            write!(f, "; {} promoted, {} undecided", self.promoted, self.wrong)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(releases: u64, taken_back: u64) -> Tally {
        Tally {
            releases,
            taken_back,
            promoted: releases - taken_back,
            ..Tally::default()
        }
    }

    #[test]
    fn a_bound_is_kept_open_or_broken_by_the_whole_interval() {
        for (releases, taken_back, expected) in [
            (2_000, 5, Proved::Kept),
            (100, 0, Proved::Open),
            (2_000, 20, Proved::Open),
            (100, 9, Proved::Broken),
        ] {
            let tally = tally(releases, taken_back);
            assert_eq!(tally.verdict(), expected, "{tally}");
            assert_eq!(tally.holds(), expected != Proved::Broken);
        }
    }

    #[test]
    fn tallies_of_other_seeds_add_up() {
        let mut all = tally(10, 1);
        all.blamed.insert("errors".to_owned(), 1);
        let mut more = tally(5, 1);
        more.blamed.insert("errors".to_owned(), 1);
        more.wrong.push((7, "it waits".to_owned()));
        all.merge(more);
        assert_eq!((all.releases, all.promoted, all.taken_back), (15, 13, 2));
        assert_eq!(all.blamed["errors"], 2);
        assert!(!all.holds());
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        assert_eq!(at(&[5, 1, 3, 2, 4], 0.5), 3);
        assert_eq!(at(&[5, 1, 3, 2, 4], 0.9), 5);
        assert_eq!(at::<u64>(&[], 0.5), 0);
    }
}
