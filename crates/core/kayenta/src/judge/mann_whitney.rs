//! By how much one series lies above another: the Mann–Whitney test turned round into a confidence
//! interval, and the Hodges–Lehmann estimate.
//!
//! For a shift `mu` taken off the first series, the standardised rank sum says how far the two still
//! differ. It falls in steps as `mu` grows; the interval's ends are where it crosses the normal
//! quantiles, the estimate is where it crosses zero (D. F. Bauer, *Constructing confidence sets using
//! rank statistics*, JASA 67, 1972; the way of R's `wilcox.test`). Ties and continuity are corrected
//! for as there. All of it follows MannWhitney.scala:58–108 to the last operation, because the path of
//! the root finder shows in the result (see `brent`).

use super::brent::{Point, TOLERANCE, root};
use super::ranks::{ranks, sorted};
use statrs::function::erf::erfc_inv;
use std::f64::consts::SQRT_2;

/// By how much the first series lies above the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Lower end of the confidence interval, in the unit of the samples.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// The Hodges–Lehmann estimate: the median of all differences between a sample of the first and
    /// one of the second.
    pub estimate: f64,
    /// Whether the samples are spread so little (under 0.01 from end to end) that the fixed step of the
    /// root finder, 0.0001, shows in the figures. A larger unit (milliseconds for seconds) cures it.
    pub coarse: bool,
}

/// Why two series cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// A side has no samples.
    #[error("there are no samples on one side")]
    Empty,
    /// Nothing is left to rank: moved by the shift, every sample equals every other.
    #[error("all samples are tied, so that there is nothing to rank")]
    AllTied,
    /// Not a number, infinite, or too far apart for a difference to be a number.
    #[error(
        "a sample is not a finite number, or the samples are further apart than a number can say"
    )]
    NotFinite,
}

/// How sure an interval is, two-sided.
///
/// The root finder's path shows in the result, so that a quantile that differs in its last digit can end
/// a search elsewhere: what is to agree with Kayenta to the last digit needs Kayenta's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    level: f64,
    /// The standard normal quantile of `1 − (1 − level) / 2`.
    quantile: f64,
}

impl Confidence {
    /// The judge's: 98 % (NetflixACAJudge.scala:146), with the quantile that commons-math
    /// 3.6.1 gives for it.
    pub const JUDGE: Self = Self {
        level: 0.98,
        quantile: 2.326_347_874_040_841,
    };

    /// This sure, above 0 and below 1.
    #[must_use]
    pub fn of(level: f64) -> Self {
        Self {
            level,
            quantile: -normal_quantile((1.0 - level) / 2.0),
        }
    }

    /// The level, above 0 and below 1.
    #[must_use]
    pub fn level(self) -> f64 {
        self.level
    }
}

/// The samples' spread below which [`Shift::coarse`] is said: a hundred steps of the root finder.
const COARSE_BELOW: f64 = 100.0 * TOLERANCE;

/// By how much `first` lies above `second`, with a two-sided interval.
///
/// The cost is a sort of both sides, and one pass over them for each step of the root finder.
///
/// # Errors
///
/// When there is nothing to compare; see [`Incomparable`].
pub fn shift(first: &[f64], second: &[f64], confidence: Confidence) -> Result<Shift, Incomparable> {
    let pair = Pair::new(first, second)?;
    Ok(Shift {
        lower: pair.limit(confidence.quantile)?,
        upper: pair.limit(-confidence.quantile)?,
        estimate: root(
            pair.point(pair.least, 0.0)?,
            pair.point(pair.greatest, 0.0)?,
            |mu| pair.difference(mu, 0.0),
        )?,
        coarse: pair.greatest - pair.least < COARSE_BELOW,
    })
}

/// The value below which a standard normal variable is with this probability.
pub(crate) fn normal_quantile(probability: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * probability)
}

/// Both sides in order, and the shifts between which the samples overlap.
struct Pair {
    first: Vec<f64>,
    second: Vec<f64>,
    /// The shift at which the least of the first meets the greatest of the second.
    least: f64,
    /// The shift at which the greatest of the first meets the least of the second.
    greatest: f64,
}

impl Pair {
    fn new(first: &[f64], second: &[f64]) -> Result<Self, Incomparable> {
        if first.iter().chain(second).any(|value| !value.is_finite()) {
            return Err(Incomparable::NotFinite);
        }
        let (first, second) = (sorted(first), sorted(second));
        let ([x_min, .., x_max] | [x_min @ x_max], [y_min, .., y_max] | [y_min @ y_max]) =
            (first.as_slice(), second.as_slice())
        else {
            return Err(Incomparable::Empty);
        };
        let (least, greatest) = (x_min - y_max, x_max - y_min);
        if !least.is_finite() || !greatest.is_finite() {
            return Err(Incomparable::NotFinite);
        }
        Ok(Self {
            least,
            greatest,
            first,
            second,
        })
    }

    /// Where the standardised rank sum crosses `quantile`; an end of the overlap if it never does.
    fn limit(&self, quantile: f64) -> Result<f64, Incomparable> {
        let (lower, upper) = (
            self.point(self.least, quantile)?,
            self.point(self.greatest, quantile)?,
        );
        if lower.value <= 0.0 {
            Ok(lower.at)
        } else if upper.value >= 0.0 {
            Ok(upper.at)
        } else {
            root(lower, upper, |mu| self.difference(mu, quantile))
        }
    }

    fn point(&self, mu: f64, quantile: f64) -> Result<Point, Incomparable> {
        Ok(Point {
            at: mu,
            value: self.difference(mu, quantile)?,
        })
    }

    /// How far the standardised rank sum is above `quantile` with `mu` taken off the first side.
    fn difference(&self, mu: f64, quantile: f64) -> Result<f64, Incomparable> {
        let ranks = ranks(&self.first, &self.second, mu);
        let (x, y) = (self.first.len() as f64, self.second.len() as f64);
        let above_expected = ranks.sum_of_first - x * (x + 1.0) / 2.0 - x * y / 2.0;
        let continuity = if above_expected > 0.0 {
            0.5
        } else if above_expected < 0.0 {
            -0.5
        } else {
            0.0
        };
        let untied = x + y + 1.0 - ranks.ties / ((x + y) * (x + y - 1.0));
        let deviation = ((x * y / 12.0) * untied).sqrt();
        if deviation == 0.0 {
            return Err(Incomparable::AllTied);
        }
        Ok((above_expected - continuity) / deviation - quantile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both samples of a row of the test data.
    fn samples(source: &str) -> (Vec<f64>, Vec<f64>) {
        let row: serde_json::Value = include_str!("../../testdata/intervals.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).expect("a row of test data"))
            .find(|row: &serde_json::Value| row["source"] == source)
            .expect("the row");
        let numbers = |side: &str| {
            let text = row[side].as_str().expect("a text");
            text.split(' ')
                .map(|number| number.parse().expect("a number"))
                .collect()
        };
        (numbers("x"), numbers("y"))
    }

    #[test]
    fn the_statistic_itself() {
        // MannWhitneySuite.scala:29, whose samples are those of :483.
        let (x, y) = samples("MannWhitneySuite.scala:483");
        let pair = Pair::new(&x, &y).expect("comparable");
        for (mu, wanted) in [(0.0, -1.229416), (5.0, -35.80606)] {
            let found = pair.difference(mu, 0.0).expect("not all tied");
            assert!((found - wanted).abs() <= 1e-6, "{found} for {wanted}");
        }
    }

    #[test]
    fn what_the_search_starts_from() {
        // MannWhitneySuite.scala:987–1071.
        let (x, y) = samples("MannWhitneySuite.scala:987");
        let pair = Pair::new(&x, &y).expect("comparable");
        let quantile = Confidence::of(0.95).quantile;
        let at = |mu, quantile| pair.difference(mu, quantile).expect("not all tied");
        let cases = [
            (pair.least, -3.124999999999986),
            (pair.greatest, 5.555555555555557),
            (quantile, 1.9599639845400536),
            (at(pair.least, quantile), 17.090968923762254),
            (at(pair.greatest, quantile), -20.997687930433106),
            (at(pair.least, -quantile), 21.01089689284236),
            (at(pair.greatest, -quantile), -17.077759961353),
        ];
        for (found, wanted) in cases {
            assert!((found - wanted).abs() <= 1e-6, "{found} for {wanted}");
        }
    }

    #[test]
    fn normal_quantiles() {
        // MannWhitneySuite.scala:466.
        assert!((normal_quantile(0.02 / 2.0) + 2.326348).abs() <= 1e-6);
        assert!((normal_quantile(0.5)).abs() <= 1e-15);
        let judge = Confidence::of(Confidence::JUDGE.level()).quantile;
        assert!(
            (judge - Confidence::JUDGE.quantile).abs() <= 1e-15,
            "{judge}"
        );
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let cases: [(&[f64], &[f64], Incomparable); 6] = [
            (&[], &[1.0], Incomparable::Empty),
            (&[1.0], &[], Incomparable::Empty),
            (&[f64::NAN], &[1.0], Incomparable::NotFinite),
            (&[1.0, f64::INFINITY], &[1.0], Incomparable::NotFinite),
            (&[f64::MAX], &[f64::MIN, 0.0], Incomparable::NotFinite),
            (&[4.0, 4.0], &[3.0, 3.0, 3.0], Incomparable::AllTied),
        ];
        for (first, second, wanted) in cases {
            assert_eq!(
                shift(first, second, Confidence::JUDGE),
                Err(wanted),
                "{first:?}"
            );
        }
    }

    #[test]
    fn small_units_are_said_to_be_coarse() {
        let seconds: Vec<f64> = (0..40)
            .map(|index| 0.001 + 0.0001 * f64::from(index))
            .collect();
        let slower: Vec<f64> = seconds.iter().map(|second| second + 0.001).collect();
        assert!(
            shift(&slower, &seconds, Confidence::JUDGE)
                .expect("comparable")
                .coarse
        );
        let [millis, slower] = [&seconds, &slower].map(|side| {
            side.iter()
                .map(|second| second * 1000.0)
                .collect::<Vec<_>>()
        });
        assert!(
            !shift(&slower, &millis, Confidence::JUDGE)
                .expect("comparable")
                .coarse
        );
    }
}
