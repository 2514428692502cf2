//! What a source answers.
//!
//! "No data" and "not a number" are different answers: a server that has no series gives an empty
//! sample, and a division by zero in a query gives a NaN, which stays one.

use sluice_model::Timestamp;
use std::collections::BTreeMap;

/// A sample, and what the server had to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was measured.
    pub sample: Sample,
    /// The server's own warnings, among them that an answer is partial; in the server's words.
    pub warnings: Vec<String>,
}

impl From<Sample> for Answer {
    fn from(sample: Sample) -> Answer {
        Answer {
            sample,
            warnings: Vec::new(),
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// One number was asked for, and the source has none.
    Nothing,
    /// One number; may be NaN or infinite.
    Scalar(f64),
    /// One number for each series, in the source's order; empty when the source has no series.
    Vector(Vec<Element>),
    /// Numbers over time for each series; empty when the source has no series.
    Series(Vec<Series>),
    /// A value of any form, for conditions on it; a plain text is a JSON string.
    Json(serde_json::Value),
}

/// One series' number.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// What the source calls the series, by label.
    pub labels: BTreeMap<String, String>,
    /// May be NaN or infinite.
    pub value: f64,
}

/// One series over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the source calls the series, by label.
    pub labels: BTreeMap<String, String>,
    /// Oldest first. Times at which the source has no number are left out.
    pub points: Vec<Point>,
}

/// A number at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When, by the source's clock.
    pub at: Timestamp,
    /// May be NaN or infinite.
    pub value: f64,
}

impl Sample {
    /// Whether the source answered that it has no data. A NaN is data, and so is a JSON `null`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Sample::Nothing => true,
            Sample::Scalar(_) | Sample::Json(_) => false,
            Sample::Vector(elements) => elements.is_empty(),
            Sample::Series(series) => series.iter().all(|series| series.points.is_empty()),
        }
    }

    /// All numbers, series by series; a JSON value has none.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        match self {
            Sample::Nothing | Sample::Json(_) => Vec::new(),
            Sample::Scalar(value) => vec![*value],
            Sample::Vector(elements) => elements.iter().map(|element| element.value).collect(),
            Sample::Series(series) => series
                .iter()
                .flat_map(|series| series.points.iter().map(|point| point.value))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_data_is_told_from_not_a_number_and_from_zero() {
        let element = |value| Element {
            labels: BTreeMap::new(),
            value,
        };
        let silent = Series {
            labels: BTreeMap::new(),
            points: Vec::new(),
        };
        for (sample, is_empty, values) in [
            (Sample::Nothing, true, 0),
            (Sample::Scalar(f64::NAN), false, 1),
            (Sample::Scalar(0.0), false, 1),
            (Sample::Vector(Vec::new()), true, 0),
            (Sample::Vector(vec![element(f64::NAN)]), false, 1),
            (Sample::Series(Vec::new()), true, 0),
            (Sample::Series(vec![silent]), true, 0),
            (Sample::Json(serde_json::Value::Null), false, 0),
        ] {
            assert_eq!(sample.is_empty(), is_empty, "{sample:?}");
            assert_eq!(sample.values().len(), values, "{sample:?}");
        }
    }
}
