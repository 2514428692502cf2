//! `sluice.yaml`: parse, lint, plan, schema.
//!
//! Text goes in; services with their plans, and diagnostics, come out. No file is read and nothing is
//! looked up, so that the same answer comes everywhere, and a document can be judged anywhere.
//!
//! The way of a document: `tree` (YAML with places) → `reading` and `shape` (typed fields, all
//! problems at once) → `compile` (what they mean) → [`advice`] (what is risky). [`outline`] tells a plan
//! step by step, [`convert`] takes other tools' checks over; `docs/document.md` is the reference for people.

pub mod advice;
mod compile;
pub mod convert;
mod nearest;
mod notes;
mod outline;
mod reading;
mod schema;
mod shape;
mod tree;

pub use outline::{OutlineStep, outline};
pub use schema::schema;

use notes::Notes;
use reading::{Located, Reader};
use serde::{Deserialize, Serialize};
use shape::DocumentFields;
use sluice_model::workload::{Listener, Workload};
use sluice_model::{Diagnostic, Plan, ServiceName};
use tree::Content;

/// A document that has no errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The services, in the order of the document.
    pub services: Vec<ServiceSpec>,
    /// What concerns Sluice itself.
    pub settings: Settings,
}

/// A service: what runs, how it is reached, how a change of it is released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Its name, unique within the document.
    pub name: ServiceName,
    /// What runs.
    pub workload: Workload,
    /// How it is reached.
    pub listener: Listener,
    /// How a change of it is released.
    pub plan: Plan,
    /// How many former revisions are kept for an undo; 1 to 20.
    pub history_limit: u32,
}

/// What concerns Sluice itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Address of the API, `ip:port`, besides its socket.
    pub api_listen: Option<String>,
    /// Threads that serve traffic, 1 to 256; as many as there are cores when absent.
    pub proxy_workers: Option<u32>,
}

/// What came of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The document; there if, and only if, no diagnostic is an error.
    pub document: Option<Document>,
    /// What is wrong, then what is risky; each in the order of the text, at most about a hundred.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a document. `file_name` is the file as the user named it, for the diagnostics; relative paths
/// in the document are taken from `base_dir`, the absolute path of the file's folder.
#[must_use]
pub fn parse(file_name: &str, text: &str, base_dir: &str) -> Parsed {
    let mut notes = Notes::new(file_name);
    let document = tree::read(text, &mut notes).and_then(|root| {
        if matches!(root.content, Content::Null) {
            compile::note_no_services(&notes, root.id);
            return None;
        }
        let reader = Reader::new(&root, &notes);
        // A `Located` catches every fault, so that none is left here.
        let fields = Located::<DocumentFields>::deserialize(reader).ok()?.value?;
        Some(compile::document(&notes, base_dir, root.id, &fields))
    });
    let document = document.filter(|_| !notes.has_errors());
    if let Some(document) = &document {
        advice::note(&notes, document);
    }
    Parsed {
        document,
        diagnostics: notes.into_diagnostics(),
    }
}
