//! Commands about documents, which need no running Sluice: lint, plan, schema.
//!
//! A file with objects of Argo Rollouts is a document too; what is special about it is in `argo`.

use super::argo;
use super::args::{LintArgs, PlanArgs};
use super::diagnostics::{self, Sources};
use super::failure::{Exit, Failure};
use super::locate;
use super::output::Output;
use crate::view::text::{Line, Tone};
use serde::Serialize;
use sluice_model::diagnostic::{Diagnostic, Severity};
use sluice_model::ids::ServiceName;
use sluice_model::time::format_span;
use sluice_native::{Document, OutlineStep, Parsed, outline, parse};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest document that is read, in bytes.
const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(crate) fn lint(args: LintArgs, output: Output) -> Result<Exit, Failure> {
    let files = if args.files.is_empty() {
        vec![locate::document(None)?]
    } else {
        args.files
    };
    let mut sources = Sources::new();
    let mut all = Vec::new();
    for file in &files {
        let name = file.display().to_string();
        let text: Arc<str> = read_text(file)?.into();
        all.extend(if argo::is_argo(&text) {
            argo::judge(&name, &text)
        } else {
            parse_own(file, &text)?.diagnostics
        });
        sources.insert(name, text);
    }
    let errors = all
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .count();
    if output.is_json() {
        output.json(&all)?;
    } else {
        let text = diagnostics::on_stream(&all, &sources, &io::stdout());
        if !text.is_empty() {
            output.text(text.trim_end())?;
        }
        output.text(summary(files.len(), errors, all.len() - errors))?;
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Usage })
}

fn summary(files: usize, errors: usize, warnings: usize) -> String {
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    if errors + warnings == 0 {
        return format!("{}: nothing to say against", count(files, "document"));
    }
    format!(
        "{}: {}, {}",
        count(files, "document"),
        count(errors, "error"),
        count(warnings, "warning")
    )
}

/// The text of a file that is not absurdly large.
pub(super) fn read_text(file: &Path) -> Result<String, Failure> {
    let failed = |error: &io::Error| Failure::file("read", file, error);
    let size = std::fs::metadata(file)
        .map_err(|error| failed(&error))?
        .len();
    if size > DOCUMENT_BYTES_MAX {
        let message = format!(
            "{} is larger than {DOCUMENT_BYTES_MAX} bytes",
            file.display()
        );
        return Err(Failure::new(Exit::Usage, "document", message));
    }
    std::fs::read_to_string(file).map_err(|error| failed(&error))
}

/// A document of Sluice's own, from a file's text.
fn parse_own(file: &Path, text: &str) -> Result<Parsed, Failure> {
    let absolute =
        std::path::absolute(file).map_err(|error| Failure::file("read", file, &error))?;
    let base_dir = absolute.parent().unwrap_or(Path::new("/"));
    let name = file.display().to_string();
    Ok(parse(&name, text, &base_dir.display().to_string()))
}

/// What a release of a service would do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServicePlan {
    pub(super) service: ServiceName,
    pub(super) strategy: &'static str,
    pub(super) replicas: u32,
    pub(super) steps: Vec<OutlineStep>,
    /// What happens around the steps.
    #[serde(skip)]
    pub(super) about: Vec<String>,
}

pub(crate) fn plan(args: PlanArgs, output: Output) -> Result<Exit, Failure> {
    let file: PathBuf = locate::document(args.file.as_deref())?;
    let plans = plans(&file, args.service.as_ref())?;
    if output.is_json() {
        output.json(&plans)?;
    } else {
        for (at, plan) in plans.iter().enumerate() {
            if at > 0 {
                output.text("")?;
            }
            output.lines(&plan_lines(plan))?;
        }
    }
    Ok(Exit::Done)
}

/// A document without errors.
pub(super) fn valid(file: &Path) -> Result<Document, Failure> {
    let parsed = parse_own(file, &read_text(file)?)?;
    parsed
        .document
        .ok_or_else(|| invalid(file, parsed.diagnostics))
}

pub(super) fn invalid(file: &Path, diagnostics: Vec<Diagnostic>) -> Failure {
    let message = format!("{} is not valid", file.display());
    let failure = Failure::new(Exit::Usage, "invalid", message).with_help("correct it first");
    Failure {
        diagnostics,
        ..failure
    }
}

/// The plans of a file's services, or of one of them.
fn plans(file: &Path, only: Option<&ServiceName>) -> Result<Vec<ServicePlan>, Failure> {
    let text = read_text(file)?;
    let mut plans = if argo::is_argo(&text) {
        argo::plans(file, &text)?
    } else {
        valid(file)?.services.iter().map(service_plan).collect()
    };
    let Some(only) = only else {
        return Ok(plans);
    };
    let known: Vec<ServiceName> = plans.iter().map(|plan| plan.service.clone()).collect();
    plans.retain(|plan| plan.service == *only);
    if plans.is_empty() {
        let unknown = sluice_server::ApiError::unknown_service(only.as_str(), &known);
        return Err(sluice_server::ClientError::Api(unknown).into());
    }
    Ok(plans)
}

fn service_plan(spec: &sluice_native::ServiceSpec) -> ServicePlan {
    ServicePlan {
        service: spec.name.clone(),
        strategy: spec.plan.strategy.as_str(),
        replicas: spec.plan.replicas,
        steps: outline(&spec.plan, true),
        about: afterwards(spec),
    }
}

/// What happens around the steps.
fn afterwards(spec: &sluice_native::ServiceSpec) -> Vec<String> {
    let plan = &spec.plan;
    let mut about = vec![format!(
        "promoted: the old revision keeps its replicas for {}, and `sluice undo {}` is instant",
        format_span(plan.keep_warm),
        spec.name
    )];
    if plan.keep_warm.is_zero() {
        about = vec![format!(
            "promoted: the old revision's replicas end at once; `sluice undo {}` starts new ones",
            spec.name
        )];
    }
    about.push(
        "a failing check, a crash loop or `sluice abort`: all traffic back to the old revision at once"
            .to_owned(),
    );
    if let Some(deadline) = plan.deadline {
        about.push(format!(
            "at the latest after {} it is decided",
            format_span(deadline)
        ));
    }
    about
}

fn plan_lines(plan: &ServicePlan) -> Vec<Line> {
    let steps = plan.steps.len();
    let steps = if steps == 1 {
        "1 step".to_owned()
    } else {
        format!("{steps} steps")
    };
    let replicas = match plan.replicas {
        1 => "1 replica".to_owned(),
        count => format!("{count} replicas"),
    };
    let mut lines = vec![Line::new().with(Tone::Strong, plan.service.as_str()).with(
        Tone::Quiet,
        format!("  {}, {steps}, {replicas}", plan.strategy),
    )];
    // What holds throughout is said once.
    let everywhere: Vec<&String> = match plan.steps.split_first() {
        Some((first, rest)) if !rest.is_empty() => first
            .checks
            .iter()
            .filter(|check| rest.iter().all(|step| step.checks.contains(check)))
            .collect(),
        _ => Vec::new(),
    };
    let name_width = plan
        .steps
        .iter()
        .map(|step| step.name.chars().count())
        .max()
        .unwrap_or(0);
    for (at, step) in plan.steps.iter().enumerate() {
        let when = format!("+{}", format_span(step.at_earliest));
        let mut line = Line::new().with(Tone::Quiet, format!("  {:>2}  {when:<8} ", at + 1));
        let begin = line.width();
        line.push(Tone::Strong, &step.name);
        line.pad_to(begin + name_width + 2);
        line.push(Tone::Plain, &step.text);
        lines.push(line);
        let own = step
            .checks
            .iter()
            .filter(|check| !everywhere.contains(check));
        for detail in step.hooks.iter().chain(own) {
            let mut line = Line::new();
            line.pad_to(begin + name_width + 2);
            line.push(Tone::Quiet, detail);
            lines.push(line);
        }
    }
    for check in everywhere {
        lines.push(Line::new().with(Tone::Quiet, format!("  in every step  {check}")));
    }
    for about in &plan.about {
        lines.push(Line::new().with(Tone::Quiet, format!("  {about}")));
    }
    lines
}

pub(crate) fn schema(output: Output) -> Result<Exit, Failure> {
    output.json(&sluice_native::schema())?;
    Ok(Exit::Done)
}
