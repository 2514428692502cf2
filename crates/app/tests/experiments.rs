//! Experiments: users stay on their side, each counts once, and a goal is judged whenever it is looked at.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::{Sluice, document};

const USERS: usize = 1_000;

/// Half of the users for long, then somebody decides; guarded by one goal.
fn experiment() -> String {
    let release = "{ strategy: canary, keepWarm: 0s, defaultChecks: false, \
                   steps: [{ weight: 50, bake: 1h, gate: which one? }, 100], \
                   checks: [{ name: ordered, goal: { path: { exact: /order } }, onFail: pause }] }";
    document(release, 1).replace("    ready:", "    sticky: { header: x-user }\n    ready:")
}

/// The version that answered a user's request.
fn ask(stream: &mut BufReader<TcpStream>, path: &str, user: usize) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: web\r\nx-user: user-{user}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let (mut version, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        assert!(
            stream.read_line(&mut line).unwrap() > 0,
            "the proxy hung up"
        );
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("x-demo-version: ") {
            version = value.to_owned();
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    version
}

/// Every user comes three times; of those on revision 2 so many of ten order, on the other so many, each twice.
fn visits(sluice: &Sluice, new: usize, old: usize) {
    let stream = TcpStream::connect(sluice.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut stream = BufReader::new(stream);
    for user in 0..USERS {
        let version = ask(&mut stream, "/", user);
        assert_eq!(ask(&mut stream, "/cart", user), version, "users stay");
        let of_ten = if version == "2" { new } else { old };
        if user % 10 < of_ten {
            ask(&mut stream, "/order", user);
            ask(&mut stream, "/order?again=1", user);
        }
    }
}

fn goal(status: &Value) -> &Value {
    &status["checks"][0]
}

fn facts(status: &Value) -> [u64; 4] {
    let facts = &goal(status)["measurement"]["goal"];
    ["canary", "baseline"]
        .into_iter()
        .flat_map(|side| {
            ["exposed", "reached"].map(|field| facts[side][field].as_u64().unwrap_or(0))
        })
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[test]
fn each_user_counts_once_and_more_of_the_new_side_reach_the_goal() {
    let mut sluice = Sluice::up_with(&experiment());
    sluice.wait_healthy();
    sluice.deploy("2", "0");
    sluice.wait_status("both sides", |status| status["weights"]["2"] == 50.0);
    visits(&sluice, 7, 3);
    let status = sluice.wait_status("the goal is judged", |status| {
        let [canary, _, baseline, _] = facts(status);
        canary + baseline == USERS as u64
    });
    let [canary, ordered, baseline, ordered_before] = facts(&status);
    assert!((400..600).contains(&canary), "{status:#}");
    let near =
        |reached: u64, of: u64, share: f64| (reached as f64 / of as f64 - share).abs() < 0.07;
    assert!(near(ordered, canary, 0.7), "{ordered} of {canary}");
    assert!(
        near(ordered_before, baseline, 0.3),
        "{ordered_before} of {baseline}"
    );
    let message = goal(&status)["message"].as_str().unwrap();
    assert!(message.starts_with("more reach it: "), "{message}");
    // After a crash nobody is known any more: everybody counts once again, and not twice.
    sluice.kill_9();
    sluice.up();
    visits(&sluice, 7, 3);
    let again = sluice.wait_status("the goal is judged again", |status| {
        let [canary, _, baseline, _] = facts(status);
        canary + baseline == USERS as u64
    });
    assert_eq!(facts(&again)[0], canary, "on the same side as before");
}

#[test]
fn an_experiment_pauses_when_fewer_reach_the_goal() {
    let sluice = Sluice::up_with(&experiment());
    sluice.wait_healthy();
    sluice.deploy("2", "0");
    sluice.wait_status("both sides", |status| status["weights"]["2"] == 50.0);
    visits(&sluice, 2, 7);
    let status = sluice.wait_status("paused", |status| status["phase"] == "Paused");
    let message = goal(&status)["message"].as_str().unwrap();
    assert!(message.starts_with("fewer reach it: "), "{message}");
    let explained = sluice.run(&["explain", "web"]);
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(explained.contains("fewer reach it"), "{explained}");
}
