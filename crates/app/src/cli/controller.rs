//! `sluice controller`: rolls out Argo's objects on a cluster.

use super::args::ControllerArgs;
use super::failure::{Exit, Failure};
use super::serve::{log_messages, serving_runtime};
use sluice_argo::api::Metric;
use sluice_kubernetes::{
    Answering, ConnectError, Controller, Election, Ended, Measure, Options, connect,
};
use sluice_model::time::Timestamp;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Where a pod finds its namespace.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// The namespace of the Lease outside of a cluster.
const DEFAULT_NAMESPACE: &str = "argo-rollouts";
/// As Argo's controller: how long a Lease holds, how long its holder may miss to renew it, and between tries.
const LEASE: Duration = Duration::from_secs(15);
const LEASE_DEADLINE: Duration = Duration::from_secs(10);
const LEASE_RETRY: Duration = Duration::from_secs(2);

pub(crate) fn controller(args: ControllerArgs) -> Result<ExitCode, Failure> {
    log_messages("info,kube_client=warn,tower=warn");
    serving_runtime()?.block_on(run(args))
}

async fn run(args: ControllerArgs) -> Result<ExitCode, Failure> {
    let client = connect(args.kubeconfig.as_deref(), args.context.as_deref())
        .await
        .map_err(|error| no_cluster(&error))?;
    let election = args.leader_elect.then(|| Election {
        namespace: args.leader_elect_namespace.unwrap_or_else(own_namespace),
        name: args.leader_elect_name,
        identity: identity(),
        duration: LEASE,
        deadline: LEASE_DEADLINE,
        retry: LEASE_RETRY,
    });
    let options = Options {
        namespace: args.namespace,
        instance_id: args.instance_id,
        workers: usize::from(args.workers),
        election,
    };
    let (controller, wanted) = Controller::new(client, options, Arc::new(Servers));
    let stop = stopped().map_err(|cause| {
        let message = format!("signals cannot be received: {cause}");
        Failure::new(Exit::Failed, "no-signals", message)
    })?;
    match controller.run(wanted, stop).await {
        Ended::Stopped => Ok(ExitCode::SUCCESS),
        Ended::LostLead => {
            let message = "another controller holds the Lease";
            Err(Failure::new(Exit::Failed, "lost-lead", message)
                .with_help("start it again: it waits until the Lease is free"))
        }
    }
}

/// Metric servers.
struct Servers;

impl Measure for Servers {
    fn measure<'a>(&'a self, metric: &'a Metric, _: &'a str, _: Timestamp) -> Answering<'a> {
        Box::pin(async move {
            Err(format!(
                "the provider of metric `{}` is not known to this controller yet",
                metric.name
            ))
        })
    }
}

fn no_cluster(error: &ConnectError) -> Failure {
    let message = error.to_string();
    match error {
        ConnectError::Configuration(_) => Failure::new(Exit::Usage, "no-kubeconfig", message)
            .with_help(
                "name a kubeconfig with --kubeconfig, or run it in a pod with a service account",
            ),
        ConnectError::Silent(_) => Failure::new(Exit::Missing, "no-cluster", message)
            .with_help("try `kubectl version` with the same kubeconfig"),
    }
}

fn own_namespace() -> String {
    std::fs::read_to_string(OWN_NAMESPACE).map_or_else(
        |_| DEFAULT_NAMESPACE.to_owned(),
        |text| text.trim().to_owned(),
    )
}

/// A name that no other candidate has: the host's and a number drawn by chance.
fn identity() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    format!("{host}_{:016x}", fastrand::u64(..))
}

fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
