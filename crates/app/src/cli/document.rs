//! Commands about documents, which need no running Sluice: lint, plan, schema.

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
        let (parsed, name, text) = read(file)?;
        sources.insert(name, text);
        all.extend(parsed.diagnostics);
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

/// A document, its name in diagnostics, and its text.
fn read(file: &Path) -> Result<(Parsed, String, Arc<str>), Failure> {
    let failed = |error: &io::Error| Failure::file("read", file, error);
    let text = read_text(file)?;
    let absolute = std::path::absolute(file).map_err(|error| failed(&error))?;
    let base_dir = absolute.parent().unwrap_or(Path::new("/"));
    let name = file.display().to_string();
    let parsed = parse(&name, &text, &base_dir.display().to_string());
    Ok((parsed, name, text.into()))
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

/// What a release of a service would do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServicePlan {
    service: ServiceName,
    strategy: &'static str,
    replicas: u32,
    steps: Vec<OutlineStep>,
    /// Warnings about the document, which belong to all its services.
    #[serde(skip)]
    about: Vec<String>,
}

pub(crate) fn plan(args: PlanArgs, output: Output) -> Result<Exit, Failure> {
    let file: PathBuf = locate::document(args.file.as_deref())?;
    let document = valid(&file)?;
    let plans = plans(&document, args.service.as_ref())?;
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
    let (parsed, ..) = read(file)?;
    parsed
        .document
        .ok_or_else(|| invalid(file, parsed.diagnostics))
}

fn invalid(file: &Path, diagnostics: Vec<Diagnostic>) -> Failure {
    let message = format!("{} is not valid", file.display());
    let failure = Failure::new(Exit::Usage, "invalid", message).with_help("correct it first");
    Failure {
        diagnostics,
        ..failure
    }
}

fn plans(document: &Document, only: Option<&ServiceName>) -> Result<Vec<ServicePlan>, Failure> {
    let plans: Vec<ServicePlan> = document
        .services
        .iter()
        .filter(|spec| only.is_none_or(|name| *name == spec.name))
        .map(|spec| ServicePlan {
            service: spec.name.clone(),
            strategy: spec.plan.strategy.as_str(),
            replicas: spec.plan.replicas,
            steps: outline(&spec.plan, true),
            about: afterwards(spec),
        })
        .collect();
    if let (Some(name), true) = (only, plans.is_empty()) {
        let known: Vec<ServiceName> = document
            .services
            .iter()
            .map(|spec| spec.name.clone())
            .collect();
        let unknown = sluice_server::ApiError::unknown_service(name.as_str(), &known);
        return Err(sluice_server::ClientError::Api(unknown).into());
    }
    Ok(plans)
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
