//! The five kinds and their parts, field by field.
//!
//! Fields that Argo's CRDs require are written even when they are empty; others only when they say
//! something, as Go's `omitempty` does. Reading is lenient: a missing field has its empty value, an
//! unknown one is dropped, as an API server prunes it. What an API server would refuse is `crd`'s
//! business, what makes no sense `validation`'s.

#[macro_use]
mod wire;
mod analysis;
mod blue_green;
mod canary;
mod experiment;
mod measured;
mod object;
mod provider;
mod rollout;
mod scalar;
mod status;
mod step;
mod traffic;
mod web;

pub use analysis::*;
pub use blue_green::*;
pub use canary::*;
pub use experiment::*;
pub use measured::*;
pub use object::*;
pub use provider::*;
pub use rollout::*;
pub use scalar::*;
pub use status::*;
pub use step::*;
pub use traffic::*;
pub use web::*;

/// The API group and version of all kinds.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
/// The label of ReplicaSets, pods and selectors that tells one revision's pods from another's.
pub const POD_TEMPLATE_HASH_LABEL: &str = "rollouts-pod-template-hash";
