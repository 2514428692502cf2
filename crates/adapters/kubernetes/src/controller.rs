//! The controller of a real cluster: who leads, and when it ends. What it does meanwhile is in `loops`.

use crate::client::ClusterApi;
use crate::leadership::{self, Election, Leadership};
use crate::loops::{Loops, Scope, Wanted};
use crate::measure::Measure;
use sluice_model::time::Timestamp;
use std::future::Future;
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
    /// How a leader is elected; none when the controller is alone.
    pub election: Option<Election>,
}

/// A controller.
pub struct Controller {
    api: ClusterApi,
    election: Option<Election>,
    leadership: Arc<Leadership>,
    loops: Arc<Loops<ClusterApi>>,
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
        let api = ClusterApi::new(client, Arc::clone(&leadership));
        let scope = Scope {
            namespace: options.namespace,
            instance_id: options.instance_id,
            workers: options.workers,
        };
        let (loops, wanted) = Loops::new(api.clone(), scope, source, now);
        let controller = Controller {
            api,
            election: options.election,
            leadership,
            loops,
        };
        (Arc::new(controller), wanted)
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

fn now() -> Timestamp {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
