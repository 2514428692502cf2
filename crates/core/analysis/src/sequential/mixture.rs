//! Many metrics, one error rate.
//!
//! A weighted mean of e-processes that look at the same requests is an e-process again, however the
//! metrics depend on each other (Vovk & Wang, arXiv 1912.06116). So a rollout goes back when the
//! mean of its metrics' *present* values (not of their largest ones so far) reaches 1/α. Which
//! metrics are to blame is a second question, answered by [`culprits`].

use super::numerics::log_sum_exp;

/// ln of the weighted mean of e-values that are given as logarithms, each as (weight, ln E).
///
/// The weights are fixed before the rollout and sum to 1. What they leave of 1 counts as kept in
/// hand (an e-value of 1), so that a metric which cannot be told at all may be left out; weights
/// that sum to more are scaled down. Weights that are not above 0 and values that are not numbers
/// count as left out. Without metrics it is 0.
#[must_use]
pub fn log_mean(weighted: &[(f64, f64)]) -> f64 {
    let usable = || {
        weighted
            .iter()
            .copied()
            .filter(|(weight, log_e)| *weight > 0.0 && weight.is_finite() && !log_e.is_nan())
    };
    let total: f64 = usable().map(|(weight, _)| weight).sum();
    let scale = total.max(1.0);
    let mut logs: Vec<f64> = usable()
        .map(|(weight, log_e)| libm::log(weight / scale) + log_e)
        .collect();
    // Ten weights of a tenth do not sum to 1 exactly; a rest of that size is none.
    if total < 1.0 - WEIGHT_ROUNDING {
        logs.push(libm::log1p(-total));
    }
    log_sum_exp(&logs)
}

/// How far weights that sum to 1 may miss it by rounding.
const WEIGHT_ROUNDING: f64 = 1e-9;

/// Which of J metrics are to be named, strongest first, as indices into `log_e` (natural
/// logarithms): the k with the largest e-values, for the largest k with e₍ₖ₎ ≥ J/(αk). Of those
/// named, a share of at most `alpha` is named wrongly in expectation, under any dependence (e-BH:
/// Wang & Ramdas, arXiv 2009.02824).
///
/// It may name none although [`log_mean`] has crossed 1/α: the evidence is then spread thin, and
/// the caller can say only which metric contributes most. For weights other than equal ones add
/// ln(J·weight) to each value first.
#[must_use]
pub fn culprits(alpha: f64, log_e: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..log_e.len())
        .filter(|index| !log_e[*index].is_nan())
        .collect();
    order.sort_by(|a, b| log_e[*b].total_cmp(&log_e[*a]).then(a.cmp(b)));
    let all = log_e.len() as f64;
    let named = (1..=order.len())
        .rev()
        .find(|k| log_e[order[k - 1]] >= libm::log(all / (alpha * *k as f64)))
        .unwrap_or(0);
    order.truncate(named);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_the_values_and_not_of_their_logarithms() {
        let mean = log_mean(&[(0.5, 8f64.ln()), (0.5, 2f64.ln())]);
        assert!((mean - 5f64.ln()).abs() < 1e-12);
        let ten = [(0.1, 3.0); 10];
        assert!((log_mean(&ten) - 3.0).abs() < 1e-12);
        // One metric alone crosses the line of Bonferroni, and so does the mean.
        let one = [(0.1, (10.0f64 / 0.01).ln()), (0.9, f64::NEG_INFINITY)];
        assert!((log_mean(&one) - 100f64.ln()).abs() < 1e-12);
        assert!((log_mean(&[(1.0, 5_000.0), (0.0, 9_000.0)]) - 5_000.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_left_out_is_kept_in_hand() {
        assert_eq!(log_mean(&[]), 0.0);
        assert!((log_mean(&[(0.25, 9f64.ln())]) - 3f64.ln()).abs() < 1e-12);
        let broken = [(0.25, 9f64.ln()), (0.75, f64::NAN), (f64::NAN, 3.0)];
        assert!((log_mean(&broken) - 3f64.ln()).abs() < 1e-12);
        assert!((log_mean(&[(2.0, 1.0), (2.0, 1.0)]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn culprits_are_named_by_e_bh() {
        let logs = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
        for (name, values, expected) in [
            ("none", vec![1.0, 2.0, 3.0], vec![]),
            ("one, at 3/0.05", vec![1.0, 60.0001, 3.0], vec![1]),
            ("one, just below", vec![1.0, 59.9999, 3.0], vec![]),
            (
                "two at 30 each, none at 60",
                vec![31.0, 0.1, 30.5],
                vec![0, 2],
            ),
            ("all three at 20", vec![20.5, 21.0, 20.5], vec![1, 0, 2]),
            (
                "a missing one counts as tested",
                vec![61.0, f64::NAN, 1.0],
                vec![0],
            ),
            ("no metrics", vec![], vec![]),
        ] {
            assert_eq!(culprits(0.05, &logs(&values)), expected, "{name}");
        }
    }
}
