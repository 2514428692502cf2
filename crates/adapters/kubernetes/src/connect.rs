//! Finds a cluster: from a kubeconfig, or from within a pod.

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::Path;
use std::time::Duration;
use tower::{BoxError, Service, ServiceBuilder};

/// How long the API server has for its first answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// After which silence a connection is asked whether it lives, and how long it has to answer: a server that is gone
/// without a word must not be waited for, and the lead, which has 10 s for its renewal, not be lost for it.
const PING_AFTER: Duration = Duration::from_secs(3);
const PING_MAX: Duration = Duration::from_secs(2);
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

/// A client for the cluster of a kubeconfig; without one for that of `KUBECONFIG` or `~/.kube/config`, or for the pod's own. The
/// server has answered once.
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
    let client =
        client(config, &Matcher::from_env()).map_err(|cause| unusable(cause.to_string()))?;
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
///
/// Other connections go through an HTTP proxy: the kubeconfig's, or the environment's where `NO_PROXY` does not say otherwise.
fn client(config: Config, environment: &Matcher) -> kube::Result<Client> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(config.connect_timeout.unwrap_or(CONNECT_MAX)));
    let Some(proxy) = proxy_of(&config, environment) else {
        return client_over(connector, config);
    };
    if proxy.uri().scheme_str() != Some("http") {
        let scheme = proxy.uri().scheme_str().unwrap_or_default();
        let message = format!(
            "its proxy speaks `{scheme}`, which is not known here; name one that speaks http, or none for this server (NO_PROXY)"
        );
        return Err(kube::Error::Service(message.into()));
    }
    let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
    if let Some(credentials) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(credentials.clone());
    }
    client_over(tunnel, config)
}

/// The proxy on the way to the server. The configuration has the kubeconfig's or else the environment's, and does not tell which.
fn proxy_of(config: &Config, environment: &Matcher) -> Option<Intercept> {
    let named = config.proxy_url.as_ref()?;
    let of_environment = ["HTTPS_PROXY", "https_proxy"].into_iter().any(|name| {
        let value = std::env::var(name).ok();
        value.and_then(|value| value.parse::<Uri>().ok()).as_ref() == Some(named)
    });
    if of_environment {
        return environment.intercept(&config.cluster_url);
    }
    let own = Matcher::builder().all(named.to_string()).build();
    own.intercept(&config.cluster_url)
}

fn client_over<C>(connector: C, config: Config) -> kube::Result<Client>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// What a server is asked first, by a client that has the server for its proxy.
    async fn first_line(proxy: impl FnOnce(std::net::SocketAddr) -> String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut config = Config::new(Uri::from_static("https://cluster.invalid:6443"));
        config.proxy_url = Some(proxy(address).parse().expect("an address"));
        let client = client(config, &Matcher::builder().build()).expect("a client");
        let asks = tokio::spawn(async move { client.apiserver_version().await.map(drop) });
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let mut text = vec![0; 4_096];
        let length = connection.read(&mut text).await.expect("a request");
        let refusal = b"HTTP/1.1 403 Forbidden\r\n\r\n";
        connection.write_all(refusal).await.expect("an answer");
        assert!(asks.await.expect("no panic").is_err());
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    /// It was refused, since the library's own way through a proxy was not compiled in.
    #[tokio::test]
    async fn a_proxy_is_asked_for_a_way_to_the_server() {
        let asked = first_line(|address| format!("http://{address}")).await;
        assert!(
            asked.starts_with("CONNECT cluster.invalid:6443 HTTP/1.1"),
            "{asked}"
        );
        let asked = first_line(|address| format!("http://me:secret@{address}")).await;
        let asked = asked.to_lowercase();
        assert!(asked.contains("proxy-authorization: basic "), "{asked}");
    }

    #[test]
    fn what_a_proxy_must_speak_is_said() {
        let mut config = Config::new(Uri::from_static("https://cluster.invalid:6443"));
        config.proxy_url = Some(Uri::from_static("socks5://127.0.0.1:1"));
        let refused = client(config, &Matcher::builder().build()).err();
        let message = refused.expect("refused").to_string();
        assert!(
            message.contains("`socks5`") && message.contains("NO_PROXY"),
            "{message}"
        );
    }
}
