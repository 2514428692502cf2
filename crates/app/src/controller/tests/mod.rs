//! Providers as an analysis run meets them: servers that speak the documented protocols, and what they are asked
//! and give to conditions.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod accounts;
mod aws;
mod notifications;
mod real_prometheus;
mod refused;
pub(super) mod support;
mod values;
