//! Finds a cluster: from a kubeconfig, or from within a pod.

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::Path;
use std::time::Duration;
use tower::{BoxError, ServiceBuilder};

/// How long the API server has for its first answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// After which silence a connection is asked whether it lives, and how long it has to answer: a server that is gone
/// without a word must not be waited for.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_MAX: Duration = Duration::from_secs(15);
/// How many bytes a server may send ahead of what is read, in all and for one request.
const WINDOW: u32 = 1 << 20;

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
    let client = client(config).map_err(|cause| unusable(cause.to_string()))?;
    let version = tokio::time::timeout(ANSWER_MAX, client.apiserver_version())
        .await
        .map_err(|_| ConnectError::Silent(format!("no answer in {} s", ANSWER_MAX.as_secs())))?
        .map_err(|cause| ConnectError::Silent(cause.to_string()))?;
    tracing::info!(server = version.git_version, "the cluster answers");
    Ok(client)
}

/// A client that speaks HTTP/2 where the server does: requests and watches share one connection, as those of kubectl and Argo's
/// controller do. kube's own has a connection for each request under way, and tries some requests again by itself: here that is the
/// queue's.
fn client(config: Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(config.connect_timeout.unwrap_or(CONNECT_MAX)));
    let mut tls = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into();
        let name = name.map_err(|cause| kube::Error::Service(Box::new(cause)))?;
        tls = tls.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let client = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PING_MAX)
        .http2_initial_stream_window_size(WINDOW)
        .http2_initial_connection_window_size(WINDOW)
        .build(tls.enable_all_versions().wrap_connector(connector));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(Client::new(service, config.default_namespace))
}
