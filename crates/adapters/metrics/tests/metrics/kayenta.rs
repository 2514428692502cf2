//! Kayenta's API: an analysis is started, waited for, and scored.

use crate::support::{Fake, HANG, fetch, ok, reply};
use serde_json::json;
use sluice_metrics::{FetchErrorKind, KayentaQuery, KayentaScope, KayentaSide, Query, Sample};
use std::time::Duration;

fn query() -> KayentaQuery {
    let side = |scope: &str| KayentaSide {
        scope: scope.to_owned(),
        location: "eu".to_owned(),
        step: 60,
        start: None,
        end: None,
    };
    KayentaQuery {
        application: "shop".to_owned(),
        canary_config_name: "errors & latency".to_owned(),
        metrics_account_name: "metrics".to_owned(),
        configuration_account_name: "configs".to_owned(),
        storage_account_name: "results".to_owned(),
        pass: 90,
        marginal: 75,
        scopes: vec![KayentaScope {
            name: "default".to_owned(),
            control: side("app=shop,version=1"),
            experiment: KayentaSide {
                start: Some("2026-11-21T15:00:00Z".to_owned()),
                ..side("app=shop,version=2")
            },
        }],
        poll_interval: Duration::ZERO,
    }
}

fn configs() -> String {
    ok(
        r#"[{"id":"1","name":"other"},{"id":"a/2","name":"errors & latency","applications":["shop"]}]"#,
    )
}

fn started() -> String {
    ok(r#"{"canaryExecutionId":"x-1"}"#)
}

fn running() -> String {
    ok(r#"{"complete":false,"status":"running"}"#)
}

fn scored(score: f64) -> String {
    ok(&json!({"complete": true, "status": "succeeded", "result": {
        "judgeResult": {"score": {"score": score, "classification": "Pass"}},
    }})
    .to_string())
}

#[tokio::test]
async fn an_analysis_is_started_waited_for_and_scored() {
    let fake = Fake::answering([configs(), started(), running(), running(), scored(87.5)]).await;
    let answer = fetch(&fake.server(), &Query::Kayenta(query()))
        .await
        .unwrap();
    assert_eq!(answer.sample, Sample::Scalar(87.5));
    let got = fake.got();
    let lines: Vec<&str> = got.iter().map(|got| got.line.as_str()).collect();
    let look = "GET /canary/x-1?storageAccountName=results";
    assert_eq!(
        lines,
        [
            "GET /canaryConfig?application=shop&configurationAccountName=configs",
            "POST /canary/a%2F2?application=shop&metricsAccountName=metrics&configurationAccountName=configs&storageAccountName=results",
            look,
            look,
            look,
        ]
    );
    assert_eq!(
        got[1].json(),
        json!({
            "scopes": {"default": {
                "controlScope": {
                    "scope": "app=shop,version=1", "location": "eu", "step": 60,
                    "start": "2026-11-21T15:01:07.089Z", "end": "2026-11-21T15:06:07.089Z",
                },
                "experimentScope": {
                    "scope": "app=shop,version=2", "location": "eu", "step": 60,
                    "start": "2026-11-21T15:00:00Z", "end": "2026-11-21T15:06:07.089Z",
                },
            }},
            "thresholds": {"pass": 90, "marginal": 75},
        })
    );
}

#[tokio::test]
async fn every_step_may_fail_and_says_which_did() {
    let failed =
        ok(r#"{"complete":true,"status":"terminal","exception":{"details":"no such metric"}}"#);
    let refused = reply(
        "400 Bad Request",
        r#"{"message":"Unable to resolve account metrics."}"#,
    );
    for (answers, kind, said) in [
        (
            vec![ok("[]")],
            FetchErrorKind::Rejected,
            "has no canary config `errors & latency` of the application `shop`",
        ),
        (
            vec![configs(), refused],
            FetchErrorKind::Rejected,
            "400 Bad Request: Unable to resolve account metrics.; correct the query's accounts",
        ),
        (
            vec![configs(), ok("{}")],
            FetchErrorKind::Malformed,
            "address is that of Kayenta",
        ),
        (
            vec![configs(), started(), reply("404 Not Found", "")],
            FetchErrorKind::Rejected,
            "404 Not Found",
        ),
        (
            vec![configs(), started(), ok("{}")],
            FetchErrorKind::Malformed,
            "complete",
        ),
        (
            vec![configs(), started(), failed],
            FetchErrorKind::Faulty,
            "without a score (terminal): {\"details\":\"no such metric\"}",
        ),
    ] {
        let fake = Fake::answering(answers).await;
        let error = fetch(&fake.server(), &Query::Kayenta(query()))
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }
}

#[tokio::test]
async fn an_analysis_that_does_not_end_is_given_up() {
    for last in [running(), HANG.to_owned()] {
        let fake = Fake::answering([configs(), started(), last]).await;
        let mut server = fake.server();
        server.timeout = Duration::from_secs(1);
        let error = fetch(&server, &Query::Kayenta(query())).await.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::TimedOut, "{error}");
    }
    let mut nothing = query();
    nothing.scopes.clear();
    let fake = Fake::answering([configs()]).await;
    let error = fetch(&fake.server(), &Query::Kayenta(nothing))
        .await
        .unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Misconfigured);
}
