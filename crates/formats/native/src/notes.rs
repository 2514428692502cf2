//! Where diagnostics are collected: every node of a document has a number, and through it a path in
//! the document's terms and a place in the file.
//!
//! Nothing here knows what a document means. `tree` fills in the places; `reading` and `compile`
//! write the notes.

use sluice_model::{Diagnostic, Severity, SourcePlace};
use std::cell::RefCell;
use std::fmt::Write as _;

/// Most diagnostics of one document: more help nobody, and a generated document may have a million.
pub(crate) const DIAGNOSTICS_MAX: usize = 100;

/// Longest excerpt of the document in a message, in characters.
const QUOTE_MAX: usize = 60;

/// The number of a node of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) u32);

/// The step from a node's parent to the node.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    Root,
    Key(String),
    Index(usize),
}

/// Where a node is.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) parent: Option<NodeId>,
    pub(crate) segment: Segment,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) span: Option<(usize, usize)>,
}

/// The diagnostics of one document, and the places they refer to.
pub(crate) struct Notes {
    file: String,
    spots: Vec<Spot>,
    diagnostics: RefCell<Vec<Diagnostic>>,
    left_out: RefCell<usize>,
}

impl Notes {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            spots: Vec::new(),
            diagnostics: RefCell::new(Vec::new()),
            left_out: RefCell::new(0),
        }
    }

    /// Numbers a new node.
    pub(crate) fn add_spot(&mut self, spot: Spot) -> NodeId {
        let id = NodeId(u32::try_from(self.spots.len()).unwrap_or(u32::MAX));
        self.spots.push(spot);
        id
    }

    /// Notes an error at a node.
    pub(crate) fn error(
        &self,
        node: NodeId,
        code: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, node, code, message.into(), help.into());
    }

    /// Notes a risk at a node.
    pub(crate) fn warning(
        &self,
        node: NodeId,
        code: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, node, code, message.into(), help.into());
    }

    fn push(&self, severity: Severity, node: NodeId, code: &str, message: String, help: String) {
        self.add(Diagnostic {
            severity,
            code: code.to_owned(),
            path: self.path(node),
            place: self.place(node),
            message,
            help: (!help.is_empty()).then_some(help),
        });
    }

    /// Notes something that has no node, or has its place already. The same words at the same place
    /// are noted once.
    pub(crate) fn add(&self, diagnostic: Diagnostic) {
        let mut diagnostics = self.diagnostics.borrow_mut();
        if diagnostics.contains(&diagnostic) {
            return;
        }
        let full = diagnostics.len() >= DIAGNOSTICS_MAX;
        // An error is never left out for warnings alone: without it the document would be accepted.
        let needed = diagnostic.severity == Severity::Error
            && diagnostics
                .iter()
                .all(|known| known.severity != Severity::Error);
        if full && !needed {
            *self.left_out.borrow_mut() += 1;
            return;
        }
        diagnostics.push(diagnostic);
    }

    /// A place in the file that is not a node's.
    pub(crate) fn place_at(
        &self,
        line: u32,
        column: u32,
        span: Option<(usize, usize)>,
    ) -> SourcePlace {
        SourcePlace {
            file: self.file.clone(),
            line: line.max(1),
            column: column.max(1),
            span,
        }
    }

    /// Whether an error was noted.
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics
            .borrow()
            .iter()
            .any(|known| known.severity == Severity::Error)
    }

    /// All notes: errors first, each kind in the order of the document.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut diagnostics = self.diagnostics.into_inner();
        diagnostics.sort_by_key(|known| {
            let at = known
                .place
                .as_ref()
                .map_or((0, 0), |place| (place.line, place.column));
            (std::cmp::Reverse(known.severity), at)
        });
        let left_out = self.left_out.into_inner();
        if left_out > 0 {
            diagnostics.push(Diagnostic {
                severity: Severity::Warning,
                code: "more".to_owned(),
                path: String::new(),
                place: None,
                message: format!("{left_out} further problems are not shown"),
                help: Some("correct these first".to_owned()),
            });
        }
        diagnostics
    }

    /// The line of a node, for messages that name a second place.
    pub(crate) fn line(&self, node: NodeId) -> u32 {
        self.spots.get(node.0 as usize).map_or(1, |spot| spot.line)
    }

    /// The path of a node: `services.checkout.release.steps[2].weight`.
    pub(crate) fn path(&self, node: NodeId) -> String {
        let mut segments = Vec::new();
        let mut at = Some(node);
        while let Some(spot) = at.and_then(|id| self.spots.get(id.0 as usize)) {
            segments.push(&spot.segment);
            at = spot.parent;
        }
        let mut path = String::new();
        for segment in segments.into_iter().rev() {
            match segment {
                Segment::Root => {}
                Segment::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&clip(key));
                }
                Segment::Index(index) => {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        path
    }

    fn place(&self, node: NodeId) -> Option<SourcePlace> {
        let spot = self.spots.get(node.0 as usize)?;
        Some(self.place_at(spot.line, spot.column, spot.span))
    }

    /// The place of a path, or of the nearest part of it that stands in the document.
    pub(crate) fn place_of_path(&self, path: &str) -> Option<SourcePlace> {
        let mut path = path;
        loop {
            let found = self.spots.iter().enumerate().find_map(|(index, spot)| {
                let last = match &spot.segment {
                    Segment::Root => path.is_empty(),
                    // A longer key may stand clipped in the path.
                    Segment::Key(key) => key.len() > QUOTE_MAX || path.ends_with(key.as_str()),
                    Segment::Index(_) => path.ends_with(']'),
                };
                let node = NodeId(u32::try_from(index).unwrap_or(u32::MAX));
                (last && self.path(node) == path).then_some(node)
            });
            if let Some(node) = found {
                return self.place(node);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// Whether another warning would be left out.
    pub(crate) fn is_full(&self) -> bool {
        self.diagnostics.borrow().len() >= DIAGNOSTICS_MAX
    }
}

/// A text from the document as a message may show it: one line, not longer than [`QUOTE_MAX`].
pub(crate) fn clip(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(QUOTE_MAX)
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect();
    if text.chars().nth(QUOTE_MAX).is_some() {
        shown.push('…');
    }
    shown
}
