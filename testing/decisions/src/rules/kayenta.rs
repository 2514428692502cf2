//! Kayenta's judge on one-minute points, at the times that Spinnaker's guide proposes to begin with.
//!
//! Times: Spinnaker, "Best practices for configuring canary": a lifetime of three hours, judged every hour, on all
//! points since the start (a growing window); at least 50 points a judgement. A judgement below the
//! threshold `marginal` fails the canary, and the last one must reach `pass`. The judge itself is
//! `sluice-kayenta`, score for score.
//!
//! Its metrics are the two that the other rules have. One that is worse is half of the score and so below
//! `marginal`. Failures are in percent: the judge searches with a fixed step of 0.0001, too coarse for a share.

use super::{Decision, Rule};
use crate::tick::{MINUTE_US, Minute, Point, Tick};
use sluice_kayenta::{CanaryConfig, Classification, JudgeResult, MetricSamples, Outcome, judge};
use std::sync::LazyLock;

/// Time between two judgements.
const INTERVAL_US: u64 = 60 * MINUTE_US;
/// When the canary's life ends.
const LIFETIME_US: u64 = 3 * INTERVAL_US;

pub(super) const DESCRIPTION: &str = "the judge `NetflixACAJudge-v1.0` on one point a minute, as Spinnaker's guide proposes to begin: every hour, three times, on all points \
     since the start. Failed requests in percent and p99, `direction: increase`, a group each of half the weight, `pass` 95, `marginal` 75.";

const ERRORS: &str = "failed requests, percent";
const LATENCY: &str = "p99, ms";

static CONFIG: LazyLock<CanaryConfig> = LazyLock::new(|| {
    let metric = |name: &str| {
        serde_json::json!({
            "name": name,
            "query": { "type": "prometheus", "metricName": name },
            "groups": [name],
            "scopeName": "default",
            "analysisConfigurations": { "canary": { "direction": "increase" } },
        })
    };
    let config = serde_json::json!({
        "name": "bench",
        "applications": ["bench"],
        "judge": { "name": "NetflixACAJudge-v1.0", "judgeConfigurations": {} },
        "metrics": [metric(ERRORS), metric(LATENCY)],
        "templates": {},
        "classifier": {
            "groupWeights": { ERRORS: 50, LATENCY: 50 },
            "scoreThresholds": { "pass": 95, "marginal": 75 },
        },
    });
    serde_json::from_value(config).expect("a canary config that is part of the program")
});

/// The analysis of one canary.
#[derive(Debug, Default)]
pub struct Kayenta {
    minutes: Vec<Minute>,
}

impl Kayenta {
    fn judged(&self) -> JudgeResult {
        let series = |name: &str, value: fn(&Point) -> Option<f64>| {
            let side = |point: fn(&Minute) -> &Point| {
                let points = self.minutes.iter().map(point);
                points.map(|one| value(one).unwrap_or(f64::NAN)).collect()
            };
            MetricSamples {
                name: name.to_owned(),
                baseline: side(|minute| &minute.baseline),
                canary: side(|minute| &minute.canary),
                ..MetricSamples::default()
            }
        };
        let samples = [
            series(ERRORS, |point| Some(100.0 * point.error_ratio()?)),
            series(LATENCY, |point| point.p99_ms),
        ];
        judge(&CONFIG, None, &samples).expect("the config has these metrics, and thresholds")
    }
}

impl Rule for Kayenta {
    fn look(&mut self, tick: &Tick) -> Option<Decision> {
        let minute = tick.minute.filter(|_| tick.end_us <= LIFETIME_US)?;
        self.minutes.push(minute);
        if !tick.end_us.is_multiple_of(INTERVAL_US) {
            return None;
        }
        let result = self.judged();
        let fails = match result.score.classification {
            Outcome::Fail => true,
            Outcome::Marginal => tick.end_us == LIFETIME_US,
            Outcome::Pass => false,
        };
        let cause = || {
            let worse = result
                .results
                .iter()
                .find(|metric| metric.classification == Classification::High);
            match worse.map(|metric| metric.name.as_str()) {
                Some(ERRORS) => Decision::Errors,
                Some(_) => Decision::Latency,
                None => Decision::NoData,
            }
        };
        fails.then(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The minute of the decision within four hours, when `canary` says percent of errors and p99 of each
    /// minute; the baseline has 0.1 % with a little noise, and 400 ms.
    fn decided(canary: impl Fn(u64) -> Option<(f64, f64)>) -> Option<(u64, Decision)> {
        let mut kayenta = Kayenta::default();
        let point = |percent: f64, p99_ms: f64| Point {
            requests: 100_000,
            errors: (percent * 1_000.0) as u64,
            p99_ms: Some(p99_ms),
        };
        (1..=240).find_map(|number| {
            let noise = (number * 37 % 11) as f64;
            let (percent, p99_ms) = canary(number).unwrap_or_default();
            let minute = Minute {
                canary: match canary(number) {
                    Some(_) => point(percent + noise / 1_000.0, p99_ms + noise),
                    None => Point::default(),
                },
                baseline: point(0.1 + noise / 1_000.0, 400.0 + noise),
            };
            let tick = Tick {
                end_us: number * MINUTE_US,
                minute: Some(minute),
                ..Tick::default()
            };
            Some((number, kayenta.look(&tick)?))
        })
    }

    #[test]
    fn it_judges_every_hour_for_three_hours() {
        for (name, expected, canary) in [
            (
                "ten times the errors",
                Some((60, Decision::Errors)),
                (|_| Some((1.0, 400.0))) as fn(u64) -> Option<(f64, f64)>,
            ),
            ("slow", Some((60, Decision::Latency)), |_| {
                Some((0.1, 800.0))
            }),
            ("the same", None, |_| Some((0.1, 400.0))),
            ("better", None, |_| Some((0.05, 200.0))),
            (
                "bad from the second hour on",
                Some((180, Decision::Errors)),
                |number| Some((if number > 60 { 1.0 } else { 0.1 }, 400.0)),
            ),
            ("bad after its life", None, |number| {
                Some((if number > 180 { 50.0 } else { 0.1 }, 400.0))
            }),
            ("silent", Some((60, Decision::NoData)), |_| None),
        ] {
            assert_eq!(decided(canary), expected, "{name}");
        }
    }
}
