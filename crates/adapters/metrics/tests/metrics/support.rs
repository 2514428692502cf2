//! A small HTTP server that notes what it is sent, and builders.

use sluice_metrics::{Answer, FetchError, Query, Secrets, Server, Source, Window};
use sluice_model::Timestamp;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// Far longer than any wait here takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// 2026-11-21T15:06:07.089Z.
pub(crate) const NOW: Timestamp = Timestamp(1_795_273_567_089);

/// The five minutes up to [`NOW`].
pub(crate) fn window() -> Window {
    Window::ending(NOW, Duration::from_secs(300))
}

/// At the end of an answer: what follows never comes.
pub(crate) const HANG: &str = "<hang>";

/// A request as the server got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    /// Method and target, as in `GET /path?a=b`.
    pub(crate) line: String,
    /// Headers, each as `name: value`, the name in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.headers
            .iter()
            .find_map(|line| line.strip_prefix(start.as_str()))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A server that answers one request after the other with what it was given, the last for ever.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    answers: Vec<Vec<u8>>,
    got: Vec<Got>,
}

impl Fake {
    pub(crate) async fn answering<A: Into<Vec<u8>>>(answers: impl IntoIterator<Item = A>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Fake::at(listener.local_addr().unwrap(), answers);
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        fake
    }

    /// The state of a server whose connections are accepted elsewhere.
    pub(crate) fn at<A: Into<Vec<u8>>>(
        address: SocketAddr,
        answers: impl IntoIterator<Item = A>,
    ) -> Fake {
        Fake {
            address,
            state: Arc::new(Mutex::new(State {
                answers: answers.into_iter().map(Into::into).collect(),
                got: Vec::new(),
            })),
        }
    }

    /// What it was sent so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    /// The one request that it was sent.
    pub(crate) fn only(&self) -> Got {
        let got = self.got();
        assert_eq!(got.len(), 1, "{got:?}");
        got[0].clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A server's settings that lead here.
    pub(crate) fn server(&self) -> Server {
        let mut server = Server::at(self.url(""));
        server.timeout = PATIENCE;
        server
    }

    /// Serves one connection.
    pub(crate) async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        let got = loop {
            if let Some(got) = parse(&bytes) {
                break got;
            }
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        };
        let answer = {
            let mut state = self.state.lock().unwrap();
            let index = state.got.len().min(state.answers.len() - 1);
            state.got.push(got);
            state.answers[index].clone()
        };
        let sent = answer.strip_suffix(HANG.as_bytes()).unwrap_or(&answer);
        // The client may leave before it has read a large answer.
        let _sent = stream.write_all(sent).await;
        if sent.len() < answer.len() {
            // Until the client gives up.
            while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
        }
        let _closed = stream.shutdown().await;
    }
}

fn parse(bytes: &[u8]) -> Option<Got> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<String> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            format!("{}: {value}", name.to_ascii_lowercase())
        })
        .collect();
    let length = headers
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    (body.len() >= length).then(|| Got {
        line,
        headers,
        body: body.to_owned(),
    })
}

/// An answer with this status line and body.
pub(crate) fn reply(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A good answer with this body.
pub(crate) fn ok(body: &str) -> String {
    reply("200 OK", body)
}

/// Asks a server without secrets.
pub(crate) async fn fetch(server: &Server, query: &Query) -> Result<Answer, FetchError> {
    let source = Source::new("prod", server, &Secrets::none())?;
    source.fetch(query, window()).await
}

/// Asks a server that answers this to every request.
pub(crate) async fn fetch_from(
    answer: impl Into<Vec<u8>>,
    query: &Query,
) -> (Fake, Result<Answer, FetchError>) {
    let fake = Fake::answering([answer]).await;
    let answered = fetch(&fake.server(), query).await;
    (fake, answered)
}
