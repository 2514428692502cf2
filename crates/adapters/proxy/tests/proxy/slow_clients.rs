//! Clients that send a byte now and then must not keep others from being served, nor fill the memory.

use crate::support::{Plan, STABLE, Server, status};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How many; `SLUICE_SLOW_CLIENTS=10000` asks for more than the default, where the system has as
/// many descriptors twice.
fn slow_clients() -> usize {
    let wanted = std::env::var("SLUICE_SLOW_CLIENTS")
        .ok()
        .and_then(|text| text.parse().ok());
    let limit = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let descriptors = limit
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .and_then(|line| line.split_ascii_whitespace().nth(3)?.parse::<usize>().ok())
        .unwrap_or(1_024);
    // Both ends of every connection are in this process.
    wanted
        .unwrap_or(2_000)
        .min(descriptors.saturating_sub(200) / 2)
}

/// Resident memory of this process, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1_024
}

#[tokio::test]
async fn thousands_of_slow_clients_stop_nobody_and_hold_little_memory() {
    let server = Server::saying("ok").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| limits.header_timeout = Duration::from_secs(60))
        .start();
    let count = slow_clients();
    let before = memory();
    let mut slow = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(setup.address).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: slow.test\r\nX-Drip: ")
            .await
            .unwrap();
        slow.push(stream);
    }
    let mut client = setup.client().await;
    for _ in 0..3 {
        for stream in &mut slow {
            stream.write_all(b"x").await.unwrap();
        }
        for _ in 0..20 {
            assert_eq!(client.get("/").await.body(), "ok");
        }
    }
    let each = memory().saturating_sub(before) / count;
    assert!(
        each < 24 * 1_024,
        "{each} bytes for each of {count} slow clients, both ends counted"
    );
    // New ones are served too.
    assert_eq!(setup.get("/").await.1, "ok");
    drop(slow);
    setup
        .counted(STABLE, |counters| counters.in_flight == 0)
        .await;
}

#[tokio::test]
async fn slow_clients_lose_their_place_in_time() {
    let server = Server::saying("ok").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| {
            limits.header_timeout = Duration::from_millis(500);
            limits.connections_max = 50;
        })
        .start();
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(setup.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        slow.push(stream);
    }
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(
        status(&setup.raw(request).await),
        503,
        "all places are taken"
    );
    for mut stream in slow {
        let answer = crate::support::read_all(&mut stream).await;
        assert_eq!(status(&answer), 408, "{answer}");
    }
    let mut answer = String::new();
    for _ in 0..500 {
        answer = setup.raw(request).await;
        if status(&answer) == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("their places are never free: {answer}");
}
