//! Plain TCP services, split by connection.

use crate::support::{CANARY, Plan, STABLE, Server, dead_address, raw, read_all};
use sluice_model::workload::Protocol;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Says its name, then all that came once the client has closed its side.
async fn named(name: &'static str) -> Server {
    Server::raw(move |mut stream| async move {
        stream.write_all(name.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(&all).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn connections_are_split_by_the_weights_and_counted() {
    let (stable, canary) = (named("stable ").await, named("canary ").await);
    let setup = Plan::new(Protocol::Tcp)
        .with(STABLE, &[stable.address])
        .with(CANARY, &[canary.address])
        .split(30.0)
        .start();
    let mut of_canary = 0;
    for _ in 0..200 {
        let mut stream = TcpStream::connect(setup.address).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(answer.ends_with(" hello"), "{answer}");
        of_canary += u64::from(answer.starts_with("canary"));
    }
    assert!((28..=92).contains(&of_canary), "{of_canary}");
    let counters = setup
        .counted(CANARY, |counters| counters.requests == of_canary)
        .await;
    assert_eq!(counters.classes, [0, of_canary, 0, 0, 0]);
    assert_eq!(
        (counters.bytes_in, counters.bytes_out),
        (5 * of_canary, 12 * of_canary)
    );
    setup
        .counted(STABLE, |counters| counters.requests == 200 - of_canary)
        .await;
}

#[tokio::test]
async fn another_replica_takes_a_connection_that_one_refuses() {
    let stable = named("stable ").await;
    let setup = Plan::new(Protocol::Tcp)
        .with(STABLE, &[stable.address])
        .with(CANARY, &[dead_address()])
        .split(49.0)
        .start();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(setup.address).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(read_all(&mut stream).await, "stable ");
    }
    setup
        .counted(STABLE, |counters| counters.requests == 20)
        .await;
    let canary = setup
        .counted(CANARY, |counters| counters.requests > 0)
        .await;
    assert_eq!(
        (canary.errors(), canary.connect_failures),
        (canary.requests, canary.requests)
    );
}

#[tokio::test]
async fn with_nothing_ready_a_connection_is_closed_and_the_proxy_counts_it() {
    let setup = Plan::new(Protocol::Tcp).start();
    assert_eq!(raw(setup.address, "hello").await, "");
    assert_eq!(setup.proxy.proxy_failures(&setup.service), 1);
}

#[tokio::test]
async fn the_side_that_breaks_is_the_side_that_is_charged() {
    let breaking = Server::raw(|mut stream| async move {
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
        // Closing with unread bytes resets the connection.
    })
    .await;
    let setup = Plan::new(Protocol::Tcp)
        .with(STABLE, &[breaking.address])
        .split(0.0)
        .start();
    raw(setup.address, vec![b'x'; 1_000]).await;
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 1)
        .await;
    assert_eq!((counters.errors(), counters.client_aborts), (1, 0));

    let silent = Server::raw(|mut stream| async move {
        let _ = stream.read_u8().await;
        let _ = stream.write_all(&vec![b'x'; 1_000_000]).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
    })
    .await;
    let setup = Plan::new(Protocol::Tcp)
        .with(STABLE, &[silent.address])
        .split(0.0)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.readable().await.unwrap();
    drop(stream);
    let counters = setup
        .counted(STABLE, |counters| counters.client_aborts == 1)
        .await;
    assert_eq!((counters.errors(), counters.in_flight), (0, 0));
}

#[tokio::test]
async fn a_replica_that_resets_after_the_client_is_done_is_not_charged() {
    let resetting = Server::raw(|mut stream| async move {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    })
    .await;
    let setup = Plan::new(Protocol::Tcp)
        .with(STABLE, &[resetting.address])
        .split(0.0)
        .start();
    let mut stream = TcpStream::connect(setup.address).await.unwrap();
    stream.write_all(b"bye").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 1)
        .await;
    assert_eq!(counters.classes, [0, 1, 0, 0, 0]);
    assert_eq!((counters.connect_failures, counters.client_aborts), (0, 0));
}
