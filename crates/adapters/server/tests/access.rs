//! Who gets in: tokens on TCP, bounds on connections, and clients that are no clients.

mod fake;

use fake::{Fake, healthy, named};
use sluice_model::command::CommandKind;
use sluice_server::client::Timeouts;
use sluice_server::serve::Limits;
use sluice_server::{BindError, Client, ClientError, ErrorCode, ServerOptions, Token, bind};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest wait for anything in here; far above what it takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    fake: Arc<Fake>,
    tcp: SocketAddr,
    token: Token,
    _stop: oneshot::Sender<()>,
    _server: JoinHandle<()>,
}

async fn start(state_dir: &Path, limits: Limits) -> Running {
    let (fake, _) = Fake::new([healthy("checkout")]);
    let options = ServerOptions {
        state_dir: state_dir.to_path_buf(),
        tcp: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        take_over: false,
        limits,
    };
    let bound = bind(&options).await.expect("bind");
    let tcp = bound.tcp_address().expect("a TCP address");
    let token = Token::load(state_dir)
        .expect("load")
        .expect("bind has made a token");
    let (stop, stopped) = oneshot::channel::<()>();
    let backend = Arc::clone(&fake);
    let server = tokio::spawn(async move {
        bound.serve(backend, async { drop(stopped.await) }).await;
    });
    Running {
        fake,
        tcp,
        token,
        _stop: stop,
        _server: server,
    }
}

#[tokio::test]
async fn tcp_takes_the_token_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = start(folder.path(), Limits::default()).await;
    let address = running.tcp.to_string();

    let client = Client::remote(&address, running.token.clone());
    assert_eq!(
        client.services().await.expect("services"),
        [healthy("checkout")]
    );
    client
        .command(&named("checkout"), &CommandKind::Resume)
        .await
        .expect("command");
    assert_eq!(
        running.fake.world().asked,
        [("checkout Resume".into(), "api-token".into())]
    );

    let wrong = Token::parse(&"0".repeat(64), "test").expect("token");
    let error = Client::remote(&address, wrong)
        .services()
        .await
        .expect_err("401");
    match error {
        ClientError::Api(error) => {
            assert_eq!(error.code, ErrorCode::Unauthorized);
            assert!(error.help.expect("help").contains("api.token"));
        }
        other => panic!("{other}"),
    }
    let answer = raw(
        running.tcp,
        "GET /v1/services HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("Authorization: Bearer"), "{answer}");
    let answer = raw(
        running.tcp,
        "POST /v1/services/checkout/commands HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-length: 17\r\n\r\n{\"type\":\"resume\"}",
    );
    assert!(answer.await.starts_with("HTTP/1.1 401 "));
    assert_eq!(
        running.fake.world().asked.len(),
        1,
        "nothing without a token reached the daemon"
    );
}

#[tokio::test]
async fn strange_requests_get_errors_that_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = start(folder.path(), Limits::default()).await;
    let head = format!(
        "host: x\r\nconnection: close\r\nauthorization: {}\r\n",
        running.token.bearer()
    );
    let body = "content-length: 3\r\n\r\n{a}";
    for (request, status, said) in [
        (
            format!("GET /v1/nothing HTTP/1.1\r\n{head}\r\n"),
            404,
            "nothing at /v1/nothing",
        ),
        (format!("GET / HTTP/1.1\r\n{head}\r\n"), 404, "under /v1"),
        (
            format!("DELETE /v1/services HTTP/1.1\r\n{head}\r\n"),
            405,
            "does not take DELETE",
        ),
        (
            format!("POST /v1/deploy HTTP/1.1\r\n{head}{body}"),
            400,
            "not understood",
        ),
        (
            format!("GET /v1/audit?limit=many HTTP/1.1\r\n{head}\r\n"),
            400,
            "not understood",
        ),
        (
            format!("GET /v1/services/UPPER HTTP/1.1\r\n{head}\r\n"),
            404,
            "no service `UPPER`",
        ),
        (
            format!("GET /v1/services/..%2f HTTP/1.1\r\n{head}\r\n"),
            404,
            "no service",
        ),
    ] {
        let answer = raw(running.tcp, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}\n{answer}"
        );
        assert!(answer.contains(said), "{request}\n{answer}");
        assert!(answer.contains("\"code\":"), "{request}\n{answer}");
    }
}

#[tokio::test]
async fn an_address_for_other_machines_needs_a_token_made_beforehand() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = ServerOptions::local(folder.path());
    options.tcp = Some(SocketAddr::from(([0, 0, 0, 0], 0)));
    let error = bind(&options).await.expect_err("no token yet");
    assert!(matches!(error, BindError::Exposed { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");

    Token::load_or_create(folder.path()).expect("token");
    bind(&options)
        .await
        .expect("with a token it is somebody's decision");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let mut options = ServerOptions::local(folder.path());
    options.tcp = Some(taken.local_addr().expect("address"));
    let error = bind(&options).await.expect_err("taken").to_string();
    assert!(error.contains("choose another address"), "{error}");
}

#[tokio::test]
async fn one_client_too_many_is_told_and_a_flood_on_tcp_leaves_the_socket_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits {
        connections_max: 4,
        ..Limits::default()
    };
    let running = start(folder.path(), limits).await;
    let remote = Client::remote(running.tcp.to_string(), running.token.clone());

    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(TcpStream::connect(running.tcp).await.expect("connect"));
    }
    let mut refused = None;
    for _ in 0..200 {
        if let Err(error) = remote.services().await {
            refused = Some(error);
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    match refused.expect("refused at last") {
        ClientError::Api(error) => assert_eq!(error.code, ErrorCode::Busy),
        other => panic!("{other}"),
    }
    Client::local(folder.path())
        .services()
        .await
        .expect("the owner gets in");
    drop(idle);
    for _ in 0..200 {
        if remote.services().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("places are given back when the flood is over");
}

#[tokio::test]
async fn a_client_that_says_nothing_or_only_half_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits {
        header_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let _running = start(folder.path(), limits).await;
    for start in [
        "",
        "GET /v1/info HTT",
        "GET /v1/info HTTP/1.1\r\nhost: x\r\n",
    ] {
        let mut stream = UnixStream::connect(folder.path().join("api.sock"))
            .await
            .expect("connect");
        stream.write_all(start.as_bytes()).await.expect("write");
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("cut off in time")
            .expect("closed");
    }
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits {
        connections_max: 1,
        write_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let running = start(folder.path(), limits).await;
    let mut deaf = UnixStream::connect(folder.path().join("api.sock"))
        .await
        .expect("connect");
    let request = b"GET /v1/watch HTTP/1.1\r\nhost: x\r\n\r\n";
    deaf.write_all(request).await.expect("write");
    let client = Client::local(folder.path());
    let mut was_full = false;
    for n in 0..400 {
        // More than the buffers between the two hold.
        running.fake.change("checkout", |view| {
            view.message = format!("{n} {}", "x".repeat(100_000))
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        match client.services().await {
            Err(_) => was_full = true,
            Ok(_) if was_full => return,
            Ok(_) => {}
        }
    }
    panic!("the place of the deaf watcher is not given back");
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits {
        work_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let running = start(folder.path(), limits).await;
    let request = format!(
        "POST /v1/deploy HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {}\r\n\
         content-length: 100\r\n\r\n{{",
        running.token.bearer()
    );
    let answer = raw(running.tcp, &request);
    assert!(answer.await.starts_with("HTTP/1.1 504 "));
}

#[tokio::test]
async fn a_server_that_never_answers_and_one_that_is_none_are_errors() {
    let short = Timeouts {
        connect: Duration::from_secs(2),
        answer: Duration::from_millis(100),
        work: Duration::from_millis(100),
        silence: Duration::from_millis(100),
    };
    let token = Token::parse(&"0".repeat(64), "test").expect("token");
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let address = mute.local_addr().expect("address");
    let client = Client::remote(address.to_string(), token.clone()).with_timeouts(short);
    let error = client.info().await.expect_err("mute");
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");

    let task = tokio::spawn(async move {
        let (mut stream, _) = mute.accept().await.expect("the one from before");
        stream.shutdown().await.expect("shutdown");
        let (mut stream, _) = mute.accept().await.expect("accept");
        let mut request = [0_u8; 16];
        stream.read_exact(&mut request).await.expect("a request");
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).await.expect("write");
        stream.flush().await.expect("flush");
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
    });
    let client = Client::remote(address.to_string(), token.clone());
    let error = client.info().await.expect_err("not Sluice");
    assert!(matches!(error, ClientError::Unreadable { .. }), "{error}");
    drop(client);
    task.await.expect("the fake web server");

    let error = Client::remote(address.to_string(), token)
        .info()
        .await
        .expect_err("gone");
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
}

/// Sends bytes and reads all that comes back.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("an answer in time")
        .expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}
