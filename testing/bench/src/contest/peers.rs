//! How each proxy is told to do the same: one worker, a 95/5 split, keep-alive on both sides, no
//! log of requests. Where a program offers several ways to split, the cheapest one is taken.

use super::CANARY_PERCENT;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Connections that a proxy keeps open to the backends, at least as many as there are clients.
const KEPT_CONNECTIONS: u32 = 256;

/// The programs of a comparison.
pub struct Peers {
    /// The backends.
    pub backend: PathBuf,
    /// The proxies; Sluice's is the first.
    proxies: Vec<Peer>,
}

/// One proxy.
pub struct Peer {
    /// What it is called in the results.
    pub name: &'static str,
    /// Its program.
    pub program: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Sluice,
    Haproxy,
    Nginx,
    Envoy,
}

impl Peers {
    /// The programs of this crate, in `folder`, and those peers that were given.
    #[must_use]
    pub fn new(
        folder: &Path,
        haproxy: Option<PathBuf>,
        nginx: Option<PathBuf>,
        envoy: Option<PathBuf>,
    ) -> Self {
        let sluice = Some(folder.join("bench-sluice"));
        let proxies = [
            ("sluice", Kind::Sluice, sluice),
            ("haproxy", Kind::Haproxy, haproxy),
            ("nginx", Kind::Nginx, nginx),
            ("envoy", Kind::Envoy, envoy),
        ];
        let proxies = proxies
            .into_iter()
            .filter_map(|(name, kind, program)| {
                Some(Peer {
                    name,
                    kind,
                    program: program?,
                })
            })
            .collect();
        Self {
            backend: folder.join("bench-backend"),
            proxies,
        }
    }

    /// The proxies; Sluice's is the first.
    #[must_use]
    pub fn list(&self) -> &[Peer] {
        &self.proxies
    }
}

impl Peer {
    /// Writes the configuration into `folder`; the arguments to start the program with.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(
        &self,
        listen: SocketAddr,
        stable: SocketAddr,
        canary: SocketAddr,
        lifetime: Duration,
        folder: &Path,
    ) -> Result<Vec<String>> {
        let place = Place {
            listen,
            stable,
            canary,
            folder,
        };
        let write = |file: &str, text: String| -> Result<String> {
            let path = folder.join(file);
            std::fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
            Ok(path.display().to_string())
        };
        Ok(match self.kind {
            Kind::Sluice => vec![
                listen.to_string(),
                stable.to_string(),
                canary.to_string(),
                lifetime.as_secs().to_string(),
            ],
            Kind::Haproxy => {
                let file = write("haproxy.cfg", place.haproxy())?;
                vec!["-db".to_owned(), "-f".to_owned(), file]
            }
            Kind::Nginx => {
                let file = write("nginx.conf", place.nginx())?;
                [
                    "-e",
                    "stderr",
                    "-p",
                    &folder.display().to_string(),
                    "-c",
                    &file,
                ]
                .map(str::to_owned)
                .to_vec()
            }
            Kind::Envoy => {
                let file = write("envoy.json", place.envoy())?;
                [
                    "-c",
                    &file,
                    "--concurrency",
                    "1",
                    "--log-level",
                    "error",
                    "--disable-hot-restart",
                ]
                .map(str::to_owned)
                .to_vec()
            }
        })
    }

    /// What the program says of its version, for the results.
    #[must_use]
    pub fn version(&self) -> String {
        let argument = match self.kind {
            Kind::Sluice => return env!("CARGO_PKG_VERSION").to_owned(),
            Kind::Haproxy | Kind::Nginx => "-v",
            Kind::Envoy => "--version",
        };
        let output = Command::new(&self.program)
            .arg(argument)
            .stdin(Stdio::null())
            .output();
        let Ok(output) = output else {
            return "unknown".to_owned();
        };
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said)
            .lines()
            .find(|line| line.chars().any(|letter| letter.is_ascii_digit()))
            .unwrap_or("unknown")
            .trim()
            .to_owned()
    }
}

/// The addresses that a configuration names.
struct Place<'a> {
    listen: SocketAddr,
    stable: SocketAddr,
    canary: SocketAddr,
    folder: &'a Path,
}

impl Place<'_> {
    fn haproxy(&self) -> String {
        let Self {
            listen,
            stable,
            canary,
            ..
        } = self;
        let rest = 100 - CANARY_PERCENT;
        format!(
            "\
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend front
    bind {listen}
    default_backend back
backend back
    balance roundrobin
    server stable {stable} weight {rest}
    server canary {canary} weight {CANARY_PERCENT}
"
        )
    }

    /// One process, so that its times are all there is; buffers that hold the large body, so that
    /// nothing is written to a disk.
    fn nginx(&self) -> String {
        let Self {
            listen,
            stable,
            canary,
            folder,
        } = self;
        let folder = folder.display();
        let rest = 100 - CANARY_PERCENT;
        format!(
            "\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    proxy_buffer_size 16k;
    proxy_buffers 8 16k;
    proxy_max_temp_file_size 0;
    upstream back {{
        server {stable} weight={rest};
        server {canary} weight={CANARY_PERCENT};
        keepalive {KEPT_CONNECTIONS};
        keepalive_requests 1000000000;
    }}
    server {{
        listen {listen};
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
        )
    }

    /// JSON is YAML too; no administration port, no tracing, no identifiers added to requests.
    fn envoy(&self) -> String {
        let address = |of: &SocketAddr| {
            serde_json::json!({"socket_address": {
                "address": of.ip().to_string(), "port_value": of.port(),
            }})
        };
        let cluster = |name: &str, of: &SocketAddr| {
            serde_json::json!({
                "name": name, "type": "STATIC", "connect_timeout": "2s",
                "load_assignment": {"cluster_name": name, "endpoints": [{
                    "lb_endpoints": [{"endpoint": {"address": address(of)}}],
                }]},
            })
        };
        let weighted = serde_json::json!({"clusters": [
            {"name": "stable", "weight": 100 - CANARY_PERCENT},
            {"name": "canary", "weight": CANARY_PERCENT},
        ]});
        const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions.filters";
        let manager = serde_json::json!({
            "@type": format!(
                "{EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager"
            ),
            "stat_prefix": "front",
            "generate_request_id": false,
            "route_config": {"virtual_hosts": [{
                "name": "all", "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}}],
            }]},
            "http_filters": [{"name": "router", "typed_config": {
                "@type": format!("{EXTENSIONS}.http.router.v3.Router"),
                "suppress_envoy_headers": true,
            }}],
        });
        serde_json::json!({"static_resources": {
            "listeners": [{
                "name": "front", "address": address(&self.listen),
                "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
            }],
            "clusters": [cluster("stable", &self.stable), cluster("canary", &self.canary)],
        }})
        .to_string()
    }
}
