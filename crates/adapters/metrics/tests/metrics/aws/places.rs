//! Where credentials and regions come from: containers, instances, profiles, variables; and where not.

use super::{ROLE, World, identity, in_json, of_profile, refused, signed};
use crate::support::{Fake, HANG, ok, reply};

#[tokio::test]
async fn a_role_that_is_refused_is_not_replaced_by_another_identity() {
    let sts = Fake::answering([refused("403 Forbidden", "AccessDenied", "no")]).await;
    let pod = Fake::answering([in_json("POD", 3_600)]).await;
    let world = World::with(&[
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ENDPOINT_URL_STS", &sts.url("")),
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &pod.url("/v1/credentials"),
        ),
    ])
    .file("AWS_WEB_IDENTITY_TOKEN_FILE", "eyJ");
    assert!(signed(&world.credentials(), &identity()).await.is_err());
    assert_eq!(pod.got().len(), 0);
}

#[tokio::test]
async fn eks_pod_identity_is_asked_with_the_tokens_file() {
    let agent = Fake::answering([in_json("ASIAPOD", 3_600)]).await;
    let world = World::with(&[
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &agent.url("/v1/credentials"),
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this one"),
    ])
    .file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "eyJpod\n");
    let (id, token) = signed(&world.credentials(), &identity()).await.unwrap();
    assert_eq!(
        (id.as_str(), token.as_deref()),
        ("ASIAPOD", Some("ASIAPOD-token"))
    );
    let got = agent.only();
    assert_eq!(got.line, "GET /v1/credentials");
    assert_eq!(got.header("authorization"), Some("eyJpod"));
}

#[tokio::test]
async fn what_a_container_cannot_get_says_why() {
    for (answer, said) in [
        (
            reply(
                "400 Bad Request",
                r#"{"code": "x", "message": "eyJhunter2 has no association"}"#,
            ),
            "answered 400 Bad Request: *** has no association; see the Pod Identity association",
        ),
        (ok("{}"), "answered no credentials"),
        (in_json("", 3_600), "answered with empty keys"),
        (in_json("ASIAOLD", -1), "answered with keys that expired at"),
    ] {
        let agent = Fake::answering([answer]).await;
        let address = agent.url("/v1/credentials");
        let world = World::with(&[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "eyJhunter2"),
        ]);
        let error = signed(&world.credentials(), &identity()).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(said), "no {said:?} in: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let world = World::with(&[
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://credentials.example/x",
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "eyJhunter2"),
    ]);
    let error = signed(&world.credentials(), &identity()).await.unwrap_err();
    assert!(error.to_string().contains("without TLS; write"), "{error}");
}

#[tokio::test]
async fn an_instances_role_is_asked_for_by_version_two_alone() {
    let metadata = Fake::answering([ok("session-1"), ok("node-role"), in_json("ASIANODE", 3_600)]);
    let metadata = metadata.await;
    let world = World::with(&[]).set("AWS_EC2_METADATA_DISABLED", "false");
    let world = world.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url("/"));
    let (id, _) = signed(&world.credentials(), &identity()).await.unwrap();
    assert_eq!(id, "ASIANODE");
    let got = metadata.got();
    let lines: Vec<&str> = got.iter().map(|got| got.line.as_str()).collect();
    let path = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(
        lines,
        [
            "PUT /latest/api/token".to_owned(),
            format!("GET {path}"),
            format!("GET {path}node-role"),
        ]
    );
    assert_eq!(
        got[0].header("x-aws-ec2-metadata-token-ttl-seconds"),
        Some("60")
    );
    for got in &got[1..] {
        assert_eq!(got.header("x-aws-ec2-metadata-token"), Some("session-1"));
    }
}

#[tokio::test]
async fn without_any_credentials_all_that_was_looked_for_is_told() {
    let failed = ok(r#"{"Code": "AssumeRoleUnauthorizedAccess"}"#);
    for (answers, said) in [
        (vec![reply("403 Forbidden", "")], "answered 403 Forbidden"),
        (
            vec![ok("session"), reply("404 Not Found", "")],
            "the instance has none",
        ),
        (
            vec![ok("session"), ok("role"), failed],
            "are in the state AssumeRoleUnauthorizedAccess",
        ),
        (vec![HANG.to_owned()], "did not answer within 2s"),
    ] {
        let metadata = Fake::answering(answers).await;
        let world = World::with(&[]).set("AWS_EC2_METADATA_DISABLED", "false");
        let world = world.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url(""));
        let error = signed(&world.credentials(), &identity()).await.unwrap_err();
        let error = error.to_string();
        for part in [
            "there are no AWS credentials",
            said,
            "IRSA",
            "AWS_ACCESS_KEY_ID",
        ] {
            assert!(error.contains(part), "no {part:?} in: {error}");
        }
    }
    let error = signed(&World::with(&[]).credentials(), &identity()).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("AWS_EC2_METADATA_DISABLED is set"),
        "{error}"
    );
}

#[tokio::test]
async fn a_profile_that_is_named_is_the_only_way() {
    for (variables, identity, said) in [
        (&[][..], of_profile("shop"), "there is no profile `shop`"),
        (
            &[("AWS_PROFILE", "bank")],
            identity(),
            "the profile `bank` of",
        ),
    ] {
        let pod = Fake::answering([in_json("POD", 3_600)]).await;
        let world = World::with(variables)
            .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &pod.url(""))
            .file("AWS_CONFIG_FILE", "[profile bank]\nregion = eu-west-1\n");
        let error = signed(&world.credentials(), &identity).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(pod.got().len(), 0);
    }
}

#[tokio::test]
async fn the_region_is_the_metrics_own_the_environments_or_none() {
    for (variables, name, expected) in [
        (
            &[("AWS_REGION", "eu-west-1")][..],
            "us-east-1",
            Ok("us-east-1"),
        ),
        (
            &[
                ("AWS_REGION", "eu-west-1"),
                ("AWS_DEFAULT_REGION", "eu-west-2"),
            ],
            "",
            Ok("eu-west-1"),
        ),
        (&[("AWS_DEFAULT_REGION", "eu-west-2")], "", Ok("eu-west-2")),
        (&[], "", Err("set AWS_REGION")),
        (&[], "evil.example/", Err("is no AWS region")),
    ] {
        let region = World::with(variables)
            .credentials()
            .region(name, None)
            .await;
        match (region, expected) {
            (Ok(region), Ok(expected)) => assert_eq!(region.as_str(), expected),
            (Err(error), Err(said)) => assert!(error.to_string().contains(said), "{error}"),
            (region, expected) => panic!("{region:?}, expected {expected:?}"),
        }
    }
}
