//! Figures of many runs.

use crate::run::{Ending, Run};
use serde::Serialize;
use sluice_model::CheckName;
use std::collections::BTreeMap;

/// What came of many runs of one release.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many.
    pub runs: u64,
    /// Taken back by a check.
    pub taken_back: Share,
    /// Held by a check, until a person decides.
    pub held: Share,
    /// Promoted.
    pub promoted: Share,
    /// Not decided for as long as it was followed.
    pub undecided: Share,
    /// Seconds from the first request by weight until a check took it back or held it.
    pub detect_seconds: Option<Spread>,
    /// Requests that the new side had until then.
    pub exposed: Option<Spread>,
    /// Of these, those that failed.
    pub failed: Option<Spread>,
    /// Seconds from the start until it was promoted.
    pub promote_seconds: Option<Spread>,
    /// Which checks took it back or held it, and how often.
    pub by: BTreeMap<CheckName, u64>,
}

/// A share of the runs, with the interval in which the probability lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// How many runs.
    pub count: u64,
    /// Their share, 0 to 1.
    pub share: f64,
    /// The lower end of a 95 % interval: Wilson's score interval (Wilson 1927, doi 10.2307/2276774).
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Two quantiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// Half of the runs are below.
    pub median: f64,
    /// Nine of ten are below.
    pub p90: f64,
}

/// The standard normal quantile of a two-sided 95 % interval.
const NORMAL_95: f64 = 1.959_963_984_540_054;

impl Share {
    fn of(count: u64, runs: u64) -> Share {
        let n = runs.max(1) as f64;
        let share = count as f64 / n;
        let z2 = NORMAL_95 * NORMAL_95;
        let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let variance = share * (1.0 - share) / n + z2 / (4.0 * n * n);
        let half = NORMAL_95 * variance.sqrt() / (1.0 + z2 / n);
        Share {
            count,
            share,
            low: if count == 0 {
                0.0
            } else {
                (centre - half).max(0.0)
            },
            high: if count == runs {
                1.0
            } else {
                (centre + half).min(1.0)
            },
        }
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).copied()
        };
        Some(Spread {
            median: quantile(0.5)?,
            p90: quantile(0.9)?,
        })
    }
}

impl Summary {
    /// The figures of these runs; their order does not matter.
    #[must_use]
    pub fn of(runs: &[Run]) -> Summary {
        let all = runs.len() as u64;
        let count = |is: fn(&Ending) -> bool| {
            Share::of(
                runs.iter().filter(|run| is(&run.ending)).count() as u64,
                all,
            )
        };
        let is_found = |run: &&Run| matches!(run.ending, Ending::TakenBack(_) | Ending::Held(_));
        let found =
            |value: fn(&Run) -> f64| Spread::of(runs.iter().filter(is_found).map(value).collect());
        let promoted = runs.iter().filter(|run| run.ending == Ending::Promoted);
        let mut by = BTreeMap::new();
        for run in runs {
            if let Ending::TakenBack(check) | Ending::Held(check) = &run.ending {
                *by.entry(check.clone()).or_insert(0) += 1;
            }
        }
        Summary {
            runs: all,
            taken_back: count(|ending| matches!(ending, Ending::TakenBack(_))),
            held: count(|ending| matches!(ending, Ending::Held(_))),
            promoted: count(|ending| *ending == Ending::Promoted),
            undecided: count(|ending| *ending == Ending::Undecided),
            detect_seconds: found(|run| run.since_traffic.as_secs_f64()),
            exposed: found(|run| run.exposed as f64),
            failed: found(|run| run.failed as f64),
            promote_seconds: Spread::of(promoted.map(|run| run.at.as_secs_f64()).collect()),
            by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run(ending: Ending, seconds: u64) -> Run {
        Run {
            ending,
            at: Duration::from_secs(seconds + 2),
            since_traffic: Duration::from_secs(seconds),
            exposed: 10 * seconds,
            failed: seconds,
        }
    }

    #[test]
    fn each_figure_is_of_the_runs_that_it_is_about() {
        let check = CheckName("errors".into());
        let mut runs: Vec<Run> = (1..=10)
            .map(|seconds| run(Ending::TakenBack(check.clone()), seconds))
            .collect();
        runs.push(run(Ending::Promoted, 100));
        runs.push(run(Ending::Undecided, 900));
        let summary = Summary::of(&runs);
        let detect = Spread {
            median: 5.0,
            p90: 9.0,
        };
        assert_eq!(summary.detect_seconds, Some(detect));
        assert_eq!(summary.exposed.map(|it| it.p90), Some(90.0));
        assert_eq!(summary.promote_seconds.map(|it| it.median), Some(102.0));
        assert_eq!((summary.undecided.count, summary.held.count), (1, 0));
        assert_eq!(summary.by, [(check, 10)].into());
        assert_eq!(Summary::of(&[]).detect_seconds, None);
    }

    /// Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3: 81 of 263, 15 of 148, 0 of 20.
    #[test]
    fn the_interval_is_wilsons() {
        for (count, runs, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
        ] {
            let share = Share::of(count, runs);
            assert!((share.low - low).abs() < 1e-4, "{share:?}");
            assert!((share.high - high).abs() < 1e-4, "{share:?}");
        }
    }
}
