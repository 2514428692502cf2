//! The service that `bench-deploy` releases: answers on `$PORT` as the side that `$SIDE` names, and
//! dies at once when it is told to end: not losing a request is Sluice's business here.

use anyhow::{Context, Result};
use sluice_bench::wire::Side;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

/// It ends by itself if nobody ends it.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

fn main() -> Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let port: u16 = variable("PORT")?.parse().context("PORT is no port")?;
    let side = match variable("SIDE")?.as_str() {
        "canary" => Side::Canary,
        _ => Side::Stable,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on port {port}"))?;
    sluice_bench::backend::serve(&[(listener, side)], LIFETIME)
}
