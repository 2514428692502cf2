//! One service: the workload and the listener. Its release is compiled by `release`.

use super::hooks::header_name;
use super::matches::cookie_name;
use super::places::{absolute, address, command, environment, path};
use super::probes::{probe, startup_time};
use super::release::{self, Named, ServiceFacts};
use super::sources::Sources;
use super::words::{count, plain_text, positive_span, present, size, span};
use crate::ServiceSpec;
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{
    Field, LimitFields, Many, ProtocolWord, ServiceFields, StickyFields, Text, TlsFields,
};
use sluice_model::ServiceName;
use sluice_model::ids::SERVICE_NAME_MAX;
use sluice_model::routes::Assignment;
use sluice_model::workload::{Listener, Protocol, Stopping, TlsFiles, TrafficLimits, Workload};
use std::net::SocketAddr;
use std::time::Duration;

/// Most replicas of a service on one machine.
const REPLICAS_MAX: u32 = 1_000;
/// Wait between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// A compiled service, and the addresses that it claims.
pub(crate) struct Outcome {
    pub(crate) spec: Option<ServiceSpec>,
    pub(crate) addresses: Vec<(NodeId, SocketAddr)>,
}

/// Compiles one service; every problem of it is noted.
pub(crate) fn compile(
    notes: &Notes,
    base_dir: &str,
    (named, sources): (&Named<'_>, &Sources),
    name: &Located<Text>,
    fields: &Located<ServiceFields>,
) -> Outcome {
    let mut outcome = Outcome {
        spec: None,
        addresses: Vec::new(),
    };
    let service_name = service_name(notes, name);
    let at = fields.node;
    let Some(fields) = &fields.value else {
        return outcome;
    };
    if fields.run.is_none() {
        notes.error(
            at,
            "missing-field",
            "the service has no command",
            "add `run`, as in `run: ./checkout --port $PORT`",
        );
    }
    if fields.listen.is_none() {
        notes.error(
            at,
            "missing-field",
            "the service has no address",
            "add `listen`, as in `listen: 127.0.0.1:8080`",
        );
    }
    let protocol = match present(&fields.protocol) {
        Some((_, ProtocolWord::H2c)) => Protocol::H2c,
        Some((_, ProtocolWord::Tcp)) => Protocol::Tcp,
        Some((_, ProtocolWord::Http)) | None => Protocol::Http,
    };
    let listen = address(notes, &fields.listen);
    let preview = address(notes, &fields.preview);
    outcome.addresses.extend(listen);
    outcome.addresses.extend(preview);
    let limits = limits(notes, &fields.limits);
    let tls = tls(notes, base_dir, &fields.tls);
    let workload = workload(notes, base_dir, fields, limits.request_timeout);
    let assignment = assignment(notes, &fields.sticky, protocol);
    let facts = ServiceFacts {
        replicas: count(notes, &fields.replicas, 1..=REPLICAS_MAX).unwrap_or(1),
        tcp: protocol == Protocol::Tcp,
        assignment,
        has_readiness: fields.ready.is_some(),
        startup: workload
            .startup
            .as_ref()
            .map_or(Duration::ZERO, startup_time),
        sources,
    };
    let compiled = release::compile(notes, base_dir, named, fields.release.as_ref(), at, &facts);
    let (Some(name), Some((_, listen)), Some(compiled)) = (service_name, listen, compiled) else {
        return outcome;
    };
    outcome.spec = Some(ServiceSpec {
        name,
        workload,
        listener: Listener {
            address: listen.to_string(),
            preview: preview.map(|(_, address)| address.to_string()),
            protocol,
            tls,
            limits,
        },
        plan: compiled.plan,
        history_limit: compiled.history_limit,
    });
    outcome
}

fn service_name(notes: &Notes, name: &Located<Text>) -> Option<ServiceName> {
    let Text(text) = name.value.as_ref()?;
    let valid = ServiceName::new(text.as_str()).ok();
    if valid.is_none() {
        let message = match text.chars().count() {
            length if length > SERVICE_NAME_MAX => format!("the name has {length} characters"),
            _ => format!("`{}` is not a name of a service", clip(text)),
        };
        notes.error(
            name.node,
            "bad-name",
            message,
            format!(
                "use at most {SERVICE_NAME_MAX} lower-case letters, digits and `-`, starting with a letter"
            ),
        );
    }
    valid
}

fn workload(
    notes: &Notes,
    base_dir: &str,
    fields: &ServiceFields,
    request_timeout: Duration,
) -> Workload {
    let paths = |field: &Field<Many<Text>>| -> Vec<String> {
        present(field).map_or_else(Vec::new, |(_, Many(list))| {
            list.iter()
                .filter_map(|item| path(notes, base_dir, item))
                .collect()
        })
    };
    let run = present(&fields.run).and_then(|(node, words)| command(notes, base_dir, node, words));
    let user = fields.user.as_ref().and_then(|user| {
        let text = plain_text(notes, user)?;
        if text.trim().is_empty() {
            notes.error(
                user.node,
                "bad-name",
                "the user is empty",
                "write a user's name or number",
            );
            return None;
        }
        Some(text.to_owned())
    });
    let stop = present(&fields.stop).map(|(_, stop)| stop);
    Workload {
        command: run.unwrap_or_default(),
        artifacts: paths(&fields.artifacts),
        env: environment(notes, &fields.env),
        env_files: paths(&fields.env_file),
        workdir: fields
            .workdir
            .as_ref()
            .and_then(|workdir| path(notes, base_dir, workdir))
            .unwrap_or_else(|| absolute(base_dir, ".")),
        user,
        readiness: probe(notes, base_dir, &fields.ready, Duration::from_secs(1), 3),
        liveness: probe(notes, base_dir, &fields.live, Duration::from_secs(5), 3),
        startup: probe(notes, base_dir, &fields.startup, Duration::from_secs(1), 60),
        stop: Stopping {
            drain: stop
                .and_then(|stop| span(notes, &stop.drain))
                .unwrap_or(request_timeout),
            grace: stop
                .and_then(|stop| span(notes, &stop.grace))
                .unwrap_or(GRACE),
        },
    }
}

fn tls(notes: &Notes, base_dir: &str, field: &Field<TlsFields>) -> Option<TlsFiles> {
    let (node, fields) = present(field)?;
    let file = |name: &str, field: &Field<Text>| match field {
        Some(field) => path(notes, base_dir, field),
        None => {
            notes.error(
                node,
                "missing-field",
                format!("`tls` has no `{name}`"),
                format!("add `{name}`, the path of a PEM file"),
            );
            None
        }
    };
    let certificate = file("certificate", &fields.certificate);
    let key = file("key", &fields.key);
    Some(TlsFiles {
        certificate: certificate?,
        key: key?,
    })
}

fn limits(notes: &Notes, field: &Field<LimitFields>) -> TrafficLimits {
    let defaults = TrafficLimits::default();
    let Some((_, fields)) = present(field) else {
        return defaults;
    };
    let header_bytes = size(notes, &fields.header_bytes, 1_024..=1_048_576);
    TrafficLimits {
        request_timeout: positive_span(notes, &fields.request_timeout)
            .unwrap_or(defaults.request_timeout),
        connect_timeout: positive_span(notes, &fields.connect_timeout)
            .unwrap_or(defaults.connect_timeout),
        header_timeout: positive_span(notes, &fields.header_timeout)
            .unwrap_or(defaults.header_timeout),
        idle_timeout: positive_span(notes, &fields.idle_timeout).unwrap_or(defaults.idle_timeout),
        header_bytes_max: header_bytes
            .and_then(|bytes| u32::try_from(bytes).ok())
            .unwrap_or(defaults.header_bytes_max),
        headers_max: count(notes, &fields.headers, 1..=1_000).unwrap_or(defaults.headers_max),
        body_bytes_max: size(notes, &fields.body_bytes, 0..=u64::MAX),
        connections_max: count(notes, &fields.connections, 1..=1_000_000)
            .unwrap_or(defaults.connections_max),
        retries_max: count(notes, &fields.retries, 0..=10).unwrap_or(defaults.retries_max),
    }
}

fn assignment(notes: &Notes, field: &Field<StickyFields>, protocol: Protocol) -> Assignment {
    let Some((node, fields)) = present(field) else {
        return Assignment::PerRequest;
    };
    if protocol == Protocol::Tcp {
        notes.error(
            node,
            "not-on-tcp",
            "`sticky` is not possible with `protocol: tcp`, which has no requests to look at",
            "remove it, or use `protocol: http` or `h2c`",
        );
        return Assignment::PerRequest;
    }
    match (&fields.header, &fields.cookie) {
        (Some(header), None) => {
            let name = header
                .value
                .as_ref()
                .and_then(|Text(name)| header_name(notes, header.node, name));
            // Something is sticky, even if its name is wrong: no further errors follow from that.
            Assignment::Header {
                name: name.unwrap_or_default(),
            }
        }
        (None, Some(cookie)) => {
            let name = cookie
                .value
                .as_ref()
                .and_then(|Text(name)| cookie_name(notes, cookie.node, name));
            Assignment::Cookie {
                name: name.unwrap_or_default(),
            }
        }
        (Some(_), Some(cookie)) => {
            notes.error(
                cookie.node,
                "conflict",
                "only one of `header` and `cookie` can name the user",
                "keep one of them",
            );
            Assignment::PerRequest
        }
        (None, None) => {
            notes.error(
                node,
                "missing-field",
                "`sticky` does not say what names the user",
                "add `header: x-user` or `cookie: user-id`",
            );
            Assignment::PerRequest
        }
    }
}
