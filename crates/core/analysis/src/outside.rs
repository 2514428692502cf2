//! What outside metric servers answered: one value for each side that a check asks about, or why there is none.
//!
//! Who asks, and when, is the caller's business. A value counts in a step once everything that the query looks back on
//! is of that step.

use crate::judge::{Bound, finite, needs_baseline};
use sluice_model::analysis::{Answered, Evidence, OutsideFacts};
use sluice_model::outside::{OutsideQuery, STALE_INTERVALS};
use sluice_model::plan::Limit;
use sluice_model::time::format_span;
use sluice_model::{Measurement, Side, Timestamp, Verdict};
use std::time::Duration;

/// What one question brought: the number, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The query as it was sent.
    pub query: String,
    /// When the answer came, or the failure.
    pub answered_at: Timestamp,
    /// The number, or the cause. A number that is not finite is none.
    pub value: Result<f64, String>,
}

/// The latest questions of a check: one for each side, about the same moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// The moment that was asked about.
    pub asked_at: Timestamp,
    /// Of the canary, or of the service as a whole.
    pub canary: Answer,
    /// Of the stable side, if it was asked about.
    pub baseline: Option<Answer>,
}

/// The measurement that the latest round is at a time. An answer older than [`STALE_INTERVALS`] intervals is none, and so
/// is one that looks back on what was before `since`, when the step's traffic began.
#[must_use]
pub fn measure(
    query: &OutsideQuery,
    round: &Round,
    (since, now): (Timestamp, Timestamp),
) -> Measurement {
    let age = now.since(round.asked_at);
    let is_stale = age > query.interval.saturating_mul(STALE_INTERVALS);
    let from = looks_back_to(query, round);
    let take = |answer: &Answer| {
        let value = match &answer.value {
            Ok(_) if is_stale => Err(format!("the last answer is {} old", whole_seconds(age))),
            Ok(_) if from < since => Err(format!(
                "it answers, and looks back on what was before this step; {} of it have to pass",
                format_span(query.window)
            )),
            Ok(value) if !value.is_finite() => Err(format!("the answer is no number ({value})")),
            known => known.clone(),
        };
        let side = Side {
            value: value.as_ref().ok().copied(),
            count: u64::from(value.is_ok()),
        };
        let answered = Answered {
            query: answer.query.clone(),
            answered_at: answer.answered_at,
            no_data: value.err(),
        };
        (side, answered)
    };
    let (canary, of_canary) = take(&round.canary);
    let baseline = round.baseline.as_ref().map(take);
    let (baseline, of_baseline) = baseline.unzip();
    let is_known =
        of_canary.no_data.is_none() && of_baseline.as_ref().is_none_or(|it| it.no_data.is_none());
    // Why there is no data is told at once.
    let (from, window) = if is_known {
        (from, query.window)
    } else {
        (round.asked_at, Duration::ZERO)
    };
    Measurement {
        canary,
        baseline: baseline.unwrap_or_default(),
        from,
        window,
        evidence: Some(Evidence::Outside(OutsideFacts {
            source: query.source.clone(),
            asked_at: round.asked_at,
            canary: of_canary,
            baseline: of_baseline,
        })),
    }
}

/// Where the time begins that a round's answers cover.
pub(crate) fn looks_back_to(query: &OutsideQuery, round: &Round) -> Timestamp {
    let millis = i64::try_from(query.window.as_millis()).unwrap_or(i64::MAX);
    round.asked_at.shifted(millis.saturating_neg())
}

/// Without fractions that change at every look.
fn whole_seconds(age: Duration) -> String {
    format_span(Duration::from_secs(age.as_secs()))
}

/// What the answers say against a threshold.
pub(crate) fn judge(
    limit: &Limit,
    measurement: &Measurement,
    facts: &OutsideFacts,
) -> (Verdict, String) {
    let source = &facts.source;
    let causes = [Some(&facts.canary), facts.baseline.as_ref()];
    let mut causes = causes
        .into_iter()
        .flatten()
        .filter_map(|answered| answered.no_data.as_ref());
    if let Some(cause) = causes.next() {
        return (Verdict::NoData, format!("no data from `{source}`: {cause}"));
    }
    let Some(canary) = finite(measurement.canary) else {
        let text = format!("`{source}` gave no value for the new side");
        return (Verdict::NoData, text);
    };
    let baseline = finite(measurement.baseline);
    let (within, word, bound) = match Bound::of(limit, baseline) {
        Ok(Bound::AtMost(bound)) => (canary <= bound, "at most", bound),
        Ok(Bound::AtLeast(bound)) => (canary >= bound, "at least", bound),
        Err(unknown) => return (Verdict::NoData, unknown.to_owned()),
    };
    let verdict = if within { Verdict::Pass } else { Verdict::Fail };
    let mut text = format!(
        "{} from `{source}`, {word} {} allowed",
        shown(canary),
        shown(bound)
    );
    if let (true, Some(baseline)) = (needs_baseline(limit), baseline) {
        text.push_str(&format!(" (stable: {})", shown(baseline)));
    }
    (verdict, text)
}

/// Four digits behind the point are enough, but for what would be nothing then.
fn shown(value: f64) -> String {
    let size = value.abs();
    if value != 0.0 && !(1e-3..1e15).contains(&size) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{judge, replay};
    use sluice_model::plan::{Check, Metric, OnTrouble};
    use sluice_model::{CheckName, SourceName};

    const INTERVAL: Duration = Duration::from_secs(15);

    fn check(limit: Limit) -> Check {
        Check {
            name: CheckName("orders".into()),
            metric: Metric::Outside,
            limit,
            window: Duration::from_secs(60),
            samples_min: 1,
            on_fail: OnTrouble::Abort,
        }
    }

    fn query() -> OutsideQuery {
        OutsideQuery {
            source: SourceName("prod".into()),
            text: "orders{revision=\"{{revision}}\"}".into(),
            per_side: true,
            window: Duration::from_secs(60),
            interval: INTERVAL,
        }
    }

    fn round(canary: Result<f64, &str>, baseline: Option<Result<f64, &str>>) -> Round {
        let answer = |value: Result<f64, &str>| Answer {
            query: "orders".into(),
            answered_at: Timestamp(100_050),
            value: value.map_err(str::to_owned),
        };
        Round {
            asked_at: Timestamp(100_000),
            canary: answer(canary),
            baseline: baseline.map(answer),
        }
    }

    #[test]
    fn an_answer_is_held_against_the_limit_and_no_answer_is_no_verdict() {
        let relative = Limit::RelativeMin {
            factor: 0.8,
            margin: 0.0,
        };
        for (limit, round, seconds, verdict, message) in [
            (
                Limit::Min(5.0),
                round(Ok(5.0), None),
                101,
                Verdict::Pass,
                "5 from `prod`, at least 5 allowed",
            ),
            (
                Limit::Min(5.0),
                round(Ok(4.25), None),
                101,
                Verdict::Fail,
                "4.25 from `prod`, at least 5 allowed",
            ),
            (
                Limit::Max(-1.0),
                round(Ok(-0.000_01), None),
                101,
                Verdict::Fail,
                "-1.000e-5 from `prod`, at most -1 allowed",
            ),
            (
                relative.clone(),
                round(Ok(7.9), Some(Ok(10.0))),
                101,
                Verdict::Fail,
                "7.9 from `prod`, at least 8 allowed (stable: 10)",
            ),
            (
                relative.clone(),
                round(Ok(7.9), Some(Err("the answer is empty"))),
                101,
                Verdict::NoData,
                "no data from `prod`: the answer is empty",
            ),
            (
                relative,
                round(Ok(7.9), None),
                101,
                Verdict::NoData,
                "the stable side's value cannot be told",
            ),
            (
                Limit::Max(1.0),
                round(Ok(f64::NAN), None),
                101,
                Verdict::NoData,
                "no data from `prod`: the answer is no number (NaN)",
            ),
            (
                Limit::Max(1.0),
                round(Ok(f64::INFINITY), None),
                101,
                Verdict::NoData,
                "no data from `prod`: the answer is no number (inf)",
            ),
            (
                Limit::Max(1.0),
                round(Err("refused"), None),
                101,
                Verdict::NoData,
                "no data from `prod`: refused",
            ),
            (
                Limit::Max(1.0),
                round(Ok(0.5), None),
                145,
                Verdict::Pass,
                "0.5 from `prod`, at most 1 allowed",
            ),
            (
                Limit::Max(1.0),
                round(Ok(0.5), None),
                146,
                Verdict::NoData,
                "no data from `prod`: the last answer is 46s old",
            ),
        ] {
            let check = check(limit);
            let times = (Timestamp(0), Timestamp(seconds * 1_000));
            let measured = measure(&query(), &round, times);
            let judged = judge(&check, Some(&measured));
            assert_eq!(
                (judged.verdict, judged.message.as_str()),
                (verdict, message)
            );
            // From what the log keeps, the verdict is the same.
            let stored = serde_json::to_string(&judged).expect("it can be stored");
            let read = serde_json::from_str(&stored).expect("it can be read");
            let [again] = &replay(&[read])[..] else {
                panic!("one judgement");
            };
            assert!(again.is_same(), "{again:?}");
            assert_eq!(again.again.message, message);
        }
    }

    #[test]
    fn a_value_covers_what_its_query_looks_back_on_and_a_failure_is_told_at_once() {
        let check = check(Limit::Max(1.0));
        let now = Timestamp(101_000);
        let at = |since, round| measure(&query(), &round, (Timestamp(since), now));
        assert_eq!(at(40_000, round(Ok(0.5), None)).from, Timestamp(40_000));
        assert_eq!(
            at(40_000, round(Err("refused"), None)).from,
            Timestamp(100_000)
        );
        let early = judge(&check, Some(&at(40_001, round(Ok(0.5), None))));
        assert_eq!(early.verdict, Verdict::NoData);
        assert!(early.message.contains("1m of it"), "{}", early.message);
    }
}
