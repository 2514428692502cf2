//! Effects to run, looks at processes, and a small HTTP server that notes what it is sent.

use sluice_hooks::HookRunner;
use sluice_model::plan::HookAction;
use sluice_model::{Effect, EffectAction, EffectId, EffectOutcome};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

/// Far longer than any wait here takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn runner() -> HookRunner {
    HookRunner::new("/test/state", Handle::current())
}

pub(crate) fn effect(id: &str, action: HookAction) -> Effect {
    Effect {
        id: EffectId(id.to_owned()),
        action: EffectAction::Hook {
            name: "smoke".to_owned(),
            action,
            facts: BTreeMap::from([
                ("service".to_owned(), "shop".to_owned()),
                ("stepName".to_owned(), "5 %".to_owned()),
            ]),
        },
        timeout: PATIENCE,
    }
}

pub(crate) fn command(arguments: &[&str]) -> HookAction {
    HookAction::Command {
        command: arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect(),
        env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
    }
}

/// A command hook that runs this script.
pub(crate) fn script(text: &str) -> HookAction {
    command(&["/bin/sh", "-c", text])
}

pub(crate) fn webhook(url: &str) -> HookAction {
    HookAction::Webhook {
        url: url.to_owned(),
        headers: BTreeMap::from([("Authorization".to_owned(), "Bearer s3cret".to_owned())]),
    }
}

/// Runs a hook to its end under a fresh id.
pub(crate) async fn run(action: HookAction) -> EffectOutcome {
    runner().run(&effect("shop/7/before/0/1", action)).await
}

/// The message of a hook that has to fail.
pub(crate) fn failure(outcome: EffectOutcome) -> String {
    match outcome {
        EffectOutcome::Failed { message } => message,
        other => panic!("the hook should have failed: {other:?}"),
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The process ids in a file, one a line.
pub(crate) fn pids(file: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .map(|line| line.trim().parse().unwrap())
        .collect()
}

/// Whether a process exists and has not ended (one that ended may wait to be reaped).
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// An HTTP server that answers every request with the same bytes and keeps what it was sent.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers with `response`, then closes; with an empty one, it never answers.
    pub(crate) async fn answering(response: impl Into<Vec<u8>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server {
            address,
            requests: Arc::default(),
        };
        let (noted, response) = (server.clone(), response.into());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, response) = (noted.clone(), response.clone());
                tokio::spawn(async move { noted.serve(stream, &response).await });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Serves one connection.
    pub(crate) async fn serve(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        response: &[u8],
    ) {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !is_complete(&request) {
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        }
        self.requests
            .lock()
            .unwrap()
            .push(String::from_utf8(request).unwrap());
        if response.is_empty() {
            // Until the client gives up.
            while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
            return;
        }
        // The client may leave before it has read a large answer.
        let _sent = stream.write_all(response).await;
        let _closed = stream.shutdown().await;
    }

    pub(crate) fn at(address: SocketAddr) -> Server {
        Server {
            address,
            requests: Arc::default(),
        }
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
