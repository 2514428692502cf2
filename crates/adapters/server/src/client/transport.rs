//! One request over one connection, and streams of JSON lines.

use super::{Client, ClientError, Target};
use crate::error::ApiError;
use crate::socket;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Largest answer that is read: ten thousand log entries with their evidence.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest line of a stream.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The connection's own task; it ends with the answer.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and reads its whole answer.
pub(super) async fn exchange<T: DeserializeOwned>(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
    within: Duration,
) -> Result<T, ClientError> {
    let answered = async {
        let (response, _driver) = send(client, method, path, body).await?;
        let status = response.status();
        let bytes = collect(response.into_body()).await?;
        read_answer(client, status, &bytes)
    };
    timeout(within, answered)
        .await
        .unwrap_or(Err(ClientError::TimedOut {
            what: "answer",
            after: within,
        }))
}

/// Sends a request and leaves its answer open.
pub(super) async fn events<T: DeserializeOwned>(
    client: &Client,
    path: &str,
) -> Result<Events<T>, ClientError> {
    let within = client.timeouts.answer;
    let begun = async {
        let (response, driver) = send(client, Method::GET, path, None).await?;
        let status = response.status();
        if status != StatusCode::OK {
            let bytes = collect(response.into_body()).await?;
            return Err(refusal(client, status, &bytes));
        }
        Ok(Events {
            body: response.into_body(),
            target: client.target.to_string(),
            silence: client.timeouts.silence,
            partial: Vec::new(),
            lines: VecDeque::new(),
            _driver: driver,
            _item: PhantomData,
        })
    };
    timeout(within, begun)
        .await
        .unwrap_or(Err(ClientError::TimedOut {
            what: "answer",
            after: within,
        }))
}

async fn collect(body: Incoming) -> Result<Bytes, ClientError> {
    let limited = Limited::new(body, ANSWER_BYTES_MAX);
    let collected = limited.collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| ClientError::Lost {
            cause: error.to_string(),
        })
}

async fn send(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<(Response<Incoming>, Driver), ClientError> {
    let within = client.timeouts.connect;
    let connected = timeout(within, connect(&client.target))
        .await
        .unwrap_or(Err(ClientError::TimedOut {
            what: "accept a connection",
            after: within,
        }))?;
    let (mut sender, driver) = connected;

    let mut request = Request::builder().method(method).uri(path);
    request = match &client.target {
        Target::Local(_) => request.header(HOST, "sluice"),
        Target::Remote { address, token } => request
            .header(HOST, address)
            .header(AUTHORIZATION, token.bearer()),
    };
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| ClientError::Unreadable {
            target: client.target.to_string(),
            cause: error.to_string(),
        })?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| ClientError::Lost {
            cause: causes(&error),
        })?;
    Ok((response, driver))
}

async fn connect(
    target: &Target,
) -> Result<(http1::SendRequest<Full<Bytes>>, Driver), ClientError> {
    match target {
        Target::Local(state_dir) => match socket::connect(state_dir).await {
            Ok(stream) => handshake(stream).await,
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ClientError::NotRunning {
                        state_dir: state_dir.clone(),
                    }
                }
                io::ErrorKind::PermissionDenied => ClientError::Denied {
                    target: target.to_string(),
                },
                _ => ClientError::Connect {
                    target: target.to_string(),
                    source: error,
                },
            }),
        },
        Target::Remote { address, .. } => match TcpStream::connect(address.as_str()).await {
            Ok(stream) => handshake(stream).await,
            Err(source) => Err(ClientError::Connect {
                target: target.to_string(),
                source,
            }),
        },
    }
}

async fn handshake<S>(stream: S) -> Result<(http1::SendRequest<Full<Bytes>>, Driver), ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ClientError::Lost {
            cause: causes(&error),
        })?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The request's own error says the same to whoever waits for it.
            tracing::debug!(%error, "the connection to the API ended");
        }
    });
    Ok((sender, Driver(driver)))
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn read_answer<T: DeserializeOwned>(
    client: &Client,
    status: StatusCode,
    bytes: &[u8],
) -> Result<T, ClientError> {
    if !status.is_success() {
        return Err(refusal(client, status, bytes));
    }
    serde_json::from_slice(bytes).map_err(|error| ClientError::Unreadable {
        target: client.target.to_string(),
        cause: error.to_string(),
    })
}

fn refusal(client: &Client, status: StatusCode, bytes: &[u8]) -> ClientError {
    match serde_json::from_slice::<ApiError>(bytes) {
        Ok(error) => ClientError::Api(error),
        Err(_) => ClientError::Unreadable {
            target: client.target.to_string(),
            cause: format!("status {status}"),
        },
    }
}

/// A stream of values from the server.
pub struct Events<T> {
    body: Incoming,
    target: String,
    silence: Duration,
    partial: Vec<u8>,
    lines: VecDeque<Vec<u8>>,
    _driver: Driver,
    _item: PhantomData<fn() -> T>,
}

/// How the line of an error begins; no value of a stream does. (An untagged enum would read maps
/// with numbers as keys wrongly.)
const ERROR_LINE: &[u8] = b"{\"error\":";

#[derive(Deserialize)]
struct ErrorLine {
    error: ApiError,
}

impl<T: DeserializeOwned> Events<T> {
    /// The next value; `None` when the server has said everything. May be dropped and called again
    /// without a loss.
    ///
    /// # Errors
    /// [`ClientError::Lost`] when the server is gone, [`ClientError::TimedOut`] when it is silent,
    /// [`ClientError::Api`] when it reports an error.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            while let Some(line) = self.lines.pop_front() {
                if !line.trim_ascii().is_empty() {
                    return self.read_line(&line).map(Some);
                }
            }
            let frame = timeout(self.silence, self.body.frame())
                .await
                .map_err(|_| ClientError::TimedOut {
                    what: "give a sign of life",
                    after: self.silence,
                })?;
            match frame {
                None if self.partial.is_empty() => return Ok(None),
                None => {
                    return Err(ClientError::Lost {
                        cause: "in the middle of a line".into(),
                    });
                }
                Some(Err(error)) => {
                    return Err(ClientError::Lost {
                        cause: causes(&error),
                    });
                }
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.take(data)?;
                    }
                }
            }
        }
    }

    /// Cuts what arrived into lines.
    fn take(&mut self, data: &[u8]) -> Result<(), ClientError> {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if self.partial.ends_with(b"\n") {
                self.lines.push_back(std::mem::take(&mut self.partial));
            } else if self.partial.len() > LINE_BYTES_MAX {
                return Err(self.unreadable(&format!("a line longer than {LINE_BYTES_MAX} bytes")));
            }
        }
        Ok(())
    }

    fn read_line(&self, line: &[u8]) -> Result<T, ClientError> {
        if line.starts_with(ERROR_LINE) {
            let read = serde_json::from_slice(line).map(|ErrorLine { error }| error);
            return Err(match read {
                Ok(error) => ClientError::Api(error),
                Err(error) => self.unreadable(&error.to_string()),
            });
        }
        serde_json::from_slice(line).map_err(|error| self.unreadable(&error.to_string()))
    }

    fn unreadable(&self, cause: &str) -> ClientError {
        ClientError::Unreadable {
            target: self.target.clone(),
            cause: cause.to_owned(),
        }
    }
}
