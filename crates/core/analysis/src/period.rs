//! Time cut into periods, each of which gives one datapoint.
//!
//! A period ends with the first look that is late enough, and the next begins there, so that none is shorter than it
//! shall be and no request is left out. A clock that goes back begins the period anew.

use sluice_model::Timestamp;
use std::time::Duration;

/// The period under way: when it began, and what stood then.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Period<T> {
    began: Option<(Timestamp, T)>,
}

/// A period that is over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ended<T> {
    /// What stood when it began.
    pub(crate) before: T,
    /// At least what was asked for.
    pub(crate) length: Duration,
}

impl<T> Period<T> {
    /// Takes a look at what stands `now`; what ended with it, if the period lasted for `length`.
    pub(crate) fn look(
        &mut self,
        now: Timestamp,
        length: Duration,
        present: impl FnOnce() -> T,
    ) -> Option<Ended<T>> {
        let lasted = match &self.began {
            Some((began, _)) if now >= *began => now.since(*began),
            _ => {
                self.began = Some((now, present()));
                return None;
            }
        };
        if lasted < length {
            return None;
        }
        let (_, before) = self.began.replace((now, present()))?;
        Some(Ended {
            before,
            length: lasted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_lasts_as_long_as_it_shall_and_a_clock_that_goes_back_begins_it_anew() {
        let mut period = Period::default();
        let told: Vec<Option<(u64, u64)>> = [0, 4, 9, 10, 12, 25, 24, 33, 34]
            .into_iter()
            .map(|second: u64| {
                let now = Timestamp(second as i64 * 1_000);
                let ended = period.look(now, Duration::from_secs(10), || second)?;
                Some((ended.before, ended.length.as_secs()))
            })
            .collect();
        let (first, second, third) = (Some((0, 10)), Some((10, 15)), Some((24, 10)));
        assert_eq!(
            told,
            [None, None, None, first, None, second, None, None, third]
        );
    }
}
