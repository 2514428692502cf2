//! What the demo found, as one JSON object and as sentences; and what it expected.

use serde::Serialize;

/// The demo's result. The field names are a promise to scripts; times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Requests that the users sent.
    pub(super) requests: u64,
    /// Requests that the proxy itself failed.
    pub(super) failed_by_proxy: u64,
    /// The release that fails some of its requests.
    pub(super) bad_release: BadRelease,
    /// The release that is fine.
    pub(super) good_release: GoodRelease,
}

/// See [`Report`].
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BadRelease {
    /// From its first request to the decision to take it back; absent when it was not caught.
    pub(super) detected_after_ms: Option<i64>,
    /// Requests that it got.
    pub(super) requests_to_canary: u64,
    /// Of these, failed ones.
    pub(super) canary_errors: u64,
    /// From the decision to the sending of the last request that it got; 0 when none was sent after it.
    pub(super) zero_traffic_after_ms: Option<i64>,
    /// Why it was taken back.
    pub(super) reason: Option<String>,
}

/// See [`Report`].
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoodRelease {
    /// From its deployment to its promotion; absent when it was not promoted.
    pub(super) promoted_after_ms: Option<i64>,
}

/// Longest time from a decision to zero traffic, in milliseconds.
const ZERO_TRAFFIC_MAX_MS: i64 = 50;

impl Report {
    /// The expectations that were not met.
    pub(super) fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        if self.failed_by_proxy > 0 {
            misses.push(format!(
                "the proxy failed {} requests",
                self.failed_by_proxy
            ));
        }
        if self.bad_release.detected_after_ms.is_none() {
            misses.push("the bad release was not caught".to_owned());
        }
        match self.bad_release.zero_traffic_after_ms {
            Some(late) if late >= ZERO_TRAFFIC_MAX_MS => {
                misses.push(format!(
                    "the bad release got traffic {late} ms after the decision"
                ));
            }
            _ => {}
        }
        if self.good_release.promoted_after_ms.is_none() {
            misses.push("the good release was not promoted".to_owned());
        }
        misses
    }

    /// The result for people.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut text = vec![format!(
            "{} requests were sent; the proxy itself failed {}.",
            self.requests, self.failed_by_proxy
        )];
        let bad = &self.bad_release;
        if let (Some(detected), Some(late)) = (bad.detected_after_ms, bad.zero_traffic_after_ms) {
            text.push(format!(
                "The bad release was caught {:.1} s after its first request: {} of its {} requests failed. It got its last request {late} ms after the decision.",
                detected as f64 / 1_000.0,
                bad.canary_errors,
                bad.requests_to_canary
            ));
        }
        if let Some(reason) = &bad.reason {
            text.push(format!("Why: {reason}."));
        }
        if let Some(promoted) = self.good_release.promoted_after_ms {
            text.push(format!(
                "The good release was promoted through all steps in {:.1} s.",
                promoted as f64 / 1_000.0
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met() -> Report {
        Report {
            requests: 9,
            failed_by_proxy: 0,
            bad_release: BadRelease {
                detected_after_ms: Some(1),
                zero_traffic_after_ms: Some(0),
                ..BadRelease::default()
            },
            good_release: GoodRelease {
                promoted_after_ms: Some(1),
            },
        }
    }

    #[test]
    fn every_expectation_is_held_against_the_result() {
        assert_eq!(met().misses(), Vec::<String>::new());
        for spoil in [
            (|report: &mut Report| report.failed_by_proxy = 1) as fn(&mut Report),
            |report| report.bad_release.detected_after_ms = None,
            |report| report.bad_release.zero_traffic_after_ms = Some(50),
            |report| report.good_release.promoted_after_ms = None,
        ] {
            let mut report = met();
            spoil(&mut report);
            assert_eq!(report.misses().len(), 1, "{report:?}");
        }
    }
}
