//! Finds a cluster: from a kubeconfig, or from within a pod.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::Path;
use std::time::Duration;

/// How long the API server has for its first answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Why there is no cluster to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The configuration is missing, or cannot be used.
    #[error("the cluster's configuration cannot be used: {0}")]
    Configuration(String),
    /// The API server does not answer.
    #[error("the cluster's API server does not answer: {0}")]
    Silent(String),
}

/// A client for the cluster of a kubeconfig; without one for the pod's own, or the one of `KUBECONFIG` or
/// `~/.kube/config`. The server has answered once.
///
/// # Errors
/// When there is no such configuration, or the server does not answer.
pub async fn connect(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<Client, ConnectError> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let unusable = |cause: String| ConnectError::Configuration(cause);
    let config = match kubeconfig {
        Some(file) => {
            let read = Kubeconfig::read_from(file).map_err(|cause| unusable(cause.to_string()))?;
            Config::from_custom_kubeconfig(read, &options)
                .await
                .map_err(|cause| unusable(cause.to_string()))?
        }
        None if context.is_some() => Config::from_kubeconfig(&options)
            .await
            .map_err(|cause| unusable(cause.to_string()))?,
        None => Config::infer()
            .await
            .map_err(|cause| unusable(cause.to_string()))?,
    };
    let client = Client::try_from(config).map_err(|cause| unusable(cause.to_string()))?;
    let version = tokio::time::timeout(ANSWER_MAX, client.apiserver_version())
        .await
        .map_err(|_| ConnectError::Silent(format!("no answer in {} s", ANSWER_MAX.as_secs())))?
        .map_err(|cause| ConnectError::Silent(cause.to_string()))?;
    tracing::info!(server = version.git_version, "the cluster answers");
    Ok(client)
}
