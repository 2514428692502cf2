//! The other end of the API: what the command line, and anything else in Rust, calls.
//!
//! One connection per request, a deadline on every wait, and errors that say what to do. Streams
//! end with an error when the server falls silent; whether to come back is the caller's choice.

mod transport;

pub use transport::Events;

use crate::error::{ApiError, ErrorCode};
use crate::token::Token;
use crate::wire::{
    AuditQuery, Checklist, DaemonInfo, DeployReply, DeployRequest, Explanation, HistoryEntry,
    LogEntry, LogLine, LogsQuery, MinutesQuery, ReplicaEntry, StopRequest, VerifyReport,
    WatchEvent,
};
use http::Method;
use sluice_model::Minute;
use sluice_model::command::CommandKind;
use sluice_model::ids::ServiceName;
use sluice_model::time::format_span;
use sluice_model::view::ServiceView;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// How long a client waits.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For an answer that only looks, or to a command; above the server's own deadline, whose
    /// answer says more.
    pub answer: Duration,
    /// For an answer behind work: a deployment, a checklist, a verification.
    pub work: Duration,
    /// For the next sign of life on a stream; several of the server's heartbeats.
    pub silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(20),
            work: Duration::from_secs(130),
            silence: Duration::from_secs(20),
        }
    }
}

/// Where the server is.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The unix socket of a state folder.
    Local(PathBuf),
    /// A TCP address.
    Remote { address: String, token: Token },
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Local(state_dir) => write!(f, "{}", state_dir.display()),
            Target::Remote { address, .. } => f.write_str(address),
        }
    }
}

/// Why there is no answer, or a bad one.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens on the state folder's socket.
    #[error("no Sluice runs on the state folder {}", state_dir.display())]
    NotRunning {
        /// The folder.
        state_dir: PathBuf,
    },
    /// Nobody listens on the TCP address, or it cannot be reached.
    #[error("cannot reach a Sluice at {target}: {source}")]
    Connect {
        /// Where.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// The socket is another user's.
    #[error("the Sluice on {target} belongs to another user")]
    Denied {
        /// Where.
        target: String,
    },
    /// No answer in time.
    #[error("Sluice did not {what} within {}", format_span(*after))]
    TimedOut {
        /// What it should have done.
        what: &'static str,
        /// The wait.
        after: Duration,
    },
    /// The connection broke.
    #[error("the connection to Sluice broke: {cause}")]
    Lost {
        /// Why.
        cause: String,
    },
    /// The answer is not one of Sluice's.
    #[error("the answer of {target} is not understood: {cause}")]
    Unreadable {
        /// Where.
        target: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The server's own error.
    #[error("{0}")]
    Api(ApiError),
}

impl ClientError {
    /// A stable word for scripts; the server's own where it gave one.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRunning { .. } => "not-running",
            Self::Connect { .. } => "unreachable",
            Self::Denied { .. } => ErrorCode::Forbidden.as_str(),
            Self::TimedOut { .. } => ErrorCode::TimedOut.as_str(),
            Self::Lost { .. } => "connection-lost",
            Self::Unreadable { .. } => "unreadable",
            Self::Api(error) => error.code.as_str(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::NotRunning { .. } => Some(
                "start it with `sluice up`, or name another state folder with --state or \
                 SLUICE_STATE",
            ),
            Self::Connect { .. } => Some(
                "check the address; Sluice listens on TCP only when it was started with \
                 `sluice up --api ADDRESS`",
            ),
            Self::Denied { .. } => {
                Some("run the command as the owner of the state folder, or as root")
            }
            Self::TimedOut { .. } => Some("look at Sluice's own output; it may be overloaded"),
            Self::Lost { .. } => Some("Sluice may have ended or restarted: try again"),
            Self::Unreadable { .. } => Some(
                "another program may listen there, or a Sluice of another version: compare \
                 `sluice --version` on both sides",
            ),
            Self::Api(error) => error.help.as_deref(),
        }
    }

    /// Whether the server is gone, or was never there; a restart may bring it back.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::NotRunning { .. } | Self::Connect { .. } | Self::Lost { .. } => true,
            Self::Api(error) => error.code == ErrorCode::ShuttingDown,
            _ => false,
        }
    }
}

/// A client of one running Sluice. Cheap to clone; holds no connection.
#[derive(Clone, Debug)]
pub struct Client {
    target: Target,
    timeouts: Timeouts,
}

impl Client {
    /// A client of the Sluice that owns a state folder.
    #[must_use]
    pub fn local(state_dir: impl Into<PathBuf>) -> Client {
        Client {
            target: Target::Local(state_dir.into()),
            timeouts: Timeouts::default(),
        }
    }

    /// A client of a Sluice at a TCP address, `host:port`.
    #[must_use]
    pub fn remote(address: impl Into<String>, token: Token) -> Client {
        let target = Target::Remote {
            address: address.into(),
            token,
        };
        Client {
            target,
            timeouts: Timeouts::default(),
        }
    }

    /// The same with other waits.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Client {
        self.timeouts = timeouts;
        self
    }

    /// Facts about the process.
    ///
    /// # Errors
    /// See [`ClientError`]; so for every method here.
    pub async fn info(&self) -> Result<DaemonInfo, ClientError> {
        self.get("/v1/info").await
    }

    /// All services, by name.
    pub async fn services(&self) -> Result<Vec<ServiceView>, ClientError> {
        self.get("/v1/services").await
    }

    /// One service.
    pub async fn service(&self, name: &ServiceName) -> Result<ServiceView, ClientError> {
        self.get(&format!("/v1/services/{name}")).await
    }

    /// Gives a command and waits until a decision has answered it: the service after it, or the
    /// refusal as [`ErrorCode::Refused`].
    pub async fn command(
        &self,
        name: &ServiceName,
        kind: &CommandKind,
    ) -> Result<ServiceView, ClientError> {
        self.post(
            &format!("/v1/services/{name}/commands"),
            kind,
            self.timeouts.answer,
        )
        .await
    }

    /// Makes a revision of what the document says and rolls it out.
    pub async fn deploy(&self, request: &DeployRequest) -> Result<DeployReply, ClientError> {
        self.post("/v1/deploy", request, self.timeouts.work).await
    }

    /// Replaces the processes of the stable revision by new ones.
    pub async fn restart(&self, name: &ServiceName) -> Result<DeployReply, ClientError> {
        self.post(
            &format!("/v1/services/{name}/restart"),
            &(),
            self.timeouts.work,
        )
        .await
    }

    /// The revisions that are kept, newest first.
    pub async fn history(&self, name: &ServiceName) -> Result<Vec<HistoryEntry>, ClientError> {
        self.get(&format!("/v1/services/{name}/history")).await
    }

    /// The replicas, by revision and age.
    pub async fn replicas(&self, name: &ServiceName) -> Result<Vec<ReplicaEntry>, ClientError> {
        self.get(&format!("/v1/services/{name}/replicas")).await
    }

    /// Why the service stands where it stands.
    pub async fn explain(&self, name: &ServiceName) -> Result<Explanation, ClientError> {
        self.get(&format!("/v1/services/{name}/explain")).await
    }

    /// What was counted in each minute, by time and revision; of one answer's time at most.
    pub async fn minutes(
        &self,
        name: &ServiceName,
        query: MinutesQuery,
    ) -> Result<Vec<Minute>, ClientError> {
        let query = query_of(&[
            ("from", Some(query.from.0.to_string())),
            ("until", Some(query.until.0.to_string())),
        ]);
        self.get(&format!("/v1/services/{name}/minutes{query}"))
            .await
    }

    /// Goes through the pre-deployment checklist.
    pub async fn check(&self, name: &ServiceName) -> Result<Checklist, ClientError> {
        self.post(
            &format!("/v1/services/{name}/check"),
            &(),
            self.timeouts.work,
        )
        .await
    }

    /// Entries of the decision log, oldest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<LogEntry>, ClientError> {
        let query = query_of(&[
            ("service", query.service.as_ref().map(ToString::to_string)),
            ("limit", query.limit.map(|limit| limit.to_string())),
            ("before", query.before.map(|before| before.to_string())),
        ]);
        self.get(&format!("/v1/audit{query}")).await
    }

    /// Whether the decision log is what was written.
    pub async fn verify(&self) -> Result<VerifyReport, ClientError> {
        transport::exchange(
            self,
            Method::GET,
            "/v1/audit/verify",
            None,
            self.timeouts.work,
        )
        .await
    }

    /// Lines of a service's output, oldest first.
    pub async fn logs(
        &self,
        name: &ServiceName,
        query: &LogsQuery,
    ) -> Result<Events<LogLine>, ClientError> {
        let query = query_of(&[
            (
                "revision",
                query.revision.map(|revision| revision.to_string()),
            ),
            ("tail", query.tail.map(|tail| tail.to_string())),
            ("follow", query.follow.then(|| "true".to_owned())),
        ]);
        transport::events(self, &format!("/v1/services/{name}/logs{query}")).await
    }

    /// The services as they are, and then what changes; one alone when it is named.
    pub async fn watch(
        &self,
        only: Option<&ServiceName>,
    ) -> Result<Events<WatchEvent>, ClientError> {
        let query = query_of(&[("service", only.map(ToString::to_string))]);
        transport::events(self, &format!("/v1/watch{query}")).await
    }

    /// Ends the daemon; returns when it has begun to end.
    pub async fn stop(&self, request: StopRequest) -> Result<(), ClientError> {
        let _: serde_json::Value = self
            .post("/v1/stop", &request, self.timeouts.answer)
            .await?;
        Ok(())
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        transport::exchange(self, Method::GET, path, None, self.timeouts.answer).await
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
        within: Duration,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Unreadable {
            target: "the request".to_owned(),
            cause: error.to_string(),
        })?;
        transport::exchange(self, Method::POST, path, Some(body), within).await
    }
}

/// A query string of the values that are there. Names and numbers need no escaping.
fn query_of(pairs: &[(&str, Option<String>)]) -> String {
    let given: Vec<String> = pairs
        .iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")))
        .collect();
    if given.is_empty() {
        String::new()
    } else {
        format!("?{}", given.join("&"))
    }
}
