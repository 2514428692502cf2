//! Which way it is, for environments and profiles as people write them.

use super::*;

const ARN: &str = "arn:aws:iam::123456789012:role/metrics";

fn environment(set: &[(&str, &str)]) -> AwsEnvironment {
    AwsEnvironment::new(|name| {
        let found = set.iter().find(|(set, _)| *set == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn keys(id: &str) -> Root {
    Root::Keys(Keys {
        id: Secret::new(id),
        secret: Secret::new("secret"),
        token: None,
        expires: None,
    })
}

fn plain(name: &str) -> Role {
    let arn = format!("arn:aws:iam::123456789012:role/{name}");
    Role::new(&arn, "the test", "sluice").expect("a role")
}

#[test]
fn variables_say_keys_before_a_web_identity() {
    let web = [
        ("AWS_ROLE_ARN", ARN),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"),
        ("AWS_ROLE_SESSION_NAME", "shop"),
    ];
    let named = [
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let both = [web.as_slice(), &named].concat();
    let identity = Root::WebIdentity {
        role: Role::new(ARN, "AWS_ROLE_ARN", "shop").expect("a role"),
        token_file: PathBuf::from("/var/run/token"),
    };
    for (set, expected) in [
        (&both[..], Some(keys("AKID"))),
        (&web, Some(identity)),
        // A role alone is what `role_arn` of a profile is to others: no way to credentials.
        (&[("AWS_ROLE_ARN", ARN)], None),
        (&[], None),
    ] {
        let root = of_variables(&environment(set)).expect("a way");
        assert_eq!(root, expected, "{set:?}");
    }
}

#[test]
fn half_of_what_is_needed_is_an_error_and_not_another_way() {
    for (set, said) in [
        (
            &[("AWS_ACCESS_KEY_ID", "AKID")][..],
            "AWS_SECRET_ACCESS_KEY is not; set both",
        ),
        (
            &[("AWS_SECRET_ACCESS_KEY", "hunter2")],
            "AWS_ACCESS_KEY_ID is not; set both",
        ),
        (
            &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")],
            "eks.amazonaws.com/role-arn",
        ),
        (
            &[
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
                ("AWS_ROLE_ARN", "metrics"),
            ],
            "AWS_ROLE_ARN names `metrics`, which is no role; write its ARN",
        ),
    ] {
        let error = of_variables(&environment(set)).expect_err(said).to_string();
        assert!(error.contains(said), "no {said:?} in: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn without_variables_and_profile_it_is_the_container_or_the_instance() {
    for (set, expected) in [
        (
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1")][..],
            Root::Container,
        ),
        (
            &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x")],
            Root::Container,
        ),
        (&[], Root::Instance { is_named: false }),
    ] {
        assert_eq!(of_surroundings(&environment(set)), expected, "{set:?}");
    }
}

const CONFIG: &str = "\
[profile keys]
aws_access_key_id = KEYS
aws_secret_access_key = secret
[profile chained]
role_arn = arn:aws:iam::123456789012:role/last
source_profile = middle
external_id = 42
duration_seconds = 900
role_session_name = nightly
[profile middle]
role_arn = arn:aws:iam::123456789012:role/first
source_profile = keys
[profile own]
role_arn = arn:aws:iam::123456789012:role/own
source_profile = own
aws_access_key_id = OWN
aws_secret_access_key = secret
[profile instance]
role_arn = arn:aws:iam::123456789012:role/instance
credential_source = Ec2InstanceMetadata
[profile container]
role_arn = arn:aws:iam::123456789012:role/container
credential_source = EcsContainer
[profile environment]
role_arn = arn:aws:iam::123456789012:role/environment
credential_source = Environment
[profile web]
role_arn = arn:aws:iam::123456789012:role/web
web_identity_token_file = /token
[profile region]
region = eu-central-1
";

#[test]
fn a_profile_leads_to_keys_by_way_of_roles() {
    let set = [
        ("AWS_ACCESS_KEY_ID", "SET"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let last = Role {
        session_name: "nightly".to_owned(),
        external_id: Some("42".to_owned()),
        duration_seconds: Some(900),
        ..plain("last")
    };
    let web = Root::WebIdentity {
        role: plain("web"),
        token_file: PathBuf::from("/token"),
    };
    for (name, root, roles) in [
        ("keys", keys("KEYS"), vec![]),
        ("chained", keys("KEYS"), vec![plain("first"), last]),
        ("own", keys("OWN"), vec![plain("own")]),
        (
            "instance",
            Root::Instance { is_named: true },
            vec![plain("instance")],
        ),
        ("container", Root::Container, vec![plain("container")]),
        ("environment", keys("SET"), vec![plain("environment")]),
        ("web", web, vec![]),
    ] {
        let profiles = Profiles::of(CONFIG, "");
        let plan = of_profile(&profiles, name, &environment(&set)).expect(name);
        assert_eq!(plan, Some(Plan { root, roles }), "{name}");
    }
    let profiles = Profiles::of(CONFIG, "");
    let plan = of_profile(&profiles, "region", &environment(&set)).expect("no way");
    assert_eq!(plan, None);
}

#[test]
fn a_profile_that_cannot_work_says_where_and_what_to_do() {
    for (settings, said) in [
        (
            "aws_access_key_id = AKID",
            &[
                "the profile `shop` of config and credentials has half of a key",
                "give it both",
            ][..],
        ),
        (
            "credential_process = /bin/keys",
            &["credential_process", "no command is run"],
        ),
        ("sso_session = shop", &["sso_session", "nobody logs in"]),
        ("role_arn = metrics", &["`metrics`, which is no role"]),
        ("role_arn = ARN", &["not one source", "source_profile"]),
        (
            "role_arn = ARN\nsource_profile = shop\ncredential_source = Environment",
            &["not one source"],
        ),
        (
            "role_arn = ARN\ncredential_source = Moon",
            &["`Moon`", "write Environment"],
        ),
        (
            "role_arn = ARN\ncredential_source = Environment",
            &["where there are no keys", "set AWS_ACCESS_KEY_ID"],
        ),
        (
            "role_arn = ARN\nsource_profile = bank",
            &["there is no profile `bank`", "AWS_CONFIG_FILE"],
        ),
        (
            "role_arn = ARN\nsource_profile = shop",
            &["`shop`", "has no credentials"],
        ),
        (
            "role_arn = ARN\nsource_profile = other\n[profile other]\nrole_arn = ARN\nsource_profile = shop",
            &[
                "is its own source, by way of shop and other",
                "let the last",
            ],
        ),
        (
            "role_arn = ARN\nsource_profile = shop\nmfa_serial = arn:x",
            &["mfa_serial", "nobody types"],
        ),
        (
            "role_arn = ARN\nsource_profile = shop\nduration_seconds = 1h",
            &["`1h`", "3600"],
        ),
    ] {
        let config = format!("[profile shop]\n{}\n", settings.replace("ARN", ARN));
        let profiles = Profiles::of(&config, "");
        let error = of_profile(&profiles, "shop", &environment(&[])).expect_err(settings);
        let error = error.to_string();
        for part in said {
            assert!(error.contains(part), "{settings}: no {part:?} in: {error}");
        }
    }
}
