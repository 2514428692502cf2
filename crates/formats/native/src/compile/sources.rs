//! Outside metric servers: where they are. Who asks is shown to them as `secrets` reads it; what they are asked is in
//! `queries`.

use super::places::path;
use super::secrets::{credentials, headers};
use super::words::{plain_text, positive_span, present};
use crate::advice::plain_http_host;
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{DocumentFields, Entries, SourceFields, Text};
use http::Uri;
use sluice_model::outside::{Asked, MetricSource, PLACEHOLDERS, Provider, filled, placeholders};
use sluice_model::{RevisionNumber, ServiceName, SourceName};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for an answer, when the document does not say.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait that a source may have: a check that waits longer is no use to a rollout.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Most sources of a document.
const SOURCES_MAX: usize = 50;
/// The sources of a document by name. One that could not be read has no value; that is noted already.
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<SourceName, Source>);

#[derive(Debug)]
struct Source {
    node: NodeId,
    server: Option<MetricSource>,
}

impl Sources {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(SourceName::as_str).collect()
    }

    /// Whether there is one of this name, readable or not.
    pub(crate) fn has(&self, name: &SourceName) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn get(&self, name: &SourceName) -> Option<&MetricSource> {
        self.0.get(name)?.server.as_ref()
    }

    /// Warns of the sources that are not among the used ones. While something is wrong, nobody knows who is asked.
    pub(crate) fn warn_unused(&self, notes: &Notes, is_used: impl Fn(&SourceName) -> bool) {
        if notes.has_errors() {
            return;
        }
        for (name, source) in self.0.iter().filter(|(name, _)| !is_used(name)) {
            notes.warning(
                source.node,
                "unused-source",
                format!("no check asks the source `{name}`"),
                "refer to it with `source: NAME` beside a check's `query`, or remove it",
            );
        }
    }
}

/// Reads `sources:`.
pub(crate) fn read(notes: &Notes, base_dir: &str, fields: &DocumentFields) -> Sources {
    let mut sources = BTreeMap::new();
    let Some((node, Entries(entries))) = present(&fields.sources) else {
        return Sources::default();
    };
    if entries.len() > SOURCES_MAX {
        notes.error(
            node,
            "too-many",
            format!("the document has {} sources", entries.len()),
            format!("keep {SOURCES_MAX} of them"),
        );
    }
    for (name, source) in entries {
        let Some(Text(text)) = &name.value else {
            continue;
        };
        if ServiceName::new(text.as_str()).is_err() {
            notes.error(
                name.node,
                "bad-name",
                format!("`{}` is not a name of a source", clip(text)),
                "use lower-case letters, digits and `-`, starting with a letter",
            );
            continue;
        }
        let server = source
            .value
            .as_ref()
            .and_then(|fields| server(notes, base_dir, source.node, fields));
        let node = name.node;
        sources.insert(SourceName(text.clone()), Source { node, server });
    }
    Sources(sources)
}

fn server(
    notes: &Notes,
    base_dir: &str,
    node: NodeId,
    fields: &SourceFields,
) -> Option<MetricSource> {
    let (provider, field) = match (&fields.prometheus, &fields.web) {
        (Some(field), None) => (Provider::Prometheus, field),
        (None, Some(field)) => (Provider::Web, field),
        (Some(_), Some(second)) => {
            notes.error(
                second.node,
                "conflict",
                "the source has both `prometheus` and `web`",
                "make it two sources",
            );
            return None;
        }
        (None, None) => {
            notes.error(
                node,
                "missing-field",
                "the source has no address",
                "add `prometheus`, as in `prometheus: http://127.0.0.1:9090`, or `web`",
            );
            return None;
        }
    };
    // Everything is read before anything is given up, so that every mistake is told.
    let address = address(notes, provider, field);
    let credentials = credentials(notes, base_dir, fields);
    let headers = headers(notes, base_dir, &fields.headers);
    let timeout = match &fields.timeout {
        None => Some(TIMEOUT),
        Some(field) => positive_span(notes, &fields.timeout).filter(|timeout| {
            let fits = *timeout <= TIMEOUT_MAX;
            if !fits {
                notes.error(
                    field.node,
                    "out-of-range",
                    "the timeout is longer than a minute",
                    "write 1m or less",
                );
            }
            fits
        }),
    };
    let (authorities, insecure) = match present(&fields.tls) {
        None => (None, false),
        Some((at, trust)) => {
            let insecure = present(&trust.insecure).is_some_and(|(_, insecure)| *insecure);
            if insecure && trust.authorities.is_some() {
                notes.error(
                    at,
                    "conflict",
                    "`insecure` trusts any certificate, whatever `authorities` says",
                    "leave one of them out",
                );
            }
            let file = trust.authorities.as_ref();
            (file.and_then(|file| path(notes, base_dir, file)), insecure)
        }
    };
    Some(MetricSource {
        provider,
        address: address?,
        credentials: credentials?,
        headers: headers?,
        authorities,
        insecure,
        timeout: timeout?,
    })
}

/// The address, as it is written.
fn address(notes: &Notes, provider: Provider, field: &Located<Text>) -> Option<String> {
    let text = plain_text(notes, field)?;
    let names = placeholders(text);
    if provider == Provider::Prometheus && !names.is_empty() {
        notes.error(
            field.node,
            "bad-url",
            "the address of a Prometheus is the same for all its queries",
            "write the placeholder into the check's `query`",
        );
        return None;
    }
    refuse_unknown_placeholders(notes, field.node, text)?;
    let shown = sample(text)?;
    let uri = shown.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    });
    let Some(uri) = uri else {
        notes.error(
            field.node,
            "bad-url",
            format!("`{}` is not the address of a metric server", clip(text)),
            "write an `http://` or `https://` address, as in `http://127.0.0.1:9090`",
        );
        return None;
    };
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        notes.error(
            field.node,
            "literal-secret",
            "the address has a user or a password in it, which would be stored and shown",
            "use `basic: {username: NAME, password: {env: VARIABLE}}`",
        );
        return None;
    }
    if let Some(host) = plain_http_host(&shown) {
        notes.warning(
            field.node,
            "plain-http-source",
            format!("{host} is asked unencrypted: anybody on the way can answer for it, and read what it is shown"),
            "use an `https://` address",
        );
    }
    Some(text.to_owned())
}

/// The text with something in the place of its placeholders.
fn sample(text: &str) -> Option<String> {
    let asked = Asked {
        service: &ServiceName::new("service").ok()?,
        revision: RevisionNumber(1),
        side: "canary",
    };
    Some(filled(text, &asked))
}

/// Notes the placeholders that nothing stands for.
pub(super) fn refuse_unknown_placeholders(notes: &Notes, node: NodeId, text: &str) -> Option<()> {
    let help = "use `{{revision}}`, `{{side}}` (`canary` or `baseline`) or `{{service}}`";
    let names = placeholders(text);
    if let Some(unknown) = names.iter().find(|name| !PLACEHOLDERS.contains(name)) {
        notes.error(
            node,
            "unknown-placeholder",
            format!("nothing stands for `{{{{{}}}}}`", clip(unknown)),
            help,
        );
        return None;
    }
    if sample(text)?.contains("{{") {
        notes.error(
            node,
            "unknown-placeholder",
            "a placeholder begins with `{{` and does not end",
            help,
        );
        return None;
    }
    Some(())
}
