//! Sluice's Kubernetes controller as a process, on a real cluster: what a user sees of it, also while it is killed.
//!
//! There is nothing here but tests. They run the program `sluice` of the same build.
