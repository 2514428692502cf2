//! What documents mean besides their releases: workloads, listeners, settings; and what is said about them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use sluice_model::Severity;
use sluice_model::routes::Assignment;
use sluice_model::workload::ProbeAction;
use sluice_native::advice::{Change, review, strategy_for};
use sluice_native::parse;
use std::time::Duration;
use support::{document, plan_of, ramp, service};

#[test]
fn workloads_are_read_as_written() {
    let service = service(
        r#"
    run: bin/../checkout --name "a b" --color '#fff' $HOME/x
    artifacts: [assets, /opt/shared]
    env: {VERSION: 1.10, DEBUG: yes, EMPTY: "", OCTAL: 0755, BIG: 1e3}
    envFile: common.env
    workdir: data/
    user: www-data
    live: {command: [./live, --quick], period: 10s, failures: 5}
    ready: {tcp: true, timeout: 500ms}
    stop: {drain: 15s, grace: 1m}
    limits: {requestTimeout: 10s, headerBytes: 64KiB, bodyBytes: 10 MB, retries: 0}
    protocol: h2c
    sticky: {header: X-User}
    tls: {certificate: tls/cert.pem, key: /etc/key.pem}
    preview: 9090
"#,
    );
    let workload = &service.workload;
    assert_eq!(
        workload.command,
        [
            "/srv/shop/checkout",
            "--name",
            "a b",
            "--color",
            "#fff",
            "$HOME/x"
        ]
    );
    assert_eq!(workload.artifacts, ["/srv/shop/assets", "/opt/shared"]);
    let env: Vec<(&str, &str)> = workload
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        env,
        [
            ("BIG", "1e3"),
            ("DEBUG", "yes"),
            ("EMPTY", ""),
            ("OCTAL", "0755"),
            ("VERSION", "1.10")
        ]
    );
    assert_eq!(
        (workload.env_files[0].as_str(), workload.workdir.as_str()),
        ("/srv/shop/common.env", "/srv/shop/data")
    );
    assert_eq!(
        workload.readiness.as_ref().unwrap().action,
        ProbeAction::Tcp
    );
    let live = workload.liveness.as_ref().unwrap();
    assert_eq!(
        live.action,
        ProbeAction::Command {
            command: vec!["/srv/shop/live".into(), "--quick".into()]
        }
    );
    assert_eq!((live.period, live.failures), (Duration::from_secs(10), 5));
    assert_eq!(workload.stop.grace, Duration::from_secs(60));
    let listener = &service.listener;
    assert_eq!(
        (
            listener.limits.header_bytes_max,
            listener.limits.body_bytes_max
        ),
        (65_536, Some(10_000_000))
    );
    assert_eq!(listener.preview.as_deref(), Some("127.0.0.1:9090"));
    assert_eq!(
        listener.tls.as_ref().unwrap().certificate,
        "/srv/shop/tls/cert.pem"
    );
    assert_eq!(
        service.plan.assignment,
        Assignment::Header {
            name: "x-user".into()
        }
    );
}

#[test]
fn services_can_share_fields_and_releases() {
    let text = r"
x-common: &common
  ready: /healthz
  release: careful
services:
  orders: {<<: *common, run: ./orders, listen: 8080}
  stock: {<<: *common, run: ./stock, listen: 8081, release: {use: careful, bake: 2m}}
releases:
  careful: {steps: [2, 100], bake: 9m, historyLimit: 3}
";
    let document = document(text);
    let ramps: Vec<String> = document
        .services
        .iter()
        .map(|service| ramp(&service.plan))
        .collect();
    assert_eq!(ramps, ["2@9m 100@0s", "2@2m 100@0s"]);
    assert!(
        document
            .services
            .iter()
            .all(|service| service.history_limit == 3)
    );
    assert!(
        document
            .services
            .iter()
            .all(|service| service.workload.readiness.is_some())
    );
}

#[test]
fn settings_are_read() {
    let text = "version: 1\napi: {listen: 7400}\nproxy: {workers: 2}\nservices: {a: {run: ./a, listen: 80}}";
    let settings = document(text).settings;
    assert_eq!(settings.api_listen.as_deref(), Some("127.0.0.1:7400"));
    assert_eq!(settings.proxy_workers, Some(2));
}

#[test]
fn reviews_work_without_a_document() {
    let service = service("    run: ./a\n    release: recreate\n");
    let found = review(&service);
    let codes: Vec<&str> = found.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["no-readiness", "no-liveness", "outage"]);
    assert!(
        found.iter().all(|found| found.severity == Severity::Warning
            && found.path.starts_with("services.checkout."))
    );
}

#[test]
fn a_strategy_is_found_for_every_change() {
    let change = Change::default();
    for (change, release) in [
        (change, "rolling"),
        (
            Change {
                exclusive: true,
                outage_allowed: true,
                ..change
            },
            "recreate",
        ),
        (
            Change {
                exclusive: true,
                ..change
            },
            "blue-green",
        ),
        (
            Change {
                stateful: true,
                high_risk: true,
                ..change
            },
            "rolling",
        ),
        (
            Change {
                high_risk: true,
                validate_under_load: true,
                ..change
            },
            "shadow",
        ),
        (
            Change {
                high_risk: true,
                ..change
            },
            "blue-green",
        ),
        (
            Change {
                targeted: true,
                ..change
            },
            "canary",
        ),
    ] {
        let suggestion = strategy_for(change);
        assert_eq!(
            suggestion.release, release,
            "{change:?}: {}",
            suggestion.why
        );
        assert_eq!(plan_of(suggestion.release, 1).strategy.as_str(), release);
    }
}

#[test]
fn large_documents_are_answered_within_bounds() {
    let many = |fields: &str| -> String {
        let services: String = (0..3_000)
            .map(|number| format!("  s{number}: {{run: ./a, {fields}}}\n"))
            .collect();
        format!("services:\n{services}")
    };
    let parsed = parse("sluice.yaml", &many("listen: 127.0.0.1:0"), "/");
    assert_eq!(parsed.document.unwrap().services.len(), 3_000);
    assert!(
        parsed.diagnostics.len() <= 101,
        "{} warnings",
        parsed.diagnostics.len()
    );
    assert_eq!(parsed.diagnostics.last().unwrap().code, "more");
    let parsed = parse("sluice.yaml", &many("listen: nowhere, colour: blue"), "/");
    assert!(parsed.document.is_none() && parsed.diagnostics.len() <= 101);
    let parsed = parse("sluice.yaml", &"#".repeat(1024 * 1024 + 1), "/");
    assert_eq!(
        parsed.diagnostics[0].to_string(),
        "error[too-large]: the document has 1048577 bytes; the limit is 1048576; split it into several documents"
    );
}

#[test]
fn places_count_characters_whatever_the_encoding_of_lines() {
    for (text, line, column, marked) in [
        (
            "services:\r\n  a:\r\n    run: ./a\r\n    listen: 80\r\n    redy: /x\r\n",
            5,
            5,
            "redy",
        ),
        (
            "# é\nservices: {a: {run: ./ü, listen: 80, redy: /x}}\n",
            2,
            38,
            "redy",
        ),
        (
            "\u{feff}services: {a: {run: ./a, listen: 80, redy: /x}}\n",
            1,
            38,
            "redy",
        ),
    ] {
        let parsed = parse("sluice.yaml", text, "/");
        let place = parsed.diagnostics[0].place.as_ref().unwrap();
        let (offset, length) = place.span.unwrap();
        assert_eq!(&text[offset..offset + length], marked);
        assert_eq!((place.line, place.column), (line, column), "{text:?}");
    }
}
