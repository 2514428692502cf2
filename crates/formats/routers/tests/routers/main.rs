//! Each router against objects as users have them: what is written, in which order, what stands in the way,
//! and what the objects say afterwards.
//!
//! `world` stands for the cluster, and `argo` compares with what Argo's own routers wrote. Whatever a test applies, it is applied again and must then write nothing.
//! Golden files show whole objects: `UPDATE_GOLDEN=1 cargo test -p sluice-routers` writes them anew.

mod alb;
mod ambassador;
mod apisix;
mod app_mesh;
mod argo;
mod argo_rollout;
mod istio;
mod istio_managed;
mod istio_problems;
mod istio_subsets;
mod nginx;
mod properties;
mod smi;
mod traefik;
mod world;
