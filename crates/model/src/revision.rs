//! One immutable version of a service.

use crate::ids::{RevisionNumber, ServiceName};
use crate::plan::Plan;
use crate::time::Timestamp;
use crate::workload::{Listener, Workload};
use serde::{Deserialize, Serialize};

/// A revision: what runs, how it is reached, and the plan by which it is rolled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Of which service.
    pub service: ServiceName,
    /// Its number.
    pub number: RevisionNumber,
    /// SHA-256 (hex) over the workload and the contents of its artifacts: the same digest is the same version.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// Why, or from what; for people (`restart of revision 3`).
    pub note: Option<String>,
    /// What runs.
    pub workload: Workload,
    /// How the service is reached.
    pub listener: Listener,
    /// How it is rolled out.
    pub plan: Plan,
}
