//! From shapes to the model: what the fields mean, together.
//!
//! Each part reads its own fields and notes what is wrong with them; a document comes out only if there
//! is nothing wrong at all. Start with `service`; a release goes `release` → `steps` → `checks`.

mod checks;
mod comparisons;
mod evidence;
mod goals;
mod hooks;
mod limits;
mod listed;
mod matches;
mod places;
mod presets;
mod probes;
mod promql;
mod queries;
mod release;
mod remembering;
mod score;
mod secrets;
mod service;
mod sources;
mod steps;
mod words;

use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{DocumentFields, Entries, Release, ServiceFields, Text};
use crate::{Document, ServiceSpec, Settings};
use places::{address, collide};
use release::{Named, ServiceFacts};
use sluice_model::ServiceName;
use sluice_model::routes::Assignment;
use sources::Sources;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;
use words::{count, present};

/// Compiles a document. What comes out counts only if no error was noted.
pub(crate) fn document(
    notes: &Notes,
    base_dir: &str,
    root: NodeId,
    fields: &DocumentFields,
) -> Document {
    if let Some((node, version)) = present(&fields.version)
        && *version != 1
    {
        notes.error(
            node,
            "unknown-version",
            format!("version {version} is not known"),
            "write `version: 1`, or use a newer Sluice",
        );
    }
    let mut addresses = Vec::new();
    let settings = settings(notes, fields, &mut addresses);
    let named = named_releases(notes, fields);
    let sources = sources::read(notes, base_dir, fields);
    let mut services = Vec::new();
    let entries = match &fields.services {
        Some(Located {
            node,
            value: Some(Entries(entries)),
        }) => {
            if entries.is_empty() {
                note_no_services(notes, *node);
            }
            entries.as_slice()
        }
        Some(_) => &[],
        None => {
            note_no_services(notes, root);
            &[]
        }
    };
    for (name, service) in entries {
        let outcome = service::compile(notes, base_dir, (&named, &sources), name, service);
        services.extend(outcome.spec);
        addresses.extend(outcome.addresses);
    }
    refuse_collisions(notes, &addresses);
    check_unused_releases(notes, base_dir, (&named, &sources), entries);
    sources.warn_unused(notes, |name| {
        services
            .iter()
            .any(|spec: &ServiceSpec| spec.plan.sources.contains_key(name))
    });
    Document { services, settings }
}

/// Notes that there is nothing to run.
pub(crate) fn note_no_services(notes: &Notes, node: NodeId) {
    notes.error(
        node,
        "no-services",
        "the document has no services",
        "begin with `services:`, and below it `NAME:` with `run: ./program --port $PORT` and `listen: 127.0.0.1:8080`",
    );
}

fn settings(
    notes: &Notes,
    fields: &DocumentFields,
    addresses: &mut Vec<(NodeId, SocketAddr)>,
) -> Settings {
    let mut settings = Settings::default();
    if let Some((node, api)) = present(&fields.api) {
        if api.listen.is_none() {
            notes.error(
                node,
                "missing-field",
                "`api` has no address",
                "add `listen`, as in `listen: 127.0.0.1:7400`",
            );
        }
        if let Some((node, listen)) = address(notes, &api.listen) {
            if !listen.ip().is_loopback() {
                notes.warning(
                    node,
                    "public-api",
                    format!("other machines can reach the API at {listen}"),
                    "listen on 127.0.0.1, unless they shall; everybody with a token can then release and undo",
                );
            }
            settings.api_listen = Some(listen.to_string());
            addresses.push((node, listen));
        }
    }
    if let Some((_, proxy)) = present(&fields.proxy) {
        settings.proxy_workers = count(notes, &proxy.workers, 1..=256);
    }
    settings
}

fn named_releases<'a>(notes: &Notes, fields: &'a DocumentFields) -> Named<'a> {
    let mut named = BTreeMap::new();
    let Some((_, Entries(entries))) = present(&fields.releases) else {
        return named;
    };
    for (name, release) in entries {
        let Some(Text(text)) = &name.value else {
            continue;
        };
        if presets::by_name(text).is_some() {
            notes.error(
                name.node,
                "reserved-name",
                format!(
                    "`{}` is the name of a preset or of a risk class",
                    clip(text)
                ),
                "choose another name",
            );
        } else if ServiceName::new(text.as_str()).is_err() {
            notes.error(
                name.node,
                "bad-name",
                format!("`{}` is not a name of a release", clip(text)),
                "use lower-case letters, digits and `-`, starting with a letter",
            );
        } else {
            named.insert(text.as_str(), release);
        }
    }
    named
}

/// Two listeners at one address.
fn refuse_collisions(notes: &Notes, addresses: &[(NodeId, SocketAddr)]) {
    let mut by_port: BTreeMap<u16, Vec<(NodeId, SocketAddr)>> = BTreeMap::new();
    // Port 0 is another free one each time.
    for (node, address) in addresses.iter().filter(|(_, address)| address.port() != 0) {
        let known = by_port.entry(address.port()).or_default();
        if let Some((first, _)) = known.iter().find(|(_, other)| collide(*address, *other)) {
            notes.error(
                *node,
                "duplicate-port",
                format!(
                    "{address} is taken already, by `{}` on line {}",
                    notes.path(*first),
                    notes.line(*first)
                ),
                "give it another port",
            );
        }
        known.push((*node, *address));
    }
}

/// A named release that no service uses is compiled too, for a service that has everything, so that its
/// mistakes are found before somebody needs it.
fn check_unused_releases(
    notes: &Notes,
    base_dir: &str,
    (named, sources): (&Named<'_>, &Sources),
    services: &[(Located<Text>, Located<ServiceFields>)],
) {
    let used: BTreeSet<&str> = services
        .iter()
        .filter_map(|(_, service)| service.value.as_ref()?.release.as_ref())
        .chain(named.values().copied())
        .filter_map(names_used)
        .collect();
    let facts = ServiceFacts {
        replicas: 1,
        tcp: false,
        assignment: Assignment::Header {
            name: "x-user".to_owned(),
        },
        has_readiness: true,
        startup: Duration::ZERO,
        sources,
    };
    for (name, release) in named {
        if used.contains(name) {
            continue;
        }
        release::compile(notes, base_dir, named, Some(release), release.node, &facts);
        notes.warning(
            release.node,
            "unused-release",
            format!("no service uses the release `{name}`"),
            "refer to it with `release: NAME`, or remove it",
        );
    }
}

/// The name that a release refers to.
fn names_used(release: &Located<Release>) -> Option<&str> {
    match release.value.as_ref()? {
        crate::shape::Brief::Word(Text(word)) => Some(word),
        crate::shape::Brief::Full(fields) => {
            present(&fields.r#use).map(|(_, Text(word))| word.as_str())
        }
    }
}
