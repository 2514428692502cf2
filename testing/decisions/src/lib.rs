//! Decision rules side by side on the same requests: how soon each takes a bad canary back, what that
//! costs its users, and how often it takes back a canary that is no worse.
//!
//! [`stream`] makes requests by chance, exactly but counted by tick instead of one by one, and
//! [`recorded`] reads those of a real run; both give [`tick::Tick`]s. [`rules`] holds Sluice's sequential analysis and
//! its peers' rules behind one trait. [`compare`] plays one stream to all rules at once; [`summary`]
//! makes figures of many runs, [`report`] a document of the figures. [`soak`] is the long run of
//! releases that are no worse, with [`state`] as its memory across interruptions.
//!
//! A seed decides everything, whatever the number of threads: threads are in [`workers`] alone, which
//! hands out runs by number. Nothing here measures time: what a decision costs is `testing/bench`'s subject.

pub mod cases;
pub mod compare;
pub mod design;
pub mod interval;
pub mod recorded;
pub mod report;
pub mod rules;
pub mod soak;
pub mod state;
pub mod stream;
pub mod summary;
pub mod tick;
pub mod workers;
