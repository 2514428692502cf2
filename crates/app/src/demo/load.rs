//! The demo's users: a steady stream of real requests through the proxy, each answer looked at.

use super::service::VERSION_HEADER;
use crate::daemon::clock;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use sluice_model::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout};

/// Longest wait for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What the users saw of one version.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) first_sent: Option<Timestamp>,
    pub(super) last_sent: Option<Timestamp>,
}

/// What the users saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Requests that were sent.
    pub(super) requests: u64,
    /// Requests that no replica answered: the proxy made an answer up, or broke the connection.
    pub(super) failed_by_proxy: u64,
    /// The latest cause of such a failure.
    pub(super) last_failure: Option<String>,
    /// Answers by the version that gave them.
    pub(super) versions: BTreeMap<String, Seen>,
}

/// A running load.
pub(super) struct Load {
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    users: JoinSet<()>,
}

/// Starts a load of `rate` requests a second by `users` connections.
pub(super) fn start(address: SocketAddr, rate: u32, users: u32) -> Load {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let stop = watch::Sender::new(false);
    let mut tasks = JoinSet::new();
    let users = users.max(1);
    let period = Duration::from_secs(1) * users / rate.max(1);
    for number in 0..users {
        let user = User {
            address,
            period,
            tally: Arc::clone(&tally),
            stop: stop.subscribe(),
        };
        tasks.spawn(user.run(period * number / users));
    }
    Load {
        tally,
        stop,
        users: tasks,
    }
}

impl Load {
    /// What was seen so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lets every user finish their request, and ends.
    pub(super) async fn stop(mut self) -> Tally {
        self.stop.send_replace(true);
        while self.users.join_next().await.is_some() {}
        self.tally()
    }
}

struct User {
    address: SocketAddr,
    period: Duration,
    tally: Arc<Mutex<Tally>>,
    stop: watch::Receiver<bool>,
}

impl User {
    async fn run(mut self, offset: Duration) {
        let mut ticks = tokio::time::interval_at(Instant::now() + offset, self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection: Option<SendRequest<Empty<Bytes>>> = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = self.stop.changed() => return,
            }
            let sent = clock::now();
            let answer = timeout(ANSWER_WAIT, self.ask(&mut connection)).await;
            let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            if answer.is_err() {
                connection = None;
            }
            self.note(sent, answer);
        }
    }

    /// Sends one request; answers with the version that answered, and whether it failed.
    async fn ask(
        &self,
        connection: &mut Option<SendRequest<Empty<Bytes>>>,
    ) -> Result<(String, bool), String> {
        let usable = match connection {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            *connection = Some(self.connect().await?);
        }
        let Some(sender) = connection else {
            return Err("no connection".to_owned());
        };
        let request = Request::get("/reserve")
            .header("host", "demo")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        let status = response.status();
        let version = response
            .headers()
            .get(VERSION_HEADER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        let version = version.ok_or_else(|| {
            let text = String::from_utf8_lossy(&body.to_bytes()).trim().to_owned();
            format!("{status} by the proxy: {text}")
        })?;
        Ok((version, status.is_server_error()))
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        let (sender, driver) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(driver);
        Ok(sender)
    }

    fn note(&self, sent: Timestamp, answer: Result<(String, bool), String>) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.requests += 1;
        match answer {
            Ok((version, failed)) => {
                let seen = tally.versions.entry(version).or_default();
                seen.requests += 1;
                seen.errors += u64::from(failed);
                seen.first_sent = Some(seen.first_sent.map_or(sent, |first| first.min(sent)));
                seen.last_sent = Some(seen.last_sent.map_or(sent, |last| last.max(sent)));
            }
            Err(cause) => {
                tally.failed_by_proxy += 1;
                tally.last_failure = Some(cause);
            }
        }
    }
}
