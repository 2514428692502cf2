//! Sluice's Kubernetes controller as a process on a real cluster.
//!
//! The tests see what a user sees of it, also while it is killed. They run the program `sluice` of the same build.
//!
//! `bench` puts it beside Argo's controller: the same Rollouts on the same kind of cluster, one controller after the other.
//! Read `bench::contest` for what is done and `bench::report` for what is told; `process`, `audit` and `board` are where
//! the figures come from: the system, the API server, and a watch of the objects.

pub mod bench;
