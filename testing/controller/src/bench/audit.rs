//! Requests to the API server, counted from its audit log.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What requests were for, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Requests(pub BTreeMap<String, u64>);

impl Requests {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.0.values().sum()
    }

    /// Those that an idle controller makes too: of the Lease, and watches that begin anew.
    #[must_use]
    pub fn of_idle(&self) -> u64 {
        let idle = self.0.iter().filter(|(what, _)| is_of_idle(what));
        idle.map(|(_, count)| count).sum()
    }

    /// Counts these too.
    pub(crate) fn add(&mut self, more: Requests) {
        for (what, count) in more.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// The others.
    #[must_use]
    pub fn of_work(&self) -> u64 {
        self.all() - self.of_idle()
    }
}

fn is_of_idle(what: &str) -> bool {
    what.starts_with("watch ") || what.ends_with(" leases")
}

/// The log, read piece by piece.
#[derive(Debug)]
pub(crate) struct AuditLog {
    path: PathBuf,
    /// What was read already, in bytes.
    read: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    object_ref: Option<ObjectRef>,
}

#[derive(Deserialize)]
struct ObjectRef {
    resource: Option<String>,
    subresource: Option<String>,
}

impl AuditLog {
    /// The log in a file, from its begin.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            read: 0,
        }
    }

    /// The requests since the last call.
    ///
    /// # Errors
    /// When the log cannot be read, or is of another form.
    pub(crate) fn since_last(&mut self) -> Result<Requests> {
        let place = || format!("the audit log {}", self.path.display());
        let mut file = File::open(&self.path).with_context(place)?;
        file.seek(SeekFrom::Start(self.read)).with_context(place)?;
        let mut lines = BufReader::new(file);
        let mut requests = Requests::default();
        let mut line = String::new();
        loop {
            line.clear();
            let length = lines.read_line(&mut line).with_context(place)?;
            // A line without an end is being written; it is for the next time.
            if !line.ends_with('\n') {
                return Ok(requests);
            }
            self.read += length as u64;
            let event: Event = serde_json::from_str(&line).with_context(place)?;
            if let Some(what) = what(event) {
                *requests.0.entry(what).or_default() += 1;
            }
        }
    }
}

/// What a logged request was for, such as `patch rollouts/status`; `None` for a watch's end, which is no request.
fn what(event: Event) -> Option<String> {
    let is_begin = event.stage == "ResponseStarted";
    if (event.verb == "watch") != is_begin {
        return None;
    }
    let object = match event.object_ref {
        Some(ObjectRef {
            resource: Some(resource),
            subresource: Some(subresource),
        }) => format!("{resource}/{subresource}"),
        Some(ObjectRef {
            resource: Some(resource),
            ..
        }) => resource,
        _ => {
            let path = event.request_uri.split('?').next();
            path.unwrap_or_default().to_owned()
        }
    };
    Some(format!("{} {object}", event.verb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn each_request_counts_once_also_a_watch_and_a_line_that_is_half_written() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let line = |stage: &str, verb: &str, object: &str| {
            format!(
                r#"{{"stage":"{stage}","verb":"{verb}","requestURI":"/healthz?x","objectRef":{object}}}"#
            ) + "\n"
        };
        let rollouts = r#"{"resource":"rollouts","namespace":"a"}"#;
        let status = r#"{"resource":"rollouts","subresource":"status"}"#;
        let text = [
            line("ResponseStarted", "watch", rollouts),
            line("ResponseComplete", "watch", rollouts),
            line("ResponseComplete", "patch", status),
            line("ResponseComplete", "patch", status),
            line("ResponseComplete", "update", r#"{"resource":"leases"}"#),
            line("ResponseComplete", "get", "null"),
        ]
        .concat();
        let (begin, rest) = text.split_at(text.len() - 5);
        file.write_all(begin.as_bytes()).expect("write");
        let mut log = AuditLog::new(file.path());
        let requests = log.since_last().expect("the log");
        let counts: Vec<(&str, u64)> = requests
            .0
            .iter()
            .map(|(what, count)| (what.as_str(), *count))
            .collect();
        assert_eq!(
            counts,
            [
                ("patch rollouts/status", 2),
                ("update leases", 1),
                ("watch rollouts", 1)
            ]
        );
        assert_eq!((requests.of_idle(), requests.of_work()), (2, 2));
        file.write_all(rest.as_bytes()).expect("write");
        let requests = log.since_last().expect("the log");
        assert_eq!(requests.0.get("get /healthz"), Some(&1));
        assert_eq!(requests.all(), 1);
    }
}
