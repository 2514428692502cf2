//! CloudWatch's documented API, in its JSON protocol.

use crate::support::{Fake, fetch, fetch_from, ok, reply, window};
use serde_json::{Value, json};
use sluice_metrics::{
    Authentication, CloudWatchQuery, FetchErrorKind, Query, Retry, Sample, Secrets, Source, Text,
};

fn query() -> Query {
    let stored = json!({"metricDataQueries": [
        {"id": "rate", "expression": "errors / requests"},
        {"id": "errors", "returnData": false, "metricStat": {
            "namespace": "app", "metricName": "errors", "dimensions": {"service": "shop"},
            "period": 300, "stat": "Sum", "unit": "Count",
        }},
    ]});
    Query::CloudWatch(serde_json::from_value(stored).unwrap())
}

fn page(results: &Value, next: Option<&str>) -> String {
    ok(&json!({"MetricDataResults": results, "Messages": [], "NextToken": next}).to_string())
}

fn result(status: &str, times: &[f64], values: Value) -> Value {
    json!([{"Id": "rate", "Label": "Rate", "Timestamps": times, "Values": values, "StatusCode": status}])
}

#[tokio::test]
async fn the_request_is_signed_and_as_the_api_wants_it() {
    let fake = Fake::answering([page(&json!([]), None)]).await;
    let mut server = fake.server();
    server.authentication = Authentication::SigV4 {
        region: "eu-central-1".to_owned(),
        service: "monitoring".to_owned(),
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: Text::secret("aws"),
        session_token: None,
    };
    let secrets = Secrets::none().with("aws", "wJalrXUtnFEMI");
    let source = Source::new("prod", &server, &secrets).unwrap();
    source.fetch(&query(), window()).await.unwrap();
    let got = fake.only();
    assert_eq!(got.line, "POST /");
    assert_eq!(
        got.header("content-type"),
        Some("application/x-amz-json-1.0")
    );
    assert_eq!(
        got.header("x-amz-target"),
        Some("GraniteServiceVersion20100801.GetMetricData")
    );
    let authorization = got.header("authorization").unwrap();
    assert!(
        authorization.contains("/eu-central-1/monitoring/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, "),
        "{authorization}"
    );
    assert_eq!(
        got.json(),
        json!({
            "StartTime": 1_795_273_267, "EndTime": 1_795_273_567, "ScanBy": "TimestampAscending",
            "MetricDataQueries": [
                {"Id": "rate", "Expression": "errors / requests"},
                {"Id": "errors", "ReturnData": false, "MetricStat": {
                    "Metric": {
                        "Namespace": "app", "MetricName": "errors",
                        "Dimensions": [{"Name": "service", "Value": "shop"}],
                    },
                    "Period": 300, "Stat": "Sum", "Unit": "Count",
                }},
            ],
        })
    );
}

#[tokio::test]
async fn series_are_put_together_over_the_pages() {
    let fake = Fake::answering([
        page(
            &result("PartialData", &[1.0, 2.0], json!([0.5, "NaN"])),
            Some("more"),
        ),
        page(&result("Complete", &[3.0], json!([4])), None),
    ])
    .await;
    let answer = fetch(&fake.server(), &query()).await.unwrap();
    let Sample::Series(series) = &answer.sample else {
        panic!("{answer:?}");
    };
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].labels["id"], "rate");
    let times: Vec<i64> = series[0].points.iter().map(|point| point.at.0).collect();
    assert_eq!(times, [1_000, 2_000, 3_000]);
    let values = answer.sample.values();
    assert!(
        values[0] == 0.5 && values[1].is_nan() && values[2] == 4.0,
        "{values:?}"
    );
    assert_eq!(answer.warnings, [""; 0]);
    let got = fake.got();
    assert_eq!(got[0].json().get("NextToken"), None);
    assert_eq!(got[1].json()["NextToken"], "more");
}

#[tokio::test]
async fn empty_and_partial_answers_say_so() {
    for (results, is_empty, warnings) in [
        (json!([]), true, &[][..]),
        (result("Complete", &[], json!([])), true, &[]),
        (
            result("PartialData", &[1.0], json!([1])),
            false,
            &["`rate` is partial"],
        ),
    ] {
        let (_fake, answered) = fetch_from(page(&results, None), &query()).await;
        let answer = answered.unwrap();
        assert_eq!(answer.sample.is_empty(), is_empty, "{results}");
        assert_eq!(answer.warnings, warnings, "{results}");
    }
    let told = json!({
        "MetricDataResults": [{"Id": "rate", "StatusCode": "Complete", "Messages": [{"Code": "ArithmeticError", "Value": "divided by 0"}]}],
        "Messages": [{"Code": "Partial", "Value": "too many"}],
    });
    let (_fake, answered) = fetch_from(ok(&told.to_string()), &query()).await;
    assert_eq!(
        answered.unwrap().warnings,
        ["Partial: too many", "`rate`: ArithmeticError: divided by 0"]
    );
}

#[tokio::test]
async fn what_aws_means_is_in_the_type_and_not_in_the_status() {
    let error = |kind: &str| {
        let kind = format!("com.amazonaws.cloudwatch#{kind}");
        reply(
            "400 Bad Request",
            &json!({"__type": kind, "message": "because"}).to_string(),
        )
    };
    for (answer, kind, retry, said) in [
        (
            error("ThrottlingException"),
            FetchErrorKind::Throttled,
            Retry::Later,
            "400 Bad Request: ThrottlingException: because; ask less often",
        ),
        (
            error("InvalidSignatureException"),
            FetchErrorKind::Unauthorized,
            Retry::Never,
            "correct the keys or the region",
        ),
        (
            error("ExpiredTokenException"),
            FetchErrorKind::Unauthorized,
            Retry::Never,
            "ExpiredTokenException",
        ),
        (
            error("InvalidParameterCombination"),
            FetchErrorKind::Rejected,
            Retry::Never,
            "InvalidParameterCombination: because; correct the queries",
        ),
        (
            page(&result("Forbidden", &[], json!([])), None),
            FetchErrorKind::Unauthorized,
            Retry::Never,
            "answered Forbidden for `rate`",
        ),
        (
            page(&result("InternalError", &[], json!([])), None),
            FetchErrorKind::Faulty,
            Retry::Later,
            "answered InternalError",
        ),
        (
            page(&result("Complete", &[1.0], json!([])), None),
            FetchErrorKind::Malformed,
            Retry::Never,
            "1 times and 0 values",
        ),
        (
            page(&json!([]), Some("for ever")),
            FetchErrorKind::TooLarge,
            Retry::Never,
            "more than 5 pages",
        ),
    ] {
        let (_fake, answered) = fetch_from(answer, &query()).await;
        let error = answered.unwrap_err();
        assert_eq!((error.kind, error.retry), (kind, retry), "{error}");
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }
    let none = Query::CloudWatch(CloudWatchQuery {
        metric_data_queries: Vec::new(),
    });
    let (fake, answered) = fetch_from(ok("{}"), &none).await;
    assert_eq!(answered.unwrap_err().kind, FetchErrorKind::Misconfigured);
    assert_eq!(fake.got().len(), 0);
}
