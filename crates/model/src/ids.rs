//! Names and numbers that identify things.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest service name, in bytes: the limit of a DNS label, so that the same name works on a cluster.
pub const SERVICE_NAME_MAX: usize = 63;

/// A service's name: lower-case letters, digits and `-`, starting with a letter, at most
/// [`SERVICE_NAME_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

impl ServiceName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// A sentence saying which rule the name breaks.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        let first_ok = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let rest_ok = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !first_ok || !rest_ok || name.ends_with('-') {
            return Err(format!(
                "`{name}` is not a service name: use lower-case letters, digits and `-`, starting with a letter"
            ));
        }
        if name.len() > SERVICE_NAME_MAX {
            return Err(format!(
                "`{name}` is longer than {SERVICE_NAME_MAX} characters"
            ));
        }
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        Self::new(name)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id! {
    /// The number of a revision within its service: 1, 2, 3 … in the order of creation.
    RevisionNumber(u32)
}
number_id! {
    /// The number of a rollout within its service: 1, 2, 3 … in the order of start.
    RolloutId(u64)
}
number_id! {
    /// The number of an operator's command, unique and rising within a service.
    CommandId(u64)
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A check's name, unique within a plan.
    CheckName
}
text_id! {
    /// The name of an outside metric server, unique within a document.
    SourceName
}
text_id! {
    /// The stable identity of an effect: the same decision yields the same id, so that an executor
    /// runs it once however often it is asked.
    EffectId
}
text_id! {
    /// One replica (one process, or one pod) of a revision, never reused.
    ReplicaId
}
