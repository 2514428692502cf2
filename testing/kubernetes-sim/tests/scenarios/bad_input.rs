//! Input that makes no sense: a condition and an event name the place, the cause and the next step, and the stable
//! side is untouched.

use crate::support::{
    analysis, analysis_template, condition, hash, image, leads_to, rolled_out, rolled_out_as,
    rollout, service, set_of, stable_is_untouched, template,
};
use serde_json::{Value, json};
use sluice_kubernetes_sim::scenario::{Scenario, Told, Trouble};

/// That a Rollout is refused, and how: the words are in the condition and in an event.
fn is_refused(told: &Told, words: &[&str]) {
    let condition = condition(told, "web", "InvalidSpec");
    let message = condition["message"].as_str().unwrap();
    let warnings = told.warnings("web");
    let event = warnings.iter().find(|it| it.starts_with("InvalidSpec: "));
    let event = event.unwrap_or_else(|| panic!("no event says so: {warnings:#?}"));
    for word in words {
        assert!(message.contains(word), "`{word}` is not in {message}");
        assert!(event.contains(word), "`{word}` is not in {event}");
    }
    let status = &told.object("Rollout", "web")["status"];
    assert_eq!(status["phase"], "Degraded");
    stable_is_untouched(told);
}

fn canary(patch: Value) -> Value {
    json!({"spec": {"strategy": {"canary": patch}}})
}

fn after(scenario: Scenario) -> Told {
    // Long enough for the deadline of progress, and for a hot loop to show.
    scenario.seconds(120).run()
}

#[test]
fn contradictory_strategies_are_refused() {
    let both = json!({"spec": {"strategy": {"blueGreen": {"activeService": "web-active"}}}});
    let told = after(rolled_out().edit("Rollout", "web", both));
    let words = ["spec.strategy:", "both canary and blueGreen", "keep one"];
    is_refused(&told, &words);
}

#[test]
fn a_missing_service_is_named_and_the_rollout_goes_on_once_it_is_there() {
    let edited = rolled_out()
        .edit("Rollout", "web", canary(json!({"canaryService": "lost"})))
        .edit("Rollout", "web", image("good:2"))
        .seconds(40);
    let told = after(edited);
    let words = [
        "spec.strategy.canary.canaryService",
        "\"lost\"",
        "create the Service",
    ];
    is_refused(&told, &words);

    let told = after(
        rolled_out()
            .edit("Rollout", "web", canary(json!({"canaryService": "lost"})))
            .edit("Rollout", "web", image("good:2"))
            .seconds(40)
            .apply(service("lost", "web")),
    );
    assert_eq!(told.object("Rollout", "web")["status"]["phase"], "Healthy");
    assert_eq!(
        leads_to(&told, "lost"),
        hash(set_of(&told, "web", "good:2"))
    );
}

#[test]
fn a_missing_analysis_template_is_named() {
    let steps = json!([{"setWeight": 34}, {"analysis": analysis("lost")}]);
    let told = after(rolled_out().edit("Rollout", "web", canary(json!({"steps": steps}))));
    let words = ["spec.strategy.canary.steps[1].analysis", "lost", "create"];
    is_refused(&told, &words);
}

#[test]
fn an_unknown_provider_is_named() {
    let mut template = analysis_template("other");
    template["spec"]["metrics"][0]["provider"] = json!({"carbon": {"query": "up"}});
    let steps = json!([{"setWeight": 34}, {"analysis": analysis("other")}]);
    let told = after(
        rolled_out()
            .apply(template)
            .edit("Rollout", "web", canary(json!({"steps": steps})))
            .edit("Rollout", "web", image("good:2")),
    );
    let words = [
        "spec.strategy.canary.steps[1].analysis",
        "'quality'",
        "no provider is named",
        "name exactly one",
    ];
    is_refused(&told, &words);
}

/// Argo rolls such an update out up to the analysis, and so do we: its measurements are in error, and it is taken back.
#[test]
fn a_condition_that_does_not_parse_is_named() {
    let mut template = analysis_template("other");
    template["spec"]["metrics"][0]["successCondition"] = json!("result >= && 1");
    let steps = json!([{"setWeight": 34}, {"analysis": analysis("other")}]);
    let told = after(
        rolled_out()
            .apply(template)
            .edit("Rollout", "web", canary(json!({"steps": steps})))
            .edit("Rollout", "web", image("good:2"))
            .seconds(120),
    );
    let condition = condition(&told, "web", "Progressing");
    assert_eq!(condition["reason"], "RolloutAborted");
    let message = condition["message"].as_str().unwrap();
    let warnings = told.warnings("web");
    let event = warnings
        .iter()
        .find(|it| it.starts_with("RolloutAborted: "));
    let event = event.unwrap_or_else(|| panic!("no event says so: {warnings:#?}"));
    for word in ["\"quality\"", "result >= && 1"] {
        assert!(message.contains(word), "`{word}` is not in {message}");
        assert!(event.contains(word), "`{word}` is not in {event}");
    }
    stable_is_untouched(&told);
}

#[test]
fn an_image_that_does_not_exist_is_told_at_the_deadline() {
    let told = after(rolled_out().edit("Rollout", "web", image("lost:1")));
    let progressing = condition(&told, "web", "Progressing");
    assert_eq!(progressing["reason"], "ProgressDeadlineExceeded");
    let set = set_of(&told, "web", "lost:1");
    let name = set["metadata"]["name"].as_str().unwrap();
    let message = progressing["message"].as_str().unwrap();
    assert!(message.contains(name), "{message}");
    assert_eq!(told.object("Rollout", "web")["status"]["phase"], "Degraded");
    let warnings = told.warnings("web");
    let event = warnings
        .iter()
        .find(|it| it.starts_with("ProgressDeadlineExceeded: "));
    let event = event.unwrap_or_else(|| panic!("no event says so: {warnings:#?}"));
    for word in [name, "lost:1", "kubectl describe"] {
        assert!(event.contains(word), "`{word}` is not in {event}");
    }
    // The stable side keeps what maxUnavailable leaves it, and all of the Service.
    assert_eq!(told.violation, None, "{:#?}", told.trace);
    let stable = set_of(&told, "web", "good:1");
    assert_eq!(leads_to(&told, "web-stable"), hash(stable));
    assert_eq!(leads_to(&told, "web-canary"), hash(stable));
}

#[test]
fn a_quota_that_is_exceeded_is_a_condition_with_its_cause() {
    let told = after(
        rolled_out()
            .trouble(Trouble::Quota(Some(3)))
            .edit(
                "Rollout",
                "web",
                canary(json!({"maxSurge": 1, "maxUnavailable": 0})),
            )
            .edit("Rollout", "web", image("good:2")),
    );
    let failure = condition(&told, "web", "ReplicaFailure");
    assert_eq!(failure["reason"], "FailedCreate");
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("exceeded quota"), "{message}");
    let warnings = told.warnings("web");
    let event = warnings.iter().find(|it| it.contains("exceeded quota"));
    let event = event.unwrap_or_else(|| panic!("no event says so: {warnings:#?}"));
    let set = set_of(&told, "web", "good:2");
    let name = set["metadata"]["name"].as_str().unwrap();
    assert!(event.contains(name), "{event}");
    stable_is_untouched(&told);
}

#[test]
fn a_selector_that_matches_another_rollout_s_pods_is_told_and_touches_none_of_them() {
    let mut other = rollout("api");
    other["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "web"});
    let restart = json!({"spec": {"restartAt": "2026-01-01T00:01:00Z"}});
    let told = after(
        rolled_out()
            .apply(service("api-stable", "web"))
            .apply(service("api-canary", "web"))
            .apply(other)
            .seconds(40)
            .edit("Rollout", "api", restart),
    );
    stable_is_untouched(&told);
    for (rollout, another) in [("web", "api"), ("api", "web")] {
        let status = &told.object("Rollout", rollout)["status"];
        assert_eq!(status["phase"], "Healthy", "{:#?}", told.trace);
        let warnings = told.warnings(rollout);
        let event = warnings
            .iter()
            .find(|it| it.starts_with("SelectorOverlap: "));
        let event = event.unwrap_or_else(|| panic!("no event says so: {warnings:#?}"));
        for word in ["spec.selector", another, "label"] {
            assert!(event.contains(word), "`{word}` is not in {event}");
        }
    }
}

/// An AnalysisRun that nobody owns, with a verdict.
fn stray_run(name: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {"name": name},
        "spec": {"metrics": []},
        "status": {"phase": "Successful"},
    })
}

/// Its verdict was taken for one about the experiment, without a measurement.
#[test]
fn a_run_of_somebody_else_says_nothing_about_an_experiment() {
    let experiment = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Experiment",
        "metadata": {"name": "trial"},
        "spec": {
            "duration": "2m",
            "templates": [{
                "name": "side",
                "selector": {"matchLabels": {"app": "trial"}},
                "template": template("trial", "good:1"),
            }],
            "analyses": [{
                "name": "quality",
                "templateName": "measured",
                "requiredForCompletion": true,
                "args": [{"name": "hash", "value": "none"}],
            }],
        },
    });
    let told = rolled_out()
        .apply(stray_run("trial-quality"))
        .apply(experiment)
        .seconds(60)
        .run();
    let status = &told.object("Experiment", "trial")["status"];
    assert_eq!(
        status["analysisRuns"][0]["analysisRun"], "trial-quality.1",
        "{:#?}",
        told.trace
    );
    let stray = told.object("AnalysisRun", "trial-quality");
    assert!(stray["spec"]["terminate"].is_null());
}

/// The rollout waited without a word.
#[test]
fn a_run_of_somebody_else_that_is_in_the_way_is_told() {
    let steps = json!([{"setWeight": 34}, {"analysis": analysis("measured")}]);
    let mut object = rollout("web");
    object["spec"]["strategy"]["canary"]["steps"] = steps;
    let named = rolled_out_as(object.clone())
        .edit("Rollout", "web", image("good:2"))
        .seconds(60)
        .run();
    let name = named.all("AnalysisRun")[0]["metadata"]["name"].clone();
    let told = rolled_out_as(object)
        .apply(stray_run(name.as_str().unwrap()))
        .edit("Rollout", "web", image("good:2"))
        .seconds(60)
        .run();
    let warnings = told.warnings("web");
    assert!(
        warnings
            .iter()
            .any(|it| it.contains("somebody else's; delete or rename it")),
        "{warnings:#?}"
    );
    let stable = set_of(&told, "web", "good:1");
    let status = &told.object("Rollout", "web")["status"];
    assert_eq!(status["stableRS"], hash(stable));
    assert_eq!(status["currentStepIndex"], 1);
}
