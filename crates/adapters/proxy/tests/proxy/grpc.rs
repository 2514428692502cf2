//! gRPC by the h2 crate: trailers pass, and failures are counted by `grpc-status`.

use crate::support::{PATIENCE, Plan, STABLE, Server};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use sluice_model::workload::Protocol;
use tokio::net::TcpStream;

/// Answers as the path says: `/<status>` with a message and trailers, `/head/<status>` with the status
/// in the head alone, `/none` with no status at all.
async fn replica() -> Server {
    Server::raw(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let path = request.uri().path().trim_start_matches('/').to_owned();
            let answer = Response::builder().header("content-type", "application/grpc");
            if let Some(status) = path.strip_prefix("head/") {
                let answer = answer.header("grpc-status", status).body(()).unwrap();
                respond.send_response(answer, true).unwrap();
                continue;
            }
            let mut stream = respond
                .send_response(answer.body(()).unwrap(), false)
                .unwrap();
            stream
                .send_data(Bytes::from_static(b"\0\0\0\0\x02hi"), path == "none")
                .unwrap();
            if path != "none" {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", path.parse().unwrap());
                stream.send_trailers(trailers).unwrap();
            }
        }
    })
    .await
}

/// The body, and the status from the trailers or the head.
async fn call(setup: &crate::support::Setup, path: &str) -> (Vec<u8>, Option<String>) {
    let stream = TcpStream::connect(setup.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://shop.test/{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (answer, mut upload) = sender.send_request(request, false).unwrap();
    upload
        .send_data(Bytes::from_static(b"\0\0\0\0\0"), true)
        .unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap()
        .unwrap();
    let of_head = answer.headers().get("grpc-status").cloned();
    let mut body = answer.into_body();
    let mut data = Vec::new();
    while let Some(piece) = body.data().await {
        data.extend_from_slice(&piece.unwrap());
    }
    let trailers = body.trailers().await.unwrap();
    let status = trailers
        .and_then(|trailers| trailers.get("grpc-status").cloned())
        .or(of_head);
    (
        data,
        status.map(|status| status.to_str().unwrap().to_owned()),
    )
}

#[tokio::test]
async fn statuses_pass_and_are_counted_by_whose_fault_they_are() {
    let server = replica().await;
    let setup = Plan::new(Protocol::H2c)
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut classes = [0; 5];
    for (path, status, class) in [
        ("0", Some("0"), 1),
        ("5", Some("5"), 3),
        ("16", Some("16"), 3),
        ("2", Some("2"), 4),
        ("4", Some("4"), 4),
        ("12", Some("12"), 4),
        ("13", Some("13"), 4),
        ("14", Some("14"), 4),
        ("15", Some("15"), 4),
        ("head/0", Some("0"), 1),
        ("head/7", Some("7"), 3),
        ("head/13", Some("13"), 4),
        ("none", None, 4),
    ] {
        let (data, got) = call(&setup, path).await;
        assert_eq!(got.as_deref(), status, "{path}");
        assert_eq!(data.is_empty(), path.starts_with("head/"), "{path}");
        classes[class] += 1;
        setup
            .counted(STABLE, |counters| counters.classes == classes)
            .await;
    }
    let counters = setup
        .counted(STABLE, |counters| counters.in_flight == 0)
        .await;
    assert_eq!((counters.connect_failures, counters.timeouts), (0, 0));
}

#[tokio::test]
async fn what_the_proxy_makes_up_is_grpc_too() {
    let setup = Plan::new(Protocol::H2c).start();
    let (data, status) = call(&setup, "0").await;
    assert_eq!((data.len(), status.as_deref()), (0, Some("14")));
    assert_eq!(setup.proxy.proxy_failures(&setup.service), 1);
    let setup = Plan::new(Protocol::H2c)
        .with(STABLE, &[crate::support::dead_address()])
        .split(0.0)
        .start();
    assert_eq!(call(&setup, "0").await.1.as_deref(), Some("14"));
    setup
        .counted(STABLE, |counters| counters.connect_failures == 1)
        .await;
}
