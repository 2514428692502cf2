//! Roles that are assumed: by a web identity, by keys, by way of profiles.

use super::{ROLE, World, as_role, granted, identity, of_profile, parts, refused, signed, signer};
use crate::support::{Fake, ok, reply};
use sluice_metrics::{AwsIdentity, AwsRegion};

#[tokio::test]
async fn a_service_accounts_token_becomes_a_role_and_is_kept() {
    let sts = Fake::answering([granted("AssumeRoleWithWebIdentity", "ASIAWEB", 3_600)]).await;
    let world = World::with(&[
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ROLE_SESSION_NAME", "controller"),
        ("AWS_ENDPOINT_URL_STS", &sts.url("")),
    ])
    .file("AWS_WEB_IDENTITY_TOKEN_FILE", "eyJ.a+b.c\n");
    let credentials = world.credentials();
    for _ in 0..2 {
        let (id, token) = signed(&credentials, &identity()).await.unwrap();
        assert_eq!(
            (id.as_str(), token.as_deref()),
            ("ASIAWEB", Some("ASIAWEB-token=="))
        );
    }
    let got = sts.only();
    assert_eq!(got.line, "POST /");
    assert_eq!(
        parts(&got),
        [
            "Action=AssumeRoleWithWebIdentity",
            "Version=2011-06-15",
            "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fmetrics",
            "RoleSessionName=controller",
            "WebIdentityToken=eyJ.a%2Bb.c",
        ]
    );
    // The token is what shows who asks.
    assert_eq!(got.header("authorization"), None);
}

#[tokio::test]
async fn a_role_is_assumed_with_the_credentials_at_hand() {
    let sts = Fake::answering([granted("AssumeRole", "ASIAROLE", 3_600)]).await;
    let world = World::with_keys().set("AWS_ENDPOINT_URL", &sts.url(""));
    let credentials = world.credentials();
    let (id, token) = signed(&credentials, &as_role()).await.unwrap();
    assert_eq!(
        (id.as_str(), token.as_deref()),
        ("ASIAROLE", Some("ASIAROLE-token=="))
    );
    let got = sts.only();
    assert_eq!(
        parts(&got)[..2],
        ["Action=AssumeRole", "Version=2011-06-15"]
    );
    assert_eq!(
        got.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let authorization = got.header("authorization").unwrap();
    assert!(authorization.contains("Credential=AKIDEXAMPLE/"));
    assert!(authorization.contains("/eu-central-1/sts/aws4_request"));

    // Without a role it is the keys themselves, and nobody is asked.
    let (id, token) = signed(&credentials, &identity()).await.unwrap();
    assert_eq!((id.as_str(), token), ("AKIDEXAMPLE", None));
    assert_eq!(sts.got().len(), 1);
}

#[tokio::test]
async fn identities_that_differ_in_role_profile_or_region_are_fetched_each() {
    let answers = ["ONE", "TWO", "THREE"].map(|id| granted("AssumeRole", id, 3_600));
    let sts = Fake::answering(answers).await;
    let world = World::with_keys()
        .set("AWS_ENDPOINT_URL_STS", &sts.url(""))
        .file(
            "AWS_SHARED_CREDENTIALS_FILE",
            "[shop]\naws_access_key_id = SHOP\naws_secret_access_key = secret\n",
        );
    let credentials = world.credentials();
    let other_role = AwsIdentity {
        role_arn: Some(format!("{ROLE}-2")),
        ..as_role()
    };
    let other_region = AwsIdentity {
        region: AwsRegion::parse("us-east-1").unwrap(),
        profile: Some("shop".to_owned()),
        ..as_role()
    };
    for (identity, expected) in [
        (as_role(), "ONE"),
        (other_role, "TWO"),
        (other_region, "THREE"),
        (as_role(), "ONE"),
    ] {
        assert_eq!(signed(&credentials, &identity).await.unwrap().0, expected);
    }
    assert_eq!(signer(&sts.got()[2]), "SHOP");
}

#[tokio::test]
async fn many_who_ask_at_once_make_one_call() {
    let sts = Fake::answering([granted("AssumeRole", "ASIAROLE", 3_600)]).await;
    let world = World::with_keys().set("AWS_ENDPOINT_URL_STS", &sts.url(""));
    let credentials = world.credentials();
    let identity = as_role();
    let ask = || credentials.signing(&identity, "aps");
    let (one, two, three, four) = tokio::join!(ask(), ask(), ask(), ask());
    let one = one.unwrap();
    for other in [two, three, four] {
        assert_eq!(other.unwrap(), one);
    }
    assert_eq!(sts.got().len(), 1);
}

#[tokio::test]
async fn a_profile_leads_to_its_role_through_others() {
    let answers = ["FIRST", "LAST"].map(|id| granted("AssumeRole", id, 3_600));
    let sts = Fake::answering(answers).await;
    let world = World::with_keys()
        .set("AWS_ENDPOINT_URL_STS", &sts.url(""))
        .file(
            "AWS_CONFIG_FILE",
            "[profile shop]\nregion = eu-west-1\nrole_arn = arn:aws:iam::1:role/last\nsource_profile = base\nexternal_id = a b\nduration_seconds = 900\n\
             [profile base]\nrole_arn = arn:aws:iam::1:role/first\nsource_profile = keys\n",
        )
        .file(
            "AWS_SHARED_CREDENTIALS_FILE",
            "[keys]\naws_access_key_id = KEYS\naws_secret_access_key = secret\n",
        );
    let credentials = world.credentials();
    let (id, _) = signed(&credentials, &of_profile("shop")).await.unwrap();
    assert_eq!(id, "LAST");
    let got = sts.got();
    assert_eq!(
        (signer(&got[0]), signer(&got[1])),
        ("KEYS".into(), "FIRST".into())
    );
    assert_eq!(got[1].header("x-amz-security-token"), Some("FIRST-token=="));
    assert_eq!(
        parts(&got[1])[2..],
        [
            "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Flast",
            "RoleSessionName=sluice",
            "DurationSeconds=900",
            "ExternalId=a%20b",
        ]
    );
    let region = credentials.region("", Some("shop")).await.unwrap();
    assert_eq!(region.as_str(), "eu-west-1");
}

#[tokio::test]
async fn a_refusal_by_sts_names_the_role_the_cause_and_the_next_step() {
    let web =
        World::with(&[("AWS_ROLE_ARN", ROLE)]).file("AWS_WEB_IDENTITY_TOKEN_FILE", "eyJhunter2");
    let own = World::with_keys;
    for (world, identity, answer, said) in [
        (
            web,
            identity(),
            refused(
                "403 Forbidden",
                "AccessDenied",
                "Not authorized to perform sts:AssumeRoleWithWebIdentity by eyJhunter2",
            ),
            "STS answered 403 Forbidden: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity by ***; \
             let the role's trust policy name this cluster's identity provider and this service account",
        ),
        (
            own(),
            as_role(),
            refused("403 Forbidden", "AccessDenied", "User is not authorized"),
            "User is not authorized; let the role's trust policy allow this identity, and a policy of this identity sts:AssumeRole",
        ),
        (
            own(),
            as_role(),
            refused("403 Forbidden", "RegionDisabledException", "off"),
            "activate STS for this region",
        ),
        (
            own(),
            as_role(),
            refused(
                "403 Forbidden",
                "SignatureDoesNotMatch",
                "no wJalrXUtnFEMI/K7MDENG",
            ),
            "SignatureDoesNotMatch: no ***; correct the keys",
        ),
        (
            own(),
            as_role(),
            reply("503 Service Unavailable", "away"),
            "STS answered 503 Service Unavailable: away; it is asked again",
        ),
        (
            own(),
            as_role(),
            granted("AssumeRole", "ASIAOLD", -60),
            "keys that expired at",
        ),
        (
            own(),
            as_role(),
            ok("<html><body>Log in</body></html>"),
            "STS answered no credentials; see that its endpoint",
        ),
        (
            own(),
            as_role(),
            reply("302 Found\r\nlocation: http://127.0.0.1:1/", ""),
            "which is not followed; set the endpoint to the final address",
        ),
    ] {
        let sts = Fake::answering([answer]).await;
        let world = world.set("AWS_ENDPOINT_URL_STS", &sts.url(""));
        let credentials = world.credentials();
        let error = signed(&credentials, &identity)
            .await
            .unwrap_err()
            .to_string();
        let role = format!("the role `{ROLE}` cannot be assumed: ");
        assert!(error.starts_with(&role), "{error}");
        assert!(error.contains(said), "no {said:?} in: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn an_sts_that_cannot_be_reached_is_told_by_its_host_alone() {
    let world = World::with_keys().set(
        "AWS_ENDPOINT_URL_STS",
        "http://127.0.0.1:1/path?key=hunter2",
    );
    let error = signed(&world.credentials(), &as_role()).await.unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("http://127.0.0.1:1 cannot be asked"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
    let shown = format!("{:?}", world.credentials());
    assert!(
        shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("wJalr"),
        "{shown}"
    );
}
