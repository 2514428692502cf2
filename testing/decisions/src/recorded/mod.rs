//! Requests that a real router recorded, as ticks.
//!
//! The file is JSON Lines. A line is a change of the weight, or a request:
//!
//! ```text
//! {"atUs":0,"weight":0}
//! {"atUs":412,"side":"baseline","failed":false,"latencyUs":8123}
//! {"atUs":60000000,"weight":0.05}
//! {"atUs":60000815,"side":"canary","failed":true,"latencyUs":20114}
//! ```
//!
//! `atUs` is the time at which the router assigned the request, in microseconds since the recording began; so
//! a request always stands at the weight by which it was assigned, and all rules see its outcome as early. `weight` is
//! the probability, from 0 to 1, with which requests from then on go to the canary. Lines may be out of order.
//!
//! The release begins with the first weight above 0. What lies before it is the lead-in, from which the
//! stable side's p50 and p99 are frozen (a request is slow when it takes a millisecond more, as in the product), and
//! ends with the next weight that is 0 or 1, or with the last line.

mod cutter;
mod lines;

use crate::tick::{MINUTE_US, Tick};
use cutter::{Cutter, percentile};
use lines::{Side, lines};
use sluice_analysis::SLACK_MICROS;
use std::io::BufRead;
use thiserror::Error;

/// Most lines of a recording; an hour at 2,500 requests a second has 9 million.
pub const LINES_MAX: usize = 10_000_000;
/// Longest release, in microseconds: a day.
pub const LENGTH_US_MAX: u64 = 24 * 60 * MINUTE_US;
/// Fewest requests of the lead-in: a 99th percentile of fewer is made of fewer than ten.
pub const LEAD_IN_MIN: usize = 1_000;

/// Why a recording cannot be used.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// It cannot be read.
    #[error("line {line}: the recording cannot be read")]
    Read {
        /// From 1.
        line: usize,
        /// The cause.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("line {line}: {what}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong, and how it should be.
        what: String,
    },
    /// More than [`LINES_MAX`] lines.
    #[error("the recording has more than {LINES_MAX} lines; cut it into several")]
    Long,
    /// No weight between 0 and 1.
    #[error(
        "no line has a weight between 0 and 1, so the canary never had traffic beside the stable side"
    )]
    NoRelease,
    /// Too few requests before the release.
    #[error(
        "{count} requests of the stable side before the canary's first traffic; record at least {LEAD_IN_MIN}, to freeze its latencies"
    )]
    LeadIn {
        /// How many there are.
        count: usize,
    },
    /// The release is longer than [`LENGTH_US_MAX`].
    #[error("the release lasts longer than a day; is `atUs` in microseconds?")]
    Length,
}

/// A recorded release.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The release's ticks.
    pub ticks: Vec<Tick>,
    /// The stable side's frozen median, in microseconds.
    pub p50_us: u64,
    /// The stable side's frozen 99th percentile, in microseconds.
    pub p99_us: u64,
    /// Requests of the lead-in.
    pub lead_in: usize,
}

/// Reads a recording.
///
/// # Errors
/// What is wrong with it, with the line.
pub fn read(input: impl BufRead) -> Result<Recording, RecordingError> {
    let (mut requests, mut weights) = lines(input)?;
    requests.sort_by_key(|request| request.at_us);
    weights.sort_by_key(|(at_us, _)| *at_us);
    let splits = |weight: f64| weight > 0.0 && weight < 1.0;
    let first = weights.iter().position(|(_, weight)| splits(*weight));
    let first = first.ok_or(RecordingError::NoRelease)?;
    let begin_us = weights[first].0;
    let weights: Vec<(u64, f64)> = weights.split_off(first);
    let end_us = match weights.iter().find(|(_, weight)| !splits(*weight)) {
        Some((at_us, _)) => *at_us,
        None => requests.last().map_or(begin_us, |last| last.at_us + 1),
    };
    if end_us.saturating_sub(begin_us) > LENGTH_US_MAX {
        return Err(RecordingError::Length);
    }
    let mut lead_in: Vec<u64> = requests
        .iter()
        .filter(|request| request.at_us < begin_us && request.side == Side::Baseline)
        .map(|request| request.latency_us)
        .collect();
    if lead_in.len() < LEAD_IN_MIN {
        return Err(RecordingError::LeadIn {
            count: lead_in.len(),
        });
    }
    lead_in.sort_unstable();
    let (p50_us, p99_us) = (percentile(&lead_in, 50), percentile(&lead_in, 99));
    let changes = weights.iter().skip(1).copied();
    let line = |quantile_us: u64| quantile_us.saturating_add(SLACK_MICROS);
    let cutter = Cutter::new(begin_us, weights[0].1, line(p50_us), line(p99_us));
    Ok(Recording {
        ticks: cutter.cut(&requests, changes, end_us),
        p50_us,
        p99_us,
        lead_in: lead_in.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Horizon, play};
    use crate::rules::RuleKind;
    use std::fmt::Write as _;

    /// A lead-in of 1,000 requests of 1 to 1,000 µs, one each 10 µs.
    fn lead_in() -> String {
        let mut text = "{\"atUs\":0,\"weight\":0}\n".to_owned();
        for number in 1..=1_000 {
            request(&mut text, 10 * number, "baseline", false, number);
        }
        text
    }

    fn request(text: &mut String, at_us: u64, side: &str, failed: bool, latency_us: u64) {
        writeln!(
            text,
            r#"{{"atUs":{at_us},"side":"{side}","failed":{failed},"latencyUs":{latency_us}}}"#
        )
        .expect("a string grows");
    }

    fn weight(text: &mut String, at_us: u64, weight: f64) {
        writeln!(text, r#"{{"atUs":{at_us},"weight":{weight}}}"#).expect("a string grows");
    }

    #[test]
    fn ticks_end_at_each_tenth_of_a_second_and_where_the_weight_changes() {
        let mut text = lead_in();
        weight(&mut text, 1_000_000, 0.05);
        request(&mut text, 1_250_000, "canary", true, 1_991);
        // Out of order, and before the change.
        request(&mut text, 1_000_000, "baseline", false, 1_501);
        weight(&mut text, 1_250_000, 0.5);
        request(&mut text, 1_249_999, "baseline", false, 1_500);
        weight(&mut text, 1_400_000, 0.0);
        request(&mut text, 1_400_000, "canary", true, 1);
        let recording = read(text.as_bytes()).expect("a recording");
        assert_eq!((recording.p50_us, recording.p99_us), (500, 990));
        assert_eq!(recording.lead_in, 1_000);
        let told: Vec<_> = recording
            .ticks
            .iter()
            .map(|tick| {
                let (canary, baseline) = (tick.canary, tick.baseline);
                (
                    tick.end_us,
                    tick.weight,
                    [canary.requests, canary.errors, canary.above_p99],
                    [baseline.requests, baseline.above_p50],
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (100_000, 0.05, [0, 0, 0], [1, 1]),
                (200_000, 0.05, [0, 0, 0], [0, 0]),
                (250_000, 0.05, [0, 0, 0], [1, 0]),
                (300_000, 0.5, [1, 1, 1], [0, 0]),
                (400_000, 0.5, [0, 0, 0], [0, 0]),
            ]
        );
    }

    #[test]
    fn minutes_have_what_a_monitoring_system_would_show() {
        let mut text = lead_in();
        weight(&mut text, 1_000_000, 0.5);
        for number in 0..200 {
            // One request each 0.4 s: 150 in the first minute, of which each third failed.
            let at_us = 1_000_000 + 400_000 * number;
            request(
                &mut text,
                at_us,
                "canary",
                number % 3 == 0,
                1_000 * (number + 1),
            );
        }
        let recording = read(text.as_bytes()).expect("a recording");
        let minutes: Vec<_> = recording
            .ticks
            .iter()
            .filter_map(|tick| Some((tick.end_us, tick.minute?)))
            .collect();
        let [(end_us, minute)] = minutes.as_slice() else {
            panic!("{minutes:?}");
        };
        assert_eq!(*end_us, MINUTE_US);
        assert_eq!((minute.canary.requests, minute.canary.errors), (150, 50));
        // Rank ⌈0.99 · 150⌉ = 149.
        assert_eq!(minute.canary.p99_ms, Some(149.0));
        assert_eq!(
            (minute.baseline.requests, minute.baseline.p99_ms),
            (0, None)
        );
    }

    #[test]
    fn the_rules_judge_a_recording() {
        let mut text = lead_in();
        weight(&mut text, 1_000_000, 0.05);
        for number in 0..40_000 {
            let side = if number % 20 == 0 {
                "canary"
            } else {
                "baseline"
            };
            let failed = number % 40 == 0;
            request(&mut text, 1_000_000 + 10_000 * number, side, failed, 400);
        }
        let recording = read(text.as_bytes()).expect("a recording");
        let mut rules: Vec<_> = RuleKind::ALL.map(RuleKind::start).into();
        let outcomes = play(recording.ticks, Horizon::Time(LENGTH_US_MAX), &mut rules);
        let ours = outcomes[0];
        assert!(
            ours.decision.is_some() && ours.at_us <= 2_000_000,
            "{ours:?}"
        );
        let flaggers = outcomes[1];
        assert_eq!(flaggers.at_us, 6 * MINUTE_US);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let with = |more: &str| lead_in() + more;
        for (name, text, told) in [
            ("empty", String::new(), "never had traffic"),
            ("no release", lead_in(), "never had traffic"),
            (
                "short lead-in",
                "{\"atUs\":0,\"weight\":0.05}\n".to_owned(),
                "0 requests of the stable side",
            ),
            ("no JSON", with("nonsense"), "line 1002: column 2: expected"),
            (
                "half a request",
                with(r#"{"atUs":1,"side":"canary"}"#),
                "line 1002: has either",
            ),
            (
                "both",
                with(r#"{"atUs":1,"weight":0.5,"side":"canary"}"#),
                "line 1002: has either",
            ),
            (
                "weight in percent",
                with(r#"{"atUs":1,"weight":5}"#),
                "line 1002: has either",
            ),
            (
                "unknown field",
                with(r#"{"atUs":1,"weight":0.5,"wieght":0}"#),
                "unknown field",
            ),
            (
                "endless line",
                with(&"x".repeat(10_000)),
                "longer than 4096",
            ),
            (
                "nanoseconds",
                with(
                    "{\"atUs\":100000,\"weight\":0.5}\n{\"atUs\":99999999999999999,\"side\":\"canary\",\"failed\":true,\"latencyUs\":1}",
                ),
                "microseconds?",
            ),
        ] {
            let error = read(text.as_bytes()).expect_err(name).to_string();
            assert!(error.contains(told), "{name}: {error}");
        }
    }
}
