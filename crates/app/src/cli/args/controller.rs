//! Arguments of `sluice controller`. Those that Argo's controller has as well have its names, so that a
//! Deployment made for that one fits.

use clap::{ArgAction, Args, ValueEnum, ValueHint};
use sluice_argo::api::go_duration_ns;
use sluice_kubernetes::RouterVersions;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `sluice controller`.
#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// Kubeconfig of the cluster [default: KUBECONFIG, or ~/.kube/config, or the pod's own account]
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

    /// Notify by a ConfigMap and Secret of a Rollout's own namespace as well, beside the controller's
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL")]
    pub(crate) self_service_notification_enabled: bool,

    /// Let one of several controllers act, the one that holds a Lease
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL")]
    pub(crate) leader_elect: bool,

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
    pub(crate) routers: RouterArgs,

    #[command(flatten)]
    pub(crate) without_effect: WithoutEffect,
}

/// The API versions of routers' objects.
#[derive(Debug, Args)]
#[command(next_help_heading = "API versions of routers' objects")]
pub(crate) struct RouterArgs {
    /// Of Istio's VirtualServices and DestinationRules [default: v1alpha3]
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(crate) istio_api_version: Option<String>,

    /// Of TrafficSplits [default: v1alpha1]
    #[arg(long, value_name = "VERSION", value_parser = ["v1alpha1", "v1alpha2", "v1alpha3"], hide_possible_values = true)]
    pub(crate) traffic_split_api_version: Option<String>,

    /// Of Ambassador's Mappings [default: getambassador.io/v2]
    #[arg(long, value_name = "GROUP/VERSION", value_parser = group_version)]
    pub(crate) ambassador_api_version: Option<String>,

    /// Of App Mesh's objects [default: v1beta2]
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(crate) appmesh_crd_version: Option<String>,

    /// Group of TraefikServices [default: traefik.io]
    #[arg(long, value_name = "GROUP", value_parser = group)]
    pub(crate) traefik_api_group: Option<String>,

    /// Of TraefikServices; the group is the one of --traefik-api-group [default: v1alpha1]
    #[arg(long, value_name = "VERSION", value_parser = group_version)]
    pub(crate) traefik_api_version: Option<String>,
}

impl RouterArgs {
    pub(crate) fn versions(&self) -> RouterVersions {
        RouterVersions {
            istio: self.istio_api_version.clone(),
            smi: self.traffic_split_api_version.clone(),
            ambassador: self.ambassador_api_version.clone(),
            app_mesh: self.appmesh_crd_version.clone(),
            traefik: self.traefik(),
        }
    }

    /// Argo's controller takes the group of the one argument, and the version of the other.
    fn traefik(&self) -> Option<String> {
        let (group, version) = (&self.traefik_api_group, &self.traefik_api_version);
        if group.is_none() && version.is_none() {
            return None;
        }
        let group = group.as_deref().unwrap_or("traefik.io");
        let version = version.as_deref().unwrap_or("v1alpha1");
        let version = version.rsplit_once('/').map_or(version, |(_, last)| last);
        Some(format!("{group}/{version}"))
    }
}

/// Arguments of Argo's controller that there is nothing to do for: all kinds are looked at by the same
/// workers, nothing is looked at again for the passage of time alone, and Ingresses of any class are taken.
#[derive(Debug, Args)]
pub(crate) struct WithoutEffect {
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) rollout_resync: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) experiment_threads: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) analysis_threads: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) service_threads: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) ingress_threads: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) ephemeral_metadata_threads: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) ephemeral_metadata_update_pod_retries: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) kloglevel: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) enable_pprof_address: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) ingress_api_version: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) alb_ingress_classes: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) nginx_ingress_classes: Vec<String>,
    #[command(flatten)]
    pub(crate) verification: Verification,
}

/// Arguments of Argo's controller by which it asks AWS whether a weight has arrived.
#[derive(Debug, Args)]
pub(crate) struct Verification {
    #[arg(long, alias = "alb-verify-weight", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    pub(crate) aws_verify_target_group: bool,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) aws_target_group_binding_api_version: Option<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub(crate) alb_tag_key_resource_id: Option<String>,
}

impl WithoutEffect {
    /// Those that were given.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--rollout-resync", &self.rollout_resync),
            ("--experiment-threads", &self.experiment_threads),
            ("--analysis-threads", &self.analysis_threads),
            ("--service-threads", &self.service_threads),
            ("--ingress-threads", &self.ingress_threads),
            (
                "--ephemeral-metadata-threads",
                &self.ephemeral_metadata_threads,
            ),
            (
                "--ephemeral-metadata-update-pod-retries",
                &self.ephemeral_metadata_update_pod_retries,
            ),
            ("--kloglevel", &self.kloglevel),
            ("--enable-pprof-address", &self.enable_pprof_address),
            ("--ingress-api-version", &self.ingress_api_version),
            ("--alb-ingress-classes", &self.alb_ingress_classes),
            ("--nginx-ingress-classes", &self.nginx_ingress_classes),
        ];
        let given = all.into_iter().filter(|(_, values)| !values.is_empty());
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

fn group(text: &str) -> Result<String, String> {
    let sound =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    if text.is_empty() || !text.bytes().all(sound) {
        return Err("it must be a name, as `traefik.io`".to_owned());
    }
    Ok(text.to_owned())
}

fn version(text: &str) -> Result<String, String> {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !text.starts_with('v') || !text.bytes().all(sound) {
        return Err("it must be a version, as `v1beta1`".to_owned());
    }
    Ok(text.to_owned())
}

/// A version, with or without its group.
fn group_version(text: &str) -> Result<String, String> {
    if let Some((of, last)) = text.rsplit_once('/') {
        group(of)?;
        version(last)?;
        return Ok(text.to_owned());
    }
    version(text)
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.001 => Ok(rate),
        _ => Err("it must be a number from 0.001 on".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ControllerArgs,
    }

    fn parsed(arguments: &[&str]) -> Result<ControllerArgs, clap::Error> {
        let line = std::iter::once(&"controller").chain(arguments);
        Line::try_parse_from(line).map(|line| line.args)
    }

    /// All but `--controllers`, which turns parts of Argo's controller off, and `--version`.
    #[test]
    fn a_deployment_made_for_argos_controller_fits() {
        let args = parsed(&[
            "--namespaced",
            "--instance-id=shop",
            "--loglevel=warn",
            "--logformat=json",
            "--kloglevel=2",
            "--metricsport=8091",
            "--healthzPort=8081",
            "--qps=40",
            "--burst=80",
            "--rollout-threads=10",
            "--rollout-resync=900",
            "--experiment-threads=10",
            "--analysis-threads=30",
            "--service-threads=10",
            "--ingress-threads=10",
            "--ephemeral-metadata-threads=10",
            "--ephemeral-metadata-update-pod-retries=3",
            "--aws-target-group-binding-api-version=elbv2.k8s.aws/v1beta1",
            "--alb-tag-key-resource-id=ingress.k8s.aws/resource",
            "--alb-verify-weight",
            "--istio-api-version=v1beta1",
            "--ambassador-api-version=x.getambassador.io/v3alpha1",
            "--traffic-split-api-version=v1alpha2",
            "--traefik-api-group=traefik.containo.us",
            "--traefik-api-version=traefik.io/v1alpha1",
            "--ingress-api-version=networking/v1",
            "--appmesh-crd-version=v1beta2",
            "--alb-ingress-classes=alb",
            "--alb-ingress-classes=internal",
            "--nginx-ingress-classes=nginx",
            "--leader-elect=true",
            "--leader-election-lease-duration=15s",
            "--leader-election-renew-deadline=10s",
            "--leader-election-retry-period=2s",
            "--enable-pprof-address=127.0.0.1:8888",
        ])
        .unwrap();
        assert!(args.without_effect.verification.aws_verify_target_group);
        assert_eq!(args.without_effect.given().len(), 12);
        assert_eq!(
            args.routers.versions(),
            RouterVersions {
                istio: Some("v1beta1".to_owned()),
                smi: Some("v1alpha2".to_owned()),
                ambassador: Some("x.getambassador.io/v3alpha1".to_owned()),
                app_mesh: Some("v1beta2".to_owned()),
                traefik: Some("traefik.containo.us/v1alpha1".to_owned()),
            }
        );
    }

    #[test]
    fn a_version_that_would_change_the_path_of_requests_is_refused() {
        for argument in [
            "--istio-api-version=../v1",
            "--istio-api-version=",
            "--traefik-api-group=traefik.io/v1",
            "--ambassador-api-version=a/b/v1",
            "--traffic-split-api-version=v9",
        ] {
            assert!(parsed(&[argument]).is_err(), "{argument}");
        }
    }
}
