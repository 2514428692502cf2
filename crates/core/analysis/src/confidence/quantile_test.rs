//! Are two sides' quantiles different, or one of them worse? E-values, in whatever distribution.
//!
//! For one side and a candidate value x of its quantile, how many observations lie below x is a sum
//! of increments of mean 0, and a beta-binomial mixture gives the e-value of "x is the quantile".
//! That both have the same one is as credible as its most credible value: the e-value is the least
//! product over all x (arXiv 1906.09712, on A/B tests; research/stats.md §2b).

use super::{BadInput, BetaBinomial, Mixture, Sides, Tuning, between, positive};

/// Observations in ascending order, each value once with its number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    steps: Vec<(f64, u64)>,
    total: u64,
}

impl Distribution {
    /// Of values with their numbers, in any order.
    ///
    /// # Errors
    /// A value that is not a number.
    pub fn of_counts(counts: impl IntoIterator<Item = (f64, u64)>) -> Result<Self, BadInput> {
        let mut all: Vec<(f64, u64)> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        if let Some((value, _)) = all.iter().find(|(value, _)| value.is_nan()) {
            return Err(BadInput {
                what: "an observation",
                allowed: "a number",
                value: *value,
            });
        }
        all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut distribution = Distribution::default();
        for (value, count) in all {
            distribution.total += count;
            match distribution.steps.last_mut() {
                Some((last, so_far)) if *last == value => *so_far += count,
                _ => distribution.steps.push((value, count)),
            }
        }
        Ok(distribution)
    }

    /// Of single observations, in any order.
    ///
    /// # Errors
    /// A value that is not a number.
    pub fn of_values(values: impl IntoIterator<Item = f64>) -> Result<Self, BadInput> {
        Self::of_counts(values.into_iter().map(|value| (value, 1)))
    }
}

/// ln of the e-value against "the quantile is the same on both sides". The mixtures are tuned for
/// the error rate `alpha` at `tuned_at` observations on each side. 0 without observations on either
/// side.
///
/// # Errors
/// A quantile that is not within (0, 1), an error rate of a half or more, a time to tune for that
/// is not above 0.
pub fn log_e_quantiles_differ(
    quantile: f64,
    canary: &Distribution,
    baseline: &Distribution,
    alpha: f64,
    tuned_at: f64,
) -> Result<f64, BadInput> {
    let p = checked(quantile)?;
    let mixture = mixture(p, 1.0 - p, Sides::Two, alpha, tuned_at)?;
    // A value that was observed several times may stand anywhere among them: where it is most
    // credible. Credibility falls to both sides of one number of observations below.
    let log_e = |below: u64, at: u64, total: u64| {
        let count = total as f64;
        let most_credible = most_credible_sum(&mixture, p, count);
        let (least, most) = (below as f64 - p * count, (below + at) as f64 - p * count);
        mixture.log_e(most_credible.clamp(least, most), p * (1.0 - p) * count)
    };
    Ok(least_over_values(canary, baseline, |canary, baseline| {
        log_e(canary.below, canary.at, canary.total)
            + log_e(baseline.below, baseline.at, baseline.total)
    }))
}

/// ln of the e-value against "the canary's quantile is at most `ratio` times the baseline's plus
/// `margin`", as for latencies. One-sided: it grows when the canary is worse.
///
/// # Errors
/// As of [`log_e_quantiles_differ`], and a ratio that is not above 0 or a margin that is not
/// finite.
pub fn log_e_quantile_worse(
    quantile: f64,
    canary: &Distribution,
    baseline: &Distribution,
    (ratio, margin): (f64, f64),
    alpha: f64,
    tuned_at: f64,
) -> Result<f64, BadInput> {
    let p = checked(quantile)?;
    let ratio = positive("the ratio", ratio)?;
    let margin = between(
        "the margin",
        "a number",
        f64::NEG_INFINITY,
        margin,
        f64::INFINITY,
    )?;
    let allowed = Distribution::of_counts(
        baseline
            .steps
            .iter()
            .map(|(value, count)| (ratio * value + margin, *count)),
    )?;
    // Too many of the canary's above, too many of the baseline's below.
    let above = mixture(1.0 - p, p, Sides::One, alpha, tuned_at)?;
    let below = mixture(p, 1.0 - p, Sides::One, alpha, tuned_at)?;
    let log_e = |mixture: &BetaBinomial, seen: u64, expected: f64, total: u64| {
        let count = total as f64;
        mixture.log_e(seen as f64 - expected * count, p * (1.0 - p) * count)
    };
    Ok(least_over_values(canary, &allowed, |canary, baseline| {
        let canary_above = canary.total - canary.below - canary.at;
        log_e(&above, canary_above, 1.0 - p, canary.total)
            + log_e(&below, baseline.below, p, baseline.total)
    }))
}

fn checked(quantile: f64) -> Result<f64, BadInput> {
    between("the quantile", "above 0 and below 1", 0.0, quantile, 1.0)
}

fn mixture(
    below: f64,
    above: f64,
    sides: Sides,
    alpha: f64,
    tuned_at: f64,
) -> Result<BetaBinomial, BadInput> {
    let tuned_at = positive("the number of observations to tune for", tuned_at)?;
    let tuning = Tuning::new(below * above * tuned_at, alpha)?;
    BetaBinomial::new(tuning, below, above, sides)
}

/// The sum at which the mixture is least, by golden section: it is convex.
fn most_credible_sum(mixture: &BetaBinomial, p: f64, count: f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    const STEPS: usize = 60;
    let variance = p * (1.0 - p) * count;
    let (mut low, mut high) = (-p * count, (1.0 - p) * count);
    for _ in 0..STEPS {
        let step = GOLDEN * (high - low);
        if mixture.log_e(high - step, variance) < mixture.log_e(low + step, variance) {
            high = low + step;
        } else {
            low = high - step;
        }
    }
    f64::midpoint(low, high)
}

/// How one side lies around a value.
#[derive(Clone, Copy)]
struct Place {
    below: u64,
    at: u64,
    total: u64,
}

/// The least of `log_e` over all values that were observed; between them nothing is less.
fn least_over_values(
    canary: &Distribution,
    baseline: &Distribution,
    log_e: impl Fn(Place, Place) -> f64,
) -> f64 {
    let mut sides = [canary, baseline].map(|side| (side.steps.iter().peekable(), 0, side.total));
    let mut least: Option<f64> = None;
    loop {
        let next = sides
            .iter_mut()
            .filter_map(|(steps, ..)| steps.peek().map(|(value, _)| *value))
            .reduce(f64::min);
        let Some(value) = next else {
            return least.unwrap_or(0.0);
        };
        let [canary, baseline] = sides.each_mut().map(|(steps, below, total)| {
            let at = steps
                .next_if(|(step, _)| *step == value)
                .map_or(0, |(_, count)| *count);
            let place = Place {
                below: *below,
                at,
                total: *total,
            };
            *below += at;
            place
        });
        let here = log_e(canary, baseline);
        least = Some(least.map_or(here, |least| least.min(here)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(from: u32, to: u32) -> Distribution {
        Distribution::of_values((from..=to).map(f64::from)).expect("numbers")
    }

    /// gostevehoward/confseq @70b1ef30, test/uniform_boundaries_unittest.cpp, QuantileABTest
    /// "TestPValue": the numbers 1 to 1000 against the same, shifted.
    #[test]
    fn p_values_of_confseq() {
        for (quantile, shift, expected) in [
            (0.5, 70, 0.814_704),
            (0.5, 85, 0.083_805_5),
            (0.5, 100, 0.005_494_7),
            (0.9, 55, 0.034_046_3),
        ] {
            let (a, b) = (numbers(1, 1_000), numbers(1 + shift, 1_000 + shift));
            for (canary, baseline) in [(&a, &b), (&b, &a)] {
                let log_e = log_e_quantiles_differ(quantile, canary, baseline, 0.05, 100.0);
                let p_value = (-log_e.expect("valid")).exp().min(1.0);
                assert!(
                    (p_value - expected).abs() < 1e-5,
                    "{quantile} {shift}: {p_value}"
                );
            }
        }
    }

    #[test]
    fn worse_is_one_sided_and_knows_its_margin() {
        let (a, b) = (numbers(1, 1_000), numbers(201, 1_200));
        let of = |canary, baseline, limit| {
            log_e_quantile_worse(0.5, canary, baseline, limit, 0.05, 1_000.0).expect("valid")
        };
        assert!(of(&b, &a, (1.0, 0.0)) > 100f64.ln());
        assert!(of(&a, &b, (1.0, 0.0)) < 0.0);
        assert!(of(&b, &a, (1.0, 200.0)) < 0.0, "within the margin");
        assert!(of(&b, &a, (1.4, 0.0)) < 0.0, "within the ratio");
        assert!(of(&b, &a, (1.05, 10.0)) > 20f64.ln(), "beyond both");
    }

    #[test]
    fn without_observations_there_is_no_evidence() {
        let none = Distribution::default();
        let some = numbers(1, 1_000);
        let of = |a: &Distribution, b: &Distribution| {
            let differ = log_e_quantiles_differ(0.9, a, b, 0.05, 100.0).expect("valid");
            let worse = log_e_quantile_worse(0.9, a, b, (1.0, 0.0), 0.05, 100.0).expect("valid");
            (differ, worse)
        };
        assert_eq!(of(&none, &none), (0.0, 0.0));
        for (differ, worse) in [of(&none, &some), of(&some, &none)] {
            assert!(differ <= 0.0 && worse <= 0.0, "{differ} {worse}");
        }
        // All the same value on both sides: nothing speaks against it.
        let same = Distribution::of_counts([(5.0, 1_000_000)]).expect("numbers");
        let (differ, worse) = of(&same, &same);
        assert!(differ <= 0.0 && worse <= 0.0, "{differ} {worse}");
        assert!(Distribution::of_values([1.0, f64::NAN]).is_err());
        assert!(log_e_quantiles_differ(0.0, &some, &some, 0.05, 100.0).is_err());
    }

    /// Under equal distributions with many ties, looked at after every twenty observations.
    #[test]
    fn equal_sides_are_told_apart_less_often_than_stated() {
        let runs = 60u64;
        let crossed = (0..runs)
            .filter(|seed| {
                let mut random = fastrand::Rng::with_seed(*seed);
                let (mut canary, mut baseline) = (Vec::new(), Vec::new());
                (0..25).any(|_| {
                    for _ in 0..20 {
                        canary.push(f64::from(random.u8(0..8)));
                        baseline.push(f64::from(random.u8(0..8)));
                    }
                    let of = |values: &[f64]| Distribution::of_values(values.iter().copied());
                    let (canary, baseline) = (of(&canary).expect("ok"), of(&baseline).expect("ok"));
                    let log_e = log_e_quantiles_differ(0.5, &canary, &baseline, 0.1, 100.0);
                    log_e.expect("valid") >= 10f64.ln()
                })
            })
            .count();
        assert!(crossed <= 6, "{crossed} of {runs}");
    }
}
