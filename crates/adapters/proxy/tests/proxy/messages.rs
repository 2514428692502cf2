//! What of a message arrives, and how: fields, lengths, bodies.

use crate::support::{CANARY, Plan, STABLE, Server, full, raw, read_head};
use hyper::{Response, StatusCode};
use tokio::io::AsyncWriteExt;

/// Answers with the request's head as text: lines of `name: value`, sorted.
async fn mirror_of_heads() -> Server {
    Server::http(|request| async move {
        let mut lines: Vec<String> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        let text = format!(
            "{} {}\n{}\n",
            request.method(),
            request.uri(),
            lines.join("\n")
        );
        let mut answer = Response::new(full(text));
        for (name, value) in [
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("x-end", "1"),
        ] {
            answer.headers_mut().append(name, value.parse().unwrap());
        }
        answer
    })
    .await
}

#[tokio::test]
async fn fields_of_the_connection_stop_here_and_all_others_pass() {
    let server = mirror_of_heads().await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let answer = setup
        .raw(
            "GET /a/b?c=d HTTP/1.1\r\nHost: shop.test\r\nConnection: close, X-Hop, Te\r\nX-Hop: 1\r\n\
             Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABk\r\nX-End: 1\r\nX-End: 2\r\nCookie: a=1\r\n\
             traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
             X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Host: evil.test\r\n\r\n",
        )
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        "GET /a/b?c=d\ncookie: a=1\nhost: shop.test\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nx-end: 1\nx-end: 2\n\
         x-forwarded-for: 203.0.113.9, 127.0.0.1\nx-forwarded-host: shop.test\nx-forwarded-proto: http\n"
    );
    assert!(head.contains("\r\nx-end: 1"), "{head}");
    assert!(head.contains("\r\nconnection: close"), "{head}");
    for gone in ["x-hop", "keep-alive", "proxy-connection"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_what_it_forwarded_stays() {
    let server = mirror_of_heads().await;
    let mut plan = Plan::http().with(STABLE, &[server.address]).split(0.0);
    plan.config.trust_forwarded = true;
    let setup = plan.start();
    let answer = setup
        .raw(
            "GET / HTTP/1.1\r\nHost: in.test\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-Host: out.test\r\n\r\n",
        )
        .await;
    assert!(answer.contains("x-forwarded-proto: https\n"), "{answer}");
    assert!(answer.contains("x-forwarded-host: out.test\n"), "{answer}");
    assert!(answer.contains("x-forwarded-for: 127.0.0.1\n"), "{answer}");
}

#[tokio::test]
async fn targets_in_every_form_reach_the_replica_in_origin_form() {
    let server = mirror_of_heads().await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    for (line, host, expected, expected_host) in [
        ("GET /", "a.test", "GET /\n", "a.test"),
        (
            "GET http://b.test:81/x?y",
            "a.test",
            "GET /x?y\n",
            "b.test:81",
        ),
        ("GET HTTP://b.test", "a.test", "GET /\n", "b.test"),
        ("GET http://b.test?q", "a.test", "GET /?q\n", "b.test"),
        ("OPTIONS *", "a.test", "OPTIONS *\n", "a.test"),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = setup.raw(request).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.starts_with(expected), "{line}: {body}");
        assert!(
            body.contains(&format!("\nhost: {expected_host}\n")),
            "{line}: {body}"
        );
    }
}

#[tokio::test]
async fn an_old_client_gets_the_end_of_the_connection_as_the_end_of_the_body() {
    let server = Server::scripted(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let answer = setup.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nabcde"), "{answer}");
    assert!(
        !answer.to_lowercase().contains("transfer-encoding"),
        "{answer}"
    );
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn an_old_server_that_ends_bodies_by_closing_is_understood() {
    for (answer, expected) in [
        (
            &b"HTTP/1.0 200 OK\r\n\r\nhello"[..],
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "hello",
        ),
        (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello"),
    ] {
        let server = Server::scripted(answer).await;
        let setup = Plan::http()
            .with(STABLE, &[server.address])
            .split(0.0)
            .start();
        let got = setup
            .raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        assert!(got.ends_with(&format!("\r\n\r\n{expected}")), "{got}");
        setup
            .counted(STABLE, |counters| counters.classes == [0, 1, 0, 0, 0])
            .await;
    }
}

#[tokio::test]
async fn answers_without_body_have_none() {
    for (request, answer, expected) in [
        (
            "HEAD",
            &b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"[..],
            "content-length: 500",
        ),
        (
            "GET",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
            "content-length: 500",
        ),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204"),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "content-length: 0",
        ),
    ] {
        let server = Server::scripted(answer).await;
        let setup = Plan::http()
            .with(STABLE, &[server.address])
            .split(0.0)
            .start();
        let got = setup
            .raw(format!(
                "{request} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            got.contains(expected) && got.ends_with("\r\n\r\n"),
            "{request}: {got}"
        );
        assert!(!got.contains("transfer-encoding"), "{request}: {got}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = mirror_of_heads().await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let requests: String = (0..20)
        .map(|number| {
            let close = if number == 19 {
                "Connection: close\r\n"
            } else {
                ""
            };
            format!("GET /{number} HTTP/1.1\r\nHost: a\r\n{close}\r\n")
        })
        .collect();
    let answers = setup.raw(requests).await;
    let mut rest = answers.as_str();
    for number in 0..20 {
        let at = rest
            .find(&format!("GET /{number}\n"))
            .unwrap_or_else(|| panic!("{number} in {rest}"));
        rest = &rest[at..];
    }
}

#[tokio::test]
async fn interim_answers_of_replicas_are_not_mistaken_for_the_final_one() {
    let server = Server::scripted(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
          HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let answer = setup
        .raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok"),
        "{answer}"
    );
}

#[tokio::test]
async fn classes_and_broken_answers_are_counted_where_they_happened() {
    for (answer, classes, broken) in [
        (
            &b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..],
            [0, 0, 0, 1, 0],
            0,
        ),
        (
            b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
            [0, 0, 1, 0, 0],
            0,
        ),
        (
            b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
            [0, 0, 0, 0, 1],
            0,
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            [0, 0, 0, 0, 1],
            1,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            [0, 0, 0, 0, 1],
            1,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            [0, 0, 0, 0, 1],
            1,
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", [0, 0, 0, 0, 1], 1),
        (b"HTTP/1.1 200 OK\r\nContent-Le", [0, 0, 0, 0, 1], 1),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            [0, 0, 0, 0, 1],
            1,
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            [0, 0, 0, 0, 1],
            1,
        ),
    ] {
        let server = Server::scripted(answer).await;
        let setup = Plan::http()
            .with(CANARY, &[server.address])
            .split(100.0)
            .start();
        let got = setup
            .raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        assert!(
            !got.ends_with("0\r\n\r\n") || broken == 0,
            "a broken answer looks whole: {got}"
        );
        let counters = setup
            .counted(CANARY, |counters| counters.requests > 0)
            .await;
        let text = String::from_utf8_lossy(answer);
        assert_eq!(
            (counters.classes, counters.connect_failures),
            (classes, broken),
            "{text}"
        );
    }
}

#[tokio::test]
async fn bytes_behind_an_answer_never_reach_the_next_client() {
    let server = Server::raw(|mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut client = setup.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body(), "ok");
    }
    assert_eq!(
        server.connections(),
        10,
        "a connection with bytes left over was used again"
    );
}

#[tokio::test]
async fn connections_to_replicas_are_used_again() {
    let server = Server::saying("hi").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut client = setup.client().await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.status(), StatusCode::OK);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn cookies_and_hosts_of_raw_requests_arrive_once() {
    let server = mirror_of_heads().await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let answer = raw(
        setup.address,
        "\r\nGET / HTTP/1.1\r\nHOST:shop.test\r\ncookie: a=1\r\nCookie: b=2\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.contains("\ncookie: a=1; b=2\n"), "{answer}");
    assert!(answer.contains("\nhost: shop.test\n"), "{answer}");
}
