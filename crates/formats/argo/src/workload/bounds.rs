//! maxSurge and maxUnavailable as numbers of pods.

use crate::api::{CanaryStrategy, IntOrString, RolloutStrategy};

/// The percentage where a strategy names none.
const DEFAULT_PERCENT: i32 = 25;

/// How many pods there may be above, and below, the number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveBounds {
    /// Pods above, at most.
    pub surge: i32,
    /// Pods below, at most.
    pub unavailable: i32,
}

impl MoveBounds {
    /// Those of a strategy at a number of replicas. Blue-green has no surge; its maxUnavailable counts for
    /// restarts.
    ///
    /// Percentages round surge up and unavailable down. If nothing may move at all after rounding, one pod
    /// may be unavailable. A text that is no number is 0, for both.
    #[must_use]
    pub fn of(strategy: &RolloutStrategy, replicas: i32) -> MoveBounds {
        match (&strategy.blue_green, &strategy.canary) {
            (Some(blue_green), None) => MoveBounds {
                surge: 0,
                unavailable: or_default(blue_green.max_unavailable.as_ref(), replicas, false)
                    .unwrap_or(0)
                    .min(replicas)
                    .max(0),
            },
            (_, Some(canary)) => MoveBounds::of_canary(canary, replicas),
            (None, None) => MoveBounds {
                surge: 0,
                unavailable: 0,
            },
        }
    }

    fn of_canary(canary: &CanaryStrategy, replicas: i32) -> MoveBounds {
        let surge = or_default(canary.max_surge.as_ref(), replicas, true);
        let unavailable = or_default(canary.max_unavailable.as_ref(), replicas, false);
        let (Some(surge), Some(unavailable)) = (surge, unavailable) else {
            return MoveBounds {
                surge: 0,
                unavailable: 0,
            };
        };
        let (surge, unavailable) = (surge.max(0), unavailable.max(0));
        let unavailable = if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable
        };
        MoveBounds {
            surge,
            unavailable: unavailable.min(replicas).max(0),
        }
    }
}

fn or_default(value: Option<&IntOrString>, replicas: i32, up: bool) -> Option<i32> {
    match value {
        Some(value) => scaled(value, replicas, up),
        None => Some(percent_of(DEFAULT_PERCENT, replicas, up)),
    }
}

/// A number as it is, a text as a percentage of `whole`, with or without its `%`; `None` when the text is
/// no number. (Kubernetes' `GetValueFromIntOrPercent`, which Argo uses.)
#[must_use]
pub fn scaled(value: &IntOrString, whole: i32, up: bool) -> Option<i32> {
    match value {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(text) => {
            let percent: i32 = text.replace('%', "").parse().ok()?;
            Some(percent_of(percent, whole, up))
        }
    }
}

fn percent_of(percent: i32, whole: i32, up: bool) -> i32 {
    let hundredfold = i64::from(percent) * i64::from(whole);
    let rounded = if up {
        -(-hundredfold).div_euclid(100)
    } else {
        hundredfold.div_euclid(100)
    };
    i32::try_from(rounded).unwrap_or(i32::MAX)
}
