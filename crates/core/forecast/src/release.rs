//! What comes in, and how a release answers it: the assumptions of a simulation.

use serde::Serialize;
use thiserror::Error;

/// The traffic of a service, and how its stable revision answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Requests per second, of both sides together; from [`Traffic::RATE_MIN`] to [`Traffic::RATE_MAX`].
    pub rate: f64,
    /// Share of the stable revision's requests that fail, 0 to 1.
    pub errors: f64,
    /// Share of them answered 4xx, 0 to 1; with `errors` at most 1.
    pub client_errors: f64,
    /// How long the stable revision takes.
    pub latency: Latency,
}

/// Latencies of a log-normal distribution, by two of its quantiles, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Half of the requests are faster; above 0.
    pub median_micros: f64,
    /// 99 of 100 are faster; above the median.
    pub p99_micros: f64,
}

/// How the new revision differs from the stable one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Release {
    /// Not at all.
    AsGood,
    /// This share of its requests fails, 0 to 1, in place of the stable revision's share.
    Failing(f64),
    /// Each request takes so many times as long; above 0.
    Slower(f64),
}

/// Assumptions that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum BadTraffic {
    /// Nothing to simulate, or too much.
    #[error("the rate is {0} requests per second; it must be from {min} to {max}", min = Traffic::RATE_MIN, max = Traffic::RATE_MAX)]
    Rate(f64),
    /// No share.
    #[error(
        "{0} is no share of the requests: it must be from 0 to 1, failures and 4xx together as well"
    )]
    Share(f64),
    /// No distribution has such quantiles.
    #[error(
        "a median of {0} µs and a p99 of {1} µs do not go together: both are above 0, and the p99 is the larger"
    )]
    Latency(f64, f64),
    /// No multiple.
    #[error("{0} is not how many times as long a request takes: it must be from 0.01 to 1000")]
    Slower(f64),
}

impl Traffic {
    /// A request in about a day.
    pub const RATE_MIN: f64 = 1e-5;
    /// More than any one machine serves.
    pub const RATE_MAX: f64 = 1e7;

    /// The traffic itself, if it can be.
    ///
    /// # Errors
    /// A rate out of range, shares that are none, quantiles in the wrong order.
    pub fn checked(self) -> Result<Traffic, BadTraffic> {
        if !(Self::RATE_MIN..=Self::RATE_MAX).contains(&self.rate) {
            return Err(BadTraffic::Rate(self.rate));
        }
        for share in [
            self.errors,
            self.client_errors,
            self.errors + self.client_errors,
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(BadTraffic::Share(share));
            }
        }
        let Latency {
            median_micros,
            p99_micros,
        } = self.latency;
        let is_sound = median_micros > 0.0 && p99_micros > median_micros && p99_micros.is_finite();
        if !is_sound {
            return Err(BadTraffic::Latency(median_micros, p99_micros));
        }
        Ok(self)
    }
}

impl Release {
    /// The release itself, if it can be.
    ///
    /// # Errors
    /// A share that is none, a multiple out of range.
    pub fn checked(self) -> Result<Release, BadTraffic> {
        match self {
            Release::Failing(share) if !(0.0..=1.0).contains(&share) => {
                Err(BadTraffic::Share(share))
            }
            Release::Slower(times) if !(0.01..=1_000.0).contains(&times) => {
                Err(BadTraffic::Slower(times))
            }
            sound => Ok(sound),
        }
    }

    /// Share of its requests that fail.
    pub(crate) fn errors(self, traffic: &Traffic) -> f64 {
        match self {
            Release::Failing(share) => share,
            Release::AsGood | Release::Slower(_) => traffic.errors,
        }
    }

    /// How many times as long its requests take.
    pub(crate) fn times(self) -> f64 {
        match self {
            Release::Slower(times) => times,
            Release::AsGood | Release::Failing(_) => 1.0,
        }
    }
}

/// The standard normal quantile of 0.99.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

impl Latency {
    /// Share of the requests that take longer than this, when each takes `times` as long as usual.
    pub(crate) fn share_above(&self, micros: f64, times: f64) -> f64 {
        let sigma = libm::log(self.p99_micros / self.median_micros) / NORMAL_P99;
        let distance = libm::log(micros / (self.median_micros * times)) / sigma;
        0.5 * libm::erfc(distance / std::f64::consts::SQRT_2)
    }

    /// The latency in microseconds that a share `quantile` of the requests stays below; by halving the
    /// interval of all that a histogram can hold.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        let (mut least, mut most) = (1e-3f64, 1e12f64);
        for _ in 0..HALVINGS {
            let middle = (least * most).sqrt();
            if self.share_above(middle, 1.0) > 1.0 - quantile {
                least = middle;
            } else {
                most = middle;
            }
        }
        (least * most).sqrt()
    }
}

/// To a millionth of the value.
const HALVINGS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Latency = Latency {
        median_micros: 20_000.0,
        p99_micros: 200_000.0,
    };

    #[test]
    fn the_latencies_have_the_quantiles_that_were_given() {
        for (quantile, expected) in [(0.5, 20_000.0), (0.99, 200_000.0)] {
            let found = LATENCY.quantile(quantile);
            assert!((found / expected - 1.0).abs() < 1e-6, "{quantile}: {found}");
            let above = LATENCY.share_above(expected, 1.0);
            assert!((above - (1.0 - quantile)).abs() < 1e-9, "{above}");
            let doubled = LATENCY.share_above(2.0 * expected, 2.0);
            assert!((doubled - (1.0 - quantile)).abs() < 1e-9, "{doubled}");
        }
    }

    #[test]
    fn assumptions_that_cannot_be_are_refused() {
        let sound = Traffic {
            rate: 200.0,
            errors: 0.001,
            client_errors: 0.01,
            latency: LATENCY,
        };
        assert_eq!(sound.checked(), Ok(sound));
        let slow = Latency {
            p99_micros: 10_000.0,
            ..LATENCY
        };
        for broken in [
            Traffic { rate: 0.0, ..sound },
            Traffic {
                rate: f64::NAN,
                ..sound
            },
            Traffic {
                errors: 1.5,
                ..sound
            },
            Traffic {
                errors: 0.995,
                ..sound
            },
            Traffic {
                latency: slow,
                ..sound
            },
        ] {
            assert!(broken.checked().is_err(), "{broken:?}");
        }
        assert!(Release::Failing(1.0).checked().is_ok());
        assert!(Release::Failing(1.1).checked().is_err());
        assert!(Release::Slower(0.0).checked().is_err());
    }
}
