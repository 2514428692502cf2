//! Sources as checks meet them: a real Prometheus, and local servers that speak the documented
//! protocols of those that cannot run here.
//!
//! `support` has the server and the builders.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod authentication;
mod failures;
mod prometheus;
mod real_prometheus;
mod support;
mod trust;
mod web;
