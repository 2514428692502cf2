//! `sluice controller`: rolls out Argo's objects on a cluster.

use super::args::ControllerArgs;
use super::failure::{Exit, Failure};
use super::serve::{log_messages, serving_runtime};
use crate::controller::{Environment, Servers};
use sluice_kubernetes::{ConnectError, Controller, Election, Ended, Options, connect};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

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
    let environment = Environment::of_process();
    let own_namespace = environment.namespace.clone();
    let election = args.leader_elect.then(|| Election {
        namespace: args.leader_elect_namespace.unwrap_or(own_namespace),
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
    let servers = Servers::new(environment);
    let (controller, wanted) = Controller::new(client, options, Arc::new(servers));
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
