//! The store as its users meet it: what is written stays, what is wrong is told.
//!
//! `samples` builds the values; `crash` and `disk` start this same program again as a child, to be
//! killed or to run on a file system of its own.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod crash;
mod disk;
mod keeping;
mod minutes;
mod opening;
mod samples;
mod tampering;
