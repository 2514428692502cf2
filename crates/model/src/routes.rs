//! Where requests go: the routing part of the desired state.

use crate::ids::{RevisionNumber, RolloutId};
use crate::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The complete routing of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Routes {
    /// Shares by revision; they sum to 100 %, or the map is empty when nothing can serve.
    pub weights: BTreeMap<RevisionNumber, Weight>,
    /// The revision whose bucket range starts at 0 (the canary), so that a growing weight only moves
    /// units towards it and never back.
    pub canary: Option<RevisionNumber>,
    /// Requests that go to a revision whatever the weights; the first that matches wins.
    pub matches: Vec<MatchRoute>,
    /// Copies.
    pub mirror: Option<MirrorRoute>,
    /// The revision behind the preview address.
    pub preview: Option<RevisionNumber>,
    /// What users shall do, while two revisions share them: counted by place. Empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<RequestMatch>,
    /// How a request is assigned.
    pub assignment: Assignment,
    /// Salt of the assignment: another rollout, another split of the users.
    pub salt: RolloutId,
    /// Rises with each change of the weights; counters are kept by it.
    pub segment: u64,
}

/// Requests that go to one revision whatever the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchRoute {
    /// Which requests.
    pub when: RequestMatch,
    /// Where to.
    pub revision: RevisionNumber,
}

/// Copies of requests to one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorRoute {
    /// Which share, and how.
    pub mirror: Mirror,
    /// Where to.
    pub revision: RevisionNumber,
}

/// Mirroring: copies whose responses are thrown away after a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// Share of the requests that are copied.
    pub share: Weight,
    /// Also copy methods that may write (POST, PUT, PATCH, DELETE …).
    #[serde(default)]
    pub unsafe_methods: bool,
    /// Compare status and body with the stable side's.
    #[serde(default)]
    pub compare: bool,
}

/// How a request is assigned to a side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Assignment {
    /// Each request by chance.
    #[default]
    PerRequest,
    /// Each unit stays: by the value of a header; a request without it by chance.
    Header {
        /// The header that names the user.
        name: String,
    },
    /// Each unit stays: by the value of a cookie, which the proxy sets (random, no personal data)
    /// where it is absent.
    Cookie {
        /// The cookie's name.
        name: String,
    },
}

/// Conditions on a request; all must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestMatch {
    /// The conditions; never empty.
    pub all: Vec<Condition>,
}

/// One condition on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Condition {
    /// A header's value.
    Header {
        /// Lower-case name.
        name: String,
        /// What it must be.
        value: TextMatch,
    },
    /// A cookie's value.
    Cookie {
        /// Name.
        name: String,
        /// What it must be.
        value: TextMatch,
    },
    /// The path, without the query.
    Path {
        /// What it must be.
        value: TextMatch,
    },
    /// The unit of the assignment (the user) is one of these.
    User {
        /// The users.
        any_of: Vec<String>,
    },
}

/// A condition on a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TextMatch {
    /// Exactly this.
    Exact(String),
    /// Begins with this.
    Prefix(String),
    /// Any value.
    Present,
}
