//! The command line as types: what can be asked, with the help that each command shows.
//!
//! Every command ends its help with an example; a test holds to that. The values of choices have no
//! text of their own: clap would then stretch every help over twice the lines. Nothing here does
//! anything: `cli::run` sends each command where it belongs.

use super::completion::service_names;
use super::simulate::values;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCompleter;
use sluice_forecast::{Latency, Release};
use sluice_model::ids::{RevisionNumber, ServiceName};
use sluice_model::time::parse_span;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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

    /// Print the JSON Schema of the document, for editors
    #[command(after_help = "\
Example:
  sluice schema > sluice.schema.json
  # and in sluice.yaml, for editors with the YAML language server:
  # yaml-language-server: $schema=sluice.schema.json")]
    Schema,

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

/// A service; may be left out where there is only one.
#[derive(Clone, Debug, Args)]
pub(crate) struct One {
    /// The service; may be left out where there is only one
    #[arg(value_parser = parse_service, add = ArgValueCompleter::new(service_names))]
    pub(crate) service: Option<ServiceName>,
}

/// A service, or all of them.
#[derive(Clone, Debug, Args)]
pub(crate) struct OneOrAll {
    /// The service; all of them when it is left out
    #[arg(value_parser = parse_service, add = ArgValueCompleter::new(service_names))]
    pub(crate) service: Option<ServiceName>,
}

/// Arguments of `status`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) one: OneOrAll,

    /// Write what `watch` would show to this file, as a picture (SVG)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) picture: Option<PathBuf>,
}

/// Whether to wait for the end of the rollout.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Waiting {
    /// Wait until the rollout has ended: exit code 1 when it was aborted, 4 when the time is up
    #[arg(short, long)]
    pub(crate) wait: bool,

    /// Longest wait; the rollout goes on without you
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_span, requires = "wait")]
    pub(crate) timeout: Duration,
}

/// A service, and whether to wait.
#[derive(Clone, Debug, Args)]
pub(crate) struct WaitableOne {
    #[command(flatten)]
    pub(crate) one: One,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

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
    /// Port on loopback
    #[arg(long, value_name = "PORT", env = "PORT", hide_env_values = true)]
    pub(crate) port: u16,

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
}

/// Arguments of `deploy`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Environment of the new revision, over the document's; may be given several times
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = parse_env)]
    pub(crate) env: Vec<(String, String)>,

    /// Use this document; otherwise the one that `up` was started with is read anew
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,

    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// Arguments of `logs`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Go on with new lines as they are written
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Only this revision's
    #[arg(long, value_name = "NUMBER", value_parser = parse_revision)]
    pub(crate) revision: Option<RevisionNumber>,

    /// The last so many lines
    #[arg(long, value_name = "LINES", default_value_t = sluice_server::wire::LOGS_TAIL_DEFAULT)]
    pub(crate) tail: u32,
}

/// Arguments of `promote`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Skip the whole rest of the plan
    #[arg(long)]
    pub(crate) full: bool,

    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// Arguments of `pause`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Arguments of `abort`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Why; it is kept in the log
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub(crate) reason: String,
}

/// Arguments of `undo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UndoArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// The revision to go back to [default: the one that was stable before]
    #[arg(long, value_name = "NUMBER", value_parser = parse_revision)]
    pub(crate) to: Option<RevisionNumber>,

    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// Arguments of `wait`.
#[derive(Clone, Debug, Args)]
pub(crate) struct WaitArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// What to wait for: a rollout that ended well, or a service that is healthy
    #[arg(
        long = "for",
        value_enum,
        value_name = "promoted|healthy",
        default_value = "promoted",
        hide_possible_values = true
    )]
    pub(crate) what: WaitFor,

    /// Only this revision will do
    #[arg(long, value_name = "NUMBER", value_parser = parse_revision)]
    pub(crate) revision: Option<RevisionNumber>,

    /// Longest wait
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_span)]
    pub(crate) timeout: Duration,
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitFor {
    Promoted,
    Healthy,
}

/// Arguments of `lint`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LintArgs {
    /// The documents [default: the sluice.yaml found here or above]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
}

/// Arguments of `plan`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArgs {
    /// The document [default: the sluice.yaml found here or above]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// Only this service's plan
    #[arg(value_parser = parse_service)]
    pub(crate) service: Option<ServiceName>,
}

/// Arguments of `simulate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The document [default: the sluice.yaml found here or above]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// The service; may be left out where there is only one
    #[arg(value_parser = parse_service, add = ArgValueCompleter::new(service_names))]
    pub(crate) service: Option<ServiceName>,

    /// Requests to the service, on both sides together
    #[arg(long, value_name = "200/s", value_parser = values::rate)]
    pub(crate) rate: f64,

    /// Share of the requests that fail with the present revision
    #[arg(long, value_name = "SHARE", default_value = "0.1%", value_parser = values::share)]
    pub(crate) errors: f64,

    /// Share of them answered 4xx
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = values::share)]
    pub(crate) client_errors: f64,

    /// How long they take: the median and the p99
    #[arg(long, value_name = "P50,P99", default_value = "20ms,200ms", value_parser = values::latency)]
    pub(crate) latency: Latency,

    /// Bad releases: the shares of their requests that fail
    #[arg(long, value_name = "SHARES", value_delimiter = ',', default_value = "0.2%,0.5%,1%,5%,50%", value_parser = values::failing)]
    pub(crate) regression: Vec<Release>,

    /// Slow releases: how many times as long each of their requests takes
    #[arg(long, value_name = "TIMES", value_delimiter = ',', default_value = "1.2x,1.5x,2x", value_parser = values::slower)]
    pub(crate) slower: Vec<Release>,

    /// Rollouts of each release, 10 to 100000
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    pub(crate) runs: u64,

    /// The same seed gives the same figures
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,

    /// How long a rollout is followed [default: its deadline, or 4 times its bakes and 1h at least]
    #[arg(long, value_name = "TIME", value_parser = parse_horizon)]
    pub(crate) horizon: Option<Duration>,

    /// Draw the figures into this file, as a picture (SVG)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) plot: Option<PathBuf>,
}

/// Arguments of `completion`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell: bash, elvish, fish, powershell or zsh
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) shell: Shell,
}

/// Shells that completion knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// What to do with the decision log.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show entries, oldest first
    #[command(after_help = "\
Example:
  sluice audit show
  sluice audit show checkout --limit 1000 -o json")]
    Show(AuditShowArgs),

    /// Prove that no entry was changed, left out or put in
    #[command(after_help = "\
The log is read from the state folder, whether a Sluice runs or not; nothing has to be believed.
Exit code 1 when an entry does not fit. The hash that it prints stands for the whole log up to now:
keep it somewhere else, and compare later.

Example:
  sluice audit verify")]
    Verify,

    /// Judge the evidence of an entry again, from its counts alone
    #[command(after_help = "\
The verdicts and e-values are computed anew from what was counted and compared with those that were
stored, bit for bit. Exit code 1 when one differs.

Example:
  sluice audit show checkout           # the numbers of the entries
  sluice audit replay 42")]
    Replay(AuditReplayArgs),

    /// Report whether users are assigned uniformly, by chance, and whoever they are
    #[command(after_help = "\
The assignment is computed by the code that routes; the tests share a level of 0.1 %. Exit code 1 when one of
them stands out. A list of users is a CSV file with a header: the users, as the service's `sticky` names
them, in the first column, attributes of theirs (country, plan, age …) in the others.

Example:
  sluice audit neutrality checkout
  sluice audit neutrality checkout --users users.csv -o json")]
    Neutrality(AuditNeutralityArgs),
}

/// Arguments of `audit neutrality`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AuditNeutralityArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// A list of users with attributes (CSV)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) users: Option<PathBuf>,
}

/// Arguments of `audit replay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AuditReplayArgs {
    /// The entry's number
    pub(crate) entry: u64,
}

/// Arguments of `audit show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AuditShowArgs {
    #[command(flatten)]
    pub(crate) one: OneOrAll,

    /// The newest so many entries
    #[arg(long, value_name = "ENTRIES", default_value_t = sluice_server::wire::AUDIT_LIMIT_DEFAULT, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// Arguments of `stop`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StopArgs {
    /// Cut requests in flight, and give replicas at most a second to end
    #[arg(long)]
    pub(crate) now: bool,

    /// Longest wait for the end
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_span)]
    pub(crate) timeout: Duration,
}

fn parse_service(text: &str) -> Result<ServiceName, String> {
    ServiceName::new(text)
}

fn parse_revision(text: &str) -> Result<RevisionNumber, String> {
    let digits = text.strip_prefix('r').unwrap_or(text);
    match digits.parse() {
        Ok(number) if number > 0 => Ok(RevisionNumber(number)),
        _ => Err("a revision is a number from 1, as `sluice history` lists them".to_owned()),
    }
}

/// From a second to a year.
fn parse_horizon(text: &str) -> Result<Duration, String> {
    let span = parse_span(text)?;
    let most = Duration::from_secs(365 * 86_400);
    if (Duration::from_secs(1)..=most).contains(&span) {
        Ok(span)
    } else {
        Err("a rollout is followed for 1s to 365d".to_owned())
    }
}

fn parse_reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why: the reason is kept in the log".to_owned()),
        reason => Ok(reason.to_owned()),
    }
}

fn parse_env(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("`{text}` is not NAME=VALUE");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let first_ok = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest_ok = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !first_ok || !rest_ok {
        return Err(format!("{}: a name has letters, digits and `_`", wrong()));
    }
    if value.contains('\0') {
        return Err(format!(
            "the value of {name} holds a NUL, which no environment can"
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}
