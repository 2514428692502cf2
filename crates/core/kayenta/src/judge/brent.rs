//! Brent's root finder, on the very path that Kayenta's takes.
//!
//! The function searched here is a step function (see `mann_whitney`), so where a search ends depends
//! on each point that it visits: another correct root finder gives other confidence limits. Hence
//! the algorithm is R. P. Brent's `zero` (*Algorithms for Minimization without Derivatives*, 1973,
//! §4.3–4.4) in the variant of netlib's `zeroin`, which R and Kayenta share (BrentSolver.java), with
//! Kayenta's constants and in its order of arithmetic.

/// Half of this is how near a root is approached, in the unit of the samples, whatever that is.
/// Fixed upstream (BrentSolver.java:24), so samples that differ by less are judged coarsely.
pub(crate) const TOLERANCE: f64 = 1e-4;

/// Steps at most (BrentSolver.java:23 and its loop, which runs once more than the constant).
const STEPS_MAX: u32 = 1001;

/// A place and what the function is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) at: f64,
    pub(crate) value: f64,
}

/// Where `f` changes its sign between `lower` and `upper`.
///
/// The ends need not have different signs: then the search still ends, somewhere, as upstream's does.
/// After [`STEPS_MAX`] steps the best place so far is the answer.
///
/// # Errors
///
/// What `f` fails with.
pub(crate) fn root<E>(
    lower: Point,
    upper: Point,
    mut f: impl FnMut(f64) -> Result<f64, E>,
) -> Result<f64, E> {
    for end in [lower, upper] {
        if is_zero(end.value) {
            return Ok(end.at);
        }
    }
    // The root is between `best` and `opposite`; `previous` is where `best` was a step ago.
    let (mut previous, mut best, mut opposite) = (lower, upper, lower);
    for _ in 0..STEPS_MAX {
        let last_step = best.at - previous.at;
        if opposite.value.abs() < best.value.abs() {
            (previous, best, opposite) = (best, opposite, best);
        }
        let near = 2.0 * f64::EPSILON * best.at.abs() + TOLERANCE / 2.0;
        let halving = (opposite.at - best.at) / 2.0;
        if halving.abs() <= near || is_zero(best.value) {
            return Ok(best.at);
        }
        let worth_it = last_step.abs() >= near && previous.value.abs() > best.value.abs();
        let interpolated = if worth_it {
            interpolate(previous, best, opposite, last_step, near)
        } else {
            None
        };
        let mut step = interpolated.unwrap_or(halving);
        if step.abs() < near {
            step = if step > 0.0 { near } else { -near };
        }
        previous = best;
        best.at += step;
        best.value = f(best.at)?;
        let same_side = (best.value > 0.0 && opposite.value > 0.0)
            || (best.value < 0.0 && opposite.value < 0.0);
        if same_side {
            opposite = previous;
        }
    }
    Ok(best.at)
}

/// The step to where a line, or an inverse parabola, through the points is zero; none when that
/// leads out of the bracket or shrinks too slowly.
fn interpolate(
    previous: Point,
    best: Point,
    opposite: Point,
    last_step: f64,
    near: f64,
) -> Option<f64> {
    let width = opposite.at - best.at;
    let (mut p, mut q);
    if previous.at == opposite.at {
        let ratio = best.value / previous.value;
        p = width * ratio;
        q = 1.0 - ratio;
    } else {
        let previous_to_opposite = previous.value / opposite.value;
        let best_to_opposite = best.value / opposite.value;
        let best_to_previous = best.value / previous.value;
        p = best_to_previous
            * (width * previous_to_opposite * (previous_to_opposite - best_to_opposite)
                - (best.at - previous.at) * (best_to_opposite - 1.0));
        q = (previous_to_opposite - 1.0) * (best_to_opposite - 1.0) * (best_to_previous - 1.0);
    }
    if p > 0.0 {
        q = -q;
    } else {
        p = -p;
    }
    let inside = p < 0.75 * width * q - (near * q).abs() / 2.0;
    let shrinks = p < (last_step * q / 2.0).abs();
    (inside && shrinks).then(|| p / q)
}

/// Zero or one of its two neighbours: what upstream takes for zero (commons-math `Precision.equals`).
fn is_zero(value: f64) -> bool {
    value.abs() <= f64::from_bits(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn find(lower: f64, upper: f64, f: impl Fn(f64) -> f64) -> f64 {
        let ends = [lower, upper].map(|at| Point { at, value: f(at) });
        let found: Result<f64, Infallible> = root(ends[0], ends[1], |at| Ok(f(at)));
        found.expect("f does not fail")
    }

    #[test]
    fn a_sign_change_is_found_within_the_tolerance() {
        type Case = (f64, f64, fn(f64) -> f64, f64);
        let cases: [Case; 4] = [
            (0.0, 2.0, |x| x * x - 2.0, std::f64::consts::SQRT_2),
            (-1e6, 1e6, |x| x - 0.25, 0.25),
            (0.0, 10.0, |x| if x < 7.3 { 1.0 } else { -1.0 }, 7.3),
            (-3.0, 40.0, |x| 5.0 - x.exp(), 5_f64.ln()),
        ];
        for (lower, upper, f, expected) in cases {
            let found = find(lower, upper, f);
            assert!(
                (found - expected).abs() <= TOLERANCE,
                "{found} for {expected}"
            );
        }
    }

    #[test]
    fn an_end_that_is_a_root_is_the_answer() {
        assert_eq!(find(3.0, 9.0, |x| x - 3.0), 3.0);
        assert_eq!(find(3.0, 9.0, |x| x - 9.0), 9.0);
    }

    #[test]
    fn it_ends_without_a_sign_change_and_on_what_is_no_number() {
        assert!(find(1.0, 2.0, |_| 1.0).is_finite());
        assert!(find(1.0, 2.0, |_| f64::NAN).is_finite());
    }

    #[test]
    fn a_failure_of_the_function_is_handed_on() {
        let ends = [
            Point {
                at: 0.0,
                value: 1.0,
            },
            Point {
                at: 1.0,
                value: -1.0,
            },
        ];
        assert_eq!(root(ends[0], ends[1], |_| Err("broken")), Err("broken"));
    }
}
