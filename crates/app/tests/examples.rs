//! The folders in `examples/`, as a user would use them: programs that nobody here wrote, taken
//! through their rollouts.
//!
//! They need nginx and python3 on `PATH`: `cargo xtask test` provides for that and runs them.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use support::Sluice;

/// A Sluice in a copy of the example's folder, with ports of its own.
fn example(name: &str, ports: &[&str]) -> Sluice {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name);
    let mut text = fs::read_to_string(folder.join("sluice.yaml")).unwrap();
    for port in ports {
        assert!(text.contains(port), "{name} does not listen on {port}");
        text = text.replace(port, "127.0.0.1:0");
    }
    let sluice = Sluice::new(&text);
    copy(&folder, sluice.folder());
    sluice.write(&text);
    sluice
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn publish(sluice: &Sluice, version: u32) {
    fs::write(
        sluice.folder().join("site/index.html"),
        format!("<h1>version {version}</h1>\n"),
    )
    .unwrap();
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: example\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

fn address(sluice: &Sluice, service: &str, field: &str) -> SocketAddr {
    let status = sluice.json(&["status", service]);
    status[field].as_str().unwrap().parse().unwrap()
}

fn wait_for(
    sluice: &Sluice,
    service: &str,
    what: &str,
    wanted: impl Fn(&serde_json::Value) -> bool,
) {
    sluice.wait_until(what, |sluice| {
        let output = sluice.run(&["status", service, "-o", "json"]);
        wanted(&serde_json::from_slice(&output.stdout).unwrap_or_default())
    });
}

#[test]
#[ignore = "part examples: needs nginx"]
fn nginx_is_released_blue_green_and_taken_back_at_once() {
    let mut sluice = example("nginx-blue-green", &["127.0.0.1:8080", "127.0.0.1:8081"]);
    sluice.up();
    wait_for(&sluice, "site", "nginx to serve", |status| {
        status["phase"] == "Healthy"
    });
    let main = address(&sluice, "site", "listen");
    assert!(get(main, "/").1.contains("version 1"));
    publish(&sluice, 2);
    assert!(
        get(main, "/").1.contains("version 1"),
        "the running revision follows the folder"
    );
    sluice.json(&["deploy", "site", "--wait"]);
    assert!(get(main, "/").1.contains("version 2"));
    sluice.json(&["undo", "site", "--wait"]);
    assert!(get(main, "/").1.contains("version 1"));
    assert_eq!(sluice.stop(), Some(0), "{}", sluice.log());
}

#[test]
#[ignore = "part examples: needs python3"]
fn python3_serves_a_canary_that_is_promoted_and_one_that_loses_pages_is_not() {
    let mut sluice = example("python-canary", &["127.0.0.1:8082"]);
    sluice.up();
    wait_for(&sluice, "files", "python3 to serve", |status| {
        status["phase"] == "Healthy"
    });
    let main = address(&sluice, "files", "listen");
    publish(&sluice, 2);
    sluice.json(&["deploy", "files"]);
    let mut seen = [0_u32; 2];
    let until = Instant::now() + support::PATIENCE;
    while sluice.json(&["status", "files"])["stable"] != 2 {
        assert!(
            Instant::now() < until,
            "the release does not end: {}",
            sluice.log()
        );
        for _ in 0..25 {
            let (status, body) = get(main, "/");
            assert_eq!(status, 200, "{body}");
            seen[usize::from(body.contains("version 2"))] += 1;
        }
    }
    assert!(
        seen[0] > 0 && seen[1] > 0,
        "the traffic was not shared: {seen:?}"
    );
    // The next release has lost its page.
    fs::remove_file(sluice.folder().join("site/index.html")).unwrap();
    fs::write(
        sluice.folder().join("site/other.html"),
        "<h1>version 3</h1>\n",
    )
    .unwrap();
    sluice.json(&["deploy", "files"]);
    let until = Instant::now() + support::PATIENCE;
    while sluice.json(&["status", "files"])["phase"] != "Degraded" {
        assert!(
            Instant::now() < until,
            "the bad release is not taken back: {}",
            sluice.log()
        );
        for _ in 0..25 {
            get(main, "/index.html");
        }
    }
    assert_eq!(get(main, "/index.html").0, 200);
    assert_eq!(sluice.stop(), Some(0), "{}", sluice.log());
}
