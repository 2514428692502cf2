//! Arguments of `sluice controller`. Those that Argo's controller has as well have its names, so that a
//! Deployment made for that one fits.

use clap::{ArgAction, Args, ValueEnum, ValueHint};
use sluice_argo::api::go_duration_ns;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `sluice controller`.
#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// Kubeconfig of the cluster [default: the pod's own account, or KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,

    /// Look at one namespace only [default: all]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Look at one namespace only: the one of --namespace, or else the pod's own or the context's
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL")]
    pub(crate) namespaced: bool,

    /// Look only at objects with this argo-rollouts.argoproj.io/controller-instance-id label
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) instance_id: String,

    /// Let one of several controllers act, the one that holds a Lease [default: true in a pod, false elsewhere]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL")]
    pub(crate) leader_elect: Option<bool>,

    /// Namespace of the Lease [default: the pod's own, or argo-rollouts]
    #[arg(long, value_name = "NAME")]
    pub(crate) leader_elect_namespace: Option<String>,

    /// Name of the Lease [default: the one of Argo's controller, so that only one of both acts]
    #[arg(long, value_name = "NAME")]
    pub(crate) leader_elect_name: Option<String>,

    /// After which time without renewal another controller may take the Lease
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub(crate) leader_election_lease_duration: Duration,

    /// After which time without renewal the leader stops to act
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) leader_election_renew_deadline: Duration,

    /// Time between two tries to take or renew the Lease
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) leader_election_retry_period: Duration,

    /// Rollouts, analysis runs and experiments that are looked at, at a time
    #[arg(long, visible_alias = "rollout-threads", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: u16,

    /// Requests to the API server a second, in the long run [default: no limit]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) qps: Option<f64>,

    /// Requests to the API server that --qps lets through at once
    #[arg(long, value_name = "N", default_value_t = 80, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) burst: u32,

    /// Address of /metrics and /healthz [default: all in a pod, 127.0.0.1 elsewhere]
    #[arg(long, value_name = "IP")]
    pub(crate) listen: Option<IpAddr>,

    /// Port of /metrics; 0 for none
    #[arg(
        long = "metricsPort",
        visible_alias = "metricsport",
        value_name = "PORT",
        default_value_t = 8090
    )]
    pub(crate) metrics_port: u16,

    /// Port of /healthz; 0 for none
    #[arg(long = "healthzPort", value_name = "PORT", default_value_t = 8080)]
    pub(crate) healthz_port: u16,

    /// Least level of messages that are written [default: info, or what SLUICE_LOG says]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) loglevel: Option<LogLevel>,

    /// How messages are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) logformat: LogFormat,

    #[command(flatten)]
    pub(crate) without_effect: WithoutEffect,
}

/// Arguments of Argo's controller that there is nothing to do for: all kinds are looked at by the same
/// workers, and nothing is looked at again for the passage of time alone.
#[derive(Debug, Args)]
pub(crate) struct WithoutEffect {
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) rollout_resync: Option<i64>,
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) experiment_threads: Option<i64>,
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) analysis_threads: Option<i64>,
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) service_threads: Option<i64>,
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) ingress_threads: Option<i64>,
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) ephemeral_metadata_threads: Option<i64>,
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) kloglevel: Option<i64>,
}

impl WithoutEffect {
    /// Those that were given.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--rollout-resync", self.rollout_resync),
            ("--experiment-threads", self.experiment_threads),
            ("--analysis-threads", self.analysis_threads),
            ("--service-threads", self.service_threads),
            ("--ingress-threads", self.ingress_threads),
            (
                "--ephemeral-metadata-threads",
                self.ephemeral_metadata_threads,
            ),
            ("--kloglevel", self.kloglevel),
        ];
        let given = all.into_iter().filter(|(_, value)| value.is_some());
        given.map(|(name, _)| name).collect()
    }
}

/// The least level of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    #[value(alias = "warning")]
    Warn,
    Error,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// A time as Go writes it: `15s`, `1m30s`.
fn duration(text: &str) -> Result<Duration, String> {
    let nanoseconds = go_duration_ns(text)?;
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds) if nanoseconds > 0 => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err("the time must be above 0".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.001 => Ok(rate),
        _ => Err("it must be a number from 0.001 on".to_owned()),
    }
}
