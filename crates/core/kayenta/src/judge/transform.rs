//! What happens to the samples before they are compared: what is missing, and what lies outside.

use super::statistics::percentile;
use crate::config::{NanStrategy, OutlierStrategy, Outliers};

/// A side's samples, ready to be compared, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prepared {
    pub(crate) samples: Vec<f64>,
    /// How many were missing (NaN): left out, or zero now.
    pub(crate) missing: usize,
    /// How many were left out as outliers.
    pub(crate) outliers: usize,
}

/// First what is missing, then outliers among what is there, zeros put in included.
pub(crate) fn prepare(samples: &[f64], nan: NanStrategy, outliers: &Outliers) -> Prepared {
    let present = match nan {
        NanStrategy::Remove => samples
            .iter()
            .copied()
            .filter(|sample| !sample.is_nan())
            .collect(),
        NanStrategy::Replace => samples
            .iter()
            .map(|sample| if sample.is_nan() { 0.0 } else { *sample })
            .collect(),
    };
    let missing = samples.iter().filter(|sample| sample.is_nan()).count();
    match outliers.strategy {
        OutlierStrategy::Keep => Prepared {
            samples: present,
            missing,
            outliers: 0,
        },
        OutlierStrategy::Remove => {
            let fence = Fence::around(&present, outliers.factor).widened(&present);
            let kept: Vec<f64> = present
                .iter()
                .copied()
                .filter(|sample| fence.holds(*sample))
                .collect();
            Prepared {
                missing,
                outliers: present.len() - kept.len(),
                samples: kept,
            }
        }
    }
}

/// The values within which a sample is not an outlier; both belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fence {
    lower: f64,
    upper: f64,
}

impl Fence {
    /// The quartiles, moved outwards by `factor` times their distance (J. W. Tukey, *Exploratory data
    /// analysis*, 1977, §2D).
    fn around(samples: &[f64], factor: f64) -> Self {
        let (low, high) = (percentile(samples, 25.0), percentile(samples, 75.0));
        let range = high - low;
        Self {
            lower: low - factor * range,
            upper: high + factor * range,
        }
    }

    /// Wide enough for the 1st and the 99th percentile as well.
    fn widened(self, samples: &[f64]) -> Self {
        Self {
            lower: self.lower.min(percentile(samples, 1.0)),
            upper: self.upper.max(percentile(samples, 99.0)),
        }
    }

    /// A fence that is no number, as around no samples, holds everything.
    fn holds(self, sample: f64) -> bool {
        !(sample > self.upper || sample < self.lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Outliers = Outliers {
        strategy: OutlierStrategy::Keep,
        factor: 3.0,
    };

    #[test]
    fn missing_points_go_or_are_zero() {
        // TransformSuite.scala:30, 38, 46.
        let nan = f64::NAN;
        let removed = prepare(&[0.0, 1.0, nan, 1.0, 0.0], NanStrategy::Remove, &KEEP);
        assert_eq!(
            (removed.samples, removed.missing),
            (vec![0.0, 1.0, 1.0, 0.0], 1)
        );
        let nothing = prepare(&[nan, nan, nan], NanStrategy::Remove, &KEEP);
        assert_eq!((nothing.samples, nothing.missing), (vec![], 3));
        let replaced = prepare(
            &[nan, 10.1, 20.2, 30.3, nan, 40.4],
            NanStrategy::Replace,
            &KEEP,
        );
        assert_eq!(replaced.samples, [0.0, 10.1, 20.2, 30.3, 0.0, 40.4]);
        assert_eq!(replaced.missing, 2);
    }

    #[test]
    fn what_is_beyond_the_fence_is_an_outlier() {
        let nist: Vec<f64> = include_str!("../../testdata/nist_outlier.txt")
            .split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert_eq!(nist.len(), 90);
        // DetectorSuite.scala:44 and TransformSuite.scala:54, DetectorSuite.scala:53, 62, 71.
        let cases: [(&[f64], &[f64]); 4] = [
            (&[21.0, 23.0, 24.0, 25.0, 50.0, 29.0, 23.0, 21.0], &[50.0]),
            (&[1.0, 1.0, 1.0, 5.0, -1.0, -1.0, -1.0, -5.0], &[5.0, -5.0]),
            (&[], &[]),
            (&nist, &[1441.0]),
        ];
        for (samples, wanted) in cases {
            let fence = Fence::around(samples, 1.5);
            let outside: Vec<f64> = samples
                .iter()
                .copied()
                .filter(|sample| !fence.holds(*sample))
                .collect();
            assert_eq!(outside, wanted);
        }
    }

    #[test]
    fn the_fence_is_no_narrower_than_all_but_the_last_percent() {
        // By hand: with n = 4 the 99th percentile is 0.97 of the way from the third sample to the fourth,
        // so that the greatest is always outside of it, while the quartiles' fence holds it here.
        let few = [10.0, 11.0, 12.0, 13.0];
        let narrow = Outliers {
            strategy: OutlierStrategy::Remove,
            factor: 0.01,
        };
        let kept = prepare(&few, NanStrategy::Remove, &narrow);
        assert_eq!((kept.samples, kept.outliers), (vec![11.0, 12.0], 2));
        let usual = Outliers {
            strategy: OutlierStrategy::Remove,
            factor: 3.0,
        };
        assert_eq!(prepare(&few, NanStrategy::Remove, &usual).samples, few);
        // A hundred and one samples with one far off: the 99th percentile is the last but one.
        let mut many: Vec<f64> = (0..100).map(|index| 10.0 + f64::from(index % 7)).collect();
        many.push(1e6);
        let kept = prepare(&many, NanStrategy::Remove, &usual);
        assert_eq!((kept.samples.len(), kept.outliers), (100, 1));
    }

    #[test]
    fn zeros_put_in_for_missing_points_can_be_outliers() {
        let mut samples = vec![50.0; 200];
        samples.push(f64::NAN);
        let remove = Outliers {
            strategy: OutlierStrategy::Remove,
            factor: 3.0,
        };
        let kept = prepare(&samples, NanStrategy::Replace, &remove);
        assert_eq!(
            (kept.samples.len(), kept.missing, kept.outliers),
            (200, 1, 1)
        );
    }
}
