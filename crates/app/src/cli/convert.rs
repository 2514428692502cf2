//! `sluice convert`: other tools' files as parts of a document. The translation is the format's
//! (`sluice_native::convert`).

use super::args::{ConvertCommand, KayentaArgs};
use super::diagnostics;
use super::document::read_text;
use super::failure::{Exit, Failure};
use super::output::Output;
use serde::Serialize;
use sluice_model::diagnostic::Diagnostic;
use sluice_native::convert::{ScoreOptions, canary_config};
use std::collections::BTreeMap;

pub(crate) fn convert(what: ConvertCommand, output: Output) -> Result<Exit, Failure> {
    match what {
        ConvertCommand::Kayenta(args) => kayenta(args, output),
    }
}

/// A translated canary config.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Translated {
    /// `checks:` of a release, as YAML.
    checks: String,
    /// What each metric was taken for, by its name in the config.
    metrics: BTreeMap<String, &'static str>,
    diagnostics: Vec<Diagnostic>,
}

fn kayenta(args: KayentaArgs, output: Output) -> Result<Exit, Failure> {
    let text = read_text(&args.file)?;
    let options = ScoreOptions {
        metrics: args.metrics.into_iter().collect(),
        pass: args.pass,
        marginal: args.marginal,
    };
    let converted = canary_config(&args.file.display().to_string(), &text, &options);
    let Some(checks) = converted.checks else {
        let message = format!("{} cannot be converted", args.file.display());
        let failure = Failure::new(Exit::Usage, "invalid", message);
        return Err(Failure {
            diagnostics: converted.diagnostics,
            ..failure.with_help("correct it first, or say what is asked for")
        });
    };
    if output.is_json() {
        output.json(&Translated {
            checks,
            metrics: converted.metrics.into_iter().collect(),
            diagnostics: converted.diagnostics,
        })?;
        return Ok(Exit::Done);
    }
    let notes = diagnostics::for_errors(&converted.diagnostics);
    if !notes.is_empty() {
        crate::out::error(notes.trim_end());
    }
    output.text(checks.trim_end())?;
    Ok(Exit::Done)
}
