//! Arguments of the commands that run until they are ended: `up`, `demo` and its service.

use clap::{Args, ValueHint};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Arguments of `up`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UpArgs {
    /// The document [default: the sluice.yaml found here or above]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// Serve the API on this TCP address too, with a token (STATE/api.token)
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) api: Option<SocketAddr>,

    /// Take the place of the Sluice that runs on the state folder, without dropping a request
    #[arg(long)]
    pub(crate) take_over: bool,

    /// Threads of the proxy [default: as many as there are cores]
    #[arg(long, value_name = "THREADS", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) workers: Option<u32>,
}

/// Arguments of `demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Print one JSON object with the figures at the end, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of the demo's service.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoServiceArgs {
    /// Port
    #[arg(long, value_name = "PORT", env = "PORT", hide_env_values = true)]
    pub(crate) port: u16,

    /// Address that it listens on; 0.0.0.0 where others than this machine ask, as in a pod
    #[arg(
        long,
        value_name = "IP",
        env = "DEMO_HOST",
        hide_env_values = true,
        default_value = "127.0.0.1"
    )]
    pub(crate) host: IpAddr,

    /// What it calls itself
    #[arg(
        long,
        value_name = "NAME",
        env = "DEMO_VERSION",
        hide_env_values = true,
        default_value = "1"
    )]
    pub(crate) name: String,

    /// Share of the requests that fail, from 0 to 1
    #[arg(
        long,
        value_name = "RATIO",
        env = "DEMO_FAIL_RATIO",
        hide_env_values = true,
        default_value_t = 0.0
    )]
    pub(crate) fail_ratio: f64,

    /// Memory that each request leaves behind, in bytes
    #[arg(
        long,
        value_name = "BYTES",
        env = "DEMO_LEAK_BYTES",
        hide_env_values = true,
        default_value_t = 0
    )]
    pub(crate) leak_bytes: usize,
}
