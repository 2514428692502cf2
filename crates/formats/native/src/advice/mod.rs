//! What is allowed but risky: the failure modes of real deployments, detected and named.
//!
//! The rules look at compiled services, not at text, so that they also serve a pre-deployment check and
//! other formats; [`parse`](crate::parse) gives each warning its place in the document.

use crate::notes::Notes;
use crate::{Document, ServiceSpec};
use http::Uri;
use sluice_model::plan::{Exposure, HookAction, Plan, Step, Strategy};
use sluice_model::routes::Assignment;
use sluice_model::time::format_span;
use sluice_model::{Diagnostic, Severity, Weight};
use std::net::{IpAddr, SocketAddr};

mod comparisons;
mod limits;
mod suggestion;

pub use suggestion::{Change, Suggestion, strategy_for};

/// From how many services on one plan for all of them is worth a word.
const ALIKE_MIN: usize = 4;

/// The warnings of one service. Their paths begin with `services.NAME`; they have no place in a file.
#[must_use]
pub fn review(service: &ServiceSpec) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut warn = |path: &str, code: &str, message: String, help: &str| {
        let path = format!(
            "services.{}{}{path}",
            service.name,
            if path.is_empty() { "" } else { "." }
        );
        found.push(warning(path, code, message, help));
    };
    probes(service, &mut warn);
    stopping(service, &mut warn);
    addresses(service, &mut warn);
    strategy(service, &mut warn);
    evidence(service, &mut warn);
    comparisons::review(&service.plan, &mut warn);
    limits::review(&service.plan, &mut warn);
    hooks(&service.plan, &mut warn);
    found
}

/// The warnings of a document as a whole and of all its services.
#[must_use]
pub fn review_document(document: &Document) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = document.services.iter().flat_map(review).collect();
    found.extend(all_alike(document));
    found
}

pub(crate) fn note(notes: &Notes, document: &Document) {
    let lists = document
        .services
        .iter()
        .map(review)
        .chain(std::iter::once(all_alike(document)));
    for mut diagnostic in lists.flatten() {
        // Places are searched for; nobody would see those of warnings that are left out.
        if !notes.is_full() {
            diagnostic.place = notes.place_of_path(&diagnostic.path);
        }
        notes.add(diagnostic);
    }
}

fn warning(path: String, code: &str, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: code.to_owned(),
        path,
        place: None,
        message,
        help: Some(help.to_owned()),
    }
}

fn probes(service: &ServiceSpec, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let workload = &service.workload;
    if workload.readiness.is_none() {
        warn(
            "ready",
            "no-readiness",
            "without a readiness probe a replica gets traffic as soon as its process runs"
                .to_owned(),
            "add `ready: /healthz`, a path that answers 200 once the program can serve",
        );
    }
    if workload.liveness.is_none() {
        warn(
            "live",
            "no-liveness",
            "without a liveness probe a replica that hangs is not restarted".to_owned(),
            "add `live: /healthz`, a path that answers 200 while the program works",
        );
    }
    if let Some(startup) = &workload.startup {
        let patience = startup.initial_delay + startup.period.saturating_mul(startup.failures);
        if patience > service.plan.progress_deadline {
            warn(
                "release.progressDeadline",
                "deadline-before-startup",
                format!(
                    "the startup probe may take {}, but the rollout gives up after {}",
                    format_span(patience),
                    format_span(service.plan.progress_deadline)
                ),
                "lengthen `progressDeadline`, or shorten the startup probe",
            );
        }
    }
}

fn stopping(service: &ServiceSpec, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let stop = &service.workload.stop;
    let request = service.listener.limits.request_timeout;
    if stop.drain + stop.grace < request {
        warn(
            "stop",
            "stop-too-short",
            format!(
                "a replica is killed after {} while a request may take {}",
                format_span(stop.drain + stop.grace),
                format_span(request)
            ),
            "lengthen `stop.drain` or `stop.grace`, or shorten `limits.requestTimeout`",
        );
    }
}

fn addresses(service: &ServiceSpec, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let listener = &service.listener;
    let public = |address: &str| {
        address
            .parse::<SocketAddr>()
            .is_ok_and(|address| !address.ip().is_loopback())
    };
    if public(&listener.address) && listener.tls.is_none() {
        warn(
            "listen",
            "public-without-tls",
            format!(
                "other machines can reach the service at {}, and nothing encrypts it",
                listener.address
            ),
            "add `tls`, or listen on 127.0.0.1 behind something that does",
        );
    }
    let Some(preview) = &listener.preview else {
        return;
    };
    if public(preview) {
        warn(
            "preview",
            "public-preview",
            format!("other machines can reach revisions that nobody has approved, at {preview}"),
            "listen on 127.0.0.1, unless that is what the preview is for",
        );
    }
    let previews = |step: &Step| matches!(step.exposure, Exposure::Split { preview: true, .. });
    if !service.plan.steps.iter().any(previews) {
        warn(
            "preview",
            "preview-unused",
            "no step of the release leads the preview address to the new revision".to_owned(),
            "use `blue-green`, or add `preview: true` to a step",
        );
    }
}

fn strategy(service: &ServiceSpec, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let plan = &service.plan;
    match plan.strategy {
        Strategy::Recreate => warn(
            "release",
            "outage",
            "with `recreate` nobody serves from the stop of the old revision to the start of the new".to_owned(),
            "use `rolling` or `blue-green`, unless two revisions cannot run at the same time",
        ),
        Strategy::BlueGreen if plan.keep_warm.is_zero() => warn(
            "release.keepWarm",
            "no-way-back",
            "the old side is stopped at once, so that an undo has to start it again".to_owned(),
            "keep it warm, as in `keepWarm: 10m`",
        ),
        Strategy::Rolling => rolling(plan, warn),
        Strategy::BlueGreen | Strategy::Canary | Strategy::Shadow => {}
    }
    let shares = plan.steps.iter().any(shares_traffic);
    if shares && let Assignment::Cookie { name } = &plan.assignment {
        warn(
            "sticky",
            "sticky-hides-failures",
            format!(
                "users that the cookie `{name}` keeps on the new revision may leave when it fails for them, and then nothing fails any more"
            ),
            "prefer `sticky: {header: …}` with the user's id, or do without; checks count requests of each side, whoever sends them",
        );
    }
}

fn rolling(plan: &Plan, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let Some(Exposure::Rolling {
        max_unavailable, ..
    }) = plan.steps.first().map(|step| &step.exposure)
    else {
        return;
    };
    if *max_unavailable >= plan.replicas {
        warn(
            "release.maxUnavailable",
            "outage",
            "every replica may be away at the same time".to_owned(),
            "use `maxUnavailable: 0`, or more replicas",
        );
    }
}

/// Both sides serve users in this step.
fn shares_traffic(step: &Step) -> bool {
    matches!(&step.exposure, Exposure::Split { weight, .. } if *weight > Weight::ZERO && *weight < Weight::FULL)
}

fn evidence(service: &ServiceSpec, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let plan = &service.plan;
    let judged = plan.steps.iter().any(|step| !step.checks.is_empty()) || !plan.checks.is_empty();
    let watched = !matches!(plan.strategy, Strategy::Rolling | Strategy::Recreate);
    if watched && !judged {
        warn(
            "release.checks",
            "no-checks",
            "nothing looks at the new revision: a bad one goes all the way, until a person stops it".to_owned(),
            "remove `checks: none`, or add checks of your own",
        );
    }
    let request = service.listener.limits.request_timeout;
    for (index, step) in plan.steps.iter().enumerate() {
        let matched =
            matches!(&step.exposure, Exposure::Split { matches, .. } if !matches.is_empty());
        if matched && judged && step.checks.is_empty() && step.gate.is_none() {
            warn(
                &format!("release.steps[{index}]"),
                "unwatched-match",
                format!(
                    "nothing looks at the requests that the step `{}` takes to the new revision",
                    step.name
                ),
                "add `checks` to the step, with a `samplesMin` that these requests reach, or a `gate`",
            );
        }
        if !shares_traffic(step) || step.checks.is_empty() {
            continue;
        }
        if step.bake.is_zero() {
            warn(
                &format!("release.steps[{index}].bake"),
                "short-bake",
                format!(
                    "the step `{}` goes on as soon as its checks have enough samples",
                    step.name
                ),
                "give it a bake, as in `bake: 10m`",
            );
        } else if step.bake < request {
            warn(
                &format!("release.steps[{index}].bake"),
                "short-bake",
                format!(
                    "the step `{}` bakes for {}, but a request may take {}: those that hang are not seen in time",
                    step.name,
                    format_span(step.bake),
                    format_span(request)
                ),
                "lengthen the bake, or shorten `limits.requestTimeout`",
            );
        }
    }
}

fn hooks(plan: &Plan, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let around = &plan.hooks;
    let outer = [
        ("start", &around.start),
        ("promoted", &around.promoted),
        ("aborted", &around.aborted),
    ];
    let outer = outer
        .into_iter()
        .map(|(name, list)| (format!("release.hooks.{name}"), list));
    let inner = plan.steps.iter().enumerate().flat_map(|(index, step)| {
        [("before", &step.before), ("after", &step.after)]
            .map(|(name, list)| (format!("release.steps[{index}].{name}"), list))
    });
    for (path, list) in outer.chain(inner) {
        for hook in list {
            let HookAction::Webhook { url, .. } = &hook.action else {
                continue;
            };
            if let Some(host) = plain_http_host(url) {
                warn(
                    &path,
                    "plain-http-hook",
                    format!(
                        "the webhook `{}` goes to {host} unencrypted: anybody on the way can answer for it",
                        hook.name
                    ),
                    "use an `https://` address",
                );
            }
        }
    }
}

/// The host of a webhook that leaves this machine without encryption.
/// The host of an address that other machines serve, or could pretend to, without encryption.
pub(crate) fn plain_http_host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    (uri.scheme_str() == Some("http") && !local).then(|| host.to_owned())
}

/// Every service on the same plan, whatever it does.
fn all_alike(document: &Document) -> Vec<Diagnostic> {
    let Some(first) = document.services.first() else {
        return Vec::new();
    };
    let shape = |service: &ServiceSpec| {
        let steps: Vec<(String, std::time::Duration)> = service
            .plan
            .steps
            .iter()
            .map(|step| (step.name.clone(), step.bake))
            .collect();
        (service.plan.strategy, steps)
    };
    if document.services.len() < ALIKE_MIN
        || document
            .services
            .iter()
            .any(|service| shape(service) != shape(first))
    {
        return Vec::new();
    }
    vec![warning(
        "services".to_owned(),
        "all-alike",
        format!(
            "all {} services are released alike, though a change of each risks something else",
            document.services.len()
        ),
        "give critical services `release: HIGH` or `CRITICAL`, ordinary ones `blue-green` or `LOW`",
    )]
}
