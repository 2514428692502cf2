//! Effects, carried out: hook commands and webhooks, once each, within their time.
//!
//! It knows neither plans nor rollouts: an effect comes with its identity, its action, its facts and
//! its timeout, and leaves as an outcome. It stores nothing; whoever starts an effect records that
//! before, and the outcome after. Start reading at [`HookRunner`]; then `command`, `webhook`, and
//! `reach` for the checklist before a deployment.

mod command;
mod environment;
mod group;
mod leftover;
mod output;
mod reach;
mod runner;
mod webhook;

pub use command::TERM_GRACE;
pub use output::OUTPUT_BYTES_MAX;
pub use reach::{REACH_TIMEOUT, reachable};
pub use runner::{HOOKS_RUNNING_MAX, HOOKS_WAITING_MAX, HookRunner, OUTCOMES_KEPT, Started};
