//! `sluice check`: the pre-deployment checklist, gone through against the running service.

use super::asking::Tried;
use super::deploy::read_document;
use super::parts::Parts;
use sluice_model::plan::{Exposure, Hook, Plan};
use sluice_model::workload::Workload;
use sluice_model::{ServiceName, Severity};
use sluice_server::ApiError;
use sluice_server::wire::{CheckItem, CheckState, Checklist};
use std::time::Duration;

fn item(name: &str, state: CheckState, message: impl Into<String>, help: &str) -> CheckItem {
    let help = (!help.is_empty()).then(|| help.to_owned());
    CheckItem {
        name: name.to_owned(),
        state,
        message: message.into(),
        help,
    }
}

/// Goes through the list for one service of the document.
pub(super) async fn run(parts: &Parts, service: &ServiceName) -> Result<Checklist, ApiError> {
    let (document, diagnostics) = read_document(&parts.document)?;
    let names: Vec<ServiceName> = document
        .services
        .iter()
        .map(|spec| spec.name.clone())
        .collect();
    let spec = document
        .services
        .iter()
        .find(|spec| spec.name == *service)
        .ok_or_else(|| ApiError::unknown_service(service.as_str(), &names))?;
    let mut items = vec![
        readiness(&spec.workload),
        liveness(&spec.workload),
        stopping(&spec.workload, spec.listener.limits.request_timeout),
        full_return(parts, service, &spec.plan),
        judged(&spec.plan),
        undo(parts, service)?,
    ];
    for hook in hooks(&spec.plan) {
        items.push(match sluice_hooks::reachable(&hook.action).await {
            Ok(()) => item(
                "hook",
                CheckState::Ok,
                format!("hook `{}` is reachable", hook.name),
                "",
            ),
            Err(cause) => item(
                "hook",
                CheckState::Fail,
                format!("hook `{}` cannot be reached: {cause}", hook.name),
                "correct the hook, or start what it calls, before the release",
            ),
        });
    }
    items.extend(sources(parts, service, &spec.plan).await);
    for diagnostic in diagnostics
        .iter()
        .filter(|found| concerns(&found.path, service))
    {
        if diagnostic.severity == Severity::Warning {
            let help = diagnostic.help.as_deref().unwrap_or("");
            items.push(item(
                &diagnostic.code,
                CheckState::Warn,
                &diagnostic.message,
                help,
            ));
        }
    }
    Ok(Checklist {
        service: service.clone(),
        items,
    })
}

/// Whether a path of the document lies within this service.
fn concerns(path: &str, service: &ServiceName) -> bool {
    path.strip_prefix("services.")
        .and_then(|path| path.strip_prefix(service.as_str()))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn readiness(workload: &Workload) -> CheckItem {
    match workload.readiness {
        Some(_) => item(
            "readiness-probe",
            CheckState::Ok,
            "a readiness probe is set",
            "",
        ),
        None => item(
            "readiness-probe",
            CheckState::Warn,
            "no readiness probe: a replica gets traffic as soon as its port accepts connections",
            "add `ready: /path`",
        ),
    }
}

fn liveness(workload: &Workload) -> CheckItem {
    match workload.liveness {
        Some(_) => item(
            "liveness-probe",
            CheckState::Ok,
            "a liveness probe is set",
            "",
        ),
        None => item(
            "liveness-probe",
            CheckState::Warn,
            "no liveness probe: a replica that hangs is not restarted",
            "add `live: /path`",
        ),
    }
}

fn stopping(workload: &Workload, request_timeout: Duration) -> CheckItem {
    let patience = workload.stop.drain + workload.stop.grace;
    if patience >= request_timeout {
        return item(
            "graceful-stop",
            CheckState::Ok,
            "a replica may finish its longest request",
            "",
        );
    }
    item(
        "graceful-stop",
        CheckState::Warn,
        format!(
            "a replica is killed {} s after its stop began, but a request may take {} s",
            patience.as_secs(),
            request_timeout.as_secs()
        ),
        "raise `stop.drain` or lower `limits.requestTimeout`",
    )
}

/// Whether the stable side could take everything back now.
fn full_return(parts: &Parts, service: &ServiceName, plan: &Plan) -> CheckItem {
    let name = "capacity-for-full-return";
    if plan
        .steps
        .iter()
        .any(|step| !matches!(step.exposure, Exposure::Split { .. }))
    {
        return item(
            name,
            CheckState::Warn,
            format!(
                "`{}` replaces replicas in place: going back needs new processes",
                plan.strategy.as_str()
            ),
            "use `release: canary` or `blue-green` for an instant return",
        );
    }
    let Some(cell) = parts.shared.view(service) else {
        return item(
            name,
            CheckState::Warn,
            "the service has not been deployed yet",
            "",
        );
    };
    let Some(stable) = cell.status.stable else {
        return item(
            name,
            CheckState::Warn,
            "there is no stable revision to return to yet",
            "",
        );
    };
    let ready = cell
        .view
        .revisions
        .get(&stable)
        .map_or(0, |revision| revision.ready);
    let wanted = cell.status.stable_replicas;
    if ready >= wanted {
        let text = format!(
            "all {wanted} replicas of revision {stable} are ready, and stay until the promotion"
        );
        item(name, CheckState::Ok, text, "")
    } else {
        let text = format!("{ready} of {wanted} replicas of revision {stable} are ready");
        item(
            name,
            CheckState::Fail,
            text,
            "bring the stable side to full capacity first; `sluice logs` shows its output",
        )
    }
}

fn judged(plan: &Plan) -> CheckItem {
    let any = !plan.checks.is_empty() || plan.steps.iter().any(|step| !step.checks.is_empty());
    if any {
        item(
            "automatic-rollback",
            CheckState::Ok,
            "checks judge the release and take it back",
            "",
        )
    } else {
        item(
            "automatic-rollback",
            CheckState::Warn,
            "no checks: nothing but a crash takes a bad release back",
            "leave `checks` out for the default ones, or write your own",
        )
    }
}

/// What the servers that checks ask say of the stable revision now.
async fn sources(parts: &Parts, service: &ServiceName, plan: &Plan) -> Vec<CheckItem> {
    let cell = parts.shared.view(service);
    let Some(stable) = cell.and_then(|cell| cell.status.stable) else {
        return Vec::new();
    };
    let tried = parts.asking.try_all(service, plan, stable).await;
    let item_of = |tried: Tried| {
        let (check, source) = (&tried.check, &tried.source);
        match &tried.value {
            Ok(value) if value.is_finite() => item(
                "metric-source",
                CheckState::Ok,
                format!("the check `{check}` gets {value} from `{source}` for revision {stable}"),
                "",
            ),
            Ok(value) => item(
                "metric-source",
                CheckState::Warn,
                format!(
                    "the check `{check}` gets no number ({value}) from `{source}` for revision {stable}"
                ),
                "a release waits as long as that is so; correct the query, or see why it divides by nothing",
            ),
            Err(cause) => item(
                "metric-source",
                CheckState::Warn,
                format!(
                    "the check `{check}` gets nothing from `{source}` for revision {stable}: {cause}"
                ),
                "a release waits as long as that is so",
            ),
        }
    };
    tried.into_iter().map(item_of).collect()
}

/// Whether the way back has been walked: an abort or an undo is in the log.
fn undo(parts: &Parts, service: &ServiceName) -> Result<CheckItem, ApiError> {
    let query = sluice_store::LogQuery {
        service: Some(service.clone()),
        newest_first: true,
        ..sluice_store::LogQuery::default()
    };
    let entries = parts
        .store
        .log(&query)
        .map_err(ApiError::store_unavailable)?;
    let walked = entries
        .iter()
        .filter_map(sluice_store::LogEntry::report)
        .any(|entry| {
            matches!(
                entry.rule,
                sluice_model::Rule::Aborted | sluice_model::Rule::ReturnedToStable
            )
        });
    Ok(if walked {
        item(
            "rollback-tested",
            CheckState::Ok,
            "the way back has been walked: the log has an abort",
            "",
        )
    } else {
        item(
            "rollback-tested",
            CheckState::Warn,
            "the way back has never been walked for this service",
            "try it once: deploy, then `sluice abort --reason rehearsal`",
        )
    })
}

fn hooks(plan: &Plan) -> impl Iterator<Item = &Hook> {
    let around = &plan.hooks;
    let of_steps = plan
        .steps
        .iter()
        .flat_map(|step| step.before.iter().chain(&step.after));
    around
        .start
        .iter()
        .chain(&around.promoted)
        .chain(&around.aborted)
        .chain(of_steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_about_a_service_of_a_longer_name_are_not_this_one_s() {
        let service = ServiceName::new("web").expect("a name");
        for (path, expected) in [
            ("services.web", true),
            ("services.web.release.steps[1]", true),
            ("services.web-admin.ready", false),
            ("services.other", false),
            ("settings", false),
        ] {
            assert_eq!(concerns(path, &service), expected, "{path}");
        }
    }
}
