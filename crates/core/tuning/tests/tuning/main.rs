//! Tuning on histories of known processes: what is stated holds on fresh data of the same process.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod limits;
mod processes;
mod refusals;
