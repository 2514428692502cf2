//! WebSocket and other protocols that begin as a request: bytes flow only after the replica agreed.

use crate::support::{CANARY, Plan, STABLE, Server, full, read_all, read_head, status};
use hyper::Response;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Agrees, and sends back what comes in capitals.
async fn shouting() -> Server {
    Server::raw(|mut stream| async move {
        let head = String::from_utf8(read_head(&mut stream).await.unwrap()).unwrap();
        assert!(head.contains("\r\nconnection: upgrade\r\nupgrade: websocket\r\n"), "{head}");
        let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nWELCOME ";
        stream.write_all(agreed.as_bytes()).await.unwrap();
        let mut buffer = [0; 1_024];
        while let Ok(count) = stream.read(&mut buffer).await {
            if count == 0 {
                break;
            }
            buffer[..count].make_ascii_uppercase();
            stream.write_all(&buffer[..count]).await.unwrap();
        }
        stream.write_all(b" BYE").await.unwrap();
    })
    .await
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_until_both_sides_are_done() {
    let server = shouting().await;
    let setup = Plan::http()
        .with(CANARY, &[server.address])
        .split(100.0)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let head = String::from_utf8(read_exactly(&mut stream, "WELCOME ").await).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        read_exactly(&mut stream, &word.to_uppercase()).await;
    }
    assert_eq!(setup.counters(CANARY).in_flight, 1);
    stream.shutdown().await.unwrap();
    assert_eq!(
        read_all(&mut stream).await,
        " BYE",
        "the replica may talk after the client is done"
    );
    let counters = setup
        .counted(CANARY, |counters| counters.in_flight == 0)
        .await;
    assert_eq!(counters.classes, [1, 0, 0, 0, 0]);
    assert_eq!((counters.bytes_in, counters.bytes_out), (6, 8 + 6 + 4));
}

/// Reads until the text that was read ends with `end`.
async fn read_exactly(stream: &mut TcpStream, end: &str) -> Vec<u8> {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        all.push(stream.read_u8().await.unwrap());
    }
    all
}

#[tokio::test]
async fn nothing_is_tunnelled_before_the_replica_agreed() {
    // CVE-2026-2833: bytes behind an Upgrade were passed on as a second request.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::raw(move |mut stream| {
        let log = Arc::clone(&log);
        async move {
            let mut buffer = [0; 4_096];
            loop {
                let Ok(count) = stream.read(&mut buffer).await else {
                    return;
                };
                if count == 0 {
                    return;
                }
                log.lock().unwrap().extend_from_slice(&buffer[..count]);
                if buffer[..count].ends_with(b"\r\n\r\n") {
                    // Long enough for whatever would be tunnelled to arrive.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let refused = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
                    stream.write_all(refused).await.unwrap();
                }
            }
        }
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let smuggled = "GET /admin HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n";
    let answers = setup.raw(format!("{ASK}{smuggled}")).await;
    // It is an ordinary second request: routed, counted and with its own forwarded fields.
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 2)
        .await;
    assert_eq!(counters.classes[1], 2);
    let seen = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
    let (first, second) = seen.split_once("\r\n\r\n").unwrap();
    assert!(
        first.contains("upgrade: websocket") && !first.contains("admin"),
        "{seen}"
    );
    assert!(second.contains("x-forwarded-for: 127.0.0.1"), "{seen}");
}

#[tokio::test]
async fn upgrades_that_would_hide_requests_are_not_passed_on() {
    let server = Server::http(|request| async move {
        let upgrade = request
            .headers()
            .get("upgrade")
            .map(|value| value.to_str().unwrap().to_owned());
        Response::new(full(format!("{upgrade:?}")))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    for (fields, expected) in [
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
            "None",
        ),
        ("Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n", "None"),
        ("Upgrade: websocket\r\n", "None"),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
            "None",
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "Some(\"websocket\")",
        ),
    ] {
        let body = if fields.contains("Length") { "x" } else { "" };
        let answer = setup
            .raw(format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n{body}"
            ))
            .await;
        assert!(
            status(&answer) == 200 && answer.ends_with(expected),
            "{fields}: {answer}"
        );
    }
    let old = setup
        .raw("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert!(old.ends_with("None"), "{old}");
}

#[tokio::test]
async fn a_silent_tunnel_ends() {
    let server = shouting().await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| limits.idle_timeout = Duration::from_millis(100))
        .start();
    let answer = setup.raw(ASK).await;
    assert!(answer.ends_with("WELCOME "), "{answer}");
    setup
        .counted(STABLE, |counters| {
            counters.in_flight == 0 && counters.requests == 1
        })
        .await;
}
