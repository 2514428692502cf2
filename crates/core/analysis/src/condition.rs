//! Conditions: an expression in CEL over both sides' values, held against what was measured.

use sluice_conditions::{Condition, Value, Values};
use sluice_model::analysis::Evidence;
use sluice_model::plan::ConditionLimit;
use sluice_model::{Measurement, Verdict};

/// Whether the condition holds. What is not known yet is no data; what cannot be told for another cause (a
/// division by zero) is inconclusive. Neither is ever a pass.
pub(crate) fn judge(
    limit: &ConditionLimit,
    samples_min: u64,
    measurement: &Measurement,
) -> (Verdict, String) {
    let Some(Evidence::Values(known)) = &measurement.evidence else {
        return (Verdict::NoData, "no values yet".to_owned());
    };
    let text = &limit.text;
    let condition = match Condition::of_check(text) {
        Ok(condition) => condition,
        // Documents are refused with it; a stored plan of another version may still have it.
        Err(problems) => {
            let text = format!("the condition is not understood: {problems}");
            return (Verdict::Inconclusive, text);
        }
    };
    let named = condition.variables();
    let sides = [
        ("new", measurement.canary.count, true),
        ("stable", measurement.baseline.count, limit.compares),
    ];
    for (side, count, is_needed) in sides {
        if is_needed && count < samples_min {
            let text = format!("{count} of {samples_min} samples on the {side} side");
            return (Verdict::NoData, text);
        }
    }
    let mut values = Values::default();
    let mut shown = Vec::new();
    for name in named {
        match known.get(name) {
            Some(value) => {
                values.set(name.clone(), Value::Double(*value));
                shown.push(format!("{name} = {}", rounded(*value)));
            }
            None => shown.push(format!("{name} is not known")),
        }
    }
    let shown = shown.join(", ");
    match condition.evaluate(&values) {
        Ok(true) => (Verdict::Pass, format!("`{text}` holds: {shown}")),
        Ok(false) => (Verdict::Fail, format!("`{text}` does not hold: {shown}")),
        Err(error) if named.iter().any(|name| !known.contains_key(name)) => {
            (Verdict::NoData, format!("{error}; {shown}"))
        }
        Err(error) => (Verdict::Inconclusive, format!("{error}; {shown}")),
    }
}

/// Four digits that count.
fn rounded(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 12);
    let text = format!("{value:.*}", digits as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::{Side, Timestamp};
    use std::time::Duration;

    fn measured(values: &[(&str, f64)], baseline: u64) -> Measurement {
        let side = |count| Side { value: None, count };
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        Measurement {
            canary: side(500),
            baseline: side(baseline),
            from: Timestamp(0),
            window: Duration::from_secs(60),
            evidence: Some(Evidence::Values(values.collect())),
        }
    }

    #[test]
    fn a_condition_holds_or_not_or_cannot_be_told() {
        let ratio = "canary.errorRatio <= 2.0 * baseline.errorRatio";
        let share = "canary.requestRate / baseline.requestRate > 0.5";
        for (text, values, baseline, verdict, words) in [
            (
                ratio,
                &[("canary.errorRatio", 0.01), ("baseline.errorRatio", 0.008)][..],
                500,
                Verdict::Pass,
                "holds: baseline.errorRatio = 0.008, canary.errorRatio = 0.01",
            ),
            (
                ratio,
                &[("canary.errorRatio", 0.02), ("baseline.errorRatio", 0.008)],
                500,
                Verdict::Fail,
                "does not hold",
            ),
            (
                ratio,
                &[("canary.errorRatio", 0.02), ("baseline.errorRatio", 0.008)],
                99,
                Verdict::NoData,
                "99 of 100 samples on the stable side",
            ),
            (
                ratio,
                &[("canary.errorRatio", 0.02)],
                500,
                Verdict::NoData,
                "baseline.errorRatio is not known",
            ),
            // The stable side is not named, and not needed.
            (
                "canary.errorRatio < 0.5",
                &[("canary.errorRatio", 0.02)],
                0,
                Verdict::Pass,
                "holds",
            ),
            (
                share,
                &[("canary.requestRate", 9.0), ("baseline.requestRate", 0.0)],
                500,
                Verdict::Inconclusive,
                "canary.requestRate = 9",
            ),
            (
                "canary.errorrate < 1",
                &[],
                500,
                Verdict::Inconclusive,
                "not understood",
            ),
        ] {
            let limit = ConditionLimit {
                text: text.to_owned(),
                compares: text.contains("baseline."),
            };
            let (found, message) = judge(&limit, 100, &measured(values, baseline));
            assert_eq!(found, verdict, "{text}: {message}");
            assert!(message.contains(words), "{text}: {message}");
        }
        assert_eq!(rounded(1234567.8), "1234568");
        assert_eq!(rounded(0.000123456), "0.0001235");
    }
}
