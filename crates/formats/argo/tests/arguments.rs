//! Templates, arguments and rules: what becomes of them in a run.

use serde_json::{Value, json};
use sluice_argo::api::{
    AnalysisRunSpec, AnalysisTemplate, AnalysisTemplateRef, Argument, Metric, Rollout, SecretKeyRef,
};
use sluice_argo::arguments::{
    Resolution, RunRequest, Secrets, TemplateSource, dry_run_metrics, gather, is_same_run,
    merge_arguments, merge_templates, new_run, resolve_metrics, retained_measurements,
    rollout_arguments, secret_references,
};
use std::collections::BTreeMap;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it has the form")
}

fn template(kind: &str, name: &str, spec: Value) -> AnalysisTemplate {
    read(json!({"kind": kind, "metadata": {"name": name}, "spec": spec}))
}

fn metric(name: &str) -> Value {
    json!({"name": name, "provider": {"prometheus": {"query": "up"}}})
}

fn metrics(names: &[&str]) -> Vec<Metric> {
    names.iter().map(|name| read(metric(name))).collect()
}

fn arguments(value: Value) -> Vec<Argument> {
    read(value)
}

mod placeholders {
    use super::*;

    fn resolved(patch: Value, args: Value) -> Result<Value, String> {
        let mut one = metric("m");
        for (key, value) in patch.as_object().expect("an object") {
            one[key] = value.clone();
        }
        let metrics = [read::<Metric>(one)];
        resolve_metrics(&metrics, &arguments(args), Resolution::WithoutSecrets)
            .map(|mut found| serde_json::to_value(found.remove(0)).expect("JSON"))
            .map_err(|error| error.0)
    }

    #[test]
    fn every_text_of_a_metric_takes_arguments() {
        let found = resolved(
            json!({
                "successCondition": "result < {{args.limit}}",
                "count": "{{ args.count }}",
                "provider": {"job": {"spec": {"template": {"metadata": {"labels": {"{{args.count}}": "{{args.text}}"}}}}}}
            }),
            json!([
                {"name": "limit", "value": "0.05"},
                {"name": "count", "value": "3"},
                {"name": "text", "value": "a \"quoted\"\nline {{args.limit}}"}
            ]),
        );
        let found = found.expect("all have values");
        assert_eq!(found["successCondition"], "result < 0.05");
        assert_eq!(found["count"], "3");
        let labels = &found["provider"]["job"]["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels["3"], "a \"quoted\"\nline {{args.limit}}");
    }

    #[test]
    fn what_has_no_value_is_named() {
        let condition = |text: &str| json!({"successCondition": text});
        for (patch, args, expected) in [
            (
                condition("{{args.nope}}"),
                json!([]),
                "failed to resolve {{args.nope}}",
            ),
            (
                condition("{{ other }}"),
                json!([{"name": "other", "value": "1"}]),
                "failed to resolve {{ other }}",
            ),
            (
                condition("true"),
                json!([{"name": "unused"}]),
                "argument \"unused\" was not supplied",
            ),
            (
                condition("{{args.a"),
                json!([{"name": "a", "value": "1"}]),
                "`{{` has no `}}` in `{{args.a`",
            ),
        ] {
            assert_eq!(resolved(patch, args), Err(expected.to_owned()));
        }
    }
}

mod secrets {
    use super::*;

    fn token() -> SecretKeyRef {
        read(json!({"name": "web", "key": "token"}))
    }

    fn with_token() -> Vec<Argument> {
        arguments(json!([
            {"name": "token", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}},
            {"name": "host", "value": "example"}
        ]))
    }

    fn query(resolution: Resolution<'_>) -> Result<String, String> {
        let mut one = metric("m");
        one["provider"]["prometheus"]["query"] = json!("{{args.host}}:{{args.token}}");
        resolve_metrics(&[read(one)], &with_token(), resolution)
            .map(|found| {
                let prometheus = found[0].provider.prometheus.clone();
                prometheus.expect("it is Prometheus").query
            })
            .map_err(|error| error.0)
    }

    #[test]
    fn they_are_put_in_only_to_measure() {
        assert_eq!(secret_references(&with_token()), [&token()]);
        assert_eq!(
            query(Resolution::WithoutSecrets),
            Ok("example:temp-for-secret".to_owned())
        );
        let mut secrets = Secrets::none();
        secrets.insert(&token(), "s3cret".to_owned());
        assert_eq!(
            query(Resolution::WithSecrets(&secrets)),
            Ok("example:s3cret".to_owned())
        );
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        assert_eq!(
            query(Resolution::WithSecrets(&Secrets::none())),
            Err("key 'token' does not exist in secret 'web'".to_owned())
        );
        let mut secrets = Secrets::none();
        secrets.insert_missing(&token(), "secrets \"web\" not found".to_owned());
        assert_eq!(
            query(Resolution::WithSecrets(&secrets)),
            Err("secrets \"web\" not found".to_owned())
        );
    }

    #[test]
    fn no_text_that_is_kept_has_them() {
        let mut secrets = Secrets::none();
        secrets.insert(&token(), "key".to_owned());
        secrets.insert(
            &read(json!({"name": "b", "key": "b"})),
            "key-and-more".to_owned(),
        );
        secrets.insert(&read(json!({"name": "c", "key": "c"})), String::new());
        assert_eq!(
            secrets.redact("no key-and-more with key"),
            "no ***** with *****"
        );
        assert!(!format!("{secrets:?}").contains("key-and-more"));
    }
}

mod templates {
    use super::*;

    #[derive(Default)]
    struct Library(BTreeMap<(bool, String), AnalysisTemplate>);

    impl Library {
        fn with(mut self, of_cluster: bool, name: &str, spec: Value) -> Self {
            let kind = if of_cluster {
                "ClusterAnalysisTemplate"
            } else {
                "AnalysisTemplate"
            };
            self.0
                .insert((of_cluster, name.to_owned()), template(kind, name, spec));
            self
        }
    }

    impl TemplateSource for Library {
        fn template(&self, name: &str) -> Option<&AnalysisTemplate> {
            self.0.get(&(false, name.to_owned()))
        }
        fn cluster_template(&self, name: &str) -> Option<&AnalysisTemplate> {
            self.0.get(&(true, name.to_owned()))
        }
    }

    fn references(names: Value) -> Vec<AnalysisTemplateRef> {
        read(names)
    }

    fn names(found: &[&AnalysisTemplate]) -> Vec<String> {
        found
            .iter()
            .map(|template| template.metadata.name.clone())
            .collect()
    }

    #[test]
    fn nested_ones_are_found_once_though_they_name_each_other() {
        let library = Library::default()
            .with(false, "a", json!({"templates": [{"templateName": "b"}, {"templateName": "c", "clusterScope": true}]}))
            .with(false, "b", json!({"templates": [{"templateName": "a"}]}))
            .with(true, "c", json!({"templates": [{"templateName": "b"}, {"templateName": "d"}]}))
            .with(false, "d", json!({}));
        let found = gather(
            &references(json!([{"templateName": "a"}, {"templateName": "b"}])),
            &library,
        );
        assert_eq!(names(&found.expect("all are there")), ["a", "b", "d", "c"]);
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        let library = Library::default().with(
            false,
            "a",
            json!({"templates": [{"templateName": "b", "clusterScope": true}]}),
        );
        let found = gather(&references(json!([{"templateName": "a"}])), &library);
        assert_eq!(
            found.expect_err("b is missing").0,
            "ClusterAnalysisTemplate 'b' not found"
        );
    }

    #[test]
    fn they_are_one_when_merged() {
        let a = template(
            "AnalysisTemplate",
            "a",
            json!({
                "metrics": [metric("one")], "args": [{"name": "x"}, {"name": "y", "value": "1"}],
                "dryRun": [{"metricName": "one"}]
            }),
        );
        let b = template(
            "ClusterAnalysisTemplate",
            "b",
            json!({
                "metrics": [metric("two")],
                "args": [{"name": "x", "value": "2"}, {"name": "y"}],
                "measurementRetention": [{"metricName": "two", "limit": 5}]
            }),
        );
        let merged = merge_templates(&[&a, &b]).expect("they go together");
        assert_eq!(merged.metrics, metrics(&["one", "two"]));
        assert_eq!(
            merged.args,
            arguments(json!([{"name": "x", "value": "2"}, {"name": "y", "value": "1"}]))
        );
        assert_eq!(merged.dry_run.len(), 1);
        assert_eq!(merged.measurement_retention[0].limit, 5);
        assert_eq!(merge_templates(&[]).expect("nothing"), Default::default());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (one, other, expected) in [
            (
                json!({"metrics": [metric("m")]}),
                json!({"metrics": [metric("m")]}),
                "two metrics have the same name 'm'",
            ),
            (
                json!({"dryRun": [{"metricName": "m"}]}),
                json!({"dryRun": [{"metricName": "m"}]}),
                "two Dry-Run metric rules have the same name 'm'",
            ),
            (
                json!({"measurementRetention": [{"metricName": "m", "limit": 1}]}),
                json!({"measurementRetention": [{"metricName": "m", "limit": 1}]}),
                "two Measurement Retention metric rules have the same name 'm'",
            ),
            (
                json!({"args": [{"name": "a", "value": "1"}]}),
                json!({"args": [{"name": "a", "value": "2"}]}),
                "Argument `a` specified multiple times with different values: '1', '2'",
            ),
        ] {
            let one = template("AnalysisTemplate", "one", one);
            let other = template("AnalysisTemplate", "other", other);
            let error = merge_templates(&[&one, &other]).expect_err(expected);
            assert_eq!(error.0, expected);
        }
    }

    #[test]
    fn given_values_replace_declared_ones() {
        let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
        for (given, declared, expected) in [
            (
                json!([{"name": "a", "value": "1"}]),
                json!([{"name": "a"}]),
                Ok(json!([{"name": "a", "value": "1"}])),
            ),
            (
                json!([{"name": "a", "value": "1"}]),
                json!([{"name": "a", "value": "2"}]),
                Ok(json!([{"name": "a", "value": "1"}])),
            ),
            (
                json!([{"name": "other", "value": "1"}]),
                json!([]),
                Ok(json!([])),
            ),
            (
                json!([{"name": "a", "valueFrom": secret}]),
                json!([{"name": "a"}]),
                Ok(json!([{"name": "a", "valueFrom": secret}])),
            ),
            (
                json!([]),
                json!([{"name": "a"}]),
                Err("args.a was not resolved"),
            ),
        ] {
            let found = merge_arguments(&arguments(given), &arguments(declared));
            let expected = expected.map(arguments).map_err(str::to_owned);
            assert_eq!(found.map_err(|error| error.0), expected);
        }
    }

    #[test]
    fn a_run_has_what_its_templates_and_its_creator_say() {
        let one = template(
            "AnalysisTemplate",
            "one",
            json!({"metrics": [metric("m")], "args": [{"name": "a"}], "dryRun": [{"metricName": "m"}]}),
        );
        let given = arguments(json!([{"name": "a", "value": "1"}]));
        let request = RunRequest {
            name: "run".to_owned(),
            namespace: "shop".to_owned(),
            arguments: &given,
            ..RunRequest::default()
        };
        let run = new_run(request.clone(), &[&one]).expect("a run");
        assert_eq!(run.metadata.name, "run");
        assert_eq!(run.metadata.namespace, "shop");
        assert_eq!(run.spec.metrics, metrics(&["m"]));
        assert_eq!(run.spec.args, given);
        assert!(run.is_of_kind());

        let twice = read::<Vec<_>>(json!([{"metricName": "m"}]));
        let request = RunRequest {
            dry_run: &twice,
            ..request
        };
        assert_eq!(
            new_run(request, &[&one]).expect_err("twice").0,
            "two Dry-Run metric rules have the same name 'm'"
        );

        let other = AnalysisRunSpec {
            terminate: true,
            ..run.spec.clone()
        };
        assert!(is_same_run(&run.spec, &other));
        let other = AnalysisRunSpec {
            args: Vec::new(),
            ..run.spec.clone()
        };
        assert!(!is_same_run(&run.spec, &other));
    }
}

#[test]
fn a_rollout_gives_hashes_and_fields() {
    let rollout: Rollout = read(json!({
        "metadata": {"name": "shop", "namespace": "ns", "labels": {"region": "eu"}, "annotations": {"note": "x"}},
        "spec": {"replicas": 5, "paused": true, "template": {"spec": {"containers": [{"name": "c", "image": "i:1"}]}}},
        "status": {"currentPodHash": "abc"}
    }));
    let value = |argument: Value| {
        let arguments = [read(argument)];
        rollout_arguments(&arguments, "stable1", "latest1", &rollout)
            .map(|found| found[0].value.clone().expect("a value"))
            .map_err(|error| error.0)
    };
    let field = |path: &str| json!({"name": "a", "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let hash = |which: &str| json!({"name": "a", "valueFrom": {"podTemplateHashValue": which}});
    for (argument, expected) in [
        (json!({"name": "a", "value": "b"}), "b"),
        (hash("Stable"), "stable1"),
        (hash("Latest"), "latest1"),
        (field("metadata.name"), "shop"),
        (field("metadata.labels['region']"), "eu"),
        (field("metadata.annotations['note']"), "x"),
        (field("metadata.labels['none']"), ""),
        (field("spec.replicas"), "5"),
        (field("spec.paused"), "true"),
        (field("spec.template.spec.containers[0].image"), "i:1"),
        (field("status.currentPodHash"), "abc"),
    ] {
        assert_eq!(
            value(argument.clone()),
            Ok(expected.to_owned()),
            "{argument}"
        );
    }
    for (path, expected) in [
        ("spec.nothing", "invalid path spec.nothing in rollout"),
        (
            "spec.replicas.more",
            "invalid path spec.replicas.more in rollout",
        ),
        (
            "spec.template.spec.containers[9].image",
            "index 9 out of range",
        ),
        ("spec.template.spec.containers[x]", "invalid index 'x'"),
        (
            "spec.template",
            "path spec.template in rollout must terminate in a primitive value",
        ),
        ("metadata.color", "unsupported fieldPath: metadata.color"),
    ] {
        assert_eq!(value(field(path)), Err(expected.to_owned()));
    }
}

#[test]
fn rules_choose_metrics_by_pattern() {
    let all = metrics(&["errors", "latency-p50", "latency-p99"]);
    let dry = |rules: Value| {
        dry_run_metrics(&read::<Vec<_>>(rules), &all)
            .map(|found| found.into_iter().collect::<Vec<_>>().join(" "))
            .map_err(|error| error.0)
    };
    for (rules, expected) in [
        (json!([]), Ok("")),
        (json!([{"metricName": "errors"}]), Ok("errors")),
        (
            json!([{"metricName": "latency.*"}]),
            Ok("latency-p50 latency-p99"),
        ),
        (
            json!([{"metricName": "p99$"}, {"metricName": "errors"}]),
            Ok("errors latency-p99"),
        ),
        (
            json!([{"metricName": ".*"}]),
            Ok("errors latency-p50 latency-p99"),
        ),
        (
            json!([{"metricName": "*"}]),
            Ok("errors latency-p50 latency-p99"),
        ),
        (
            json!([{"metricName": "errors"}, {"metricName": "nope"}]),
            Err("dryRun[1]: Rule didn't match any metric name(s)"),
        ),
        (
            json!([{"metricName": "["}]),
            Err("dryRun[0]: Rule didn't match any metric name(s)"),
        ),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(dry(rules.clone()), expected, "{rules}");
    }

    let kept =
        |rules: Value| retained_measurements(&read::<Vec<_>>(rules), &all).map_err(|error| error.0);
    let found = kept(json!([
        {"metricName": "latency", "limit": 3}, {"metricName": "p99", "limit": 20}, {"metricName": "errors", "limit": 0}
    ]))
    .expect("all match");
    assert_eq!(found["errors"], 10);
    assert_eq!(found["latency-p50"], 3);
    assert_eq!(found["latency-p99"], 20);
    assert_eq!(
        kept(json!([{"metricName": "nope", "limit": 3}])),
        Err("measurementRetention[0]: Rule didn't match any metric name(s)".to_owned())
    );
}
