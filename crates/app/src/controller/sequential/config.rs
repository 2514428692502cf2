//! The configuration of `sluice/sequential` in a metric's `plugin`.

use crate::controller::providers::duration;
use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_argo::api::{DurationText, PrometheusMetric};
use sluice_model::Weight;
use sluice_model::plan::NotWorse;
use std::time::Duration;

/// The name under `plugin`.
pub(in crate::controller) const NAME: &str = "sluice/sequential";

/// Between two looks, when nothing is said.
const EVERY: Duration = Duration::from_secs(30);
/// How long a weight is in force before requests count for it: a scrape, and the way of a router's change.
const SETTLE: Duration = Duration::from_secs(60);
/// Requests on the canary below which nothing is decided in its favour.
const SAMPLES_MIN: u64 = 100;
/// As for the error ratio of a service of one machine, but for `ratio` and `margin`: the two sides' counters
/// are scraped at different moments, so that a short failure of both may seem to be that of one.
const LIMIT: NotWorse = NotWorse {
    ratio: 1.25,
    margin: 0.001,
    accept_ratio: 1.5,
    accept_margin: 0.005,
    alpha: 0.01,
    beta: 0.05,
    share: 1.0,
};

/// As it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default)]
    prometheus: PrometheusMetric,
    canary: Counters,
    stable: Counters,
    weight: Option<Number>,
    ratio: Option<Number>,
    margin: Option<Number>,
    accept_ratio: Option<Number>,
    accept_margin: Option<Number>,
    alpha: Option<Number>,
    beta: Option<Number>,
    samples_min: Option<Number>,
    #[serde(default)]
    every: DurationText,
    #[serde(default)]
    settle: DurationText,
    #[serde(default)]
    within: DurationText,
}

/// PromQL for the counters of a side: one series for each process that counts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::controller) struct Counters {
    /// All requests.
    pub(in crate::controller) total: String,
    /// Those that went wrong.
    pub(in crate::controller) bad: String,
}

/// A number, or an argument's text of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(f64),
    Text(String),
}

/// As it is meant.
pub(in crate::controller) struct Config {
    /// The server; its query is not used.
    pub(in crate::controller) prometheus: PrometheusMetric,
    pub(in crate::controller) canary: Counters,
    pub(in crate::controller) stable: Counters,
    /// The canary's share of the traffic; else that of the Rollout's router.
    pub(in crate::controller) weight: Option<Weight>,
    pub(in crate::controller) limit: NotWorse,
    pub(in crate::controller) samples_min: u64,
    pub(in crate::controller) every: Duration,
    pub(in crate::controller) settle: Duration,
    /// After which time what is not decided is inconclusive.
    pub(in crate::controller) within: Option<Duration>,
}

impl Config {
    /// Reads a configuration with all arguments in place.
    ///
    /// # Errors
    /// Which field is wrong, why, and what to write.
    pub(in crate::controller) fn read(written: &Value) -> Result<Config, String> {
        let wrong = |cause: String| format!("{NAME}: {cause}");
        let written = match written {
            Value::Object(fields) => fields.clone(),
            _ => Map::new(),
        };
        let written: Written = serde_json::from_value(Value::Object(written)).map_err(|cause| {
            wrong(format!(
                "the configuration cannot be read: {cause}; `canary` and `stable` each need `total` and `bad`, all else may be left out"
            ))
        })?;
        let limit = written.limit().map_err(wrong)?;
        let weight = match &written.weight {
            None => None,
            Some(number) => {
                let percent = number.read("weight", 1.0).map_err(wrong)?;
                Some(Weight::from_percent(percent).map_err(wrong)?)
            }
        };
        let samples_min = match &written.samples_min {
            None => SAMPLES_MIN,
            Some(number) => within("samplesMin", number, (1.0, 1e12)).map_err(wrong)? as u64,
        };
        let has_end = !written.within.0.is_empty();
        let longest = duration(NAME, "within", &written.within, EVERY)?;
        for (field, query) in [
            ("canary.total", &written.canary.total),
            ("canary.bad", &written.canary.bad),
            ("stable.total", &written.stable.total),
            ("stable.bad", &written.stable.bad),
        ] {
            if query.trim().is_empty() {
                return Err(wrong(format!(
                    "{field} is empty; write a PromQL query for the counter"
                )));
            }
        }
        Ok(Config {
            weight,
            limit,
            samples_min,
            every: duration(NAME, "every", &written.every, EVERY)?.max(Duration::from_secs(1)),
            settle: duration(NAME, "settle", &written.settle, SETTLE)?,
            within: has_end.then_some(longest),
            prometheus: written.prometheus,
            canary: written.canary,
            stable: written.stable,
        })
    }
}

impl Written {
    fn limit(&self) -> Result<NotWorse, String> {
        let number =
            |field: &str, given: &Option<Number>, default: f64, range: (f64, f64)| match given {
                Some(number) => within(field, number, range),
                None => Ok(default),
            };
        let (ratios, shares, rates) = ((0.01, 100.0), (0.0, 0.99), (1e-9, 0.5));
        let ratio = number("ratio", &self.ratio, LIMIT.ratio, ratios)?;
        let margin = number("margin", &self.margin, LIMIT.margin, shares)?;
        let (at_least_ratio, at_least_margin) = (
            LIMIT.accept_ratio.max(ratio),
            LIMIT.accept_margin.max(margin),
        );
        let limit = NotWorse {
            ratio,
            margin,
            accept_ratio: number("acceptRatio", &self.accept_ratio, at_least_ratio, ratios)?,
            accept_margin: number("acceptMargin", &self.accept_margin, at_least_margin, shares)?,
            alpha: number("alpha", &self.alpha, LIMIT.alpha, rates)?,
            beta: number("beta", &self.beta, LIMIT.beta, rates)?,
            share: 1.0,
        };
        if limit.accept_ratio < limit.ratio || limit.accept_margin < limit.margin {
            return Err("what is accepted is tighter than what is worse; let acceptRatio be at least ratio, and acceptMargin at least margin".to_owned());
        }
        if limit.accept_ratio <= 1.0 && limit.accept_margin <= 0.0 {
            return Err("no number of requests proves a release equal exactly; write an acceptRatio above 1, or an acceptMargin above 0".to_owned());
        }
        Ok(limit)
    }
}

impl Number {
    /// The number; `per_cent` is what a percent sign stands for.
    fn read(&self, field: &str, per_cent: f64) -> Result<f64, String> {
        let text = match self {
            Number::Number(number) => return Ok(*number),
            Number::Text(text) => text.trim(),
        };
        let (digits, factor) = match text.strip_suffix('%') {
            Some(digits) => (digits.trim_end(), per_cent),
            None => (text.strip_suffix('x').unwrap_or(text), 1.0),
        };
        let number = digits
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite());
        let number = number.map(|number| number * factor);
        number.ok_or_else(|| format!("{field} is `{text}`, which is no number; write one"))
    }
}

fn within(field: &str, number: &Number, (least, most): (f64, f64)) -> Result<f64, String> {
    let number = number.read(field, 0.01)?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!(
            "{field} is {number}; write a number from {least} to {most}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(more: Value) -> Result<Config, String> {
        let side = json!({"total": "t", "bad": "b"});
        let mut config = json!({"canary": side, "stable": side});
        let fields = config.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        Config::read(&config)
    }

    #[test]
    fn texts_of_arguments_are_numbers_too() {
        let config = with(
            json!({"weight": "12.5", "ratio": "1.5x", "margin": "0.2%", "alpha": 0.02, "within": "1h"}),
        );
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.weight.map(Weight::basis_points), Some(1_250));
        assert_eq!((config.limit.ratio, config.limit.margin), (1.5, 0.002));
        assert_eq!((config.limit.alpha, config.limit.accept_ratio), (0.02, 1.5));
        assert_eq!(config.within, Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_field() {
        for (more, said) in [
            (json!({"canary": {"total": "t"}}), "missing field `bad`"),
            (
                json!({"canary": {"total": " ", "bad": "b"}}),
                "canary.total is empty",
            ),
            (json!({"wieght": 5}), "unknown field `wieght`"),
            (json!({"weight": "5 percent"}), "weight is `5 percent`"),
            (json!({"weight": 120}), "0 to 100"),
            (json!({"alpha": 0}), "alpha is 0"),
            (
                json!({"margin": "1%", "acceptMargin": "0.5%"}),
                "acceptMargin at least margin",
            ),
            (
                json!({"ratio": 1, "margin": 0, "acceptRatio": 1, "acceptMargin": 0}),
                "no number of requests",
            ),
            (json!({"every": "soon"}), "is not a duration"),
        ] {
            let error = with(more.clone()).err().unwrap_or_default();
            assert!(
                error.contains(said) && error.contains(NAME),
                "{more}: {error}"
            );
        }
    }
}
