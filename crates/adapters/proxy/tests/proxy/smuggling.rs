//! Requests that two implementations could read in two ways (RFC 9112 §11.2), on raw sockets. Each is
//! refused, or reaches the replica in one form that can be read in one way only.

use crate::support::{Plan, STABLE, Server, Setup, read_head, status};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A replica that writes down every byte, and the proxy before it.
async fn recording() -> (Server, Setup, Arc<Mutex<Vec<u8>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::raw(move |mut stream| {
        let log = Arc::clone(&log);
        async move {
            while let Some(bytes) = read_head(&mut stream).await {
                log.lock().unwrap().extend_from_slice(&bytes);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let is_chunked = text.contains("transfer-encoding: chunked");
                let mut body = bytes[text.find("\r\n\r\n").unwrap() + 4..].to_vec();
                let length = text.split("content-length: ").nth(1).map_or(0, |rest| {
                    rest.split("\r\n").next().unwrap().parse().unwrap()
                });
                while (is_chunked && !body.ends_with(b"0\r\n\r\n")) || body.len() < length {
                    let mut buffer = [0; 1_024];
                    let Ok(count @ 1..) = stream.read(&mut buffer).await else {
                        return;
                    };
                    log.lock().unwrap().extend_from_slice(&buffer[..count]);
                    body.extend_from_slice(&buffer[..count]);
                }
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    (server, setup, seen)
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";

#[tokio::test]
async fn ambiguous_requests_are_refused_and_nothing_behind_them_is_read() {
    let (_server, setup, seen) = recording().await;
    let te = "Transfer-Encoding: chunked";
    for (name, head, expected) in [
        // CVE-2026-2835 and its kind: two lengths.
        (
            "CL and TE",
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n{te}\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            "TE and CL",
            format!("POST / HTTP/1.1\r\nHost: a\r\n{te}\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            "CL 0 and TE",
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{te}\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            "differing CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"
                .into(),
            400,
        ),
        (
            "list of CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd".into(),
            400,
        ),
        (
            "signed CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd".into(),
            400,
        ),
        (
            "negative CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".into(),
            400,
        ),
        (
            "hex CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd".into(),
            400,
        ),
        (
            "huge CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n".into(),
            400,
        ),
        (
            "empty CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n".into(),
            400,
        ),
        (
            "unknown TE",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        (
            "TE not ending in chunked",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n".into(),
            400,
        ),
        (
            "TE list",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
                .into(),
            400,
        ),
        (
            "two TE",
            format!("POST / HTTP/1.1\r\nHost: a\r\n{te}\r\n{te}\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            "TE identity",
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\n{te}\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
            ),
            400,
        ),
        (
            "vertical tab in TE",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n".into(),
            400,
        ),
        (
            "space before colon",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        (
            "TE in HTTP/1.0",
            format!("POST / HTTP/1.0\r\nHost: a\r\n{te}\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            "folded line",
            "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n".into(),
            400,
        ),
        (
            "folded TE",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        (
            "space before first name",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n".into(),
            400,
        ),
        (
            "NUL in value",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".into(),
            400,
        ),
        (
            "CR in value",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n".into(),
            400,
        ),
        (
            "NUL in name",
            "GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n".into(),
            400,
        ),
        (
            "bare LF in head",
            "GET / HTTP/1.1\nHost: a\r\n\r\n".into(),
            400,
        ),
        (
            "bare LF at end",
            "GET / HTTP/1.1\r\nHost: a\r\n\n".into(),
            400,
        ),
        (
            "CR CR LF",
            "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n".into(),
            400,
        ),
        ("no host", "GET / HTTP/1.1\r\n\r\n".into(), 400),
        (
            "two hosts",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(),
            400,
        ),
        (
            "host with path",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into(),
            400,
        ),
        (
            "host with user",
            "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n".into(),
            400,
        ),
        (
            "host list",
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".into(),
            400,
        ),
        (
            "user in target",
            "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n".into(),
            400,
        ),
        (
            "no authority in target",
            "GET http:///x HTTP/1.1\r\nHost: b\r\n\r\n".into(),
            400,
        ),
        (
            "relative target",
            "GET x HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            400,
        ),
        (
            "fragment",
            "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            400,
        ),
        ("asterisk", "GET * HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        (
            "space in target",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            505,
        ),
        (
            "tab for space",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            400,
        ),
        (
            "CONNECT",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n".into(),
            501,
        ),
        ("HTTP/0.9", "GET /\r\n\r\n".into(), 400),
        ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n".into(), 505),
        (
            "HTTP/2.0 line",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n".into(),
            505,
        ),
        (
            "broken method",
            "G@T / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            400,
        ),
    ] {
        let answer = setup.raw(format!("{head}{SMUGGLED}")).await;
        let got = status(&answer);
        assert!(
            got == expected || (got == 400 && expected == 505),
            "{name}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
        assert!(answer.contains("connection: close"), "{name}: {answer}");
    }
    assert_eq!(
        String::from_utf8_lossy(&seen.lock().unwrap()),
        "",
        "something went through"
    );
    assert_eq!(setup.counters(STABLE).requests, 0);
}

#[tokio::test]
async fn broken_chunks_end_the_connection_and_never_reach_the_replica_whole() {
    let (_server, setup, seen) = recording().await;
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5;\nGET /smuggled HTTP/1.1\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "0\r\nbad trailer line\r\n\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = setup.raw(format!("{head}{chunks}{SMUGGLED}")).await;
        assert_eq!(status(&answer), 400, "{chunks:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{chunks:?}: {answer}"
        );
    }
    let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    assert!(
        !seen.contains("smuggled") && !seen.contains("0\r\n\r\n"),
        "{seen}"
    );
    let counters = setup.counters(STABLE);
    assert_eq!(
        (counters.requests, counters.connect_failures),
        (0, 0),
        "the replica is not at fault"
    );
}

#[tokio::test]
async fn what_is_let_through_has_one_length_and_one_meaning() {
    let (_server, setup, seen) = recording().await;
    let requests = [
        // Twice the same length is one length.
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        // Chunks are written anew, without extensions; trailers are dropped.
        "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
         03;x=y\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
        // A length cannot be hidden by naming it in Connection.
        "POST /c HTTP/1.1\r\nHost: a\r\nConnection: Content-Length, Host\r\nContent-Length: 3\r\n\r\nabc",
        // Names are case-insensitive, underscores are their own.
        "POST /d HTTP/1.1\r\nHOST: a\r\ncONTENT-lENGTH: 3\r\nContent_Length: 9\r\n\r\nabc",
        "GET /e HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ];
    let answers = setup.raw(requests.concat()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 5, "{answers}");
    let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    let heads: Vec<&str> = seen.split_inclusive("\r\n\r\n").collect();
    for (path, framing) in [
        ("POST /a", "content-length: 3"),
        ("POST /b", "transfer-encoding: chunked"),
        ("POST /c", "content-length: 3"),
        ("POST /d", "content-length: 3"),
    ] {
        let head = heads.iter().find(|head| head.contains(path)).unwrap();
        let fields = head.to_lowercase();
        assert!(fields.contains(framing), "{head}");
        let lengths = fields.matches("content-length:").count()
            + fields.matches("transfer-encoding:").count();
        assert_eq!(lengths, 1, "{head}");
        assert!(fields.contains("host: a\r\n"), "{head}");
    }
    assert!(
        seen.contains("3\r\nabc\r\n0\r\n\r\n") && !seen.contains("x=y"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_request_of_http_1_0_without_length_has_no_body() {
    // CVE-2026-2835: such a request was read until the connection closed, and passed on as a body.
    let (_server, setup, seen) = recording().await;
    let answer = setup
        .raw(format!("POST /old HTTP/1.0\r\nHost: a\r\n\r\n{SMUGGLED}"))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.matches("HTTP/1.1 ").count() == 1,
        "{answer}"
    );
    let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    assert!(
        seen.starts_with("POST /old HTTP/1.1\r\n") && seen.contains("content-length: 0"),
        "{seen}"
    );
    assert!(!seen.contains("smuggled"), "{seen}");
}

#[tokio::test]
async fn the_body_of_a_request_that_was_answered_early_is_not_read_as_the_next_one() {
    // CVE-2025-4366: an answer without asking the replica left the body in the connection.
    let setup = Plan::http().start();
    for framing in [
        "Content-Length: 41\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 41\r\nExpect: 100-continue\r\n",
    ] {
        let answer = setup
            .raw(format!(
                "POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n{SMUGGLED}"
            ))
            .await;
        assert_eq!(status(&answer), 503, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{framing}: {answer}"
        );
    }
    assert_eq!(setup.proxy.proxy_failures(&setup.service), 3);
}

#[tokio::test]
async fn an_answer_that_a_replica_sent_unasked_never_reaches_the_next_client() {
    let evil_is_out = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&evil_is_out);
    let server = Server::raw(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            while let Some(head) = read_head(&mut stream).await {
                let answer: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                if !head.starts_with(b"HEAD") {
                    stream.write_all(b"good").await.unwrap();
                    continue;
                }
                // A body that nobody may send, when the connection is idle already.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                stream.write_all(answer).await.unwrap();
                stream.write_all(b"EVIL").await.unwrap();
                told.notify_one();
            }
        }
    })
    .await;
    let mut plan = Plan::http().with(STABLE, &[server.address]).split(0.0);
    plan.config.workers = 1;
    let setup = plan.start();
    let mut client = setup.client().await;
    let head = hyper::Request::head("/")
        .body(crate::support::full(""))
        .unwrap();
    assert_eq!(client.send(head).await.status(), 200);
    evil_is_out.notified().await;
    assert_eq!(client.get("/").await.body(), "good");
    assert_eq!(server.connections(), 2, "the connection was used again");
}
