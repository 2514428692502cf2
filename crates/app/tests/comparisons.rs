//! Releases are compared request by request: on real processes, under load, through a `kill -9`.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use serde_json::Value;
use support::{Sluice, document, load};

const USERS: usize = 8;
const RATE: u32 = 100;

fn canary(weight: u32) -> String {
    format!(
        "{{ strategy: canary, bake: 200ms, keepWarm: 0s, steps: [{{ weight: {weight} }}, {{ weight: 100, bake: 0s }}] }}"
    )
}

/// The evidence of the comparison of errors, as it stands.
fn evidence(status: &Value) -> &Value {
    let checks = status["checks"].as_array();
    checks
        .and_then(|checks| checks.iter().find(|check| check["check"] == "errors"))
        .map_or(&Value::Null, |check| &check["measurement"]["sequential"])
}

fn counted(status: &Value) -> u64 {
    let counts = evidence(status)["counts"].as_array();
    let of_both = |it: &Value| {
        it["canaryRequests"].as_u64().unwrap() + it["baselineRequests"].as_u64().unwrap()
    };
    counts.map_or(0, |counts| counts.iter().map(of_both).sum())
}

#[test]
fn a_bad_release_is_caught_by_comparison_and_the_decision_replays_bit_for_bit() {
    let sluice = Sluice::up_with(&document(&canary(20), 1));
    sluice.wait_healthy();
    let load = load::start(sluice.address(), USERS, RATE);
    sluice.deploy("2", "0.1");
    let status = sluice.wait_status("taken back", |status| {
        status["phase"] == "Degraded" && status["stable"] == 1 && status["canary"].is_null()
    });
    load.stop();
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("worse than stable"), "{message}");
    let log = sluice.json(&["audit", "show", "web"]);
    let entry = log.as_array().unwrap().iter().find(|entry| {
        entry["evidence"]
            .as_array()
            .is_some_and(|evidence| evidence.iter().any(|check| check["verdict"] == "fail"))
    });
    let number = entry.unwrap()["sequence"].to_string();
    let replayed = sluice.json(&["audit", "replay", &number]);
    let replayed = replayed.as_array().unwrap();
    // The mean of all comparisons decided.
    assert_eq!(replayed.len(), 3, "{replayed:#?}");
    assert!(replayed.iter().all(|check| check["same"] == true));
    let neutrality = sluice.json(&["audit", "neutrality", "web"]);
    assert_eq!(neutrality["neutral"], true, "{neutrality:#}");
    let recorded = neutrality["recorded"].as_array().unwrap();
    assert!(
        recorded
            .iter()
            .any(|split| split["toCanary"].as_u64() > Some(0))
    );
    let missing = sluice.run(&["audit", "replay", "99999"]);
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
}

#[test]
fn users_of_a_list_are_assigned_whoever_they_are() {
    let release = "{ strategy: canary, checks: none, bake: 1h, steps: [{ weight: 20 }, 100] }";
    let text =
        document(release, 1).replace("    ready:", "    sticky: { cookie: side }\n    ready:");
    let sluice = Sluice::up_with(&text);
    sluice.wait_healthy();
    sluice.deploy("2", "0");
    sluice.wait_status("the canary", |status| status["weights"]["2"] == 20.0);
    let countries = ["de", "fr", "pl", "se"];
    let mut list = "user,country\n".to_owned();
    for n in 0..20_000 {
        list.push_str(&format!("{n:05},{}\n", countries[n % 4]));
    }
    let path = sluice.folder().join("users.csv");
    std::fs::write(&path, list).unwrap();
    let path = path.display().to_string();
    let report = sluice.json(&["audit", "neutrality", "web", "--users", &path]);
    assert_eq!(report["independence"][0]["of"], "country", "{report:#}");
    assert_eq!(report["independence"][0]["degrees"], 3);
    assert_eq!(
        (&report["neutral"], &report["canaryWeight"]),
        (&true.into(), &20.0.into())
    );
    let names = sluice.run(&["audit", "neutrality", "web", "--users", "nobody.csv"]);
    assert_eq!(names.status.code(), Some(2), "{names:?}");
}

#[test]
fn a_good_release_goes_on_when_it_is_proved_not_worse() {
    let sluice = Sluice::up_with(&document(&canary(50), 1));
    sluice.wait_healthy();
    let load = load::start(sluice.address(), USERS, RATE);
    sluice.deploy("2", "0");
    let status = sluice.wait_status("promoted", |status| {
        status["phase"] == "Healthy" && status["stable"] == 2
    });
    load.stop();
    let log = sluice.json(&["audit", "show", "web"]);
    let passed = log.as_array().unwrap().iter().find(|entry| {
        let message = entry["message"].as_str().unwrap();
        entry["rule"] == "stepPassed" && message.contains("step 1 (50 %)")
    });
    let passed = passed.unwrap_or_else(|| panic!("{log:#}"));
    let evidence = passed["evidence"].as_array().unwrap();
    let compared = evidence.iter().filter(|check| {
        check["message"]
            .as_str()
            .unwrap()
            .starts_with("not worse than stable")
    });
    assert_eq!(compared.count(), 3, "{status}\n{evidence:#?}");
}

#[test]
fn without_traffic_nothing_is_promoted_and_the_wait_is_explained() {
    let sluice = Sluice::up_with(&document(&canary(50), 1));
    sluice.wait_healthy();
    sluice.deploy("2", "0");
    let status = sluice.wait_status("a wait for requests", |status| {
        status["message"]
            .as_str()
            .is_some_and(|message| message.contains("errors: 0 of 100 requests on the new side"))
    });
    assert_eq!(
        (&status["stable"], &status["canary"]),
        (&1.into(), &2.into())
    );
    // Whoever knows better may go on all the same.
    sluice.json(&["promote", "web", "--wait"]);
    assert_eq!(sluice.status()["stable"], 2);
}

#[test]
fn evidence_survives_a_kill_and_counts_on() {
    // The step never ends by itself.
    let release = "{ strategy: canary, bake: 1h, keepWarm: 0s, steps: [{ weight: 50 }, 100] }";
    let mut sluice = Sluice::up_with(&document(release, 1));
    sluice.wait_healthy();
    let load = load::start(sluice.address(), USERS, RATE);
    sluice.deploy("2", "0");
    sluice.wait_status("evidence", |status| counted(status) > 300);
    load.stop();
    // Without requests the ledger is stored as it stands.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let before = counted(&sluice.status());
    sluice.kill_9();
    sluice.up();
    let status = sluice.wait_status("evidence again", |status| counted(status) > 0);
    assert_eq!(counted(&status), before);
    let load = load::start(sluice.address(), USERS, RATE);
    sluice.wait_status("more evidence", |status| counted(status) > before + 100);
    load.stop();
}
