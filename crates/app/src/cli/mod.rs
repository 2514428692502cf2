//! The command line: a thin client of the local API, and the door to the daemon and the demo.
//!
//! `args` says what can be asked. `release` holds the commands that change something, `show` those
//! that look, `audit` the log, `watch` the live view, `document` and
//! `simulate` need no running Sluice, and `tune` its history alone. A command returns
//! an exit code, or a [`Failure`] that says what to do next; nothing else prints or exits.

mod argo;
pub(crate) mod args;
mod audit;
mod chance;
mod completion;
mod controller;
mod convert;
mod diagnostics;
mod document;
mod failure;
mod locate;
mod neutrality;
mod output;
mod parallel;
mod progress;
mod release;
mod serve;
mod show;
mod simulate;
mod table;
mod tune;
mod wait;
mod watch;

use args::{Cli, Command, Global};
use clap::Parser;
use failure::{Exit, Failure};
use output::Output;
use std::process::ExitCode;
use tokio::runtime::Builder;

/// Reads the command line, does what it says, and returns the exit code.
pub(crate) fn main() -> ExitCode {
    if completion::answer() {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors as well, with an exit code of 0.
            let code = if error.print().is_ok() {
                error.exit_code()
            } else {
                1
            };
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    let output = Output::new(cli.global.output);
    match run(cli, output) {
        Ok(code) => code,
        Err(failure) => output.failure(&failure).into(),
    }
}

fn run(cli: Cli, output: Output) -> Result<ExitCode, Failure> {
    let global = &cli.global;
    let exit = match cli.command {
        Command::Up(args) => return serve::up(global, args),
        Command::Demo(args) => return serve::demo(args, output),
        Command::DemoService(args) => return serve::demo_service(args),
        Command::Controller(args) => return controller::controller(*args),
        Command::Lint(args) => document::lint(args, output)?,
        Command::Plan(args) => document::plan(args, output)?,
        Command::Simulate(args) => simulate::simulate(args, output)?,
        Command::Convert(what) => convert::convert(what, output)?,
        Command::Schema => document::schema(output)?,
        Command::Crds => argo::definitions(output)?,
        Command::Completion(args) => completion::script(&args, output)?,
        command => {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| {
                    Failure::new(Exit::Failed, "system", format!("cannot start: {error}"))
                })?;
            runtime.block_on(ask(global, command, output))?
        }
    };
    Ok(exit.into())
}

/// The commands that talk to a running Sluice.
async fn ask(global: &Global, command: Command, output: Output) -> Result<Exit, Failure> {
    match command {
        Command::Deploy(args) => release::deploy(global, args, output).await,
        Command::Status(args) => show::status(global, args, output).await,
        Command::Watch(args) => watch::watch(global, args, output).await,
        Command::Replicas(one) => show::replicas(global, one, output).await,
        Command::History(one) => show::history(global, one, output).await,
        Command::Explain(one) => show::explain(global, one, output).await,
        Command::Logs(args) => show::logs(global, args, output).await,
        Command::Promote(args) => release::promote(global, args, output).await,
        Command::Pause(args) => release::pause(global, args, output).await,
        Command::Resume(one) => release::resume(global, one, output).await,
        Command::Abort(args) => release::abort(global, args, output).await,
        Command::Retry(args) => release::retry(global, args, output).await,
        Command::Undo(args) => release::undo(global, args, output).await,
        Command::Restart(args) => release::restart(global, args, output).await,
        Command::Wait(args) => release::wait(global, args, output).await,
        Command::Check(args) => show::check(global, args, output).await,
        Command::Audit(what) => audit::audit(global, what, output).await,
        Command::Tune(args) => tune::tune(global, args, output).await,
        Command::Stop(args) => release::stop(global, args, output).await,
        Command::Up(_)
        | Command::Demo(_)
        | Command::DemoService(_)
        | Command::Controller(_)
        | Command::Lint(_)
        | Command::Plan(_)
        | Command::Simulate(_)
        | Command::Convert(_)
        | Command::Schema
        | Command::Crds
        | Command::Completion(_) => {
            unreachable!("`run` has taken the commands that need no running Sluice")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every command with its full name, as `audit show`.
    fn all_commands() -> Vec<(String, clap::Command)> {
        fn below(prefix: &str, command: &clap::Command, into: &mut Vec<(String, clap::Command)>) {
            for sub in command.get_subcommands() {
                let name = format!("{prefix} {}", sub.get_name());
                below(&name, sub, into);
                into.push((name, sub.clone()));
            }
        }
        let mut root = Cli::command().term_width(100);
        root.build();
        let mut all = Vec::new();
        below("sluice", &root, &mut all);
        all.push(("sluice".to_owned(), root));
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_ends_its_help_with_an_example_that_is_understood() {
        for (name, mut command) in all_commands() {
            let help = command.render_help().to_string();
            let (_, example) = help
                .split_once("Example")
                .unwrap_or_else(|| panic!("{name}: no example"));
            let calls: Vec<&str> = example
                .lines()
                .map(|line| line.split('#').next().unwrap_or_default())
                .map(|line| line.split(['|', '>']).next().unwrap_or_default().trim())
                .map(|line| {
                    line.strip_prefix("source <(")
                        .map_or(line, |rest| rest.trim_end_matches(')'))
                })
                .filter(|line| line.starts_with("sluice "))
                .collect();
            assert!(!calls.is_empty(), "{name}: no call in the example");
            for call in calls {
                if let Err(error) = Cli::try_parse_from(words_of(call)) {
                    panic!("{name}: `{call}` is not understood: {error}");
                }
            }
        }
    }

    /// Enough of a shell for the examples: quotes keep words together.
    fn words_of(call: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (at, part) in call.split('\'').enumerate() {
            if at % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }

    #[test]
    fn every_command_in_the_readme_and_the_docs_is_understood() {
        let texts = [
            ("README.md", include_str!("../../../../README.md")),
            (
                "docs/operations.md",
                include_str!("../../../../docs/operations.md"),
            ),
            (
                "docs/document.md",
                include_str!("../../../../docs/document.md"),
            ),
            ("docs/tuning.md", include_str!("../../../../docs/tuning.md")),
        ];
        for (file, text) in texts {
            let fences = text.split("```sh\n").skip(1);
            let lines =
                fences.flat_map(|fence| fence.split("```").next().unwrap_or_default().lines());
            let calls: Vec<&str> = lines
                .map(|line| line.split('#').next().unwrap_or_default().trim())
                .filter(|line| line.starts_with("sluice "))
                .collect();
            for call in &calls {
                if let Err(error) = Cli::try_parse_from(words_of(call)) {
                    panic!("{file}: `{call}` is not understood: {error}");
                }
            }
            assert!(
                !calls.is_empty() || file == "docs/document.md",
                "{file}: no commands"
            );
        }
    }

    #[test]
    fn the_document_in_the_readme_is_valid() {
        let text = include_str!("../../../../README.md");
        let yaml = text
            .split("```yaml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next());
        let parsed = sluice_native::parse("README.md", yaml.unwrap_or_default(), "/srv");
        assert!(parsed.document.is_some(), "{:?}", parsed.diagnostics);
    }

    #[test]
    fn the_help_of_every_command() {
        let mut text = String::new();
        for (name, mut command) in all_commands() {
            let help = command.render_help().to_string();
            let help: String = help
                .lines()
                .map(|line| format!("{}\n", line.trim_end()))
                .collect();
            text.push_str(&format!("──── {name} ────\n{help}\n"));
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn wrong_usage_is_told_apart_before_anything_is_asked() {
        for (line, said) in [
            ("sluice abort checkout", "--reason"),
            ("sluice abort checkout --reason=\t", "say why"),
            ("sluice undo checkout --to zero", "sluice history"),
            ("sluice undo checkout --to 0", "sluice history"),
            ("sluice deploy --env NAME", "NAME=VALUE"),
            ("sluice deploy --env 1A=x", "letters, digits"),
            ("sluice status Checkout", "lower-case"),
            ("sluice wait checkout --timeout soon", "`90s`"),
            ("sluice deploy checkout --timeout 5m", "--wait"),
            ("sluice up --api nowhere", "--api"),
            ("sluice stauts", "status"),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let error = Cli::try_parse_from(&words)
                .err()
                .unwrap_or_else(|| panic!("{line}: accepted"));
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(said), "{line}: {error}");
        }
    }
}
