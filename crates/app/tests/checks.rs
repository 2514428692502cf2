//! Checks that remember, and conditions, on real processes: a leak is found through a `kill -9`, and each decision
//! replays.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use serde_json::Value;
use support::{Sluice, document, load};

const USERS: usize = 8;
const RATE: u32 = 100;

/// A canary at half of the traffic that bakes long, with nothing but this check.
fn with_check(check: &str) -> String {
    format!(
        "{{ strategy: canary, bake: 10m, keepWarm: 0s, defaultChecks: false, steps: [50, 100], checks: [{check}] }}"
    )
}

fn taken_back(sluice: &Sluice) -> Value {
    sluice.wait_status("taken back", |status| {
        status["phase"] == "Degraded" && status["stable"] == 1 && status["canary"].is_null()
    })
}

/// Every judgement of the log comes out the same again, bit for bit; one of them failed.
fn replays(sluice: &Sluice) {
    let log = sluice.json(&["audit", "show", "web"]);
    let mut failed = 0;
    for entry in log.as_array().unwrap() {
        let evidence = entry["evidence"].as_array();
        let Some(evidence) = evidence.filter(|evidence| !evidence.is_empty()) else {
            continue;
        };
        failed += evidence.iter().filter(|it| it["verdict"] == "fail").count();
        let replayed = sluice.json(&["audit", "replay", &entry["sequence"].to_string()]);
        for check in replayed.as_array().unwrap() {
            assert_eq!(check["same"], true, "{check:#}");
        }
    }
    assert_eq!(failed, 1, "{log:#}");
}

#[test]
fn a_leak_is_projected_through_a_kill_9_and_taken_back() {
    let release =
        with_check("{metric: memory, trend: {horizon: 6h, ceiling: 8GiB, block: 3s, warmUp: 1s}}");
    let text = document(&release, 1);
    let mut sluice = Sluice::up_with(&text);
    sluice.wait_healthy();
    let load = load::start(sluice.address(), USERS, RATE);
    // Half of 100 requests a second: 47 MiB a minute.
    sluice.write(&text.replace(
        "DEMO_FAIL_RATIO",
        "DEMO_LEAK_BYTES: \"16384\", DEMO_FAIL_RATIO",
    ));
    sluice.json(&["deploy", "web"]);
    sluice.wait_status("the canary", |status| status["weights"]["2"] == 50.0);
    sluice.wait_until("blocks are known", |sluice| {
        let status = sluice.status();
        status["checks"][0]["measurement"]["trend"]["knownBlocks"].as_u64() >= Some(3)
    });
    sluice.kill_9();
    load.stop();
    sluice.up();
    // The system chose another port.
    let load = load::start(sluice.address(), USERS, RATE);
    let status = taken_back(&sluice);
    load.stop();
    let message = status["message"].as_str().unwrap();
    assert!(
        message.contains("check `memory` failed: grows by") && message.contains("8.0 GiB"),
        "{message}"
    );
    replays(&sluice);
}

#[test]
fn an_alarm_and_a_condition_take_a_release_back() {
    for (check, words) in [
        (
            "{metric: errorRatio, max: 5%, alarm: {datapoints: 2 of 3, period: 1s}}",
            "datapoints above 5.00 %, alarm at 2 of 3",
        ),
        (
            "{condition: canary.errorRatio <= 2.0 * baseline.errorRatio + 0.01, samplesMin: 50}",
            "does not hold: baseline.errorRatio = 0, canary.errorRatio = 0.",
        ),
    ] {
        let sluice = Sluice::up_with(&document(&with_check(check), 1));
        sluice.wait_healthy();
        let load = load::start(sluice.address(), USERS, RATE);
        sluice.deploy("2", "0.5");
        let status = taken_back(&sluice);
        load.stop();
        let message = status["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        replays(&sluice);
    }
}
