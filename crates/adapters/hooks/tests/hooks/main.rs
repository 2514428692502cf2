//! Hooks as rollouts meet them: real processes, and a real HTTP server on the loopback interface.
//!
//! `support` has the builders and the server.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod commands;
mod leftovers;
mod reach;
mod running;
mod support;
mod webhooks;
