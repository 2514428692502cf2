//! Serde over the tree, without stopping at the first problem.
//!
//! A [`Reader`] deserializes one node. A type wrapped in [`Located`] catches what goes wrong within
//! it, so that the rest of the document is still read and every problem is reported at once; fields
//! that do not exist are noted and skipped. The types themselves are in `shape`; what values mean is
//! `compile`'s business.

mod access;
mod located;

pub(crate) use located::{Fault, Located};

use crate::nearest::{did_you_mean, listed};
use crate::notes::{Notes, clip};
use crate::shape::former_name;
use crate::tree::{Content, Node};
use access::{Entries, Fields, Items, LocatedParts, Word};
use serde::de::{Deserializer, Visitor};
use std::borrow::Cow;

/// The names by which the wrappers below are known to the [`Reader`].
pub(crate) const LOCATED: &str = "$located";
/// A single value, or something else.
pub(crate) const SCALAR_OR: &str = "$scalar-or";
/// A list, or something else.
pub(crate) const LIST_OR: &str = "$list-or";

/// Deserializes one node.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    node: &'a Node,
    notes: &'a Notes,
    /// A single value would have done, too.
    brief: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(node: &'a Node, notes: &'a Notes) -> Self {
        Self {
            node,
            notes,
            brief: false,
        }
    }

    fn child(self, node: &'a Node) -> Reader<'a> {
        Reader::new(node, self.notes)
    }

    fn mismatch(self, expected: &str, help: &'static str) -> Fault {
        let or_brief = if self.brief { "a single value or " } else { "" };
        match self.node.content {
            Content::Null => Fault {
                code: "no-value",
                message: "there is no value".to_owned(),
                help: Cow::Owned(format!("write {or_brief}{expected}, or remove the line")),
            },
            ref content => Fault {
                code: "wrong-type",
                message: format!(
                    "{} stands where {or_brief}{expected} is expected",
                    content.kind()
                ),
                help: Cow::Borrowed(help),
            },
        }
    }

    fn scalar(self) -> Result<&'a str, Fault> {
        match &self.node.content {
            Content::Scalar(text) => Ok(text),
            _ => Err(self.mismatch("a single value", "write it on the same line, after the `:`")),
        }
    }

    fn whole_number(self) -> Result<u64, Fault> {
        let text = self.scalar()?;
        text.parse().map_err(|_| Fault {
            code: "bad-number",
            message: format!("`{}` is not a whole number", clip(text)),
            help: Cow::Borrowed("write digits only, as in `3`"),
        })
    }

    fn list(self) -> Result<&'a [Node], Fault> {
        match &self.node.content {
            Content::List(items) => Ok(items),
            _ => Err(self.mismatch("a list", "begin each item with `- `")),
        }
    }

    fn entries(self) -> Result<&'a [(Node, Node)], Fault> {
        match &self.node.content {
            Content::Fields(entries) => Ok(entries),
            _ => Err(self.mismatch(
                "a block of fields",
                "write `name: value` lines, indented below",
            )),
        }
    }

    fn note_unknown(self, key: &Node, name: &str, known: &[&str]) {
        let help = match former_name(name, known) {
            Some(advice) => advice.to_owned(),
            None => did_you_mean(name, known),
        };
        self.notes.error(
            key.id,
            "unknown-field",
            format!("there is no field `{}` here", clip(name)),
            help,
        );
    }
}

/// Scalars that serde may ask for and the schema has: text, truth values, whole numbers.
macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.visit_u64(self.whole_number()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.content {
            Content::Null => visitor.visit_unit(),
            Content::Scalar(text) => visitor.visit_str(text),
            Content::List(_) => self.deserialize_seq(visitor),
            Content::Fields(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.scalar()? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(Fault {
                code: "bad-value",
                message: format!("`{}` is neither true nor false", clip(other)),
                help: Cow::Borrowed("write `true` or `false`"),
            }),
        }
    }

    whole_numbers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.scalar()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    /// A field that is there is never "absent": an empty one is a mistake, found by its type.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match (name, &self.node.content) {
            (LOCATED, _) => visitor.visit_seq(LocatedParts {
                reader: self,
                next: 0,
            }),
            (SCALAR_OR, Content::Scalar(text)) => visitor.visit_str(text),
            (LIST_OR, Content::List(_)) => self.deserialize_seq(visitor),
            _ => {
                let brief = name == SCALAR_OR;
                visitor.visit_newtype_struct(Reader { brief, ..self })
            }
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(Items {
            reader: self,
            rest: self.list()?.iter(),
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_map(Entries {
            reader: self,
            rest: self.entries()?.iter(),
            value: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let mut known = Vec::new();
        for (key, value) in self.entries()? {
            let name = self.child(key).scalar()?;
            // As in docker compose: room for anchors at the top of the document.
            let extension = self.node.id.0 == 0 && name.starts_with("x-");
            if fields.contains(&name) {
                known.push((key, value));
            } else if !extension {
                self.note_unknown(key, name, fields);
            }
        }
        visitor.visit_map(Fields {
            reader: self,
            rest: known.into_iter(),
            value: None,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let text = match &self.node.content {
            Content::Scalar(text) => text.as_str(),
            _ => return Err(self.mismatch("a single value", "write one word")),
        };
        if !variants.contains(&text) {
            return Err(Fault {
                code: "unknown-word",
                message: format!("`{}` is not one of {}", clip(text), listed(variants)),
                help: Cow::Owned(did_you_mean(text, variants)),
            });
        }
        visitor.visit_enum(Word(text))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}
