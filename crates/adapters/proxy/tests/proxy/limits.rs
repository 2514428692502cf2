//! Bounds of what a client may send, and how they are told.

use crate::support::{Plan, STABLE, Server, Setup, read_all, status};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn limited() -> (Server, Setup) {
    let server = Server::http(|request| async move {
        let body = http_body_util::BodyExt::collect(request.into_body()).await;
        hyper::Response::new(crate::support::full(
            body.map_or(0, |body| body.to_bytes().len()).to_string(),
        ))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| {
            limits.header_bytes_max = 4_096;
            limits.headers_max = 10;
            limits.body_bytes_max = Some(1_000);
            limits.header_timeout = Duration::from_millis(300);
            limits.connections_max = 10;
        })
        .start();
    (server, setup)
}

#[tokio::test]
async fn requests_beyond_a_limit_are_refused_with_its_status() {
    let (server, setup) = limited().await;
    let many = "A: 1\r\n".repeat(10);
    let long = "x".repeat(5_000);
    let chunks = "64\r\n".to_owned() + &"x".repeat(100) + "\r\n";
    for (name, request, expected) in [
        (
            "head",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (
            "endless head",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}"),
            431,
        ),
        (
            "lines",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            431,
        ),
        ("target", format!("GET /{long}"), 414),
        (
            "body",
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n{long}"),
            413,
        ),
        (
            "chunked body",
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                chunks.repeat(11)
            ),
            413,
        ),
        ("slow head", "GET / HTTP/1.1\r\nHost".to_owned(), 408),
        (
            "expectation",
            "GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n".to_owned(),
            417,
        ),
    ] {
        let answer = setup.raw(request).await;
        assert_eq!(status(&answer), expected, "{name}: {answer}");
        assert!(answer.contains("connection: close"), "{name}: {answer}");
        assert!(answer.contains("service `shop`: "), "{name}: {answer}");
    }
    assert_eq!(
        setup.counters(STABLE).requests,
        0,
        "a client's fault was charged"
    );
    let just_enough = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{}0\r\n\r\n",
        chunks.repeat(10)
    );
    assert!(setup.raw(just_enough).await.ends_with("\r\n\r\n1000"));
    assert_eq!(setup.proxy.proxy_failures(&setup.service), 0);
    drop(server);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away_and_make_room_again() {
    let (_server, setup) = limited().await;
    let mut open = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(setup.address).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        open.push(stream);
    }
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = setup.raw(request).await;
    assert!(
        status(&answer) == 503 && answer.contains("too many connections"),
        "{answer}"
    );
    drop(open);
    let mut last = String::new();
    for _ in 0..200 {
        last = setup.raw(request).await;
        if status(&last) == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("there is never room again: {last}");
}

#[tokio::test]
async fn silent_connections_are_closed_without_a_word() {
    let (_server, setup) = limited().await;
    assert_eq!(setup.raw("").await, "", "nothing was asked");
    let setup = Plan::http()
        .with(STABLE, &[_server.address])
        .split(0.0)
        .limits(|limits| limits.idle_timeout = Duration::from_millis(100))
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let answer = read_all(&mut stream).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_the_clients_fault() {
    let server = limited().await.0;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| limits.request_timeout = Duration::from_millis(100))
        .start();
    let answer = setup
        .raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    assert_eq!(status(&answer), 408, "{answer}");
    let counters = setup
        .counted(STABLE, |counters| counters.client_aborts == 1)
        .await;
    assert_eq!((counters.requests, counters.timeouts), (0, 0));
}
