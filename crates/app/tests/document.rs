//! The commands about documents, as a shell sees them: lint, plan, schema. No Sluice runs.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const GOOD: &str = "\
services:
  checkout:
    run: [/bin/sleep, '1000']
    listen: 127.0.0.1:8080
    ready: /healthz
    release: canary
";

fn run_in(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code().expect("an exit code"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn lint_names_place_cause_and_remedy_and_its_exit_code_counts_errors_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = GOOD.replace("release: canary", "relase: canary");
    std::fs::write(folder.path().join("sluice.yaml"), GOOD).expect("write");
    std::fs::write(folder.path().join("bad.yaml"), bad).expect("write");

    let (exit, out, err) = run_in(folder.path(), &["lint"]);
    assert_eq!(exit, 0, "{out}{err}");

    let (exit, out, _) = run_in(folder.path(), &["lint", "sluice.yaml", "bad.yaml"]);
    assert_eq!(exit, 2, "{out}");
    let found = out
        .lines()
        .find(|line| line.starts_with("bad.yaml:6:5: error[unknown-field]"));
    let found = found.unwrap_or_else(|| panic!("{out}"));
    assert!(
        found.contains("`relase`") && found.contains("`release`"),
        "{found}"
    );
    assert!(
        out.trim_end()
            .lines()
            .last()
            .expect("a summary")
            .starts_with("2 documents: 1 error")
    );

    let (exit, out, _) = run_in(folder.path(), &["lint", "bad.yaml", "-o", "json"]);
    assert_eq!(exit, 2);
    let all: Vec<Value> = serde_json::from_str(&out).expect("a JSON array");
    let first = &all[0];
    assert_eq!(
        (&first["severity"], &first["place"]["line"]),
        (&"error".into(), &6.into())
    );

    let (exit, _, err) = run_in(folder.path(), &["lint", "missing.yaml"]);
    assert_eq!(exit, 3);
    assert!(err.contains("cannot read missing.yaml"), "{err}");

    std::fs::write(folder.path().join("binary.yaml"), b"\xff\xfe").expect("write");
    let (exit, _, err) = run_in(folder.path(), &["lint", "binary.yaml"]);
    assert_eq!(exit, 2, "{err}");
    assert!(err.contains("cannot read binary.yaml"), "{err}");
}

#[test]
fn plan_tells_the_steps_and_an_invalid_document_has_none() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("sluice.yaml"), GOOD).expect("write");
    let (exit, out, err) = run_in(folder.path(), &["plan"]);
    assert_eq!(exit, 0, "{err}");
    assert!(out.starts_with("checkout  canary, "), "{out}");
    assert!(out.contains("of the traffic to 1 new replica"), "{out}");

    let (_, out, _) = run_in(
        folder.path(),
        &["plan", "sluice.yaml", "checkout", "-o", "json"],
    );
    let plans: Value = serde_json::from_str(&out).expect("JSON");
    let steps = plans[0]["steps"].as_array().expect("steps");
    assert_eq!(steps.last().expect("a step")["weight"], 100.0);

    let (exit, _, err) = run_in(folder.path(), &["plan", "sluice.yaml", "chekout"]);
    assert_eq!(exit, 3);
    assert!(err.contains("did you mean `checkout`?"), "{err}");

    std::fs::write(folder.path().join("bad.yaml"), "services: 5\n").expect("write");
    let (exit, out, err) = run_in(folder.path(), &["plan", "bad.yaml"]);
    assert_eq!((exit, out.as_str()), (2, ""));
    assert!(err.contains("bad.yaml:1:"), "{err}");
}

#[test]
fn the_schema_is_a_json_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let (exit, out, err) = run_in(folder.path(), &["schema"]);
    assert_eq!(exit, 0, "{err}");
    let schema: Value = serde_json::from_str(&out).expect("JSON");
    assert!(
        schema["$schema"]
            .as_str()
            .expect("a dialect")
            .contains("json-schema.org")
    );
    assert!(schema["properties"]["services"].is_object(), "{out}");
}

#[test]
fn simulate_tells_figures_and_draws_them_and_the_same_seed_tells_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("sluice.yaml"), GOOD).expect("write");
    let call = [
        "simulate",
        "--rate",
        "50/s",
        "--runs",
        "20",
        "--regression",
        "50%",
        "--slower",
        "2x",
        "--plot",
        "plot.svg",
        "-o",
        "json",
    ];
    let (exit, out, err) = run_in(folder.path(), &call);
    assert_eq!((exit, err.as_str()), (0, ""), "{out}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let (good, bad) = (&told["releases"][0], &told["releases"][1]);
    assert_eq!(good["release"], "asGood");
    assert_eq!(bad["takenBack"]["share"], 1.0, "{bad}");
    assert_eq!(
        bad["detectSeconds"]["median"].as_f64().map(|it| it < 60.0),
        Some(true)
    );
    let plot = std::fs::read_to_string(folder.path().join("plot.svg")).expect("a plot");
    assert!(
        plot.starts_with("<svg") && plot.contains("fails 50 %"),
        "{plot}"
    );
    assert_eq!(run_in(folder.path(), &call).1, out);

    let (exit, _, err) = run_in(folder.path(), &["simulate", "--rate", "quick"]);
    assert_eq!(exit, 2);
    assert!(err.contains("200/s"), "{err}");
    let broken = GOOD.replace("release: canary", "relase: canary");
    std::fs::write(folder.path().join("sluice.yaml"), broken).expect("write");
    let (exit, _, err) = run_in(folder.path(), &["simulate", "--rate", "50/s"]);
    assert_eq!(exit, 2);
    assert!(err.contains("sluice.yaml:6:5"), "{err}");
}

#[test]
fn a_canary_config_becomes_a_check_that_lint_accepts() {
    let config = r#"{"name": "shop",
        "judge": {"name": "NetflixACAJudge-v1.0", "judgeConfigurations": {}},
        "metrics": [{"name": "HTTP errors", "query": {"type": "prometheus"}, "groups": ["all"],
                     "analysisConfigurations": {"canary": {"direction": "increase"}}}],
        "classifier": {"groupWeights": {"all": 100}}}"#;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.json"), config).expect("write");
    let convert = ["convert", "kayenta", "config.json"];

    let (exit, out, err) = run_in(folder.path(), &convert);
    assert_eq!((exit, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("--pass 95 --marginal 75"), "{err}");

    let scores = ["--pass", "95", "--marginal", "75"];
    let (exit, out, err) = run_in(folder.path(), &[&convert[..], &scores].concat());
    assert_eq!(exit, 0, "{err}");
    assert!(err.contains("is taken for `errorRatio`"), "{err}");
    let release: String = out.lines().map(|line| format!("      {line}\n")).collect();
    let steps = "release:\n      steps: [50, 100]\n      bake: 1h\n";
    let document = GOOD.replace("release: canary\n", &format!("{steps}{release}"));
    std::fs::write(folder.path().join("sluice.yaml"), &document).expect("write");
    let (exit, out, err) = run_in(folder.path(), &["lint"]);
    assert_eq!(exit, 0, "{out}{err}\n{document}");
}

const ROLLOUT: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: checkout}
spec:
  replicas: 10
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers: [{name: app, image: 'checkout:1'}]
  strategy:
    canary:
      steps:
      - setWeight: 20
      - pause: {duration: 10m}
      - analysis: {templates: [{templateName: errors}]}
";

#[test]
fn objects_of_argo_rollouts_are_documents_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = ROLLOUT.replace("setWeight: 20", "setWieght: 20");
    std::fs::write(folder.path().join("app.yaml"), ROLLOUT).expect("write");
    std::fs::write(folder.path().join("bad.yaml"), bad).expect("write");

    let (exit, out, err) = run_in(folder.path(), &["lint", "app.yaml"]);
    assert_eq!((exit, err.as_str()), (0, ""), "{out}");
    let (exit, out, _) = run_in(folder.path(), &["lint", "bad.yaml"]);
    assert_eq!(exit, 2, "{out}");
    let first = "bad.yaml:14:9: error[unknown-field] spec.strategy.canary.steps[0].setWieght:";
    assert!(out.contains(first) && out.contains("`setWeight`"), "{out}");

    let (exit, out, err) = run_in(folder.path(), &["plan", "app.yaml"]);
    assert_eq!(exit, 0, "{err}");
    assert!(
        out.starts_with("checkout  canary, 2 steps, 10 replicas"),
        "{out}"
    );
    assert!(out.contains("for at least 10m"), "{out}");
    assert!(
        out.contains("spec.strategy.canary.steps[2].analysis:"),
        "{out}"
    );
    let (exit, _, err) = run_in(folder.path(), &["plan", "bad.yaml"]);
    assert_eq!(exit, 2);
    assert!(err.contains("setWieght"), "{err}");
    let (exit, _, err) = run_in(folder.path(), &["plan", "app.yaml", "payment"]);
    assert_eq!(exit, 3, "{err}");
}

#[test]
fn the_definitions_of_argo_rollouts_are_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (exit, out, _) = run_in(folder.path(), &["crds"]);
    assert_eq!(exit, 0);
    let names: Vec<&str> = out
        .lines()
        .filter_map(|line| line.strip_prefix("  name: "))
        .collect();
    let expected = [
        "rollouts",
        "analysistemplates",
        "clusteranalysistemplates",
        "analysisruns",
        "experiments",
    ]
    .map(|name| format!("{name}.argoproj.io"));
    assert_eq!(names, expected);
    let (exit, out, _) = run_in(folder.path(), &["crds", "-o", "json"]);
    assert_eq!(exit, 0);
    let all: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(5));
}
