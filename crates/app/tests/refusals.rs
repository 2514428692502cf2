//! What is refused has changed nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed step fails the test"
)]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use support::{Sluice, document, load};

const CANARY: &str = "{ strategy: canary, checks: none, bake: 0s, keepWarm: 0s, historyLimit: 1, steps: [{ weight: 50 }, { weight: 100 }] }";

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn a_deployment_whose_preview_address_is_taken_does_not_move_the_service() {
    let (first, second) = (free_address(), free_address());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let at = |address: SocketAddr| document(CANARY, 1).replace("127.0.0.1:0", &address.to_string());
    let sluice = Sluice::up_with(&at(first));
    sluice.wait_healthy();
    sluice.write(&at(second).replace("    ready:", &format!("    preview: {taken}\n    ready:")));
    let output = sluice.run(&["deploy", "web"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains(&taken.to_string()), "{text}");
    assert_eq!(load::ask(first, &mut None).unwrap().0, "1");
    assert!(load::ask(second, &mut None).is_err());
    assert_eq!(sluice.address(), first);
}

#[test]
fn a_revision_that_was_given_up_cannot_be_asked_for() {
    let sluice = Sluice::up_with(&document(CANARY, 1));
    sluice.wait_healthy();
    for version in ["2", "3", "4"] {
        let revision = sluice.deploy(version, "0")["revision"].clone();
        sluice.wait_status("the promotion", |status| {
            status["stable"] == revision && status["phase"] == "Healthy"
        });
    }
    let history = sluice.json(&["history", "web"]);
    let kept: Vec<u64> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["revision"].as_u64().unwrap())
        .collect();
    assert!(!kept.contains(&1), "{kept:?}");
    let output = sluice.run(&["undo", "web", "--to", "1"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("no revision 1"), "{text}");
    assert_eq!(sluice.status()["stable"], 4);
}

/// A certificate for this name, in place of the present one; `false` where there is no openssl(1).
fn certify(sluice: &Sluice, name: &str) -> bool {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .args(["-subj", &format!("/CN={name}")])
        .current_dir(sluice.folder())
        .output();
    made.is_ok_and(|made| made.status.success())
}

/// The subject of the certificate that is shown to clients.
fn shown(address: SocketAddr) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string()])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_renewed_certificate_is_read_by_the_next_deployment_and_a_broken_one_refused() {
    let text = document(CANARY, 1).replace(
        "    ready:",
        "    tls: { certificate: cert.pem, key: key.pem }\n    ready:",
    );
    let sluice = Sluice::new(&text);
    if !certify(&sluice, "first.test") {
        eprintln!("not run: there is no openssl here");
        return;
    }
    let mut sluice = sluice;
    sluice.up();
    sluice.wait_healthy();
    let address = sluice.address();
    assert!(shown(address).contains("first.test"), "{}", shown(address));
    assert!(certify(&sluice, "second.test"));
    assert_eq!(sluice.json(&["deploy", "web"])["unchanged"], true);
    assert!(shown(address).contains("second.test"), "{}", shown(address));
    std::fs::write(sluice.folder().join("cert.pem"), "not a certificate").unwrap();
    let output = sluice.run(&["deploy", "web"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("cert.pem"), "{text}");
    assert!(shown(address).contains("second.test"), "{}", shown(address));
}
