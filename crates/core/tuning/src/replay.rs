//! One rollout of a revision that is as good as the stable one, at one time of the history.

use crate::Chance;
use crate::comparing::{self, Book};
use crate::draw::{Cells, deal};
use crate::history::History;
use crate::limits::is_replayed;
use crate::measure::Measured;
use crate::schedule::Schedule;
use crate::worst::{METRICS, Worst};
use sluice_analysis::{REMEMBERED, judge};
use sluice_model::minute::MINUTE;
use sluice_model::plan::Check;
use sluice_model::{Measurement, Minute, Timestamp, Verdict};
use std::ops::Range;
use std::time::Duration;

/// What came of it. Every look is taken to the end, whatever a check says: each is judged for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    pub(crate) worst: [Worst; METRICS.len()],
    /// Which of the plan's thresholds would have raised an alarm, in the schedule's order.
    pub(crate) fired: Vec<bool>,
    /// The same of its comparisons.
    pub(crate) called_worse: Vec<bool>,
    /// Which of them would have been decided by the end of each bake.
    pub(crate) in_time: Vec<bool>,
}

pub(crate) fn replay(
    schedule: &Schedule,
    history: &History,
    window: Range<usize>,
    chance: &mut impl Chance,
) -> Replay {
    let minutes = &history.minutes[window.clone()];
    let cells = Cells::of(minutes);
    let thresholds = schedule.thresholds();
    let comparisons = schedule.comparisons();
    let remembered = (REMEMBERED.as_secs() / MINUTE.as_secs()) as usize;
    let mut latency = history.latency_before(window.start, remembered);
    if latency.total() == 0
        && let Some(first) = minutes.first()
    {
        latency.merge(&first.latency);
    }
    let opened: Vec<Option<Book>> = comparisons
        .iter()
        .map(|check| Book::open(check, &latency))
        .collect();
    let known: Vec<bool> = opened.iter().map(Option::is_some).collect();
    let mut books: Vec<Book> = opened.into_iter().flatten().collect();
    let mut worst = [Worst::default(); METRICS.len()];
    let mut fired = vec![false; thresholds.len()];
    let mut begin = 0;
    for phase in &schedule.phases {
        let dealt = deal(phase, minutes, &cells, begin, chance);
        let measured = Measured {
            phase,
            dealt: &dealt,
            cells: &cells,
            minutes,
        };
        for (worst, metric) in worst.iter_mut().zip(METRICS) {
            worst.note(metric, schedule.window, &measured);
        }
        for (fired, check) in fired.iter_mut().zip(&thresholds) {
            let here = phase.checks.iter().find(|it| it.name == check.name);
            *fired |= here.is_some_and(|check| fails(check, &measured, minutes));
        }
        comparing::note(&mut books, &measured);
        begin += phase.seconds;
    }
    let mut books = books.into_iter();
    let of_books: Vec<(bool, bool)> = known
        .into_iter()
        .map(|known| {
            let book = if known { books.next() } else { None };
            book.map_or((false, false), |book| (book.fired, book.in_time))
        })
        .collect();
    Replay {
        worst,
        fired,
        called_worse: of_books.iter().map(|(fired, _)| *fired).collect(),
        in_time: of_books.iter().map(|(_, in_time)| *in_time).collect(),
    }
}

/// Whether a threshold fails at any look of a phase.
fn fails(check: &Check, measured: &Measured<'_>, minutes: &[Minute]) -> bool {
    if !is_replayed(check) {
        return false;
    }
    let from = minutes.first().map_or(Timestamp(0), |minute| minute.at);
    (0..measured.phase.looks.len()).any(|look| {
        let [canary, baseline] = measured.both(check.metric, check.window.as_secs(), look);
        let measurement = Measurement {
            canary,
            baseline,
            from,
            window: Duration::from_secs(measured.phase.looks[look]),
            evidence: None,
        };
        judge(check, Some(&measurement)).verdict == Verdict::Fail
    })
}
