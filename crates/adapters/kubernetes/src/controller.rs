//! The controller of a real cluster: who leads, and when it ends. What it does meanwhile is in `loops`.

use crate::client::ClusterApi;
use crate::leadership::{self, Election, Leadership};
use crate::limit::Limit;
use crate::loops::{Loops, Scope, Wanted};
use crate::measure::Measure;
use crate::metrics::Scrape;
use crate::notify::Notifications;
use crate::routing::RouterVersions;
use crate::serve::{self, ServeError, Serving, Source};
use sluice_model::time::Timestamp;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How a controller runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace that it looks at; all when absent.
    pub namespace: Option<String>,
    /// Its name: it looks at objects with this instance label only; without one, at those without the label.
    pub instance_id: String,
    /// How many Rollouts are looked at, at a time; at least 1.
    pub workers: usize,
    /// The API versions of routers' objects.
    pub routers: RouterVersions,
    /// How a leader is elected; none when the controller is alone.
    pub election: Option<Election>,
    /// How fast requests to the API server may follow each other; as fast as they can when absent.
    pub rate: Option<Rate>,
    /// Whether and how it notifies.
    pub notifications: Option<Notifications>,
}

/// How fast requests may follow each other. Those for the election are not held up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests a second, in the long run; above 0.
    pub per_second: f64,
    /// Requests that may be made at once; at least 1.
    pub burst: u32,
}

/// A controller.
pub struct Controller {
    api: ClusterApi,
    election: Option<Election>,
    leadership: Arc<Leadership>,
    loops: Arc<Loops<ClusterApi>>,
    /// When it began, in seconds since 1970.
    started: f64,
}

/// Why a controller ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// Another controller leads.
    LostLead,
}

impl Controller {
    /// A controller for the cluster of a client.
    #[must_use]
    pub fn new(
        client: kube::Client,
        options: Options,
        source: Arc<dyn Measure>,
    ) -> (Arc<Self>, Wanted) {
        let leadership = Arc::new(match &options.election {
            Some(_) => Leadership::candidate(),
            None => Leadership::alone(),
        });
        let limit = options
            .rate
            .map(|rate| Arc::new(Limit::new(rate.per_second, rate.burst)));
        let api = ClusterApi::new(client, Arc::clone(&leadership), limit);
        let scope = Scope {
            namespace: options.namespace,
            instance_id: options.instance_id,
            workers: options.workers,
            routers: options.routers,
            notifications: options.notifications,
        };
        let (loops, wanted) = Loops::new(api.clone(), scope, source, now);
        let controller = Controller {
            api,
            election: options.election,
            leadership,
            loops,
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64(),
        };
        (Arc::new(controller), wanted)
    }

    /// Answers `/metrics` and `/healthz` on each of the addresses, until the answer is dropped.
    ///
    /// # Errors
    /// When it cannot listen on one of them.
    pub async fn serve(self: &Arc<Self>, addresses: &[SocketAddr]) -> Result<Serving, ServeError> {
        serve::serve(Arc::clone(self), addresses).await
    }

    /// Runs until `stop` is there, or another controller leads.
    pub async fn run(self: &Arc<Self>, wanted: Wanted, stop: impl Future<Output = ()>) -> Ended {
        tokio::pin!(stop);
        if let Some(election) = &self.election {
            tracing::info!(identity = election.identity, "waits for the Lease");
            tokio::select! {
                () = leadership::acquire(&self.api, election, &self.leadership) => {}
                () = &mut stop => return Ended::Stopped,
            }
            tracing::info!(identity = election.identity, "leads");
        }
        let held = async {
            match &self.election {
                Some(election) => {
                    leadership::hold(&self.api, election, &self.leadership).await;
                }
                None => std::future::pending().await,
            }
        };
        let ending = async {
            tokio::select! {
                () = held => Ended::LostLead,
                () = &mut stop => Ended::Stopped,
            }
        };
        let ended = self.loops.run(wanted, ending).await;
        if let (Ended::Stopped, Some(election)) = (ended, &self.election) {
            leadership::release(&self.api, election, &self.leadership).await;
        }
        ended
    }
}

impl Source for Controller {
    fn scrape(&self) -> Scrape {
        let scrape = self.loops.scrape();
        scrape.with_process(self.api.requests(), self.started)
    }

    fn health(&self) -> Result<(), String> {
        self.loops.health()
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
