//! Arguments of the commands about the decision log.

use super::target::{One, OneOrAll};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

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
