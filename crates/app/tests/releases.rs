//! Releases on real processes under real load, through the command line, as a user would do them.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use support::{Sluice, document, load};

const QUICK: &str = "bake: 300ms, keepWarm: 30s, checks: none";

fn canary(extra: &str) -> String {
    format!(
        "{{ strategy: canary, {QUICK}, steps: [{{ weight: 20 }}, {{ weight: 60 }}, {{ weight: 100, bake: 0s }}], {extra} }}"
    )
}

/// Under load, `work` must not cost a single request.
fn without_a_lost_request(sluice: &mut Sluice, work: impl FnOnce(&mut Sluice)) -> load::Seen {
    let load = load::start(sluice.address(), 8, 50);
    work(sluice);
    let seen = load.stop();
    assert_eq!(
        seen.failures,
        Vec::<String>::new(),
        "of {} requests",
        seen.requests
    );
    assert!(
        seen.requests > 50,
        "only {} requests were sent",
        seen.requests
    );
    seen
}

#[test]
fn every_strategy_replaces_a_version_without_a_lost_request() {
    let strategies = [
        canary("stuckAfter: 5m"),
        format!("{{ strategy: blue-green, {QUICK} }}"),
        "{ strategy: rolling, checks: none }".to_owned(),
    ];
    for release in strategies {
        let mut sluice = Sluice::up_with(&document(&release, 3));
        sluice.wait_healthy();
        let seen = without_a_lost_request(&mut sluice, |sluice| {
            let reply = sluice.deploy("2", "0");
            assert_eq!(reply["revision"], 2, "{reply}");
            let status = sluice.wait_status("revision 2 to be stable", |status| {
                status["stable"] == 2 && status["phase"] == "Healthy"
            });
            assert_eq!(status["weights"]["2"], 100.0, "{status}");
            sluice.json(&["restart", "web"]);
            sluice.wait_status("the restart", |status| {
                status["stable"] == 3 && status["phase"] == "Healthy"
            });
        });
        let versions: Vec<&str> = seen
            .answers
            .keys()
            .map(|(version, _)| version.as_str())
            .collect();
        assert_eq!(versions, ["1", "2"], "{release}");
    }
}

#[test]
fn a_failing_canary_is_taken_back_by_its_checks_and_the_log_says_why() {
    let release = "{ strategy: canary, bake: 30s, steps: [{ weight: 50 }, { weight: 100 }], keepAborted: 0s, \
                   checks: [{ name: errors, metric: errorRatio, max: 5%, window: 10s, samplesMin: 30 }] }";
    let mut sluice = Sluice::up_with(&document(release, 1));
    sluice.wait_healthy();
    let seen = without_a_lost_request(&mut sluice, |sluice| {
        sluice.deploy("2", "0.5");
        let status = sluice.wait_status("the canary to be taken back", |status| {
            status["phase"] == "Degraded"
        });
        assert_eq!(status["stable"], 1, "{status}");
        assert!(
            status["message"]
                .as_str()
                .unwrap()
                .contains("check `errors` failed"),
            "{status}"
        );
    });
    assert!(
        seen.answers.contains_key(&("2".to_owned(), 500)),
        "{:?}",
        seen.answers
    );
    let log = sluice.json(&["audit", "show", "web"]);
    let rules: Vec<&str> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["rule"].as_str().unwrap())
        .collect();
    assert!(rules.ends_with(&["checkFailed", "aborted"]), "{rules:?}");
    let failed = &log.as_array().unwrap()[rules.len() - 2];
    assert_eq!(failed["evidence"][0]["verdict"], "fail", "{failed}");
    // The same version again is a new attempt, not a new revision.
    let again = sluice.deploy("2", "0.5");
    assert_eq!(again["revision"], 2, "{again}");
}

#[test]
fn undo_is_instant_while_the_old_side_is_warm_and_pause_holds() {
    let mut sluice = Sluice::up_with(&document(&canary("stuckAfter: 5m"), 2));
    sluice.wait_healthy();
    let first = sluice.replica_pids();
    without_a_lost_request(&mut sluice, |sluice| {
        sluice.deploy("2", "0");
        sluice.json(&["pause", "web", "--reason", "a look"]);
        let held = sluice.wait_status("the hold", |status| status["phase"] == "Paused");
        assert!(
            held["message"].as_str().unwrap().contains("a look"),
            "{held}"
        );
        sluice.json(&["resume", "web"]);
        sluice.wait_status("the promotion", |status| {
            status["stable"] == 2 && status["phase"] == "Healthy"
        });
        sluice.json(&["undo", "web", "--wait"]);
        let status = sluice.status();
        assert_eq!(
            (&status["stable"], &status["phase"]),
            (&1.into(), &"Healthy".into()),
            "{status}"
        );
    });
    assert!(
        sluice.replica_pids().is_superset(&first),
        "the warm side was started anew"
    );
}

#[test]
fn a_successor_takes_over_without_a_lost_request_or_a_new_process() {
    let mut sluice = Sluice::up_with(&document(&canary("stuckAfter: 5m"), 2));
    sluice.wait_healthy();
    let before = sluice.replica_pids();
    without_a_lost_request(&mut sluice, |sluice| {
        for _ in 0..2 {
            let mut old = sluice.take_over();
            assert_eq!(
                support::wait_for_exit(&mut old),
                Some(0),
                "{}",
                sluice.log()
            );
        }
        assert_eq!(sluice.replica_pids(), before);
        sluice.deploy("2", "0");
        sluice.wait_status("a release by the successor", |status| {
            status["stable"] == 2 && status["phase"] == "Healthy"
        });
    });
}

#[test]
fn a_gate_waits_for_approval_and_a_preview_is_reachable_before() {
    let text = document(
        "{ strategy: blue-green, autoPromote: false, checks: none, bake: 200ms, keepWarm: 5s }",
        1,
    )
    .replace("    ready:", "    preview: 127.0.0.1:0\n    ready:");
    let sluice = Sluice::up_with(&text);
    sluice.wait_healthy();
    sluice.deploy("2", "0");
    let waiting = sluice.wait_status("the gate", |status| status["phase"] == "Paused");
    let preview = waiting["preview"].as_str().unwrap().parse().unwrap();
    assert_eq!(load::ask(preview, &mut None).unwrap().0, "2");
    assert_eq!(load::ask(sluice.address(), &mut None).unwrap().0, "1");
    sluice.json(&["promote", "web", "--wait"]);
    assert_eq!(load::ask(sluice.address(), &mut None).unwrap().0, "2");
    let without = text.replace("    preview: 127.0.0.1:0\n", "");
    sluice.write(&without.replace("bake: 200ms", "bake: 100ms"));
    sluice.json(&["deploy", "web"]);
    assert!(
        load::ask(preview, &mut None).is_err(),
        "a preview that the document no longer names answers"
    );
}

#[test]
fn a_deployment_of_what_was_restarted_is_no_release() {
    let sluice = Sluice::up_with(&document(&canary("stuckAfter: 5m"), 1));
    sluice.wait_healthy();
    sluice.json(&["restart", "web", "--wait"]);
    assert_eq!(sluice.status()["stable"], 2);
    let reply = sluice.json(&["deploy", "web"]);
    assert_eq!(
        (&reply["revision"], &reply["unchanged"]),
        (&2.into(), &true.into()),
        "{reply}"
    );
    // A plan that changed is one, although the program is the same.
    sluice.write(&document(&canary("stuckAfter: 6m"), 1));
    let reply = sluice.json(&["deploy", "web", "--wait"]);
    assert_eq!(sluice.status()["stable"], 3, "{reply}");
}
