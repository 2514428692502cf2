//! Minutes of history, dealt out by chance: each request to the new or the old side by the weight, and to a second
//! of its minute.
//!
//! This thins the history as a split of the traffic would: at 5 % the new side has a twentieth of the requests,
//! and figures that jump about accordingly. What belongs to a minute (its rate, its failures, its latencies, and how
//! these go with those of the minutes around it) stays.

use crate::Chance;
use crate::schedule::Phase;
use sluice_model::{Histogram, Minute};
use std::collections::BTreeMap;

/// Cells of counts that come before those of the latency buckets.
pub(crate) const TIMED_OUT: usize = 0;
/// Failed otherwise.
pub(crate) const FAILED: usize = 1;
/// Answered 4xx.
pub(crate) const REFUSED: usize = 2;
/// All others.
pub(crate) const SERVED: usize = 3;
/// The first latency bucket's cell.
pub(crate) const LATENCIES: usize = 4;

/// Which latency buckets occur, by rising latency; the cell of the first is [`LATENCIES`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cells(Vec<usize>);

impl Cells {
    pub(crate) fn of(minutes: &[Minute]) -> Cells {
        let mut all = Histogram::default();
        minutes.iter().for_each(|minute| all.merge(&minute.latency));
        Cells(all.occupied().map(|(bucket, _)| bucket).collect())
    }

    pub(crate) fn len(&self) -> usize {
        LATENCIES + self.0.len()
    }

    pub(crate) fn buckets(&self) -> &[usize] {
        &self.0
    }

    /// The counts of a minute.
    fn counts(&self, minute: &Minute) -> Vec<u64> {
        let [_, _, _, refused, failed] = minute.classes;
        let mut counts = vec![0; self.len()];
        counts[TIMED_OUT] = minute.timeouts.min(failed);
        counts[FAILED] = failed - counts[TIMED_OUT];
        counts[REFUSED] = refused;
        counts[SERVED] = minute.requests.saturating_sub(failed + refused);
        let by_bucket: BTreeMap<usize, u64> = minute.latency.occupied().collect();
        for (cell, bucket) in counts[LATENCIES..].iter_mut().zip(&self.0) {
            *cell = by_bucket.get(bucket).copied().unwrap_or(0);
        }
        counts
    }
}

/// What both sides had in a phase, the new one first: cumulative counts at each look, after those at its beginning,
/// which are 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dealt {
    pub(crate) sides: [Vec<Vec<u64>>; 2],
    /// The minute of each look, as its place among those given.
    pub(crate) minute: Vec<usize>,
}

/// Deals out the minutes from `begin`, in seconds after the first of them.
pub(crate) fn deal(
    phase: &Phase,
    minutes: &[Minute],
    cells: &Cells,
    begin: u64,
    chance: &mut impl Chance,
) -> Dealt {
    let looks = phase.looks.len();
    let mut sides = [
        vec![vec![0; cells.len()]; looks + 1],
        vec![vec![0; cells.len()]; looks + 1],
    ];
    let last = minutes.len().saturating_sub(1);
    for (at, minute) in minutes.iter().enumerate() {
        let spans = spans(phase, begin, at as u64 * 60);
        let seconds: u64 = spans.iter().map(|(_, seconds)| seconds).sum();
        if seconds == 0 {
            continue;
        }
        for (cell, count) in cells.counts(minute).into_iter().enumerate() {
            let within = among(count, seconds as f64 / 60.0, chance);
            let canary = among(within, phase.weight, chance);
            for (side, count) in sides.iter_mut().zip([canary, within - canary]) {
                scatter(count, &spans, chance, |look, more| {
                    side[look + 1][cell] += more;
                });
            }
        }
    }
    for side in &mut sides {
        for look in 1..=looks {
            let (before, now) = side.split_at_mut(look);
            for (now, before) in now[0].iter_mut().zip(&before[look - 1]) {
                *now += before;
            }
        }
    }
    // A look at the end of a minute is of that minute.
    let minute_of = |look: &u64| ((begin + look - 1) / 60).min(last as u64) as usize;
    Dealt {
        sides,
        minute: phase.looks.iter().map(minute_of).collect(),
    }
}

/// How many seconds of the minute that begins at `minute` each look covers, without those that cover none.
fn spans(phase: &Phase, begin: u64, minute: u64) -> Vec<(usize, u64)> {
    let mut since = begin;
    let mut spans = Vec::new();
    for (at, look) in phase.looks.iter().enumerate() {
        let until = begin + look;
        let seconds = until.min(minute + 60).saturating_sub(since.max(minute));
        if seconds > 0 {
            spans.push((at, seconds));
        }
        since = until;
    }
    spans
}

/// Deals requests out to spans, in proportion to their seconds.
fn scatter(
    count: u64,
    spans: &[(usize, u64)],
    chance: &mut impl Chance,
    mut add: impl FnMut(usize, u64),
) {
    let mut seconds: u64 = spans.iter().map(|(_, seconds)| seconds).sum();
    if count <= spans.len() as u64 {
        for _ in 0..count {
            let mut second = chance.below(seconds);
            for (look, length) in spans {
                if second < *length {
                    add(*look, 1);
                    break;
                }
                second -= length;
            }
        }
        return;
    }
    let mut rest = count;
    for (look, length) in spans {
        let here = among(rest, *length as f64 / seconds as f64, chance);
        add(*look, here);
        rest -= here;
        seconds -= length;
    }
}

/// A binomial draw, with its certain cases.
fn among(trials: u64, probability: f64, chance: &mut impl Chance) -> u64 {
    if trials == 0 || probability <= 0.0 {
        0
    } else if probability >= 1.0 {
        trials
    } else {
        chance.binomial(trials, probability)
    }
}
