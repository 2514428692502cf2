//! A small HTTP server with bad habits, and a small supervisor: the processes that this crate's
//! tests start. `serve` listens on `$PORT`; `supervise` keeps replicas until it is killed.
//!
//! `serve` takes `--ignore-term`, `--h2c`, `--child` (a child that ignores SIGTERM, in the group),
//! `--daemon` (one that left the group), both written to `--pids FILE`, `--unready-while FILE`,
//! `--dead-while FILE` and `--chatter` (numbered lines without end).

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sluice_local::{LocalConfig, LocalPlatform, Routing};
use sluice_model::{ReplicaId, Revision, RevisionNumber, ServiceName};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A test that died does not leave its servers behind for longer than this.
const LIFE_MAX: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let work = async {
        match words.split_first() {
            Some((&"serve", options)) => serve(options).await,
            Some((&"supervise", options)) => supervise(options).await,
            Some((&"linger", _)) => linger().await,
            _ => Err("usage: serve | supervise | linger".into()),
        }
    };
    tokio::time::timeout(LIFE_MAX, work).await?
}

/// Ignores SIGTERM and stays.
async fn linger() -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        terminate.recv().await;
    }
}

async fn serve(options: &[&str]) -> Result<(), Box<dyn Error>> {
    let has = |option: &str| options.contains(&option);
    let value = |option: &str| {
        let at = options.iter().position(|word| *word == option)?;
        options.get(at + 1).map(|word| (*word).to_owned())
    };
    let mut terminate = signal(SignalKind::terminate())?;
    for (option, leaves) in [("--child", false), ("--daemon", true)] {
        if has(option) {
            let mut child = Command::new(std::env::current_exe()?);
            child.arg("linger").stdin(Stdio::null());
            // One can only be found by its group, the other only by its marks.
            if leaves {
                child.process_group(0);
            } else {
                child.env_clear();
            }
            let child = child.spawn()?;
            let file = value("--pids").ok_or("--pids FILE is missing")?;
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(file)?;
            writeln!(file, "{}", child.id())?;
        }
    }
    if has("--chatter") {
        std::thread::spawn(chatter);
    }
    let port: u16 = std::env::var("PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let files = Arc::new((value("--unready-while"), value("--dead-while")));
    let (h2c, ignores) = (has("--h2c"), has("--ignore-term"));
    loop {
        let stream = tokio::select! {
            _ = terminate.recv() => {
                if ignores { continue }
                return Ok(());
            }
            accepted = listener.accept() => TokioIo::new(accepted?.0),
        };
        let files = files.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let files = files.clone();
            async move { Ok::<_, Infallible>(answer(&request, &files)) }
        });
        tokio::spawn(async move {
            // A client that leaves early is its own business.
            let _ = if h2c {
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(stream, service)
                    .await
            } else {
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(stream, service)
                    .await
            };
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    (unready, dead): &(Option<String>, Option<String>),
) -> Response<Full<Bytes>> {
    let exists = |file: &Option<String>| file.as_ref().is_some_and(|file| Path::new(file).exists());
    let (status, body) = match request.uri().path() {
        "/ready" if exists(unready) => (503, "not yet".to_owned()),
        "/live" if exists(dead) => (500, "stuck".to_owned()),
        "/ready" | "/live" => (200, "ok".to_owned()),
        "/env" => {
            let mut env: Vec<String> = std::env::vars()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            env.sort();
            (200, env.join("\n"))
        }
        "/burn" => {
            let until = Instant::now() + Duration::from_millis(300);
            let mut work = 0_u64;
            while Instant::now() < until {
                work = std::hint::black_box(work.wrapping_add(1));
            }
            (200, work.to_string())
        }
        _ => (404, "nothing here".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
}

fn chatter() {
    let mut out = std::io::stdout();
    for number in 0_u64.. {
        if writeln!(
            out,
            "line {number:09} ----------------------------------------"
        )
        .is_err()
        {
            return;
        }
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Nobody routes.
struct Nowhere;

impl Routing for Nowhere {
    fn set_endpoints(&self, _: &ServiceName, _: RevisionNumber, _: Vec<(ReplicaId, SocketAddr)>) {}
    fn in_flight(&self, _: &ReplicaId) -> u64 {
        0
    }
}

/// `supervise STATE_DIR STATE_ID REVISION.json COUNT`: says `up` when all replicas are ready.
async fn supervise(words: &[&str]) -> Result<(), Box<dyn Error>> {
    let [state_dir, state_id, revision, count] = words else {
        return Err("usage: supervise STATE_DIR STATE_ID REVISION.json COUNT".into());
    };
    let revision: Revision = serde_json::from_slice(&std::fs::read(revision)?)?;
    let service = revision.service.clone();
    let count: u32 = count.parse()?;
    let config = LocalConfig::new(*state_dir, *state_id);
    let (platform, _) = LocalPlatform::open(config, Arc::new(Nowhere)).await?;
    let number = revision.number;
    platform.apply(
        &service,
        BTreeMap::from([(number, (count, Arc::new(revision)))]),
    );
    let mut changes = platform.subscribe();
    while platform
        .observe(&service, Duration::ZERO)
        .get(&number)
        .is_none_or(|side| side.ready < count)
    {
        changes.changed().await?;
    }
    writeln!(std::io::stdout(), "up")?;
    std::future::pending().await
}
