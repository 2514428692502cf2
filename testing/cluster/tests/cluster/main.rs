//! The harness itself: real clusters, used, killed at any point, and gone without a trace.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod ends;
mod faults;
mod kwok;
mod node;

use serde_json::{Value, json};
use sluice_cluster::ClusterName;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for anything to come about.
const PATIENCE: Duration = Duration::from_secs(90);
/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

fn name(label: &str) -> ClusterName {
    ClusterName::for_tests(label, env!("CARGO_MANIFEST_DIR"))
}

/// A Deployment with these containers.
fn deployment(name: &str, replicas: u32, container: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    })
}

/// The body of the answer to a GET, from wherever the calling thread is.
fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.trim().to_owned()),
        _ => Err(std::io::Error::other(answer)),
    }
}
