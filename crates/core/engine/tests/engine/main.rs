//! The engine as a user would notice it: stories and tables, all through one small [`world::World`],
//! which also checks of every decision that deciding again changes nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod canary;
mod commands;
mod comparisons;
mod first;
mod gates;
mod guards;
mod hooks;
mod midway;
mod plans;
mod retreats;
mod rolling;
mod switching;
mod time;
mod world;
