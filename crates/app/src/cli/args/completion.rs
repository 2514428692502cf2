//! Arguments of `completion`.

use clap::{Args, ValueEnum};

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
