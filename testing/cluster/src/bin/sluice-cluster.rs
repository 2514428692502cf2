//! The clusters of this machine from the command line; `cargo xtask cluster` gets the programs and calls this.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its result"
)]

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use sluice_cluster::{Cluster, ClusterName, Image, Status, Variant, down, status, status_of_all};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const MIB: u64 = 1 << 20;

/// A real Kubernetes cluster on this machine, for tests.
#[derive(Parser)]
#[command(
    name = "cargo xtask cluster",
    bin_name = "cargo xtask cluster",
    version
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster; it runs on until it is taken down
    #[command(after_help = "\
`cargo xtask cluster up --no-install` builds and installs nothing, and says what is missing.

Example:
  cargo xtask cluster up
  cargo xtask cluster up scale --kwok 10")]
    Up(Up),
    /// End a cluster and remove what is left of it; does nothing where there is none
    Down(Down),
    /// Show what runs
    Status(Show),
    /// Run a command inside a cluster's network, with KUBECONFIG set and kubectl on PATH
    #[command(after_help = "\
Example:
  cargo xtask cluster run -- kubectl get pods -A
  cargo xtask cluster run -- bash")]
    Run(Run),
    /// Give a cluster an image that runs a program of this machine, with the libraries that it is linked to
    #[command(after_help = "\
Example:
  cargo xtask cluster load sluice:dev target/debug/sluice")]
    Load(Load),
}

#[derive(Args)]
struct Up {
    /// What the cluster is called
    #[arg(default_value = "dev")]
    name: ClusterName,
    /// Nodes and pods only pretend, for scale [default: one node]
    #[arg(long, value_name = "NODES", num_args = 0..=1, default_missing_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    kwok: Option<u32>,
    /// No nodes: objects can be stored and watched, no pod runs
    #[arg(long, conflicts_with = "kwok")]
    control_plane: bool,
}

#[derive(Args)]
struct Down {
    /// Which cluster
    #[arg(default_value = "dev")]
    name: ClusterName,
    /// All clusters of this machine
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

#[derive(Args)]
struct Show {
    /// Which cluster; all of them when absent
    name: Option<ClusterName>,
    /// In which form
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Text,
    Json,
}

#[derive(Args)]
struct Run {
    /// Which cluster
    #[arg(long, default_value = "dev")]
    name: ClusterName,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

#[derive(Args)]
struct Load {
    /// Which cluster
    #[arg(long, default_value = "dev")]
    name: ClusterName,
    /// What the image is called
    image: String,
    /// The program that it runs
    program: PathBuf,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(arguments) => up(&arguments)?,
        Command::Down(arguments) => return take_down(&arguments),
        Command::Status(arguments) => show(&arguments)?,
        Command::Run(arguments) => return run_inside(&arguments),
        Command::Load(arguments) => {
            let image = Image::of_program(&arguments.image, &arguments.program)?;
            let names = image.names().join(", ");
            Cluster::find(&arguments.name)?.load_images(&[image])?;
            println!("{} is now the image {names}", arguments.program.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn up(arguments: &Up) -> Result<()> {
    let variant = match arguments.kwok {
        Some(nodes) => Variant::Kwok { nodes },
        None if arguments.control_plane => Variant::ControlPlane,
        None => Variant::Node,
    };
    let name = &arguments.name;
    let now = status(name)?;
    if now.is_ready && now.variant == Some(variant) {
        println!("The cluster {name} is up already.");
        explain(&now);
        return Ok(());
    }
    println!(
        "Starting the cluster {name}: {variant}. As root this makes the network namespace {}, processes and mounts in namespaces \
         of their own, {}and the folder {}.",
        name.namespace(),
        if variant == Variant::Node {
            "cgroups, "
        } else {
            ""
        },
        name.folder().display()
    );
    let started = Instant::now();
    let cluster = Cluster::up_telling(name, variant, &mut |what| {
        println!("{:>5.1} s  {what}", started.elapsed().as_secs_f64());
    })?;
    cluster.keep();
    println!("{:>5.1} s  up", started.elapsed().as_secs_f64());
    explain(&status(name)?);
    Ok(())
}

/// How the cluster is used.
fn explain(status: &Status) {
    let name = &status.name;
    println!(
        "Kubeconfig:        {}, from inside the cluster's network",
        status.kubeconfig.display()
    );
    println!("A command inside:  cargo xtask cluster run --name {name} -- kubectl get pods -A");
    println!(
        "A shell inside:    nsenter --net={} bash",
        status.namespace.display()
    );
    println!("Taking it down:    cargo xtask cluster down {name}");
}

fn take_down(arguments: &Down) -> Result<ExitCode> {
    let names = if arguments.all {
        let all = status_of_all()?;
        all.iter()
            .map(|status| status.name.parse())
            .collect::<Result<Vec<_>>>()?
    } else {
        vec![arguments.name.clone()]
    };
    let mut code = ExitCode::SUCCESS;
    for name in names {
        match down(&name) {
            Ok(strangers) => {
                println!("The cluster {name} is down.");
                for stranger in strangers {
                    println!("Left alone: {stranger}; nobody here started it.");
                }
            }
            Err(error) => {
                eprintln!("error: the cluster {name} is not down: {error:#}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn show(arguments: &Show) -> Result<()> {
    let all = match &arguments.name {
        Some(name) => vec![existing(name)?],
        None => status_of_all()?,
    };
    match arguments.output {
        Form::Json => println!("{}", serde_json::to_string_pretty(&all)?),
        Form::Text if all.is_empty() => println!("No cluster is there."),
        Form::Text => all.iter().for_each(print),
    }
    Ok(())
}

fn existing(name: &ClusterName) -> Result<Status> {
    let status = status(name)?;
    if status.variant.is_none() && status.components.is_empty() {
        bail!("there is no cluster {name}; `cargo xtask cluster up {name}` starts one");
    }
    Ok(status)
}

fn print(status: &Status) {
    let variant = status
        .variant
        .map_or_else(|| "unknown".to_owned(), |variant| variant.to_string());
    let ready = if status.is_ready {
        "ready"
    } else {
        "not ready"
    };
    println!(
        "{}: {variant}, {ready}, {} MiB",
        status.name,
        status.memory_bytes() / MIB
    );
    for component in &status.components {
        println!(
            "  {:<24} process {:<8} {:>5} MiB",
            component.name,
            component.pid,
            component.memory_bytes / MIB
        );
    }
}

/// Becomes the command: its input, output, signals and status are those of whoever called.
fn run_inside(arguments: &Run) -> Result<ExitCode> {
    let Some((program, rest)) = arguments.command.split_first() else {
        bail!("no command was given");
    };
    let cluster = Cluster::find(&arguments.name)?;
    let mut command = cluster.run_inside(program);
    Err(command.args(rest).exec()).with_context(|| format!("{} cannot be run", program.display()))
}
