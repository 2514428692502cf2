//! Metrics whose requests are signed for AWS: as whom, by what a metric and the controller's environment say.

use super::support::{Cluster, Fake, NOW, measure, metric, run, servers};
use crate::controller::Environment;
use serde_json::{Value, json};
use sluice_kubernetes::{Measure as _, Question};

const ROLE: &str = "arn:aws:iam::123456789012:role/metrics";
const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}"#;

/// STS's answer, good until 2099.
fn granted(action: &str, id: &str) -> String {
    format!(
        "<{action}Response><{action}Result><Credentials><AccessKeyId>{id}</AccessKeyId>\
         <SecretAccessKey>secret</SecretAccessKey><SessionToken>{id}-token</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
    )
}

/// Amazon's managed Prometheus, as a template names it.
fn managed(fake: &Fake, sigv4: &Value) -> Value {
    let address = format!("{}/aps-workspaces/ws-1", fake.url());
    json!({"prometheus": {"address": address, "query": "up", "authentication": {"sigv4": sigv4}}})
}

#[tokio::test]
async fn a_metrics_role_signs_in_its_region_and_is_assumed_once() {
    let sts = Fake::answering(&[
        (200, &granted("AssumeRoleWithWebIdentity", "ASIAPOD")),
        (200, &granted("AssumeRole", "ASIAROLE")),
    ])
    .await;
    let fake = Fake::answering(&[(200, VECTOR)]).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "eyJ").unwrap();
    let environment = Environment::default()
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/controller")
        .with("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())
        .with("AWS_ENDPOINT_URL_STS", &sts.url());
    let servers = servers(environment);
    let metric = metric(managed(
        &fake,
        &json!({"region": "eu-central-1", "roleArn": ROLE}),
    ));
    for _ in 0..2 {
        let question = Question {
            metric: &metric,
            run: &run(),
            before: None,
            lookup: &Cluster::default(),
            now: NOW,
        };
        assert_eq!(servers.measure(question).await.unwrap().text, "[1]");
    }
    for got in fake.got() {
        assert!(got.headers.contains("Credential=ASIAROLE/"), "{got:?}");
        assert!(
            got.headers.contains("/eu-central-1/aps/aws4_request"),
            "{got:?}"
        );
        assert!(
            got.headers.contains("x-amz-security-token: ASIAROLE-token"),
            "{got:?}"
        );
    }
    let asked = sts.got();
    assert_eq!(asked.len(), 2);
    assert!(
        asked[1].headers.contains("Credential=ASIAPOD/"),
        "{asked:?}"
    );
    assert!(
        asked[1].headers.contains("/eu-central-1/sts/aws4_request"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_role_that_is_refused_leaves_the_metric_unasked() {
    let refused = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let sts = Fake::answering(&[(403, refused)]).await;
    let fake = Fake::answering(&[(200, VECTOR)]).await;
    let environment = Environment::default()
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
        .with("AWS_ENDPOINT_URL", &sts.url());
    let metric = metric(managed(&fake, &json!({"roleArn": ROLE})));
    let answer = measure(environment, &metric, &Cluster::default()).await;
    let error = answer.unwrap_err();
    assert!(
        error.starts_with(&format!(
            "prometheus: the role `{ROLE}` cannot be assumed: STS answered 403"
        )),
        "{error}"
    );
    assert!(error.contains("trust policy"), "{error}");
    assert_eq!(fake.got().len(), 0);
}
