//! One check against what was measured for it.

use crate::comparison::judge_comparisons;
use crate::{alarm, condition, goal, outside, score, trend};
use sluice_model::analysis::{Evidence, Unit};
use sluice_model::plan::{Check, Limit, Metric};
use sluice_model::{Judgement, Measurement, Side, Verdict};

/// Fewest bad events for a share to count as beyond a limit above zero: fewer are not told from
/// chance, and the verdict is inconclusive.
pub const BAD_EVENTS_MIN: f64 = 3.0;

/// Holds a measurement against the check's limit.
///
/// Missing data is never a pass: without a measurement, below `samples_min` on either side that the
/// limit needs, or with a value that is not a finite number, the verdict is
/// [`Verdict::NoData`]. A comparison ([`Limit::NotWorse`]) is judged as the only one of its plan; those of one
/// plan belong together, see [`judge_comparisons`].
#[must_use]
pub fn judge(check: &Check, measurement: Option<&Measurement>) -> Judgement {
    if let Limit::NotWorse(_) = check.limit {
        let alone = judge_comparisons(&[(check, measurement)]);
        if let Some(judgement) = alone.into_iter().next() {
            return judgement;
        }
    }
    let (verdict, message) = match measurement {
        None => (Verdict::NoData, "no data yet".to_owned()),
        Some(measurement) => match (&check.limit, &measurement.evidence) {
            (Limit::Trend(_), Some(Evidence::Trend(facts))) => {
                let judged = trend::judge(facts.clone());
                (judged.verdict, judged.evidence.message)
            }
            (Limit::Alarm(settings), Some(Evidence::Alarm(facts))) => {
                let shown = |value| show(check.metric, value);
                let (state, message) = alarm::judge(settings, facts, shown);
                // What nobody measured is no verdict on a release, whatever it stands for in an alarm.
                let is_known = facts.datapoints.iter().any(|point| point.value.is_some());
                let verdict = if is_known {
                    state.verdict()
                } else {
                    Verdict::NoData
                };
                (verdict, message)
            }
            (Limit::Goal(limit), Some(Evidence::Goal(facts))) => {
                goal::judge(limit, check.samples_min, facts)
            }
            (Limit::Score(limit), Some(Evidence::Score(facts))) => score::judge(limit, facts),
            (limit, Some(Evidence::Outside(facts))) => outside::judge(limit, measurement, facts),
            (Limit::Condition(limit), _) => condition::judge(limit, check.samples_min, measurement),
            _ => verdict_of(check, measurement),
        },
    };
    Judgement {
        check: check.name.clone(),
        metric: check.metric,
        limit: check.limit.clone(),
        samples_min: check.samples_min,
        verdict,
        message,
        measurement: measurement.cloned(),
    }
}

/// Whether a limit compares with the baseline, and so needs traffic on the stable side.
pub(crate) fn needs_baseline(limit: &Limit) -> bool {
    matches!(limit, Limit::RelativeMax { .. } | Limit::RelativeMin { .. })
}

/// What a threshold comes to.
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    /// With the baseline's value where the limit is relative; else the words for what is missing.
    pub(crate) fn of(limit: &Limit, baseline: Option<f64>) -> Result<Bound, &'static str> {
        match (limit, baseline) {
            (Limit::Max(max), _) => Ok(Bound::AtMost(*max)),
            (Limit::Min(min), _) => Ok(Bound::AtLeast(*min)),
            (Limit::RelativeMax { factor, margin }, Some(baseline)) => {
                Ok(Bound::AtMost(factor * baseline + margin))
            }
            (Limit::RelativeMin { factor, margin }, Some(baseline)) => {
                Ok(Bound::AtLeast(factor * baseline - margin))
            }
            (Limit::RelativeMax { .. } | Limit::RelativeMin { .. }, None) => {
                Err("the stable side's value cannot be told")
            }
            // Judged by their evidence, which is not there.
            (
                Limit::NotWorse(_)
                | Limit::Trend(_)
                | Limit::Alarm(_)
                | Limit::Condition(_)
                | Limit::Score(_)
                | Limit::Goal(_),
                _,
            ) => Err("no data yet"),
        }
    }
}

fn verdict_of(check: &Check, measurement: &Measurement) -> (Verdict, String) {
    let samples_min = check.samples_min.max(1);
    if measurement.canary.count < samples_min {
        let text = format!(
            "{} of {samples_min} samples on the new side",
            measurement.canary.count
        );
        return (Verdict::NoData, text);
    }
    let Some(canary) = finite(measurement.canary) else {
        return (
            Verdict::NoData,
            "the new side's value cannot be told".to_owned(),
        );
    };
    let baseline = finite(measurement.baseline);
    if needs_baseline(&check.limit) && measurement.baseline.count < samples_min {
        let text = format!(
            "{} of {samples_min} samples on the stable side",
            measurement.baseline.count
        );
        return (Verdict::NoData, text);
    }
    let (bound, at_most) = match Bound::of(&check.limit, baseline) {
        Ok(Bound::AtMost(bound)) => (bound, true),
        Ok(Bound::AtLeast(bound)) => (bound, false),
        Err(unknown) => return (Verdict::NoData, unknown.to_owned()),
    };
    let within = if at_most {
        canary <= bound
    } else {
        canary >= bound
    };
    let few = at_most
        && is_share(check.metric)
        && bound > 0.0
        && canary * measurement.canary.count as f64 + 1e-9 < BAD_EVENTS_MIN;
    let verdict = match (within, few) {
        (true, _) => Verdict::Pass,
        (false, true) => Verdict::Inconclusive,
        (false, false) => Verdict::Fail,
    };
    let word = if at_most { "at most" } else { "at least" };
    let mut text = format!(
        "{} in {} samples, {word} {} allowed",
        show(check.metric, canary),
        measurement.canary.count,
        show(check.metric, bound)
    );
    if let (true, Some(baseline)) = (needs_baseline(&check.limit), baseline) {
        text.push_str(&format!(
            " (stable: {} in {})",
            show(check.metric, baseline),
            measurement.baseline.count
        ));
    }
    (verdict, text)
}

pub(crate) fn finite(side: Side) -> Option<f64> {
    side.value.filter(|value| value.is_finite())
}

fn is_share(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::ErrorRatio
            | Metric::ClientErrorRatio
            | Metric::TimeoutRatio
            | Metric::MirrorDiffRatio
    )
}

fn show(metric: Metric, value: f64) -> String {
    match metric {
        _ if is_share(metric) => format!("{:.2} %", value * 100.0),
        Metric::Latency(_) => format!("{value:.1} ms"),
        Metric::RequestRate => format!("{value:.1}/s"),
        Metric::Cpu => format!("{value:.2} cores"),
        Metric::Memory => trend::value(Unit::Bytes, value),
        _ => trend::value(Unit::Count, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::CheckName;
    use sluice_model::plan::OnTrouble;
    use std::time::Duration;

    fn check(metric: Metric, limit: Limit) -> Check {
        Check {
            name: CheckName("c".into()),
            metric,
            limit,
            window: Duration::from_secs(30),
            samples_min: 100,
            on_fail: OnTrouble::Abort,
        }
    }

    fn sides(canary: f64, canary_count: u64, baseline: f64, baseline_count: u64) -> Measurement {
        Measurement {
            canary: Side {
                value: Some(canary),
                count: canary_count,
            },
            baseline: Side {
                value: Some(baseline),
                count: baseline_count,
            },
            from: sluice_model::Timestamp(0),
            window: Duration::from_secs(30),
            evidence: None,
        }
    }

    #[test]
    fn verdicts() {
        let absolute = Limit::Max(0.01);
        let relative = Limit::RelativeMax {
            factor: 2.0,
            margin: 0.005,
        };
        let throughput = Limit::RelativeMin {
            factor: 0.8,
            margin: 0.0,
        };
        for (name, metric, limit, measured, expected) in [
            (
                "clean",
                Metric::ErrorRatio,
                &absolute,
                sides(0.0, 100, 0.0, 0),
                Verdict::Pass,
            ),
            (
                "at the limit",
                Metric::ErrorRatio,
                &absolute,
                sides(0.01, 1_000, 0.0, 0),
                Verdict::Pass,
            ),
            (
                "above",
                Metric::ErrorRatio,
                &absolute,
                sides(0.02, 1_000, 0.0, 0),
                Verdict::Fail,
            ),
            (
                "two bad events",
                Metric::ErrorRatio,
                &absolute,
                sides(0.02, 100, 0.0, 0),
                Verdict::Inconclusive,
            ),
            (
                "a limit of zero takes one",
                Metric::ErrorRatio,
                &Limit::Max(0.0),
                sides(0.01, 100, 0.0, 0),
                Verdict::Fail,
            ),
            (
                "few samples",
                Metric::ErrorRatio,
                &absolute,
                sides(1.0, 99, 0.0, 0),
                Verdict::NoData,
            ),
            (
                "not a number",
                Metric::ErrorRatio,
                &absolute,
                sides(f64::NAN, 100, 0.0, 0),
                Verdict::NoData,
            ),
            (
                "no baseline",
                Metric::ErrorRatio,
                &relative,
                sides(0.5, 1_000, 0.0, 99),
                Verdict::NoData,
            ),
            (
                "within twice",
                Metric::ErrorRatio,
                &relative,
                sides(0.024, 1_000, 0.01, 1_000),
                Verdict::Pass,
            ),
            (
                "beyond twice",
                Metric::ErrorRatio,
                &relative,
                sides(0.026, 1_000, 0.01, 1_000),
                Verdict::Fail,
            ),
            (
                "slow",
                Metric::Latency(0.99),
                &Limit::Max(100.0),
                sides(101.0, 100, 0.0, 0),
                Verdict::Fail,
            ),
            (
                "throughput kept",
                Metric::RequestRate,
                &throughput,
                sides(80.0, 800, 100.0, 1_000),
                Verdict::Pass,
            ),
            (
                "throughput lost",
                Metric::RequestRate,
                &throughput,
                sides(79.0, 790, 100.0, 1_000),
                Verdict::Fail,
            ),
        ] {
            let judgement = judge(&check(metric, limit.clone()), Some(&measured));
            assert_eq!(judgement.verdict, expected, "{name}: {}", judgement.message);
        }
        assert_eq!(
            judge(&check(Metric::Cpu, absolute.clone()), None).verdict,
            Verdict::NoData
        );
    }
}
