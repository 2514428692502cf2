//! One file for each provider: its query, the requests it becomes, and what the answers mean.

pub(crate) mod cloudwatch;
pub(crate) mod datadog;
pub(crate) mod graphite;
mod graphql;
pub(crate) mod influxdb;
pub(crate) mod kayenta;
pub(crate) mod newrelic;
pub(crate) mod prometheus;
pub(crate) mod skywalking;
pub(crate) mod wavefront;
pub(crate) mod web;
