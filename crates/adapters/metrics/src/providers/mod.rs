//! One file for each provider: its query, the requests it becomes, and what the answers mean.

pub(crate) mod prometheus;
pub(crate) mod web;
