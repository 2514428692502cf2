//! What outside servers answered.

use crate::ids::SourceName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a check's latest questions brought. The values themselves are those of the measurement's sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideFacts {
    /// Who was asked.
    pub source: SourceName,
    /// The moment that was asked about.
    pub asked_at: Timestamp,
    /// Of the canary, or of the service as a whole.
    pub canary: Answered,
    /// Of the stable side; absent when it was not asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Answered>,
}

/// One question and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// The query as it was sent.
    pub query: String,
    /// When the answer came, or the failure.
    pub answered_at: Timestamp,
    /// Why there is no value; absent when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_data: Option<String>,
}
