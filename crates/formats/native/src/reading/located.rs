//! A value with its place, which catches what goes wrong within it; and what that can be.

use super::LOCATED;
use crate::notes::{NodeId, clip};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A value with its place. `value` is absent when it could not be read; that is noted already.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) node: NodeId,
    pub(crate) value: Option<T>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct LocatedVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for LocatedVisitor<T> {
            type Value = Located<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let number = parts.next_element::<u32>()?.unwrap_or_default();
                // The access has noted the fault before it returned it.
                let value = parts.next_element::<T>().unwrap_or_default();
                Ok(Located {
                    node: NodeId(number),
                    value,
                })
            }
        }

        from.deserialize_newtype_struct(LOCATED, LocatedVisitor(PhantomData))
    }
}

/// What is wrong with a node.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Cow<'static, str>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault {
            code: "bad-value",
            message: clip(&message.to_string()),
            help: Cow::Borrowed(""),
        }
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, _expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Unsigned(number) => number.to_string(),
            other => other.to_string(),
        };
        Fault {
            code: "out-of-range",
            message: format!("{found} is out of range"),
            help: Cow::Borrowed("write a smaller number"),
        }
    }
}
