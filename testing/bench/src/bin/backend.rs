//! The backends of a comparison as a process of their own: `bench-backend STABLE CANARY SECONDS`.

use anyhow::{Context, Result};
use sluice_bench::wire::Side;
use std::net::TcpListener;
use std::time::Duration;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| {
        arguments
            .next()
            .with_context(|| format!("{what} is missing"))
    };
    let mut listen = |what: &str| -> Result<TcpListener> {
        let address = next(what)?;
        TcpListener::bind(&address).with_context(|| format!("cannot listen on {address}"))
    };
    let stable = listen("the stable side's address")?;
    let canary = listen("the canary side's address")?;
    let listeners = [(stable, Side::Stable), (canary, Side::Canary)];
    let seconds = next("the lifetime in seconds")?
        .parse()
        .context("the lifetime is no number")?;
    sluice_bench::backend::serve(&listeners, Duration::from_secs(seconds))
}
