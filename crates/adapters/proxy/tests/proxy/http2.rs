//! HTTP/2 from clients, by the preface on a cleartext port, and to replicas.

use crate::support::{Body, PATIENCE, Plan, STABLE, Server, eventually, full, raw};
use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sluice_model::workload::Protocol;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::net::TcpStream;

pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

async fn text(sender: &mut SendRequest<Body>, request: Request<Body>) -> (StatusCode, String) {
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://shop.test{path}"))
        .body(full(""))
        .unwrap()
}

/// Answers with the version, method, host, length fields and body that it got.
async fn describing(h2: bool) -> Server {
    let describe = |request: Request<hyper::body::Incoming>| async move {
        let version = request.version();
        let host = request.uri().authority().map(ToString::to_string);
        let field = |name: &str| {
            request
                .headers()
                .get(name)
                .map_or("-", |value| value.to_str().unwrap())
                .to_owned()
        };
        let host = host.unwrap_or_else(|| field("host"));
        let fields = ["content-length", "transfer-encoding", "cookie", "te"]
            .map(field)
            .join(" ");
        let head = format!("{version:?} {} {host} {fields} ", request.method());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full([head.as_bytes(), &body].concat()))
    };
    if !h2 {
        return Server::http(describe).await;
    }
    Server::raw(move |stream| async move {
        let service = hyper::service::service_fn(move |request| async move {
            Ok::<_, std::convert::Infallible>(describe(request).await)
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        let _ = connection.await;
    })
    .await
}

#[tokio::test]
async fn requests_cross_between_versions_both_ways() {
    for (protocol, h2) in [(Protocol::Http, false), (Protocol::H2c, true)] {
        let server = describing(h2).await;
        let setup = Plan::new(protocol)
            .with(STABLE, &[server.address])
            .split(0.0)
            .start();
        let version = if h2 { "HTTP/2.0" } else { "HTTP/1.1" };
        let mut sender = connect(setup.address).await;
        let mut request = get("/");
        request
            .headers_mut()
            .append("cookie", "a=1".parse().unwrap());
        request
            .headers_mut()
            .append("cookie", "b=2".parse().unwrap());
        request
            .headers_mut()
            .append("te", "trailers".parse().unwrap());
        let (_, got) = text(&mut sender, request).await;
        let cookie = if h2 { "a=1" } else { "a=1; b=2" };
        assert_eq!(
            got,
            format!("{version} GET shop.test - - {cookie} trailers ")
        );
        let request = Request::post("http://shop.test/")
            .body(full("hello"))
            .unwrap();
        let (_, got) = text(&mut sender, request).await;
        assert_eq!(got, format!("{version} POST shop.test 5 - - - hello"));
        // And the same from an HTTP/1.1 client.
        let answer = raw(
            setup.address,
            "POST /x HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n",
        )
        .await;
        let coding = if h2 { "-" } else { "chunked" };
        assert!(
            answer.contains(&format!("{version} POST shop.test - {coding} - - hello")),
            "{answer}"
        );
        setup
            .counted(STABLE, |counters| counters.classes == [0, 3, 0, 0, 0])
            .await;
    }
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    for (protocol, h2) in [(Protocol::Http, false), (Protocol::H2c, true)] {
        let server = describing(h2).await;
        let setup = Plan::new(protocol)
            .with(STABLE, &[server.address])
            .split(0.0)
            .start();
        let sender = connect(setup.address).await;
        let mut all = tokio::task::JoinSet::new();
        for number in 0..300 {
            let mut sender = sender.clone();
            all.spawn(async move {
                let body = format!("{number}:{}", "x".repeat(number * 100));
                let request = Request::post("http://shop.test/")
                    .body(full(body.clone()))
                    .unwrap();
                let (status, got) = text(&mut sender, request).await;
                assert_eq!(status, StatusCode::OK);
                assert!(got.ends_with(&body));
            });
        }
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
        assert!(
            !h2 || server.connections() <= 4,
            "{} connections",
            server.connections()
        );
        setup
            .counted(STABLE, |counters| {
                counters.requests == 300 && counters.in_flight == 0
            })
            .await;
    }
}

#[tokio::test]
async fn a_draining_proxy_tells_clients_to_go_away_and_answers_what_is_on_its_way() {
    let server = Server::http(|_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Response::new(full("done"))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut sender = connect(setup.address).await;
    let waiting = tokio::spawn({
        let mut sender = sender.clone();
        async move { text(&mut sender, get("/")).await }
    });
    setup
        .counted(STABLE, |counters| counters.in_flight == 1)
        .await;
    let report = setup.proxy.drain(PATIENCE).await;
    assert_eq!((report.idle_closed, report.requests_cut), (0, 0));
    assert_eq!(waiting.await.unwrap(), (StatusCode::OK, "done".to_owned()));
    assert!(
        sender.send_request(get("/")).await.is_err(),
        "the connection should be gone"
    );
}

#[tokio::test]
async fn bodies_stream_with_backpressure_in_both_directions() {
    for (protocol, h2) in [(Protocol::Http, false), (Protocol::H2c, true)] {
        let server = describing(h2).await;
        let setup = Plan::new(protocol)
            .with(STABLE, &[server.address])
            .split(0.0)
            .start();
        let mut sender = connect(setup.address).await;
        let body = "0123456789".repeat(500_000);
        let request = Request::post("http://shop.test/")
            .body(full(body.clone()))
            .unwrap();
        let (status, got) = text(&mut sender, request).await;
        assert_eq!(status, StatusCode::OK);
        assert!(got.ends_with(&body), "{} bytes", got.len());
    }
}

#[tokio::test]
async fn a_client_that_resets_its_request_is_counted_as_leaving() {
    let server = Server::http(|_| async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        Response::new(full("late"))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut sender = connect(setup.address).await;
    let request = sender.send_request(get("/"));
    let waiting = tokio::spawn(request);
    setup
        .counted(STABLE, |counters| counters.in_flight == 1)
        .await;
    waiting.abort();
    let counters = setup
        .counted(STABLE, |counters| counters.client_aborts == 1)
        .await;
    assert_eq!((counters.requests, counters.in_flight), (0, 0));
}

#[tokio::test]
async fn limits_hold_in_http2_too() {
    let server = Server::saying("ok").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| {
            limits.headers_max = 20;
            limits.body_bytes_max = Some(1_000);
            limits.header_bytes_max = 8_192;
        })
        .start();
    let mut sender = connect(setup.address).await;
    let mut many = get("/");
    for number in 0..30 {
        let name: hyper::header::HeaderName = format!("x-{number}").parse().unwrap();
        many.headers_mut().insert(name, "1".parse().unwrap());
    }
    assert_eq!(
        text(&mut sender, many).await.0,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    let mut large = get("/");
    large
        .headers_mut()
        .insert("x-large", "x".repeat(10_000).parse().unwrap());
    let answer = sender.send_request(large).await;
    let refused = answer.map_or(true, |answer| {
        answer.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    });
    assert!(refused, "a head above the limit was served");
    let mut sender = connect(setup.address).await;
    let big = Request::post("http://shop.test/")
        .body(full("x".repeat(2_000)))
        .unwrap();
    assert_eq!(
        text(&mut sender, big).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let connect_method = Request::connect("shop.test:443").body(full("")).unwrap();
    let answer = sender.send_request(connect_method).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_client_that_never_reads_cannot_hold_a_replica_for_ever() {
    let server = Server::http(|_| async { Response::new(full(vec![b'x'; 10_000_000])) }).await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| {
            limits.idle_timeout = Duration::from_millis(200);
            limits.request_timeout = Duration::from_millis(200);
        })
        .start();
    let stream = TcpStream::connect(setup.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let ended = tokio::spawn(connection);
    let request = Request::get("http://shop.test/").body(()).unwrap();
    let (answer, _) = sender.send_request(request, true).unwrap();
    let unread = answer.await.unwrap().into_body();
    let counters = setup
        .counted(STABLE, |counters| counters.client_aborts == 1)
        .await;
    assert_eq!((counters.in_flight, counters.errors()), (0, 0));
    let _ = tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("the connection is still open");
    drop(unread);
}

/// The status of a request as h2 sends it, and the body of its answer.
async fn asked(address: SocketAddr, request: Request<()>) -> (StatusCode, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (answer, _) = sender.send_request(request, true).unwrap();
    let (parts, mut body) = tokio::time::timeout(PATIENCE, answer)
        .await
        .expect("no answer comes")
        .unwrap()
        .into_parts();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        text.extend_from_slice(&piece.unwrap());
    }
    (parts.status, String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn fields_of_the_connection_stop_here_in_http2_too() {
    let server = Server::http(|request| async move {
        let names = request.headers().keys().map(|name| name.as_str());
        Response::new(full(names.collect::<Vec<_>>().join(" ")))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let request = Request::get("http://shop.test/")
        .header("http2-settings", "AAMAAABkAAQAAP__")
        .header("http2-settings", "AAMAAABkAAQAAP__")
        .header("x-kept", "yes")
        .body(())
        .unwrap();
    let (status, names) = asked(setup.address, request).await;
    assert_eq!(status, StatusCode::OK, "{names}");
    assert!(
        names.contains("x-kept") && !names.contains("http2-settings"),
        "{names}"
    );
}

#[tokio::test]
async fn paths_and_hosts_that_mean_two_things_are_refused_in_http2() {
    let server = Server::saying("ok").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let target = |path: &'static str| {
        let mut parts = hyper::http::uri::Parts::default();
        parts.scheme = Some("http".parse().unwrap());
        parts.authority = Some("shop.test".parse().unwrap());
        parts.path_and_query = Some(hyper::http::uri::PathAndQuery::from_static(path));
        hyper::Uri::from_parts(parts).unwrap()
    };
    for (method, path, expected) in [
        ("GET", "/a", 200),
        ("GET", "?a", 400),
        ("GET", "*", 400),
        ("OPTIONS", "*", 200),
    ] {
        let request = Request::builder().method(method).uri(target(path));
        let (status, text) = asked(setup.address, request.body(()).unwrap()).await;
        assert_eq!(status, expected, "{method} {path}: {text}");
    }
    // Without an authority the host field names the host, if it is one.
    for (hosts, expected) in [
        (&["shop.test"][..], 200),
        (&["shop.test", "evil.test"], 400),
        (&[], 400),
    ] {
        let mut request = Request::get("/").version(Version::HTTP_11);
        for host in hosts {
            request = request.header("host", *host);
        }
        let (status, text) = asked(setup.address, request.body(()).unwrap()).await;
        assert_eq!(status, expected, "{hosts:?}: {text}");
    }
}

/// An h2c replica that answers the first request of each connection, and resets all later ones. Counts
/// the connections that are open.
async fn resetting(reason: h2::Reason) -> (Server, Arc<AtomicU64>) {
    let open = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&open);
    let server = Server::raw(move |stream| {
        let count = Arc::clone(&count);
        async move {
            count.fetch_add(1, SeqCst);
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut is_first = true;
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                if std::mem::take(&mut is_first) {
                    respond.send_response(Response::new(()), true).unwrap();
                } else {
                    respond.send_reset(reason);
                }
            }
            count.fetch_sub(1, SeqCst);
        }
    })
    .await;
    (server, open)
}

#[tokio::test]
async fn a_request_that_an_h2c_replica_resets_opens_no_connection_and_is_charged() {
    let (server, _) = resetting(h2::Reason::INTERNAL_ERROR).await;
    let mut plan = Plan::new(Protocol::H2c)
        .with(STABLE, &[server.address])
        .split(0.0);
    plan.config.workers = 1;
    let setup = plan.start();
    let mut client = setup.client().await;
    assert_eq!(client.get("/").await.status(), StatusCode::OK);
    for _ in 0..10 {
        assert_eq!(client.get("/").await.status(), StatusCode::BAD_GATEWAY);
    }
    assert_eq!(server.connections(), 1);
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 11)
        .await;
    assert_eq!(counters.classes, [0, 1, 0, 0, 10]);
}

#[tokio::test]
async fn requests_that_an_h2c_replica_refuses_leave_few_connections_open() {
    let (server, open) = resetting(h2::Reason::REFUSED_STREAM).await;
    let mut plan = Plan::new(Protocol::H2c)
        .with(STABLE, &[server.address])
        .split(0.0);
    plan.config.workers = 1;
    let setup = plan.start();
    let mut client = setup.client().await;
    for _ in 0..20 {
        // Refused means not processed: a new connection takes it, and nobody is charged.
        assert_eq!(client.get("/").await.status(), StatusCode::OK);
    }
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 20)
        .await;
    assert_eq!(counters.errors(), 0);
    eventually("connections beyond the few that are kept end", || {
        open.load(SeqCst) <= 4
    })
    .await;
}
