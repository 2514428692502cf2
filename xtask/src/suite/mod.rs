//! `cargo xtask test`: every check and test of the project, one part after the other.
//!
//! It first says what it will build, install or fetch, then runs the parts in order, the quick ones
//! first, and goes on after a failure so that one run shows everything. The last line is
//! `N passed, N failed, N skipped` over all individual tests. What a part does lies in `rust`,
//! `dependencies`, `samples`, `examples`, `metrics` and `cluster`; how test output is counted, in
//! `tally`.

mod cluster;
mod dependencies;
mod examples;
mod metrics;
mod rust;
mod samples;
mod tally;

use crate::workspace::Workspace;
use anyhow::{Result, bail};
use clap::Args;
pub(crate) use rust::format;
use std::time::{Duration, Instant};
use tally::Tally;

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Install and fetch nothing; what needs it is skipped and named.
    #[arg(long)]
    no_install: bool,
    /// Run only this part; may be given several times.
    #[arg(long, value_name = "PART", value_parser = part_names())]
    only: Vec<String>,
}

/// One part of the suite.
struct Part {
    name: &'static str,
    what: &'static str,
    /// What it installs or fetches on this machine, unless it is there already.
    installs: fn() -> Result<Option<String>>,
    run: fn(&Context<'_>) -> Result<Tally>,
}

/// What a part may use.
struct Context<'a> {
    workspace: &'a Workspace,
    no_install: bool,
}

const PARTS: [Part; 12] = [
    Part {
        name: "format",
        what: "rustfmt agrees",
        installs: nothing,
        run: rust::check_format,
    },
    Part {
        name: "layers",
        what: "crates depend downwards, pure crates are pure",
        installs: nothing,
        run: rust::check_layers,
    },
    Part {
        name: "dependencies",
        what: "licences, bans and sources of dependencies",
        installs: dependencies::installs,
        run: dependencies::check,
    },
    Part {
        name: "lints",
        what: "clippy without a warning",
        installs: nothing,
        run: rust::check_lints,
    },
    Part {
        name: "tests",
        what: "unit, integration and documentation tests, kills among them",
        installs: nothing,
        run: rust::run_tests,
    },
    Part {
        name: "docs",
        what: "rustdoc without a warning",
        installs: nothing,
        run: rust::check_docs,
    },
    Part {
        name: "generated",
        what: "generated documents are up to date",
        installs: nothing,
        run: rust::check_generated,
    },
    Part {
        name: "simulator",
        what: "a sample of the simulated rollouts",
        installs: nothing,
        run: samples::simulator,
    },
    Part {
        name: "kubernetes",
        what: "a sample of the simulated Kubernetes controller",
        installs: nothing,
        run: samples::kubernetes,
    },
    Part {
        name: "examples",
        what: "nginx and python3 through their rollouts",
        installs: examples::installs,
        run: examples::run,
    },
    Part {
        name: "metrics",
        what: "metric sources with a real Prometheus and Graphite",
        installs: metrics::installs,
        run: metrics::run,
    },
    Part {
        name: "cluster",
        what: "real Kubernetes clusters, and what runs against them",
        installs: cluster::installs,
        run: cluster::run,
    },
];

fn nothing() -> Result<Option<String>> {
    Ok(None)
}

fn part_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(PARTS.iter().map(|part| part.name))
}

/// How one part ended.
struct Ended {
    part: &'static Part,
    took: Duration,
    tally: Tally,
}

/// Runs the suite; `true` when nothing failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let started = Instant::now();
    let context = Context {
        workspace,
        no_install: options.no_install,
    };
    announce(options)?;
    let mut all = Vec::new();
    for part in PARTS.iter().filter(|part| is_wanted(part, options)) {
        println!("\n── {}: {}", part.name, part.what);
        let part_started = Instant::now();
        // A part that could not run to its end is one failed test; its reason is shown at once.
        let tally = (part.run)(&context).unwrap_or_else(|error| {
            println!("error: {error:#}");
            Tally::failure()
        });
        let ended = Ended {
            part,
            took: part_started.elapsed(),
            tally,
        };
        println!("── {}", ended.line());
        all.push(ended);
    }
    if all.is_empty() {
        bail!("no part was run");
    }
    Ok(close(&all, started.elapsed()))
}

fn is_wanted(part: &Part, options: &Options) -> bool {
    options.only.is_empty() || options.only.iter().any(|name| name == part.name)
}

/// Says what will be built, installed and fetched, before anything is.
fn announce(options: &Options) -> Result<()> {
    println!("This builds the workspace with cargo, which fetches the crates of Cargo.lock.");
    for part in PARTS.iter().filter(|part| is_wanted(part, options)) {
        match (part.installs)()? {
            Some(what) if options.no_install => {
                println!(
                    "Part {} would install {what}; --no-install is set.",
                    part.name
                );
            }
            Some(what) => println!("Part {} will install {what}.", part.name),
            None => {}
        }
    }
    Ok(())
}

/// Prints the summary and the closing line; `true` when nothing failed.
fn close(all: &[Ended], took: Duration) -> bool {
    println!("\nSummary, {} s in all:", took.as_secs());
    let mut total = Tally::default();
    for ended in all {
        println!("  {}", ended.line());
        total.add(&ended.tally);
    }
    if !total.skips.is_empty() {
        println!("Skipped:");
        for skip in &total.skips {
            println!("  {skip}");
        }
    }
    println!("{total}");
    total.failed == 0
}

impl Ended {
    fn line(&self) -> String {
        let result = match &self.tally {
            tally if tally.failed > 0 => "FAILED",
            tally if tally.passed == 0 => "skipped",
            _ => "ok",
        };
        format!(
            "{:<13}{result:<8}{:>5} s   {}",
            self.part.name,
            self.took.as_secs(),
            self.tally
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_test_fails_the_suite() {
        let ended = |tally: Tally| Ended {
            part: &PARTS[0],
            took: Duration::ZERO,
            tally,
        };
        assert!(close(
            &[ended(Tally::success()), ended(Tally::skip("a", "b"))],
            Duration::ZERO
        ));
        assert!(!close(
            &[ended(Tally::success()), ended(Tally::failure())],
            Duration::ZERO
        ));
    }

    #[test]
    fn a_part_says_failed_before_it_says_ok() {
        let mut tally = Tally::success();
        tally.add(&Tally::failure());
        let line = Ended {
            part: &PARTS[0],
            took: Duration::from_secs(7),
            tally,
        }
        .line();
        assert_eq!(
            line,
            "format       FAILED      7 s   1 passed, 1 failed, 0 skipped"
        );
    }
}
