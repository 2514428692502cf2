//! Completion in shells: the script, and the names of services from the Sluice that runs.

use super::args::{Cli, CompletionArgs, Format, Global, Shell};
use super::failure::{Exit, Failure};
use super::locate;
use super::output::Output;
use clap::CommandFactory;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

/// The variable by which the script asks for candidates.
const VARIABLE: &str = "SLUICE_COMPLETE";

/// Longest wait for the names of services: a shell that hangs at a key press is worse than no names.
const NAMES_TIMEOUT: Duration = Duration::from_millis(300);

/// Answers a shell that asks for candidates; returns whether it was one.
pub(crate) fn answer() -> bool {
    let here = std::env::current_dir().ok();
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), here.as_deref())
        .unwrap_or_else(|error| error.exit())
}

/// Prints the script for a shell.
pub(crate) fn script(args: &CompletionArgs, output: Output) -> Result<Exit, Failure> {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Elvish => "elvish",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Zsh => "zsh",
    };
    let failed = |cause: String| {
        Failure::new(
            Exit::Failed,
            "completion",
            format!("no completion for {name}: {cause}"),
        )
    };
    let shells = Shells::builtins();
    let shell = shells
        .completer(name)
        .ok_or_else(|| failed("not built in".to_owned()))?;
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "sluice", "sluice", "sluice", &mut script)
        .map_err(|error| failed(error.to_string()))?;
    output.text(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}

/// The services of the Sluice that runs here; none when there is none, or it is slow.
pub(crate) fn service_names(current: &OsStr) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy();
    let global = Global {
        output: Format::Text,
        state: std::env::var_os("SLUICE_STATE").map(PathBuf::from),
        server: std::env::var("SLUICE_SERVER").ok(),
    };
    let Ok(client) = locate::client(&global) else {
        return Vec::new();
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return Vec::new();
    };
    let asked =
        runtime.block_on(async { tokio::time::timeout(NAMES_TIMEOUT, client.services()).await });
    match asked {
        Ok(Ok(views)) => views
            .iter()
            .filter(|view| view.service.as_str().starts_with(begun.as_ref()))
            .map(|view| CompletionCandidate::new(view.service.as_str()))
            .collect(),
        // Completion has no way to say what is wrong.
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}
