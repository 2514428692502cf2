//! etcd, API server, controller manager and scheduler.

use super::Component;
use crate::credentials::{API_PORT, Credentials};
use crate::network::{NODE_ADDRESS, SERVICE_RANGE};
use crate::variant::Variant;
use std::path::Path;

const ETCD_CLIENTS: &str = "http://127.0.0.1:2379";
const ETCD_PEERS: &str = "http://127.0.0.1:2380";
/// Bytes that etcd stores at most: enough for thousands of objects with a long history.
const ETCD_QUOTA: u64 = 4 << 30;
/// After that much the log of requests would go into another file: never, in the life of a test.
const AUDIT_LOG_MEGABYTES: u32 = 16 << 10;
/// Requests a second of the controllers. The usual twenty would be the bottleneck of every test for scale.
const CONTROLLERS_QPS: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=1000"];

/// The data are gone with the cluster, so nothing waits for a disk.
pub(crate) fn etcd(folder: &Path) -> Component {
    Component::new(
        "etcd",
        [
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls={ETCD_CLIENTS}"),
            format!("--advertise-client-urls={ETCD_CLIENTS}"),
            format!("--listen-peer-urls={ETCD_PEERS}"),
            format!("--initial-advertise-peer-urls={ETCD_PEERS}"),
            format!("--initial-cluster=default={ETCD_PEERS}"),
            format!("--quota-backend-bytes={ETCD_QUOTA}"),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ],
    )
}

/// Reachable for the node, the pods and whoever is inside the namespace.
pub(crate) fn api_server(
    credentials: &Credentials,
    audit_log: &Path,
    variant: Variant,
) -> Component {
    let mut arguments = vec![
        format!("--etcd-servers={ETCD_CLIENTS}"),
        "--bind-address=0.0.0.0".to_owned(),
        format!("--secure-port={API_PORT}"),
        format!("--advertise-address={NODE_ADDRESS}"),
        format!(
            "--tls-cert-file={}",
            credentials.server_certificate().display()
        ),
        format!(
            "--tls-private-key-file={}",
            credentials.server_key().display()
        ),
        format!("--token-auth-file={}", credentials.tokens().display()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!(
            "--service-account-signing-key-file={}",
            credentials.account_key().display()
        ),
        format!(
            "--service-account-key-file={}",
            credentials.account_public_key().display()
        ),
        "--authorization-mode=RBAC".to_owned(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        // The node's name is known to nobody who could be asked for its address.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
        format!(
            "--audit-policy-file={}",
            credentials.audit_policy().display()
        ),
        format!("--audit-log-path={}", audit_log.display()),
        format!("--audit-log-maxsize={AUDIT_LOG_MEGABYTES}"),
    ];
    // Pods that only pretend use no token, and are smaller without one.
    if matches!(variant, Variant::Kwok { .. }) {
        arguments.push("--disable-admission-plugins=ServiceAccount".to_owned());
    }
    Component::new("kube-apiserver", arguments)
}

pub(crate) fn controller_manager(credentials: &Credentials) -> Component {
    let arguments = [
        format!("--kubeconfig={}", credentials.kubeconfig().display()),
        format!(
            "--service-account-private-key-file={}",
            credentials.account_key().display()
        ),
        format!("--root-ca-file={}", credentials.authority().display()),
        "--controllers=*".to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--profiling=false".to_owned(),
    ];
    Component::new(
        "kube-controller-manager",
        arguments
            .into_iter()
            .chain(CONTROLLERS_QPS.map(str::to_owned)),
    )
}

pub(crate) fn scheduler(credentials: &Credentials) -> Component {
    let arguments = [
        format!("--kubeconfig={}", credentials.kubeconfig().display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--profiling=false".to_owned(),
    ];
    Component::new(
        "kube-scheduler",
        arguments
            .into_iter()
            .chain(CONTROLLERS_QPS.map(str::to_owned)),
    )
}
