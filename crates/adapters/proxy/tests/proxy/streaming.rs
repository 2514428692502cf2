//! Bodies in both directions: whole, as they come, and at the pace of the slower side.

use crate::support::{Plan, STABLE, Server, full, read_all, read_head, status};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use hyper::{Request, Response};
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Sends a body of chunks back as it comes.
async fn echo() -> Server {
    Server::http(|request| async move {
        Response::new(
            request
                .into_body()
                .map_err(|_| unreachable!())
                .boxed_unsync(),
        )
    })
    .await
}

#[tokio::test]
async fn bodies_of_every_size_and_framing_come_back_whole() {
    let server = echo().await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut client = setup.client().await;
    let mut sum = 0;
    for size in [0, 1, 100, 2_048, 2_049, 32_768, 65_536, 1_000_000] {
        let data: Vec<u8> = (0..size).map(|index| b'a' + (index % 26) as u8).collect();
        let known = Request::post("/").body(full(data.clone())).unwrap();
        let answer = client.send(known).await;
        assert_eq!(
            answer.body().as_bytes(),
            &data[..],
            "{size} bytes of known length"
        );
        let pieces: Vec<_> = data
            .chunks(7_777)
            .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        let stream = Pieces(pieces.into()).boxed_unsync();
        let answer = client.send(Request::post("/").body(stream).unwrap()).await;
        assert_eq!(
            answer.body().as_bytes(),
            &data[..],
            "{size} bytes in chunks"
        );
        sum += 2 * size as u64;
    }
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 16)
        .await;
    assert_eq!((counters.bytes_in, counters.bytes_out), (sum, sum));
}

/// A body of unknown length.
struct Pieces(std::collections::VecDeque<Result<Frame<Bytes>, Infallible>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

#[tokio::test]
async fn an_answer_streams_as_it_is_made() {
    let (sender, receiver) = mpsc::channel::<&'static str>(1);
    let receiver = std::sync::Arc::new(tokio::sync::Mutex::new(receiver));
    let server = Server::raw(move |mut stream| {
        let receiver = std::sync::Arc::clone(&receiver);
        async move {
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            while let Some(text) = receiver.lock().await.recv().await {
                let chunk = format!("{:x}\r\n{text}\r\n", text.len());
                stream.write_all(chunk.as_bytes()).await.unwrap();
            }
            stream.write_all(b"0\r\nX-Sum: 6\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut client = setup.client().await;
    let request = Request::get("/").body(full("")).unwrap();
    let mut body = client.stream(request).await.unwrap().into_body();
    for text in ["one", "two"] {
        sender.send(text).await.unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(
            frame.into_data().unwrap(),
            text,
            "before the answer is complete"
        );
        assert_eq!(setup.counters(STABLE).in_flight, 1);
    }
    drop(sender);
    let trailers = body
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_trailers()
        .unwrap();
    assert_eq!(trailers["x-sum"], "6");
    setup
        .counted(STABLE, |counters| {
            counters.requests == 1 && counters.in_flight == 0
        })
        .await;
}

#[tokio::test]
async fn a_slow_reader_sets_the_pace_of_the_replica() {
    let written = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&written);
    let server = Server::raw(move |mut stream| {
        let count = std::sync::Arc::clone(&count);
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let block = vec![b'x'; 64 * 1_024];
            while count.load(std::sync::atomic::Ordering::SeqCst) < 256 * 1024 * 1024 {
                if stream.write_all(&block).await.is_err() {
                    return;
                }
                count.fetch_add(block.len(), std::sync::atomic::Ordering::SeqCst);
            }
        }
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    stream.readable().await.unwrap();
    let now = || written.load(std::sync::atomic::Ordering::SeqCst);
    // It comes to rest: kernel buffers and one buffer of the proxy are full.
    let mut before = usize::MAX;
    while before != now() {
        before = now();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < 64 * 1024 * 1024, "{before} bytes went somewhere");
    drop(stream);
    setup
        .counted(STABLE, |counters| {
            counters.client_aborts == 1 && counters.in_flight == 0
        })
        .await;
}

#[tokio::test]
async fn expected_continues_are_answered_before_the_body_comes() {
    let server = echo().await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\
                Connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = vec![0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(
        status(&answer) == 200 && answer.ends_with("hello"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let server = Server::scripted(
        b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
    )
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 1_000]).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(
        status(&answer) == 413 && answer.ends_with("big"),
        "{answer}"
    );
    setup
        .counted(STABLE, |counters| counters.classes == [0, 0, 0, 1, 0])
        .await;
}

#[tokio::test]
async fn a_client_that_leaves_is_no_failure_of_the_replica() {
    let server = Server::http(|_| async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        Response::new(full("late"))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    setup
        .counted(STABLE, |counters| counters.in_flight == 1)
        .await;
    drop(stream);
    let counters = setup
        .counted(STABLE, |counters| counters.client_aborts == 1)
        .await;
    assert_eq!((counters.requests, counters.in_flight), (0, 0));
}
