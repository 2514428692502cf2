//! What counts and limits mean.

use super::*;

/// The phase of the run after these measurements.
#[test]
fn counts_and_limits_decide() {
    let f = "Failed";
    let s = "Successful";
    let e = "Error";
    let i = "Inconclusive";
    for (patch, phases, expected) in [
        // failureLimit, 0 where none is written
        (json!({"interval": "60s"}), vec![f], "Failed"),
        (json!({"interval": "60s"}), vec![s], "Running"),
        (
            json!({"interval": "60s", "failureLimit": 2}),
            vec![f, f],
            "Running",
        ),
        (
            json!({"interval": "60s", "failureLimit": 2}),
            vec![f, s, f, f],
            "Failed",
        ),
        (
            json!({"interval": "60s", "failureLimit": "2"}),
            vec![f, f, f],
            "Failed",
        ),
        // -1 tolerates any number
        (
            json!({"interval": "60s", "failureLimit": -1, "consecutiveSuccessLimit": 2}),
            vec![f, f, f, f, s],
            "Running",
        ),
        // inconclusiveLimit
        (json!({"interval": "60s"}), vec![i], "Inconclusive"),
        (
            json!({"interval": "60s", "inconclusiveLimit": 1}),
            vec![i, s],
            "Running",
        ),
        (
            json!({"interval": "60s", "inconclusiveLimit": 1}),
            vec![i, s, i],
            "Inconclusive",
        ),
        // consecutiveErrorLimit, 4 where none is written
        (json!({"interval": "60s"}), vec![e, e, e, e], "Running"),
        (json!({"interval": "60s"}), vec![e, e, e, e, e], "Error"),
        (
            json!({"interval": "60s"}),
            vec![e, e, e, e, s, e],
            "Running",
        ),
        (
            json!({"interval": "60s", "consecutiveErrorLimit": 0}),
            vec![e],
            "Error",
        ),
        (
            json!({"interval": "60s", "consecutiveErrorLimit": 5}),
            vec![e, e, e, e, e],
            "Running",
        ),
        // count; errors do not count
        (json!({"interval": "60s", "count": 2}), vec![s], "Running"),
        (
            json!({"interval": "60s", "count": 2}),
            vec![s, s],
            "Successful",
        ),
        (
            json!({"interval": "60s", "count": 2}),
            vec![s, e, e, s],
            "Successful",
        ),
        (
            json!({"interval": "60s", "count": 3, "failureLimit": 2}),
            vec![f, f, s],
            "Successful",
        ),
        (json!({"count": 1}), vec![s], "Successful"),
        // consecutiveSuccessLimit
        (
            json!({"interval": "60s", "consecutiveSuccessLimit": 3}),
            vec![s, s],
            "Running",
        ),
        (
            json!({"interval": "60s", "consecutiveSuccessLimit": 3}),
            vec![s, s, s],
            "Successful",
        ),
        (
            json!({"interval": "60s", "failureLimit": -1, "consecutiveSuccessLimit": 2}),
            vec![s, f, s, s],
            "Successful",
        ),
        (
            json!({"interval": "60s", "consecutiveSuccessLimit": 2}),
            vec![s, e, s, s],
            "Successful",
        ),
        (
            json!({"interval": "60s", "inconclusiveLimit": 3, "consecutiveSuccessLimit": 2}),
            vec![s, i, s],
            "Running",
        ),
        (
            json!({"interval": "60s", "failureLimit": -1, "consecutiveSuccessLimit": 3, "count": 4}),
            vec![s, f, s, s],
            "Failed",
        ),
        // Both limits, and neither is reached when the count is
        (
            json!({"interval": "60s", "failureLimit": 1, "consecutiveSuccessLimit": 3, "count": 4}),
            vec![s, f, s, s],
            "Inconclusive",
        ),
        (
            json!({"interval": "60s", "failureLimit": 1, "consecutiveSuccessLimit": 3, "count": 4}),
            vec![s, s, s],
            "Successful",
        ),
        (
            json!({"interval": "60s", "failureLimit": 1, "consecutiveSuccessLimit": 3, "count": 4}),
            vec![s, f, f],
            "Failed",
        ),
        (
            json!({"interval": "60s", "consecutiveSuccessLimit": 0, "count": 1}),
            vec![s],
            "Successful",
        ),
    ] {
        let story = Story::plays(patch.clone(), &phases);
        assert_eq!(story.phase(), expected, "{patch}: {phases:?}");
    }
}

#[test]
fn every_measurement_is_counted() {
    let story = Story::plays(
        json!({"interval": "60s", "failureLimit": 5, "inconclusiveLimit": 5}),
        &[
            "Error",
            "Error",
            "Successful",
            "Successful",
            "Failed",
            "Inconclusive",
            "Error",
        ],
    );
    let result = story.result("m");
    assert_eq!((result.count, result.error), (4, 3));
    assert_eq!(
        (result.successful, result.failed, result.inconclusive),
        (2, 1, 1)
    );
    assert_eq!(
        (result.consecutive_error, result.consecutive_success),
        (1, 0)
    );
    assert_eq!(result.measurements.len(), 7);
    assert!(
        result
            .measurements
            .iter()
            .all(|one| one.finished_at.is_some())
    );
}

#[test]
fn the_message_says_which_limit_and_why() {
    let e = "Error: no such host";
    for (patch, phases, expected) in [
        (
            json!({"interval": "60s"}),
            vec!["Failed"],
            "Metric \"m\" assessed Failed due to failed (1) > failureLimit (0)",
        ),
        (
            json!({"interval": "60s"}),
            vec!["Inconclusive"],
            "Metric \"m\" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)",
        ),
        (
            json!({"interval": "60s"}),
            vec![e, e, e, e, e],
            "Metric \"m\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): \"Error Message: no such host\"",
        ),
        (
            json!({"interval": "60s", "failureLimit": -1, "consecutiveSuccessLimit": 2, "count": 2}),
            vec!["Successful", "Failed"],
            "Metric \"m\" assessed Failed due to consecutiveSuccess (0) < consecutiveSuccessLimit (2)",
        ),
        (json!({"count": 1}), vec!["Successful"], ""),
    ] {
        let story = Story::plays(patch, &phases);
        assert_eq!(story.message(), expected);
    }
}
