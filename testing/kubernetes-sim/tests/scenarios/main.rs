//! Runs that are told beforehand: each bad input and each fault by itself, and what users see of it.
//!
//! `support` has the objects. The faults all at once, by chance, are in `promises`.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod bad_input;
mod faults;
mod support;
