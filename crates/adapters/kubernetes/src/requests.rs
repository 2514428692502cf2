//! How many requests were made to the API server. They are counted by kind, verb and answer, and not by object:
//! as many figures as there are kinds, however many objects there are.

use crate::metrics::{Family, as_float};
use crate::resource::Resource;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "Get",
            Verb::List => "List",
            Verb::Watch => "Watch",
            Verb::Create => "Create",
            Verb::Update => "Update",
            Verb::Patch => "Patch",
            Verb::Delete => "Delete",
        }
    }

    /// The status of an answer that did it.
    pub(crate) fn success(self) -> u16 {
        match self {
            Verb::Create => 201,
            _ => 200,
        }
    }
}

/// The plural of a kind, what was asked, and the status of the answer.
type Name = (Cow<'static, str>, Verb, u16);

/// How many requests were made.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<BTreeMap<Name, u64>>);

/// A request that is under way. One that is given up counts as one without an answer.
pub(crate) struct Begun {
    requests: Arc<Requests>,
    kind: Cow<'static, str>,
    verb: Verb,
    status: u16,
}

impl Requests {
    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>, verb: Verb, resource: &Resource) -> Begun {
        Begun {
            requests: Arc::clone(self),
            kind: resource.plural.clone(),
            verb,
            status: 0,
        }
    }

    /// How many requests were made, by kind, verb and status.
    pub(crate) fn counts(&self) -> Vec<Count> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.iter();
        counts
            .map(|((kind, verb, status), count)| Count {
                kind: kind.clone(),
                verb: *verb,
                status: status.to_string(),
                count: *count,
            })
            .collect()
    }
}

impl Begun {
    /// It was answered; 0 when the connection failed.
    pub(crate) fn answered(mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let name = (std::mem::take(&mut self.kind), self.verb, self.status);
        let mut counts = self
            .requests
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name).or_default() += 1;
    }
}

/// Requests of one sort.
pub(crate) struct Count {
    kind: Cow<'static, str>,
    verb: Verb,
    status: String,
    count: u64,
}

/// What is told of requests. Dashboards know labels for the object as well; they have one value only.
pub(crate) const REQUESTS: [Family<Count>; 1] = [Family::counter(
    "controller_clientset_k8s_request_total",
    "Requests to the API server, by kind, verb and status; 0 when there was no answer.",
    |count, samples| {
        let labels = [
            ("kind", &*count.kind),
            ("namespace", "N/A"),
            ("name", "N/A"),
            ("verb", count.verb.as_str()),
            ("status_code", &*count.status),
        ];
        samples.put(&labels, as_float(count.count));
    },
)];
