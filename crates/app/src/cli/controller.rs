//! `sluice controller`: rolls out Argo's objects on a cluster.

use super::args::{ControllerArgs, LogFormat, LogLevel};
use super::failure::{Exit, Failure};
use super::serve::{log_at, log_messages_as};
use crate::controller::{Environment, Servers, Services};
use sluice_kubernetes::{
    ConnectError, Controller, Election, Ended, Notifications, Options, Rate, connect,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// The name of the Lease of Argo's controller.
const LEASE_NAME: &str = "argo-rollouts-controller-lock";
/// What a pod finds in its environment.
const IN_POD: &str = "KUBERNETES_SERVICE_HOST";
/// Libraries tell more than anybody wants to read.
const QUIET: &str = "kube_client=warn,tower=warn,hyper=warn,rustls=warn";

pub(crate) fn controller(args: ControllerArgs) -> Result<ExitCode, Failure> {
    let json = args.logformat == LogFormat::Json;
    let level = args.loglevel.map(|level| match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    });
    match level {
        Some(level) => log_at(&format!("{level},{QUIET}"), json),
        None => log_messages_as(&format!("info,{QUIET}"), json),
    }
    runtime()?.block_on(run(args))
}

/// One thread is enough: an API server answers fewer requests than it can ask. No work goes into waking others, and the C library's
/// allocator gives memory back, which it hardly does when threads have heaps of their own.
fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, "system", format!("cannot start: {error}")))
}

async fn run(args: ControllerArgs) -> Result<ExitCode, Failure> {
    let in_pod = std::env::var_os(IN_POD).is_some();
    check_times(&args)?;
    for argument in args.without_effect.given() {
        tracing::warn!(
            argument,
            "this argument of Argo's controller has no effect here"
        );
    }
    if args.without_effect.verification.aws_verify_target_group {
        tracing::warn!(
            "AWS is not asked whether an ALB's weights have arrived: --aws-verify-target-group has no effect here"
        );
    }
    let client = connect(args.kubeconfig.as_deref(), args.context.as_deref())
        .await
        .map_err(|error| no_cluster(&error))?;
    let environment = Environment::of_process();
    let own_namespace = environment.namespace.clone();
    let namespace = match args.namespace {
        None if args.namespaced => Some(client.default_namespace().to_owned()),
        named => named,
    };
    let notifications = Notifications {
        namespace: own_namespace.clone(),
        self_service: args.self_service_notification_enabled,
        deliver: Arc::new(Services::default()),
    };
    let election = args.leader_elect.then(|| Election {
        namespace: args.leader_elect_namespace.unwrap_or(own_namespace),
        name: args
            .leader_elect_name
            .unwrap_or_else(|| lease_name(&args.instance_id)),
        identity: identity(),
        duration: args.leader_election_lease_duration,
        deadline: args.leader_election_renew_deadline,
        retry: args.leader_election_retry_period,
    });
    let options = Options {
        namespace,
        instance_id: args.instance_id,
        workers: usize::from(args.workers),
        routers: args.routers.versions(),
        election,
        rate: args.qps.map(|per_second| Rate {
            per_second,
            burst: args.burst,
        }),
        notifications: Some(notifications),
    };
    let servers = Servers::new(environment);
    let (controller, wanted) = Controller::new(client, options, Arc::new(servers));
    let ports = [args.metrics_port, args.healthz_port];
    let addresses = addresses(args.listen, in_pod, ports);
    let serving = controller.serve(&addresses).await.map_err(|error| {
        Failure::new(Exit::Failed, "no-port", error.to_string()).with_help(
            "end what listens there, or name other ports with --metricsPort and --healthzPort; 0 for none",
        )
    })?;
    let stop = stopped().map_err(|cause| {
        let message = format!("signals cannot be received: {cause}");
        Failure::new(Exit::Failed, "no-signals", message)
    })?;
    let ended = controller.run(wanted, stop).await;
    drop(serving);
    match ended {
        Ended::Stopped => Ok(ExitCode::SUCCESS),
        Ended::LostLead => {
            let message = "another controller holds the Lease";
            Err(Failure::new(Exit::Failed, "lost-lead", message)
                .with_help("start it again: it waits until the Lease is free"))
        }
    }
}

/// A leader that renews later than others take over would not be the only one.
fn check_times(args: &ControllerArgs) -> Result<(), Failure> {
    let (lease, deadline, retry) = (
        args.leader_election_lease_duration,
        args.leader_election_renew_deadline,
        args.leader_election_retry_period,
    );
    if lease > deadline && deadline > retry {
        return Ok(());
    }
    let message = format!(
        "the times of the election do not fit: {lease:?} for the Lease, {deadline:?} for its renewal, {retry:?} between tries"
    );
    Err(Failure::new(Exit::Usage, "election-times", message).with_help(
        "--leader-election-lease-duration must be above --leader-election-renew-deadline, and that above --leader-election-retry-period",
    ))
}

/// One Lease for each instance, as Argo's controller has them.
fn lease_name(instance_id: &str) -> String {
    if instance_id.is_empty() {
        LEASE_NAME.to_owned()
    } else {
        format!("{LEASE_NAME}-{instance_id}")
    }
}

/// Where metrics and health are answered. A pod has a network of its own, in which probes and Prometheus have to
/// reach it; elsewhere nothing is open to others unless it is asked for.
fn addresses(listen: Option<IpAddr>, in_pod: bool, ports: [u16; 2]) -> Vec<SocketAddr> {
    let everywhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let address = listen.unwrap_or(if in_pod {
        everywhere
    } else {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    });
    let used = ports.into_iter().filter(|port| *port != 0);
    used.map(|port| SocketAddr::new(address, port)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_open_to_others_but_in_a_pod_or_on_demand() {
        let ports = [8090, 8080];
        let texts = |listen: Option<[u8; 4]>, in_pod| -> Vec<String> {
            let all = addresses(listen.map(IpAddr::from), in_pod, ports);
            all.iter().map(SocketAddr::to_string).collect()
        };
        assert_eq!(texts(None, false), ["127.0.0.1:8090", "127.0.0.1:8080"]);
        assert_eq!(texts(None, true), ["[::]:8090", "[::]:8080"]);
        assert_eq!(
            texts(Some([10, 0, 0, 1]), true),
            ["10.0.0.1:8090", "10.0.0.1:8080"]
        );
        assert_eq!(addresses(None, false, [0, 0]), []);
    }

    #[test]
    fn each_instance_has_its_lease() {
        assert_eq!(lease_name(""), "argo-rollouts-controller-lock");
        assert_eq!(lease_name("blue"), "argo-rollouts-controller-lock-blue");
    }
}
