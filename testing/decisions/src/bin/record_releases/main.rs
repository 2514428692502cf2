//! `record-releases`: a real Sluice with its proxy and real processes, under a load that notes what became of each
//! request. `bench-analysis --recordings` judges what is recorded.
//!
//! The document's release holds the canary at one weight and judges nothing, so that every rule can be asked about the
//! whole of it. What is written is what `sluice_decisions::recorded` reads. Times are those of this machine's clock, for requests
//! when they were sent; the weight's change has the time of the decision in Sluice's log.

#![allow(
    clippy::print_stderr,
    reason = "a command-line tool: its progress is told on standard error"
)]

mod load;
mod product;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use load::{Load, Seen};
use product::Product;
use sluice_decisions::report::{RELEASES, WEIGHT_PERCENT};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Records real releases of the demo's service, for `bench-analysis --recordings`.
#[derive(Parser)]
struct Arguments {
    /// The product's program.
    #[arg(long, value_name = "PROGRAM")]
    sluice: PathBuf,
    /// Where the recordings go.
    #[arg(long, value_name = "FOLDER", default_value = "target/bench/recordings")]
    into: PathBuf,
    /// Requests per second to each service.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=1_000))]
    rate: u32,
    /// Seconds before the releases.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    lead_in: u64,
    /// Seconds with them.
    #[arg(long, default_value_t = 420, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    length: u64,
}

fn main() -> ExitCode {
    match record(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Records all releases at the same time.
fn record(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.into)
        .with_context(|| format!("{} cannot be made", arguments.into.display()))?;
    let mut product = Product::start(&arguments.sluice)?;
    let loads = RELEASES
        .iter()
        .map(|release| {
            let address = product.address(release.name)?;
            Ok(Load::start(address, f64::from(arguments.rate)))
        })
        .collect::<Result<Vec<Load>>>()?;
    eprintln!(
        "{} services, {} requests a second each: {} s before their releases, {} s with them",
        RELEASES.len(),
        arguments.rate,
        arguments.lead_in,
        arguments.length
    );
    std::thread::sleep(Duration::from_secs(arguments.lead_in));
    for release in RELEASES {
        product.deploy(&release)?;
    }
    std::thread::sleep(Duration::from_secs(arguments.length));
    let seen = loads
        .into_iter()
        .map(Load::stop)
        .collect::<Result<Vec<Vec<Seen>>>>()?;
    for (release, seen) in RELEASES.iter().zip(seen) {
        let into = arguments.into.join(release.file());
        write(&into, &seen, product.weighted_at_us(release.name)?)?;
        eprintln!("{}: {} requests", into.display(), seen.len());
    }
    product.stop()
}

fn write(into: &Path, seen: &[Seen], weighted_at_us: u64) -> Result<()> {
    let begin = seen.iter().map(|it| it.at_us).min().unwrap_or(0);
    ensure!(begin < weighted_at_us, "no request came before the release");
    let mut text = format!(
        "{{\"atUs\":0,\"weight\":0}}\n{{\"atUs\":{},\"weight\":{}}}\n",
        weighted_at_us - begin,
        WEIGHT_PERCENT / 100.0,
    );
    for it in seen {
        // What was sent in the instant of the change may have been assigned before it: a rule that compares both sides
        // is not helped by it, and no canary's request is older.
        let side = if it.canary { "canary" } else { "baseline" };
        let at_us = if it.canary {
            it.at_us.max(weighted_at_us)
        } else {
            it.at_us
        };
        text.push_str(&format!(
            "{{\"atUs\":{},\"side\":\"{side}\",\"failed\":{},\"latencyUs\":{}}}\n",
            at_us - begin,
            it.failed,
            it.latency_us
        ));
    }
    let mut file =
        fs::File::create(into).with_context(|| format!("{} is needed", into.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", into.display()))
}
