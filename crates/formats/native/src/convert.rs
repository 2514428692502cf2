//! From other tools' checks to those of a document: Kayenta's canary configs so far.

use sluice_kayenta::{CanaryConfig, MetricView, metrics};
use sluice_model::plan::Metric;
use sluice_model::{Diagnostic, Severity};
use std::collections::BTreeMap;

/// What a check is made of besides the canary config.
#[derive(Clone, Debug, Default)]
pub struct ScoreOptions {
    /// What a metric of the config is here, by its name there; the others are told by their names.
    pub metrics: BTreeMap<String, String>,
    /// From which score on a step passes; that of the config when absent.
    pub pass: Option<f64>,
    /// Below which score the release fails; that of the config when absent.
    pub marginal: Option<f64>,
}

/// What came of a canary config.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// `checks:` with one check, as YAML; there if, and only if, no diagnostic is an error.
    pub checks: Option<String>,
    /// What each metric of the config was taken for, in its order.
    pub metrics: Vec<(String, &'static str)>,
    /// What is wrong or to be looked at.
    pub diagnostics: Vec<Diagnostic>,
}

/// Words in the names of metrics, and what they mean here. The first that is found counts.
const TELLING: [(&[&str], &str); 10] = [
    (&["timeout"], "timeoutRatio"),
    (&["4xx", "client error"], "clientErrorRatio"),
    (&["error", "5xx", "fail"], "errorRatio"),
    (&["p50", "median"], "latencyP50"),
    (&["p90"], "latencyP90"),
    (&["p95"], "latencyP95"),
    (
        &["latency", "duration", "p99", "response time"],
        "latencyP99",
    ),
    (&["memory", "heap"], "memory"),
    (&["cpu"], "cpu"),
    (&["request", "throughput", "traffic"], "requestRate"),
];

/// Writes the check that judges by this canary config. `file_name` is the file as the user named it.
#[must_use]
pub fn canary_config(file_name: &str, text: &str, options: &ScoreOptions) -> Converted {
    let parsed = sluice_kayenta::read(file_name, text);
    let mut diagnostics = parsed.diagnostics;
    let mut converted = Converted {
        checks: None,
        metrics: Vec::new(),
        diagnostics: Vec::new(),
    };
    if let Some(config) = &parsed.config {
        for metric in metrics(config) {
            let (word, notes) = meaning(&metric, options);
            diagnostics.extend(notes);
            converted
                .metrics
                .extend(word.map(|word| (metric.name.to_owned(), word)));
        }
        diagnostics.extend(strangers(config, options));
        diagnostics.extend(no_thresholds(config, options));
        let failed = diagnostics.iter().any(|it| it.severity == Severity::Error);
        converted.checks = (!failed).then(|| written(config, &converted.metrics, options));
    }
    converted.diagnostics = diagnostics;
    converted
}

/// What a metric is here.
fn meaning(
    metric: &MetricView<'_>,
    options: &ScoreOptions,
) -> (Option<&'static str>, Option<Diagnostic>) {
    let known = |word: &str| {
        let mut names = Metric::NAMED.iter().map(|(name, _)| *name);
        names.find(|name| *name == word)
    };
    let name = metric.name;
    if let Some(given) = options.metrics.get(name) {
        let word = known(given);
        let note = word.is_none().then(|| {
            let names: Vec<&str> = Metric::NAMED.iter().map(|(name, _)| *name).collect();
            note(
                Severity::Error,
                "unknown-metric",
                format!("`{given}` is not a metric of Sluice's"),
                format!("its metrics are {}", names.join(", ")),
            )
        });
        return (word, note);
    }
    let lower = name.to_lowercase();
    let told = TELLING
        .iter()
        .find(|(words, _)| words.iter().any(|word| lower.contains(word)))
        .and_then(|(_, word)| known(word));
    let source = match metric.source {
        "" => String::new(),
        source => format!(" (from {source})"),
    };
    let note = match told {
        Some(word) => note(
            Severity::Warning,
            "told-by-name",
            format!("the metric `{name}`{source} is taken for `{word}`, by its name"),
            format!("say `--metric \"{name}=METRIC\"` if it is something else"),
        ),
        None => note(
            Severity::Error,
            "unknown-metric",
            format!("nothing tells what the metric `{name}`{source} is here"),
            format!("say `--metric \"{name}=METRIC\"`, as in `--metric \"{name}=errorRatio\"`"),
        ),
    };
    (told, Some(note))
}

/// Names that were given and that the config does not have.
fn strangers<'a>(
    config: &'a CanaryConfig,
    options: &'a ScoreOptions,
) -> impl Iterator<Item = Diagnostic> + 'a {
    let is_stranger = |name: &&String| !config.metrics.iter().any(|metric| metric.name == **name);
    options.metrics.keys().filter(is_stranger).map(|name| {
        let known: Vec<&str> = config.metrics.iter().map(|it| it.name.as_str()).collect();
        note(
            Severity::Error,
            "unknown-metric",
            format!("the canary config has no metric `{name}`"),
            format!("its metrics are {}", known.join(", ")),
        )
    })
}

fn no_thresholds(config: &CanaryConfig, options: &ScoreOptions) -> Option<Diagnostic> {
    let given = options.pass.is_some() && options.marginal.is_some();
    (config.classifier.score_thresholds.is_none() && !given).then(|| {
        note(
            Severity::Error,
            "no-thresholds",
            "the canary config has no score thresholds; with Kayenta they come with each request"
                .to_owned(),
            "say `--pass` and `--marginal`, as in `--pass 95 --marginal 75`".to_owned(),
        )
    })
}

fn note(severity: Severity, code: &str, message: String, help: String) -> Diagnostic {
    Diagnostic {
        severity,
        code: code.to_owned(),
        path: String::new(),
        place: None,
        message,
        help: Some(help),
    }
}

fn written(
    config: &CanaryConfig,
    metrics: &[(String, &'static str)],
    options: &ScoreOptions,
) -> String {
    // Numbers, texts and lists: this cannot fail.
    let json = serde_json::to_string_pretty(config).unwrap_or_default();
    let mut text = "checks:\n  - name: canary-score\n    kayenta:\n      config: |\n".to_owned();
    for line in json.lines() {
        text.push_str(&format!("        {line}\n"));
    }
    text.push_str("      metrics:\n");
    for (name, word) in metrics {
        // A JSON string is a YAML string.
        let quoted = serde_json::Value::from(name.as_str());
        text.push_str(&format!("        {quoted}: {word}\n"));
    }
    for (name, score) in [("pass", options.pass), ("marginal", options.marginal)] {
        if let Some(score) = score {
            text.push_str(&format!("      {name}: {score}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
        "name": "shop",
        "judge": {"name": "NetflixACAJudge-v1.0", "judgeConfigurations": {}},
        "metrics": [
            {"name": "HTTP errors", "query": {"type": "prometheus"}, "groups": ["errors"],
             "analysisConfigurations": {"canary": {"direction": "increase", "critical": true}}},
            {"name": "Duration \"p99\"", "query": {"type": "datadog"}, "groups": ["latency"],
             "analysisConfigurations": {"canary": {"direction": "increase"}}}
        ],
        "classifier": {"groupWeights": {"errors": 60, "latency": 40},
                       "scoreThresholds": {"pass": 95, "marginal": 75}}
    }"#;

    #[test]
    fn a_config_becomes_a_check_that_is_accepted() {
        let converted = canary_config("shop.json", CONFIG, &ScoreOptions::default());
        let codes: Vec<&str> = converted
            .diagnostics
            .iter()
            .map(|it| it.code.as_str())
            .collect();
        assert_eq!(codes, ["told-by-name", "told-by-name"]);
        let checks = converted.checks.expect("checks");
        let indented: String = checks
            .lines()
            .map(|line| format!("      {line}\n"))
            .collect();
        let document = format!(
            "services:\n  shop:\n    run: ./shop\n    listen: 8080\n    ready: /ok\n    live: /ok\n    release:\n      steps: [50, 100]\n      bake: 1h\n{indented}"
        );
        let parsed = crate::parse("sluice.yaml", &document, "/srv");
        assert!(
            parsed.document.is_some(),
            "{:#?}\n{document}",
            parsed.diagnostics
        );
    }

    #[test]
    fn what_cannot_be_told_is_asked_for() {
        let unnamed = CONFIG.replace("HTTP errors", "business KPI");
        let plain = ScoreOptions::default();
        let converted = canary_config("shop.json", &unnamed, &plain);
        assert_eq!(converted.checks, None);
        let text = converted.diagnostics[0].to_string();
        assert!(
            text.contains("--metric \"business KPI=errorRatio\""),
            "{text}"
        );
        let given = |name: &str, word: &str| ScoreOptions {
            metrics: [(name.to_owned(), word.to_owned())].into(),
            ..ScoreOptions::default()
        };
        let told = canary_config("shop.json", &unnamed, &given("business KPI", "errorRatio"));
        assert!(told.checks.is_some(), "{:#?}", told.diagnostics);
        for (name, word, message) in [
            ("business KPI", "errors", "`errors` is not a metric"),
            ("KPI", "errorRatio", "has no metric `KPI`"),
        ] {
            let refused = canary_config("shop.json", &unnamed, &given(name, word));
            let all: Vec<String> = refused
                .diagnostics
                .iter()
                .map(ToString::to_string)
                .collect();
            assert!(all.iter().any(|it| it.contains(message)), "{all:#?}");
            assert_eq!(refused.checks, None);
        }
        let without = CONFIG.replace(
            "\"scoreThresholds\": {\"pass\": 95, \"marginal\": 75}",
            "\"x\": 1",
        );
        let refused = canary_config("shop.json", &without, &plain);
        assert!(
            refused
                .diagnostics
                .iter()
                .any(|it| it.code == "no-thresholds")
        );
        let with = ScoreOptions {
            pass: Some(90.0),
            marginal: Some(50.5),
            ..plain
        };
        let text = canary_config("shop.json", &without, &with)
            .checks
            .expect("checks");
        assert!(
            text.ends_with("      pass: 90\n      marginal: 50.5\n"),
            "{text}"
        );
        assert_eq!(canary_config("shop.json", "{", &with).checks, None);
    }
}
