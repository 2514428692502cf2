//! The command line as types: what can be asked, with the help that each command shows.
//!
//! Every command ends its help with an example; a test holds to that. The values of choices have no
//! text of their own: clap would then stretch every help over twice the lines. Nothing here does
//! anything: `cli::run` sends each command where it belongs.
//!
//! The commands are here; their arguments are in a file for each file of `cli` that carries them out.
//! `target` has what several of them share: the service, and whether to wait.

mod audit;
mod completion;
mod controller;
mod convert;
mod document;
mod release;
mod serve;
mod show;
mod simulate;
mod target;
mod tune;

pub(crate) use audit::{AuditCommand, AuditNeutralityArgs, AuditShowArgs};
pub(crate) use completion::{CompletionArgs, Shell};
pub(crate) use controller::{ControllerArgs, LogFormat, LogLevel};
pub(crate) use convert::{ConvertCommand, KayentaArgs};
pub(crate) use document::{LintArgs, PlanArgs};
pub(crate) use release::{
    AbortArgs, DeployArgs, PauseArgs, PromoteArgs, StopArgs, UndoArgs, WaitArgs, WaitFor,
};
pub(crate) use serve::{DemoArgs, DemoServiceArgs, UpArgs};
pub(crate) use show::{LogsArgs, StatusArgs};
pub(crate) use simulate::SimulateArgs;
pub(crate) use target::{One, OneOrAll, WaitableOne, Waiting};
pub(crate) use tune::TuneArgs;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

const ROOT_HELP: &str = "\
Example, from nothing to a release and back:
  sluice up                            # run the services of ./sluice.yaml (in another terminal)
  sluice deploy checkout --wait        # release what the document says now, step by step
  sluice watch                         # look at it live
  sluice undo checkout                 # back to the revision before

Exit codes:
  0  done
  1  the thing asked for failed: a rollout was aborted, a check failed, a command was refused
  2  wrong usage, or an invalid document
  3  no Sluice runs there, or there is no such service or revision
  4  not done in time; it may still come about";

/// Progressive delivery in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "sluice",
    version,
    about = "Progressive delivery in one binary: releases reach users step by step, and go back by themselves when they are worse.",
    after_help = ROOT_HELP,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How to print: text for people, json for scripts
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "text|json",
        default_value = "text",
        hide_possible_values = true
    )]
    pub(crate) output: Format,

    /// State folder of the Sluice to talk to [default: .sluice beside the sluice.yaml found here or above]
    #[arg(long, global = true, value_name = "DIR", env = "SLUICE_STATE", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,

    /// Talk to a Sluice over TCP instead, with the token of SLUICE_TOKEN or of the state folder
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "SLUICE_SERVER",
        hide_env_values = true
    )]
    pub(crate) server: Option<String>,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the services of a document, behind Sluice's proxy
    #[command(after_help = "\
Example:
  sluice up
  sluice up -f shop/sluice.yaml --api 127.0.0.1:7070")]
    Up(UpArgs),

    /// Show what Sluice does: a bad release caught and taken back, a good one promoted
    #[command(after_help = "\
Example:
  sluice demo
  sluice demo --json")]
    Demo(DemoArgs),

    /// The small service that the demo releases
    #[command(
        hide = true,
        after_help = "\
Example:
  sluice demo-service --port 8080 --fail-ratio 0.02"
    )]
    DemoService(DemoServiceArgs),

    /// Release what the document says now, by its plan
    #[command(after_help = "\
Example:
  sluice deploy
  sluice deploy checkout --env VERSION=2.1 --note 'ticket 4711' --wait")]
    Deploy(DeployArgs),

    /// Show where the services stand
    #[command(after_help = "\
Example:
  sluice status
  sluice status checkout -o json | jq .phase")]
    Status(StatusArgs),

    /// Look at services live: steps, weights, both sides' signals
    #[command(after_help = "\
Keys: q quits, p promotes, P pauses or resumes, a aborts (and asks for the reason), up and down choose
a service. Without a terminal it prints a line per change; with -o json, a JSON object.

Example:
  sluice watch
  sluice watch checkout | tee release.log")]
    Watch(OneOrAll),

    /// List the replicas of a service: processes, ports, CPU and memory
    #[command(after_help = "\
Example:
  sluice replicas checkout")]
    Replicas(One),

    /// List the revisions of a service
    #[command(after_help = "\
Example:
  sluice history checkout")]
    History(One),

    /// Say why a service stands where it stands, on which evidence
    #[command(after_help = "\
Example:
  sluice explain checkout")]
    Explain(One),

    /// Show what a service's replicas print
    #[command(after_help = "\
Example:
  sluice logs checkout -f
  sluice logs checkout --revision 4 --tail 1000")]
    Logs(LogsArgs),

    /// Approve the gate that a rollout waits at, or skip the rest of its step
    #[command(after_help = "\
Example:
  sluice promote checkout
  sluice promote checkout --full       # skip the whole rest of the plan")]
    Promote(PromoteArgs),

    /// Hold a rollout where it is
    #[command(after_help = "\
Example:
  sluice pause checkout --reason 'looking at a customer report'")]
    Pause(PauseArgs),

    /// Let a held rollout go on
    #[command(after_help = "\
Example:
  sluice resume checkout")]
    Resume(One),

    /// Take a rollout back: all traffic to the stable revision, at once
    #[command(after_help = "\
Example:
  sluice abort checkout --reason 'wrong prices in the basket'")]
    Abort(AbortArgs),

    /// Start an aborted rollout again from its first step
    #[command(after_help = "\
Example:
  sluice retry checkout --wait")]
    Retry(WaitableOne),

    /// Go back to an older revision, without the steps of the plan
    #[command(after_help = "\
Example:
  sluice undo checkout
  sluice undo checkout --to 12 --wait")]
    Undo(UndoArgs),

    /// Replace the running processes by new ones of the same revision
    #[command(after_help = "\
Example:
  sluice restart checkout --wait")]
    Restart(WaitableOne),

    /// Wait until a service is where it should be, for scripts and pipelines
    #[command(after_help = "\
Exit code 0 when it is, 1 when its rollout was aborted, 4 when the time is up.

Example:
  sluice wait checkout --for promoted --timeout 30m")]
    Wait(WaitArgs),

    /// Go through the pre-deployment checklist
    #[command(after_help = "\
Exit code 1 when an item fails; warnings do not count.

Example:
  sluice check
  sluice check checkout -o json")]
    Check(OneOrAll),

    /// Look for mistakes and risks in documents, without running anything
    #[command(after_help = "\
Exit code 2 when there is an error; warnings do not count.

Example:
  sluice lint
  sluice lint sluice.yaml other/*.yaml -o json")]
    Lint(LintArgs),

    /// Say step by step what a release would do, without doing it
    #[command(after_help = "\
Example:
  sluice plan
  sluice plan sluice.yaml checkout")]
    Plan(PlanArgs),

    /// Say how often, how soon and at whose cost the plan would find bad releases
    #[command(after_help = "\
Many rollouts are simulated by the plan's own rules, their requests drawn by chance: of a release as
good as the one before, of some that fail more often, and of slower ones. Gates are answered at once;
what else is not simulated is said below the figures.

Example:
  sluice simulate --rate 200/s
  sluice simulate sluice.yaml checkout --rate 12000/m --errors 0.5% --regression 1%,2%,10%
  sluice simulate --rate 200/s --runs 5000 --plot checkout.svg -o json")]
    Simulate(SimulateArgs),

    /// Propose limits for a service's checks from its history, with the false alarms they would have raised
    #[command(after_help = "\
Sluice keeps what it counted in each minute of the last 14 days. Rollouts by the document's plan are
replayed on the minutes in which nothing was the matter, with a new revision that is exactly as
good as the old one: whatever raises an alarm then raises a false one. The document's checks are
judged so too, and comparisons get the margins at which they are decided within the bakes.

Example:
  sluice tune checkout
  sluice tune checkout --target 5% --since 7d -o json
  sluice tune checkout --export checkout.jsonl
  sluice tune checkout --from checkout.jsonl")]
    Tune(TuneArgs),

    /// Translate another tool's files into parts of a document
    #[command(
        subcommand,
        after_help = "\
Example:
  sluice convert kayenta canary-config.json"
    )]
    Convert(ConvertCommand),

    /// Print the JSON Schema of the document, for editors
    #[command(after_help = "\
Example:
  sluice schema > sluice.schema.json
  # and in sluice.yaml, for editors with the YAML language server:
  # yaml-language-server: $schema=sluice.schema.json")]
    Schema,

    /// Roll out Argo Rollouts' objects on a Kubernetes cluster, in place of its controller
    #[command(after_help = "\
Example:
  sluice crds | kubectl apply -f -
  sluice controller --kubeconfig ~/.kube/config --leader-elect")]
    Controller(Box<ControllerArgs>),

    /// Print the Kubernetes definitions of Argo Rollouts' kinds, for kubectl
    #[command(after_help = "\
Example:
  sluice crds | kubectl apply -f -")]
    Crds,

    /// Print the script that completes commands and service names in a shell
    #[command(after_help = "\
Example:
  source <(sluice completion bash)     # put it into ~/.bashrc to keep it")]
    Completion(CompletionArgs),

    /// Look at the log of all decisions, and prove that nobody changed it
    #[command(
        subcommand,
        after_help = "\
Example:
  sluice audit show checkout
  sluice audit verify
  sluice audit replay 42"
    )]
    Audit(AuditCommand),

    /// End the Sluice that runs
    #[command(after_help = "\
Example:
  sluice stop
  sluice stop --now                    # cut what is in flight, at most a second for replicas")]
    Stop(StopArgs),
}
