//! Argo Rollouts' API (argoproj.io/v1alpha1) as Sluice understands it.
//!
//! `api` has the types of its five kinds; `crd` the definitions that an API server needs for them, and
//! with them what is unknown or of the wrong type in an object; `validation` what is wrong with a Rollout
//! although every field is well-formed. `workload` says how many pods each ReplicaSet should have, and
//! `template` whether two pod templates mean the same; `go_json` is what Argo's hashes are over. `translation` turns a Rollout into Sluice's plan.
//! `rollout` says what a Rollout needs next, and what its status is then. `arguments` makes an AnalysisRun of
//! templates, `analysis_run` says what one needs next, `condition` what a measurement means; `experiment` says
//! what an Experiment needs next. `document` reads a file with such objects.
//!
//! Nothing here talks to a cluster. Facts are those of Argo Rollouts' commit 9f8d111; where Sluice
//! differs on purpose, the place says so.

pub mod analysis_run;
pub mod api;
pub mod arguments;
pub mod condition;
pub mod crd;
pub mod document;
pub mod event;
pub mod experiment;
mod go_json;
pub mod notification;
pub mod rollout;
pub mod template;
pub mod translation;
pub mod validation;
pub mod workload;
