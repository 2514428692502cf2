//! Exchanges that go on slowly, or stop: who is cut off, and who is charged.

use crate::support::{Plan, STABLE, Server, full, read_all, read_head, status};
use hyper::{Request, StatusCode};
use sluice_model::workload::Protocol;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const IDLE: Duration = Duration::from_millis(1_000);
const PACE: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_slow_but_steady_stream_is_not_cut_by_the_idle_timeout() {
    let server = Server::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..12 {
            tokio::time::sleep(PACE).await;
            stream.write_all(b"6\r\ndata\n\n\r\n").await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| limits.idle_timeout = IDLE)
        .start();
    let (status, body) = setup.get("/events").await;
    assert_eq!((status, body), (StatusCode::OK, "data\n\n".repeat(12)));
    let counters = setup
        .counted(STABLE, |counters| counters.in_flight == 0)
        .await;
    assert_eq!((counters.timeouts, counters.errors()), (0, 0));
}

#[tokio::test]
async fn an_upload_that_goes_on_keeps_an_answer_alive_that_began_early() {
    let server = Server::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut body = [0; 12];
        stream.read_exact(&mut body).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let _ = stream.read(&mut body).await;
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| limits.idle_timeout = IDLE)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..12 {
        tokio::time::sleep(PACE).await;
        stream.write_all(b"x").await.unwrap();
    }
    let answer = read_all(&mut stream).await;
    assert!(answer.ends_with("\r\n\r\nxxxxxxxxxxxx"), "{answer}");
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 1)
        .await;
    assert_eq!((counters.timeouts, counters.client_aborts), (0, 0));
}

#[tokio::test]
async fn a_client_that_falls_silent_under_an_answer_that_began_is_not_the_replicas_timeout() {
    let server = Server::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut body = [0; 12];
        let _ = stream.read_exact(&mut body).await;
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| limits.idle_timeout = IDLE)
        .start();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nhalf";
    let answer = setup.raw(request).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let counters = setup
        .counted(STABLE, |counters| counters.client_aborts == 1)
        .await;
    assert_eq!((counters.timeouts, counters.errors()), (0, 0));
}

#[tokio::test]
async fn an_old_client_sees_a_reset_when_the_replica_breaks_off() {
    let server = Server::scripted(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n5\r\nno",
    )
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let end = tokio::time::timeout(crate::support::PATIENCE, reading)
        .await
        .expect("the connection never ends");
    let error = end.expect_err("a part of the body looks complete");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_early_answer_of_an_h2c_replica_gives_the_clients_connection_back() {
    let server = Server::raw(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let mut kept = Vec::new();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let answer = hyper::Response::new(());
            let mut body = respond.send_response(answer, false).unwrap();
            body.send_data("early".into(), true).unwrap();
            // The rest of the request's body is neither read nor refused.
            kept.push((request.into_body(), respond));
        }
    })
    .await;
    let mut plan = Plan::new(Protocol::H2c)
        .with(STABLE, &[server.address])
        .split(0.0);
    // Connections to replicas are shared within a worker.
    plan.config.workers = 1;
    let setup = plan.start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nhalf";
    stream.write_all(head.as_bytes()).await.unwrap();
    // The connection cannot be used further, so the proxy closes its side: at once, and not when the
    // replica lets go of the upload.
    let answer = read_all(&mut stream).await;
    assert!(
        status(&answer) == 200 && answer.contains("early"),
        "{answer}"
    );
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 1)
        .await;
    assert_eq!((counters.errors(), counters.in_flight), (0, 0));
    // Another request on a new connection shares the replica's.
    let mut client = setup.client().await;
    let request = Request::get("/").body(full("")).unwrap();
    assert_eq!(client.send(request).await.body(), "early");
    assert_eq!(server.connections(), 1);
}
