//! AnalysisRuns of Experiments.

use super::*;

#[test]
fn runs_begin_when_all_is_available() {
    let mut story = Story::with(
        &["bar"],
        json!({
            "analyses": [
                {"name": "a", "templateName": "errors", "args": [{"name": "hash", "value": "{{templates.bar.podTemplateHash}} {{templates.bar.replicaset.name}} {{experiment.availableAt}} {{experiment.finishedAt}}"}]},
                {"name": "b", "templateName": "errors", "clusterScope": true}
            ],
            "duration": "1m",
            "dryRun": [{"metricName": "m"}],
            "measurementRetention": [{"metricName": "m", "limit": 3}],
            "analysisRunMetadata": {"labels": {"team": "shop"}, "annotations": {"note": "x"}}
        }),
    );
    let labels = &mut story.experiment.metadata.labels;
    labels.insert(
        "argo-rollouts.argoproj.io/controller-instance-id".to_owned(),
        "one".to_owned(),
    );
    story.settle();
    assert_eq!(story.runs, []);
    story.pods_follow();
    assert_eq!(story.runs.len(), 2);
    let run = &story.runs[0];
    assert_eq!(
        (run.metadata.name.as_str(), run.metadata.namespace.as_str()),
        ("ex-a", "ns")
    );
    assert_eq!(run.metadata.labels["team"], "shop");
    assert_eq!(
        run.metadata.labels["argo-rollouts.argoproj.io/controller-instance-id"],
        "one"
    );
    assert_eq!(run.metadata.annotations["note"], "x");
    assert_eq!(run.metadata.rest["ownerReferences"][0]["uid"], "u");
    let hash = &story.sets[0].metadata.labels["rollouts-pod-template-hash"];
    let available_at = Time(START);
    let ends_at = Time(START.shifted(60_000));
    assert_eq!(
        run.spec.args[0].value,
        Some(format!("{hash} ex-bar {available_at} {ends_at}"))
    );
    assert_eq!(run.spec.dry_run.len(), 1);
    assert_eq!(run.spec.measurement_retention[0].limit, 3);
    assert_eq!(story.runs[1].metadata.name, "ex-b");
    assert_eq!(story.analysis("a"), ("Pending", ""));
}

#[test]
fn a_template_that_is_missing_is_told_before_pods_wait() {
    for (cluster, kind) in [
        (false, "AnalysisTemplate"),
        (true, "ClusterAnalysisTemplate"),
    ] {
        let mut story = Story::with(
            &["bar"],
            json!({
                "analyses": [{"name": "a", "templateName": "nope", "clusterScope": cluster}]
            }),
        );
        story.settle();
        assert_eq!(story.phase(), "Error");
        assert_eq!(
            story.message(),
            format!("Template verification failed for analysis 'a': {kind} 'nope' not found")
        );
    }
}

#[test]
fn an_argument_that_means_nothing_is_an_error() {
    let mut story = Story::available(&["bar"], json!({}));
    story.experiment.spec.analyses = serde_json::from_value(json!([
        {"name": "a", "templateName": "errors", "args": [{"name": "hash", "value": "{{templates.nope.podTemplateHash}}"}]}
    ])).expect("analyses");
    story.settle();
    assert_eq!(story.phase(), "Error");
    assert_eq!(
        story.message(),
        "Failed to create AnalysisRun for analysis 'a': failed to resolve {{templates.nope.podTemplateHash}}"
    );
}

#[test]
fn a_run_that_is_refused_is_an_error() {
    let mut story = Story::with(&["bar"], json!({"analyses": [analysis("a", false)]}));
    story.settle().sets[0].status.available_replicas = 1;
    story.experiment.status.available_at = Some(Time(START));
    story.refused.push(Refusal {
        name: "a".to_owned(),
        what: Refused::CreateRun,
        cause: "quota".to_owned(),
    });
    story.settle();
    assert_eq!(
        story.analysis("a"),
        (
            "Error",
            "Failed to create AnalysisRun for analysis 'a': quota"
        )
    );
    assert_eq!(story.phase(), "Error");
}

#[test]
fn a_name_that_is_taken_gets_a_number_and_a_run_of_its_own_is_taken_up() {
    let mut story = Story::with(&["bar"], json!({"analyses": [analysis("a", false)]}));
    story.taken_runs.insert("ex-a".to_owned());
    story.settle().pods_follow();
    assert_eq!(story.runs[0].metadata.name, "ex-a.1");

    // Cut off after the run was created and before that was stored.
    story.experiment.status.analysis_runs.clear();
    story.settle();
    assert_eq!(story.runs.len(), 1);
    assert_eq!(
        story.experiment.status.analysis_runs[0].analysis_run,
        "ex-a.1"
    );

    // One that has ended is not taken up.
    story.experiment.status.analysis_runs.clear();
    story.runs[0].status.phase = AnalysisPhase::Successful;
    story.settle();
    assert_eq!(story.runs[1].metadata.name, "ex-a.2");
}

#[test]
fn a_run_that_goes_wrong_ends_the_experiment() {
    for (phase, other) in [
        ("Failed", "Running"),
        ("Error", "Successful"),
        ("Inconclusive", "Running"),
    ] {
        let mut story = Story::available(
            &["bar"],
            json!({
                "duration": "5m", "scaleDownDelaySeconds": 0, "analyses": [analysis("a", false), analysis("b", false)]
            }),
        );
        story.run_ends("ex-b", other);
        assert_eq!(story.phase(), "Running");
        story.run("ex-a").status.message = "too high".to_owned();
        story.run_ends("ex-a", phase);
        assert_eq!((story.phase(), story.message()), (phase, "too high"));
        assert_eq!(story.desired(), [0]);
        assert_eq!(story.run("ex-b").spec.terminate, other == "Running");
        let told = format!(
            "Warning AnalysisRun{phase}: AnalysisRun 'a' transitioned from Pending -> {phase}: too high"
        );
        assert!(story.events.contains(&told), "{:?}", story.events);
    }
}

#[test]
fn good_runs_that_are_not_required_do_not_end_it() {
    let mut story = Story::available(
        &["bar"],
        json!({"duration": "5m", "analyses": [analysis("a", false)]}),
    );
    story.run_ends("ex-a", "Successful");
    assert_eq!(story.phase(), "Running");
    story.after(300);
    assert_eq!(story.phase(), "Successful");
}

#[test]
fn its_time_ends_runs_that_are_not_required() {
    let mut story = Story::available(
        &["bar"],
        json!({"duration": "5m", "analyses": [analysis("a", false)]}),
    );
    story.run_ends("ex-a", "Running").after(300);
    assert_eq!(story.phase(), "Successful");
    assert!(story.run("ex-a").spec.terminate);
    assert!(
        story
            .events
            .contains(&"Normal AnalysisRunTerminating: Terminating a (ex-a)".to_owned())
    );
}

#[test]
fn it_ends_with_the_runs_that_it_waits_for() {
    let mut story = Story::available(
        &["bar"],
        json!({"analyses": [analysis("a", true), analysis("b", true)]}),
    );
    story
        .run_ends("ex-a", "Successful")
        .run_ends("ex-b", "Running");
    assert_eq!(story.phase(), "Running");
    story.run_ends("ex-b", "Successful");
    assert_eq!(
        (story.phase(), story.message()),
        ("Successful", "Required AnalysisRuns completed")
    );
}

/// With Argo's controller it never ends: the run that is not required stays Running in its status.
#[test]
fn a_run_that_is_not_required_does_not_hold_it_up() {
    let mut story = Story::available(
        &["bar"],
        json!({"analyses": [analysis("a", true), analysis("b", false)]}),
    );
    story
        .run_ends("ex-b", "Running")
        .run_ends("ex-a", "Successful");
    assert_eq!(story.phase(), "Successful");
    assert!(story.run("ex-b").spec.terminate);
}

#[test]
fn its_time_does_not_end_runs_that_it_waits_for() {
    for (last, expected) in [("Successful", "Successful"), ("Failed", "Failed")] {
        let mut story = Story::available(
            &["bar"],
            json!({"duration": "5m", "analyses": [analysis("a", true), analysis("b", true)]}),
        );
        story
            .run_ends("ex-a", "Successful")
            .run_ends("ex-b", "Running");
        story.after(600);
        assert_eq!(
            (story.phase(), story.status("bar").status.as_str()),
            ("Running", "Successful")
        );
        assert!(!story.run("ex-b").spec.terminate);
        story.run_ends("ex-b", last);
        assert_eq!(story.phase(), expected);
    }
}

#[test]
fn a_run_that_is_gone_is_an_error() {
    let mut story = Story::available(&["bar"], json!({"analyses": [analysis("a", false)]}));
    story.runs.clear();
    story.settle();
    assert_eq!(story.phase(), "Error");
    assert_eq!(
        story.analysis("a"),
        ("Error", "AnalysisRun 'ex-a' not found")
    );
}

/// argoproj/argo-rollouts#4009
#[test]
fn the_rollout_hears_of_the_runs_of_its_step() {
    let mut story = Story::available(&["bar"], json!({"analyses": [analysis("a", false)]}));
    story.experiment.metadata.rest.insert(
        "ownerReferences".to_owned(),
        json!([{"kind": "Rollout", "name": "shop"}]),
    );
    story.run_ends("ex-a", "Failed");
    assert!(story.events.contains(
        &"shop AnalysisRunFailed: AnalysisRun 'a' transitioned from Pending -> Failed".to_owned()
    ));
}

/// Somebody ends an Experiment while the run goes on that it waits for: it ends with that run (found by
/// `testing/kubernetes-sim`; with Argo's controller it never ends).
#[test]
fn an_experiment_that_is_ended_ends_with_the_run_that_it_waits_for() {
    for (last, expected) in [("Error", "Error"), ("Successful", "Successful")] {
        let mut story = Story::available(&["bar"], json!({"analyses": [analysis("a", true)]}));
        story.run_ends("ex-a", "Running");
        story.experiment.spec.terminate = true;
        story.settle();
        assert!(story.run("ex-a").spec.terminate);
        story.run_ends("ex-a", last);
        assert_eq!(story.phase(), expected);
    }
}
