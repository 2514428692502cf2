//! One probe of one replica: an HTTP GET, a TCP connection, or a command.
//!
//! When probes run and what their answers mean is in `health`.

use crate::environment::HOST;
use crate::group::Group;
use crate::launch::Launch;
use crate::process::{Exit, Process};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::{CONNECTION, HOST as HOST_HEADER, USER_AGENT};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sluice_model::workload::ProbeAction;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most of an answer's body that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Asks a replica; the answer is why the probe did not pass.
pub(crate) trait Probing: Send + Sync + 'static {
    /// Asks once, for at most `within`.
    fn probe(
        &self,
        action: &ProbeAction,
        within: Duration,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// Probes a real process.
#[derive(Clone, Debug)]
pub(crate) struct Prober {
    pub(crate) port: u16,
    pub(crate) h2c: bool,
    pub(crate) group: Group,
    /// Why commands cannot be run, or how.
    pub(crate) launch: Result<Launch, String>,
}

impl Probing for Prober {
    async fn probe(&self, action: &ProbeAction, within: Duration) -> Result<(), String> {
        match action {
            ProbeAction::Tcp => timeout(within, self.connect())
                .await
                .map_err(|_| format!("no connection to port {} within {within:?}", self.port))?
                .map(drop)
                .map_err(|error| format!("no connection to port {}: {error}", self.port)),
            ProbeAction::Http { path } => timeout(within, self.get(path))
                .await
                .map_err(|_| format!("GET {path}: no answer within {within:?}"))?
                .map_err(|error| format!("GET {path}: {error}")),
            ProbeAction::Command { command } => self.run(command, within).await,
        }
    }
}

impl Prober {
    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address()).await?;
        // Where nobody listens, Linux may connect a loopback socket to itself.
        if stream.local_addr()? == self.address() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(stream)
    }

    async fn get(&self, path: &str) -> Result<(), String> {
        let stream = self.connect().await.map_err(|error| error.to_string())?;
        let status = self.exchange(stream, path).await?;
        if (200..400).contains(&status) {
            Ok(())
        } else {
            Err(format!("answered {status}"))
        }
    }

    /// One request on one connection, and the status of its answer. The body is read too, so that
    /// the replica does not log a broken connection with each probe.
    async fn exchange(&self, stream: TcpStream, path: &str) -> Result<u16, String> {
        let authority = format!("{HOST}:{}", self.port);
        let uri = if self.h2c {
            format!("http://{authority}{path}")
        } else {
            path.to_owned()
        };
        let mut request = Request::get(uri).header(USER_AGENT, "sluice-probe");
        if !self.h2c {
            request = request
                .header(HOST_HEADER, authority)
                .header(CONNECTION, "close");
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| format!("the path cannot be asked for: {error}"))?;
        let io = TokioIo::new(stream);
        let mut connection = JoinSet::new();
        let answer = if self.h2c {
            let (mut sender, driver) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                    .await
                    .map_err(|error| describe(&error))?;
            connection.spawn(driver);
            sender.send_request(request).await
        } else {
            let (mut sender, driver) = hyper::client::conn::http1::handshake(io)
                .await
                .map_err(|error| describe(&error))?;
            connection.spawn(driver);
            sender.send_request(request).await
        };
        let response = answer.map_err(|error| describe(&error))?;
        let status = response.status().as_u16();
        if let Err(error) = Limited::new(response.into_body(), BODY_BYTES_MAX)
            .collect()
            .await
        {
            tracing::debug!(%error, "the rest of a probe's answer was not read");
        }
        Ok(status)
    }

    async fn run(&self, command: &[String], within: Duration) -> Result<(), String> {
        let name = command.first().map_or("", String::as_str);
        let launch = self.launch.as_ref().map_err(Clone::clone)?.clone();
        let launch = launch
            .with_command(command)
            .map_err(|error| error.to_string())?;
        let group = self.group.clone();
        // Guarded within the blocking task: nobody may be waiting for it any more.
        let running = tokio::task::spawn_blocking(move || {
            launch.spawn(None).map(|process| RunningCommand {
                process: Some(process),
                group,
            })
        });
        let running = running
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        match timeout(within, running.exit()).await {
            Ok(Exit::Code(0)) => Ok(()),
            Ok(exit) => Err(format!("`{name}` {exit}")),
            Err(_) => Err(format!("`{name}` did not end within {within:?}")),
        }
    }
}

/// A probe's command. However the probe ends (also when nobody waits for it any more), its group is
/// killed and its process reaped.
struct RunningCommand {
    process: Option<Process>,
    group: Group,
}

impl RunningCommand {
    async fn exit(&self) -> Exit {
        match &self.process {
            Some(process) => {
                process.ended().await;
                process.exit()
            }
            None => Exit::Unknown,
        }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else {
            return;
        };
        // The probe command's own group; the replica's other processes are not touched.
        self.group.kill_leaders_group(&process);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                process.ended().await;
                process.reap();
            });
        }
    }
}

/// The error with its causes, for `connection error` alone helps nobody.
fn describe(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
