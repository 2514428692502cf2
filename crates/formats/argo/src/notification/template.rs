//! Templates: texts in Go's template language, and what they become for a Rollout.

use super::config::Config;
use super::functions;
use super::slack::SlackTemplate;
use super::subscription::Destination;
use super::webhook::WebhookTemplate;
use super::yaml;
use crate::condition;
use gtmpl_ng::Limits;
use serde::Deserialize;
use serde_json::Value;
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

/// The longest text that one template becomes.
const TEXT_MAX: usize = 256 * 1024;
/// How often the loops of one text run at most.
const ITERATIONS_MAX: usize = 100_000;

/// A template of the configuration. What it has for services that are not supported is not read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Template {
    pub(super) message: String,
    pub(super) slack: Option<SlackTemplate>,
    pub(super) webhook: BTreeMap<String, WebhookTemplate>,
}

/// What messages and conditions are about.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The Rollout, with the template and selector of the workload that it refers to.
    pub rollout: &'a Value,
    /// The AnalysisRuns of its revision, the newest first.
    pub analysis_runs: &'a [Value],
    /// Now.
    pub now: Timestamp,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, and in which of its texts.
    pub(super) fn read(text: &str) -> Result<Template, String> {
        let written = yaml::read(text)?;
        // A list would be taken for the fields in their order.
        if written.is_array() {
            return Err("a template is a map of fields as `message`, and no list".to_owned());
        }
        let template: Template = yaml::shaped(written)?;
        parse("message", &template.message)?;
        for (field, text) in template.slack.iter().flat_map(SlackTemplate::texts) {
            parse(field, text)?;
        }
        for (name, webhook) in &template.webhook {
            parse(&format!("webhook.{name}.path"), &webhook.path)?;
            parse(&format!("webhook.{name}.body"), &webhook.body)?;
        }
        Ok(template)
    }
}

impl Facts<'_> {
    /// The names that conditions have.
    pub(super) fn names(&self, config: &Config) -> BTreeMap<String, condition::Value> {
        let runs = Value::Array(self.analysis_runs.to_vec());
        let runs = if self.analysis_runs.is_empty() {
            condition::Value::Nil
        } else {
            condition::Value::of_object(&runs)
        };
        let secrets = config.secrets.iter();
        let secrets = secrets.map(|(key, secret)| (key.clone(), secret.open().into()));
        BTreeMap::from([
            (
                "rollout".to_owned(),
                condition::Value::of_object(self.rollout),
            ),
            ("analysisRuns".to_owned(), runs),
            (
                "secrets".to_owned(),
                condition::Value::Map(std::sync::Arc::new(secrets.collect())),
            ),
        ])
    }

    /// What the texts of templates see, for one destination.
    pub(super) fn context(&self, config: &Config, destination: &Destination) -> Texts {
        let runs: Vec<gtmpl_ng::Value> =
            self.analysis_runs.iter().map(functions::value_of).collect();
        let runs = if runs.is_empty() {
            gtmpl_ng::Value::Nil
        } else {
            gtmpl_ng::Value::Array(runs)
        };
        let secrets = config.secrets.iter();
        let secrets = secrets.map(|(key, secret)| (key.clone(), secret.open().into()));
        let dot = [
            ("rollout".to_owned(), functions::value_of(self.rollout)),
            ("analysisRuns".to_owned(), runs),
            (
                "secrets".to_owned(),
                gtmpl_ng::Value::Map(secrets.collect()),
            ),
            ("time".to_owned(), functions::time(self.now)),
            (
                "serviceType".to_owned(),
                destination.service.as_str().into(),
            ),
            (
                "recipient".to_owned(),
                destination.recipient.as_str().into(),
            ),
        ];
        let dot = gtmpl_ng::Value::Map(dot.into_iter().collect());
        Texts(gtmpl_ng::Context::from(dot))
    }
}

/// Writes the texts of one message.
pub(super) struct Texts(gtmpl_ng::Context);

impl Texts {
    /// What a text becomes.
    ///
    /// # Errors
    /// The field, and why it cannot be written.
    pub(super) fn write(&self, field: &str, text: &str) -> Result<String, String> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        parse(field, text)?
            .render(&self.0)
            .map_err(|cause| format!("{field}: {cause}"))
    }
}

fn parse(field: &str, text: &str) -> Result<gtmpl_ng::Template, String> {
    let mut limits = Limits::default();
    limits.output_bytes = Some(TEXT_MAX);
    limits.function_output = Some(TEXT_MAX);
    limits.total_iterations = Some(ITERATIONS_MAX);
    let mut template = gtmpl_ng::Template::with_limits(limits);
    template.add_funcs(&functions::ALL);
    template
        .parse(text)
        .map_err(|cause| format!("{field}: {cause}"))?;
    Ok(template)
}
