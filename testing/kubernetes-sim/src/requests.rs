//! What controllers ask the server for while nothing changes: nothing, unless something failed, and then ever
//! more seldom. Watches are not counted: they wait.

use sluice_kubernetes::resource::{LEASE, Resource};
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

/// How long a window is in which nothing changes.
const WINDOW_MS: i64 = 30_000;
/// Most times the same is asked for in it. Something that fails is tried again after 50 ms and twice as long each
/// time, ten times in a window; one that is written again and again, twenty times at once.
const SAME_MAX: u32 = 20;
/// How long a controller may still ask after the last change: the longest wait after a failure, and its answer.
pub(crate) const SETTLED_MS: i64 = 70_000;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    List,
    /// Waits for changes: not counted, as it asks for nothing.
    Watch,
    Create,
    Patch,
    Replace,
    Delete,
    Evict,
}

impl Verb {
    /// Whether it changes something.
    pub(crate) fn is_write(self) -> bool {
        !matches!(self, Verb::Get | Verb::List | Verb::Watch)
    }
}

/// A request: what is done to what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    pub(crate) resource: Resource,
    /// A name, a selector, or nothing for everything.
    pub(crate) target: String,
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Request {
            verb,
            resource,
            target,
        } = self;
        write!(f, "{verb:?} {} {target}", resource.plural)
    }
}

/// The requests since the last change.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    began: Option<Timestamp>,
    counts: BTreeMap<(usize, Request), u32>,
    /// All of them.
    pub(crate) all: u64,
    /// When something was last asked for, and what.
    pub(crate) last: Option<(Timestamp, Request)>,
}

impl Requests {
    /// Something is different now: who asks has a reason.
    pub(crate) fn changed(&mut self) {
        self.began = None;
        self.counts.clear();
    }

    /// A controller asks for something; what it does, when that is the same again and again.
    pub(crate) fn asked(
        &mut self,
        controller: usize,
        request: Request,
        now: Timestamp,
    ) -> Option<String> {
        if request.resource == LEASE || request.verb == Verb::Watch {
            return None;
        }
        self.all += 1;
        self.last = Some((now, request.clone()));
        if self
            .began
            .is_none_or(|began| began.shifted(WINDOW_MS) < now)
        {
            self.began = Some(now);
            self.counts.clear();
        }
        let told = request.to_string();
        let count = self.counts.entry((controller, request)).or_default();
        *count += 1;
        (*count > SAME_MAX).then(|| format!("{told}: {count} times, and nothing changes"))
    }
}
