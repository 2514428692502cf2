//! Sources as checks meet them: a real Prometheus, a real Graphite, and local servers that speak the documented
//! protocols of those that cannot run here.
//!
//! `support` has the server and the builders.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod authentication;
mod aws;
mod cloudwatch;
mod datadog;
mod environment;
mod failures;
mod graphql;
mod kayenta;
mod program;
mod prometheus;
mod providers;
mod real_graphite;
mod real_prometheus;
mod series;
mod support;
mod trust;
mod web;
