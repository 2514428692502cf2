//! The lines of a recording: weights and requests, each checked on its own. What they are is told in the
//! parent module.

use super::{LINES_MAX, RecordingError};
use serde::Deserialize;
use std::io::BufRead;

/// Longest line, in bytes.
const LINE_MAX: u64 = 4_096;

/// Where a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Side {
    Canary,
    Baseline,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    at_us: u64,
    weight: Option<f64>,
    side: Option<Side>,
    failed: Option<bool>,
    latency_us: Option<u64>,
}

/// A request, by the time at which it was assigned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) at_us: u64,
    pub(super) side: Side,
    pub(super) failed: bool,
    pub(super) latency_us: u64,
}

/// Weights with the times from which on they hold.
pub(super) type Weights = Vec<(u64, f64)>;

/// Reads all lines, in the order of the file.
pub(super) fn lines(mut input: impl BufRead) -> Result<(Vec<Request>, Weights), RecordingError> {
    let (mut requests, mut weights) = (Vec::new(), Vec::new());
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let read = std::io::Read::take(&mut input, LINE_MAX).read_line(&mut text);
        let bytes = read.map_err(|source| RecordingError::Read { line, source })?;
        if bytes == 0 {
            break;
        }
        let wrong = |what: String| RecordingError::Line { line, what };
        if line > LINES_MAX {
            return Err(RecordingError::Long);
        }
        if bytes as u64 == LINE_MAX && !text.ends_with('\n') {
            return Err(wrong(format!("is longer than {LINE_MAX} bytes")));
        }
        if text.trim().is_empty() {
            continue;
        }
        let read: Line = serde_json::from_str(&text).map_err(|error| {
            // It counts lines too, from this one.
            let told = error.to_string();
            let what = told
                .rsplit_once(" at line ")
                .map_or(told.as_str(), |(what, _)| what);
            wrong(format!("column {}: {what}", error.column()))
        })?;
        match read {
            Line {
                at_us,
                weight: Some(weight),
                side: None,
                failed: None,
                latency_us: None,
            } if (0.0..=1.0).contains(&weight) => weights.push((at_us, weight)),
            Line {
                at_us,
                weight: None,
                side: Some(side),
                failed: Some(failed),
                latency_us: Some(latency_us),
            } => requests.push(Request {
                at_us,
                side,
                failed,
                latency_us,
            }),
            _ => {
                let what = "has either `atUs` and a `weight` from 0 to 1, or `atUs`, `side`, `failed` and `latencyUs`";
                return Err(wrong(what.to_owned()));
            }
        }
    }
    Ok((requests, weights))
}
