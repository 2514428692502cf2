//! The store: what Sluice must not forget, in one SQLite file of the state folder.
//!
//! It keeps the status of each service, its revisions, the operators' commands until they are
//! answered, the outcomes of effects, what running comparisons have counted, what
//! was counted in each minute of the last days, and the decision log, whose entries are chained by their
//! hashes so that a later change shows. A status and the log entries that explain it are written in
//! one transaction, on disk before [`Store::commit`] returns.
//!
//! It decides nothing, reads no clock and knows neither the engine nor the loop around it. Every
//! call blocks: call it from a thread that may wait for a disk. Start reading at [`Store`], then
//! `schema` for the tables, then `chain` for what a log entry's hash covers.

mod chain;
mod commands;
mod effects;
mod error;
mod ledgers;
mod lock;
mod log;
mod minutes;
mod revisions;
mod schema;
mod status;
mod store;

pub use chain::{BrokenEntry, EntryHash, LogHead, LogProblem, VerifyReport};
pub use commands::{COMMANDS_ANSWERED_KEPT, COMMANDS_PENDING_MAX};
pub use effects::EFFECT_ROLLOUTS_KEPT;
pub use error::{Cause, StoreError};
pub use lock::LOCK_FILE;
pub use log::{LOG_PAGE_MAX, LogEntry, LogQuery, Note};
pub use minutes::{MINUTES_AT_ONCE, MINUTES_KEPT, REVISIONS_IN_A_MINUTE};
pub use revisions::NewRevision;
pub use schema::{DATABASE_FILE, SCHEMA_VERSION};
pub use status::Transition;
pub use store::{Reader, Store};
