//! The comparison with Argo's controller.

pub mod audit;
pub mod board;
pub mod contest;
pub mod contestant;
pub mod load;
mod meter;
pub mod process;
pub mod report;
mod tables;
