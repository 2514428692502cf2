//! YAML text → a tree of located nodes.
//!
//! The YAML library parses, resolves aliases and merge keys, and keeps the budgets; here its answer
//! becomes nodes that know their place, so that later stages can point at the line. What the nodes
//! mean is `shape`'s business.

use crate::notes::{NodeId, Notes, Segment, Spot, clip};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, Location, MessageFormatter as _, NonFiniteFloatPolicy, Spanned,
    UserMessageFormatter,
};
use sluice_model::{Diagnostic, Severity};
use std::collections::BTreeMap;
use std::fmt;

/// Largest document, in bytes: a thousand services fit easily.
pub(crate) const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Most nodes of a document, those that aliases repeat included.
const NODES_MAX: usize = 50_000;
/// Deepest nesting; the schema needs nine.
const DEPTH_MAX: usize = 24;

/// A node of the document.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) content: Content,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Content {
    Null,
    /// Any scalar, as it was written: `5`, `true`, `1.10`, `text`.
    Scalar(String),
    List(Vec<Node>),
    Fields(Vec<(Node, Node)>),
}

impl Content {
    /// The kind of the node, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Content::Null => "nothing",
            Content::Scalar(_) => "a single value",
            Content::List(_) => "a list",
            Content::Fields(_) => "a block of fields",
        }
    }
}

/// Reads the text; `None` when it is not YAML, and then the notes say why.
pub(crate) fn read(text: &str, notes: &mut Notes) -> Option<Node> {
    if text.len() > TEXT_BYTES_MAX {
        notes.add(at_start(
            "too-large",
            format!(
                "the document has {} bytes; the limit is {TEXT_BYTES_MAX}",
                text.len()
            ),
            "split it into several documents",
        ));
        return None;
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 3 * NODES_MAX,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 3 * NODES_MAX,
            max_merge_keys: 1_000,
            max_documents: 2,
            max_total_scalar_bytes: TEXT_BYTES_MAX,
            max_total_comment_bytes: TEXT_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => {
            let root = Spot {
                parent: None,
                segment: Segment::Root,
                line: 1,
                column: 1,
                span: Some((0, 0)),
            };
            let id = notes.add_spot(root);
            let content = content(raw, id, text, notes);
            Some(Node { id, content })
        }
        Err(error) => {
            notes.add(not_yaml(&error, text, notes));
            None
        }
    }
}

fn at_start(code: &str, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: code.to_owned(),
        path: String::new(),
        place: None,
        message,
        help: Some(help.to_owned()),
    }
}

fn not_yaml(error: &serde_saphyr::Error, text: &str, notes: &Notes) -> Diagnostic {
    use serde_saphyr::Error;
    let location = error.location();
    let mut cause = error;
    while let Error::AliasError { error, .. } | Error::WithSnippet { error, .. } = cause {
        cause = error;
    }
    let (code, message, help) = match cause {
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => (
            "too-complex",
            format!(
                "the document is too large or too deeply nested: at most {NODES_MAX} values with their aliases, {DEPTH_MAX} levels"
            ),
            "split it, or use fewer aliases",
        ),
        Error::MultipleDocuments { .. } => (
            "several-documents",
            "the file has more than one YAML document".to_owned(),
            "remove what follows the line `---`",
        ),
        other => (
            "not-yaml",
            format!(
                "this is not valid YAML: {}",
                clip_long(&UserMessageFormatter.format_message(other))
            ),
            "check the indentation, the quotes and the `:` around this line",
        ),
    };
    let mut diagnostic = at_start(code, message, help);
    diagnostic.place = location
        .filter(|location| *location != Location::UNKNOWN)
        .map(|location| {
            let (line, column, span) = position(location);
            let span = span.or_else(|| Some((byte_offset(text, line, column), 0)));
            notes.place_at(line, column, span)
        });
    diagnostic
}

/// A message of the library on one line, of bounded length.
fn clip_long(message: &str) -> String {
    message
        .chars()
        .take(200)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn position(location: Location) -> (u32, u32, Option<(usize, usize)>) {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let span = location.span();
    let bytes = span.byte_offset().and_then(|offset| {
        let length = span.byte_len().unwrap_or(0);
        Some((usize::try_from(offset).ok()?, usize::try_from(length).ok()?))
    });
    (number(location.line()), number(location.column()), bytes)
}

/// The offset of a line and column, both from 1; the end of the text if they lie beyond it.
fn byte_offset(text: &str, line: u32, column: u32) -> usize {
    let (line, column) = (line.max(1) as usize, column.max(1) as usize);
    let before: usize = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let within = text[before..]
        .chars()
        .take_while(|letter| *letter != '\n')
        .take(column - 1);
    before + within.map(char::len_utf8).sum::<usize>()
}

/// What the YAML library hands over.
enum Raw {
    Null,
    /// Text, which may have been quoted or folded.
    Text(String),
    /// A plain scalar that reads as a number or a truth value; the text is how this program would
    /// write it, used if the place is unknown.
    Plain(String),
    List(Vec<Spanned<Raw>>),
    Fields(Vec<(Spanned<Raw>, Spanned<Raw>)>),
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
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
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

/// The node's content; its children are numbered under `parent`.
fn content(raw: Spanned<Raw>, parent: NodeId, text: &str, notes: &mut Notes) -> Content {
    match raw.value {
        Raw::Null => Content::Null,
        Raw::Text(value) => Content::Scalar(value),
        Raw::Plain(value) => Content::Scalar(as_written(raw.defined, text).unwrap_or(value)),
        Raw::List(items) => Content::List(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| {
                    let id = notes.add_spot(spot(parent, Segment::Index(index), item.referenced));
                    let content = content(item, id, text, notes);
                    Node { id, content }
                })
                .collect(),
        ),
        Raw::Fields(entries) => fields(entries, parent, text, notes),
    }
}

fn fields(
    entries: Vec<(Spanned<Raw>, Spanned<Raw>)>,
    parent: NodeId,
    text: &str,
    notes: &mut Notes,
) -> Content {
    let mut seen: BTreeMap<String, NodeId> = BTreeMap::new();
    let mut fields = Vec::new();
    for (key, value) in entries {
        let key_at = key.referenced;
        let name = match key.value {
            Raw::Text(name) => name,
            Raw::Plain(name) => as_written(key.defined, text).unwrap_or(name),
            Raw::Null | Raw::List(_) | Raw::Fields(_) => {
                let id = notes.add_spot(spot(parent, Segment::Key("?".to_owned()), key_at));
                notes.error(
                    id,
                    "bad-key",
                    "a field's name is missing, or is not a plain word",
                    "write `name: value`",
                );
                continue;
            }
        };
        let key_id = notes.add_spot(spot(parent, Segment::Key(name.clone()), key_at));
        if let Some(first) = seen.get(&name) {
            notes.error(
                key_id,
                "duplicate-key",
                format!(
                    "`{}` is written twice; the first is on line {}",
                    clip(&name),
                    notes.line(*first)
                ),
                "rename or remove one of them",
            );
            continue;
        }
        seen.insert(name.clone(), key_id);
        // A block has no own beginning to point at: its key stands for it.
        let at = match value.value {
            Raw::Text(_) | Raw::Plain(_) if has_extent(value.referenced) => value.referenced,
            _ => key_at,
        };
        let id = notes.add_spot(spot(parent, Segment::Key(name.clone()), at));
        let content = content(value, id, text, notes);
        fields.push((
            Node {
                id: key_id,
                content: Content::Scalar(name),
            },
            Node { id, content },
        ));
    }
    Content::Fields(fields)
}

fn has_extent(location: Location) -> bool {
    location != Location::UNKNOWN && !location.span().is_empty()
}

fn spot(parent: NodeId, segment: Segment, location: Location) -> Spot {
    let (line, column, span) = position(location);
    Spot {
        parent: Some(parent),
        segment,
        line,
        column,
        span,
    }
}

/// The characters of a plain scalar in the file, so that `1.10` stays `1.10`.
fn as_written(location: Location, text: &str) -> Option<String> {
    let (_, _, span) = position(location);
    let (offset, length) = span?;
    let written = text.get(offset..offset.checked_add(length)?)?.trim();
    (!written.is_empty() && !written.contains('\n')).then(|| written.to_owned())
}
