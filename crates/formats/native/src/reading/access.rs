//! What serde visits: the parts of a located value, items, entries, fields, words.

use super::{Fault, Reader};
use crate::tree::Node;
use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{
    self, DeserializeSeed, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// Number and value of a [`Located`].
pub(super) struct LocatedParts<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) next: u8,
}

impl<'de> SeqAccess<'de> for LocatedParts<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        self.next += 1;
        let Reader { node, notes, .. } = self.reader;
        match self.next {
            1 => seed.deserialize(U32Deserializer::new(node.id.0)).map(Some),
            2 => seed
                .deserialize(self.reader)
                .map(Some)
                .inspect_err(|fault| {
                    notes.error(
                        node.id,
                        fault.code,
                        fault.message.as_str(),
                        fault.help.as_ref(),
                    )
                }),
            _ => Ok(None),
        }
    }
}

/// The items of a list.
pub(super) struct Items<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) rest: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        self.rest
            .next()
            .map(|item| seed.deserialize(self.reader.child(item)))
            .transpose()
    }
}

/// The entries of a map with free keys.
pub(super) struct Entries<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) rest: std::slice::Iter<'a, (Node, Node)>,
    pub(super) value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(self.reader.child(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        next_value(self.reader, self.value.take(), seed)
    }
}

/// The known fields of a block.
pub(super) struct Fields<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) rest: std::vec::IntoIter<(&'a Node, &'a Node)>,
    pub(super) value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        let name = self.reader.child(key).scalar()?;
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        next_value(self.reader, self.value.take(), seed)
    }
}

fn next_value<'de, S: DeserializeSeed<'de>>(
    reader: Reader<'_>,
    value: Option<&Node>,
    seed: S,
) -> Result<S::Value, Fault> {
    match value {
        Some(node) => seed.deserialize(Reader::new(node, reader.notes)),
        None => Err(de::Error::custom("a value was asked for before its name")),
    }
}

/// A word as the name of a variant without content.
pub(super) struct Word<'a>(pub(super) &'a str);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let variant = seed.deserialize(self.0.into_deserializer())?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _seed: S) -> Result<S::Value, Fault> {
        Err(de::Error::custom("a word has no content"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Fault> {
        Err(de::Error::custom("a word has no content"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Fault> {
        Err(de::Error::custom("a word has no content"))
    }
}
