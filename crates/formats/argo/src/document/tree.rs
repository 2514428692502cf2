//! YAML or JSON text → data, with the place of each field in the text.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};
use sluice_model::diagnostic::SourcePlace;
use std::collections::BTreeMap;
use std::fmt;

/// Largest text, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most values of a text, those that aliases repeat included.
const NODES_MAX: usize = 400_000;
/// Deepest nesting; a pod template needs about twenty levels.
const DEPTH_MAX: usize = 64;
/// Most objects of a text.
const DOCUMENTS_MAX: usize = 2_000;

/// One YAML document.
pub(super) struct Tree {
    /// Its data.
    pub(super) value: Value,
    /// Where its fields are, by their paths.
    pub(super) places: BTreeMap<String, Place>,
}

/// A place in the text.
#[derive(Clone, Copy)]
pub(super) struct Place {
    line: u32,
    column: u32,
    span: Option<(usize, usize)>,
}

impl Place {
    /// Line and column as a user reads them, with the file.
    pub(super) fn in_file(self, file: &str) -> SourcePlace {
        SourcePlace {
            file: file.to_owned(),
            line: self.line,
            column: self.column,
            span: self.span,
        }
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let span = location.span();
        let bytes = span.byte_offset().and_then(|offset| {
            let length = span.byte_len().unwrap_or(0);
            Some((usize::try_from(offset).ok()?, usize::try_from(length).ok()?))
        });
        Place {
            line: number(location.line()),
            column: number(location.column()),
            span: bytes,
        }
    }
}

/// Reads all documents of a text; empty ones are left out.
///
/// # Errors
/// What is wrong with the text, and where.
pub(super) fn read(text: &str) -> Result<Vec<Tree>, (String, Option<Place>)> {
    if text.len() > TEXT_BYTES_MAX {
        let cause = format!(
            "the text has {} bytes; the limit is {TEXT_BYTES_MAX}",
            text.len()
        );
        return Err((cause, None));
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 3 * NODES_MAX,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_recorded_anchor_events: 3 * NODES_MAX,
            max_merge_keys: 10_000,
            max_documents: DOCUMENTS_MAX,
            max_total_scalar_bytes: TEXT_BYTES_MAX,
            max_total_comment_bytes: TEXT_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
    };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Raw>>(text, options)
        .map_err(|error| {
            let place = error.location().filter(|at| *at != Location::UNKNOWN);
            let cause = error.to_string();
            let first_line = cause.lines().next().unwrap_or_default().to_owned();
            (first_line, place.map(Place::from))
        })?;
    Ok(documents
        .into_iter()
        .map(|document| {
            let mut places = BTreeMap::from([(String::new(), Place::from(document.referenced))]);
            let value = into_value(document.value, &mut String::new(), &mut places);
            Tree { value, places }
        })
        .collect())
}

fn into_value(raw: Raw, path: &mut String, places: &mut BTreeMap<String, Place>) -> Value {
    match raw {
        Raw::Scalar(value) => value,
        Raw::List(items) => items
            .into_iter()
            .enumerate()
            .map(|(at, item)| {
                let length = path.len();
                path.push_str(&format!("[{at}]"));
                places.insert(path.clone(), item.referenced.into());
                let value = into_value(item.value, path, places);
                path.truncate(length);
                value
            })
            .collect(),
        Raw::Fields(entries) => {
            let mut fields = Map::new();
            for (key, value) in entries {
                let length = path.len();
                crate::crd::push_field(path, &key.value);
                places.insert(path.clone(), key.referenced.into());
                let value = into_value(value, path, places);
                fields.insert(key.value, value);
                path.truncate(length);
            }
            Value::Object(fields)
        }
    }
}

/// What the YAML library hands over.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Fields(Vec<(Spanned<String>, Raw)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        let number = Number::from_f64(value);
        Ok(Raw::Scalar(number.map_or_else(
            || Value::String(value.to_string()),
            Value::Number,
        )))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(Raw::Fields(fields))
    }
}
