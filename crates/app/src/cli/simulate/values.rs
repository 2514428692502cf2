//! The values of `simulate`'s options as people write them: `200/s`, `0.1%`, `1.5x`, `20ms,200ms`.

use sluice_forecast::{Latency, Release, Traffic};
use sluice_model::time::parse_span;

/// Requests per second, of `200/s`, `12000/m`, `40/h` or a number alone.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let (number, per) = match text.split_once('/') {
        Some((number, "s")) => (number, 1.0),
        Some((number, "m" | "min")) => (number, 60.0),
        Some((number, "h")) => (number, 3_600.0),
        Some((number, "d")) => (number, 86_400.0),
        Some(_) => (text, 1.0),
        None => (text, 1.0),
    };
    let rate = decimal(number).map(|number| number / per);
    rate.filter(|rate| (Traffic::RATE_MIN..=Traffic::RATE_MAX).contains(rate))
        .ok_or_else(|| {
            format!("`{text}` is not a rate of requests: write it as in `200/s` or `12000/m`")
        })
}

/// A share of the requests, of `0.1%` or `0.001`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => decimal(percent.trim()).map(|percent| percent / 100.0),
        None => decimal(text),
    };
    number
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| {
            format!("`{text}` is not a share of the requests: write it as in `0.5%` or `0.005`")
        })
}

/// A release that fails so often.
pub(crate) fn failing(text: &str) -> Result<Release, String> {
    share(text).map(Release::Failing)
}

/// A release whose requests take so many times as long, of `1.5x`.
pub(crate) fn slower(text: &str) -> Result<Release, String> {
    let times = decimal(text.strip_suffix('x').unwrap_or(text)).map(Release::Slower);
    times
        .and_then(|release| release.checked().ok())
        .ok_or_else(|| {
            format!("`{text}` is not how many times as long a request takes: write it as in `1.5x`")
        })
}

/// The median and the p99, of `20ms,200ms`.
pub(crate) fn latency(text: &str) -> Result<Latency, String> {
    let wrong =
        || format!("`{text}` is not a median and a larger p99: write both, as in `20ms,200ms`");
    let (median, p99) = text.split_once(',').ok_or_else(wrong)?;
    let micros = |text: &str| parse_span(text.trim()).map(|span| span.as_secs_f64() * 1e6);
    let latency = Latency {
        median_micros: micros(median)?,
        p99_micros: micros(p99)?,
    };
    let is_sound = latency.median_micros > 0.0 && latency.p99_micros > latency.median_micros;
    is_sound.then_some(latency).ok_or_else(wrong)
}

/// A decimal number without exponent or sign.
fn decimal(text: &str) -> Option<f64> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        for (text, expected) in [
            ("200/s", 200.0),
            ("12000/m", 200.0),
            ("0.5", 0.5),
            ("72/h", 0.02),
        ] {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for (text, expected) in [("0.5%", 0.005), ("0.005", 0.005), ("100 %", 1.0)] {
            assert_eq!(share(text), Ok(expected), "{text}");
        }
        assert_eq!(slower("1.5x"), Ok(Release::Slower(1.5)));
        assert_eq!(failing("5%"), Ok(Release::Failing(0.05)));
        assert_eq!(latency("20ms,1s").map(|it| it.p99_micros), Ok(1e6));
    }

    #[test]
    fn what_is_wrong_is_shown_beside_what_is_right() {
        for (error, right) in [
            (rate("fast").err(), "200/s"),
            (rate("200/week").err(), "200/s"),
            (rate("0/s").err(), "200/s"),
            (rate("-5/s").err(), "200/s"),
            (share("150%").err(), "0.5%"),
            (share("NaN").err(), "0.5%"),
            (slower("0x").err(), "1.5x"),
            (slower("1e300x").err(), "1.5x"),
            (latency("20ms").err(), "20ms,200ms"),
            (latency("2s,1s").err(), "20ms,200ms"),
        ] {
            let error = error.expect("refused");
            assert!(error.contains(right), "{error}");
        }
    }
}
