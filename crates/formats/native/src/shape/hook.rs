//! Hooks and gates.

use super::{Brief, CommandText, Entries, FailWord, Field, HookText, Many, SpanText, Text};
use crate::reading::Located;
use schemars::JsonSchema;
use serde::Deserialize;

/// A program and its arguments: one line, or a list of words.
pub(crate) type Command = Brief<CommandText, Vec<Located<Text>>>;

/// A hook: a command line, a webhook's address, or the full form.
pub(crate) type Hook = Brief<HookText, HookFields>;

/// One hook, or a list of them; they run one after the other.
pub(crate) type Hooks = Many<Hook>;

/// A hook in full: exactly one of `run` and `webhook`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Hook")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HookFields {
    /// Name, for people; the program's or the host's by default.
    pub(crate) name: Field<Text>,
    /// A command; exit code 0 is success. `SLUICE_*` variables tell it where the rollout stands.
    pub(crate) run: Field<Command>,
    /// Further environment of the command.
    pub(crate) env: Field<Entries<Text>>,
    /// Address of a POST with the rollout's state as JSON; a 2xx answer is success.
    pub(crate) webhook: Field<Text>,
    /// Further headers of the webhook.
    pub(crate) headers: Field<Entries<Text>>,
    /// Longest time of one attempt; 30s by default.
    pub(crate) timeout: Field<SpanText>,
    /// Attempts after the first, 0 to 20; 0 by default.
    #[schemars(range(max = 20))]
    pub(crate) retries: Field<u32>,
    /// What a failure at all attempts does; `abort` by default.
    pub(crate) on_failure: Field<FailureWord>,
}

/// What a failed hook does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "OnFailure")]
#[serde(rename_all = "camelCase")]
pub(crate) enum FailureWord {
    /// Back to the stable revision.
    Abort,
    /// Hold and ask.
    Pause,
    /// Note it and go on.
    Continue,
}

/// A gate in full.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Gate")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GateFields {
    /// What is asked, for people.
    #[schemars(required)]
    pub(crate) name: Field<Text>,
    /// How long it waits; for ever by default.
    pub(crate) timeout: Field<SpanText>,
    /// What happens when nobody answers in time; `abort` by default.
    pub(crate) on_timeout: Field<FailWord>,
}

/// Hooks around a rollout as a whole.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RolloutHooks")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RolloutHookFields {
    /// Before the first step; a failure aborts the rollout.
    pub(crate) start: Field<Hooks>,
    /// After the promotion; a failure is noted.
    pub(crate) promoted: Field<Hooks>,
    /// After an abort; a failure is noted.
    pub(crate) aborted: Field<Hooks>,
}
