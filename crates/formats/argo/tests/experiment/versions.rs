//! The versions and their pods.

use super::*;
use sluice_argo::template::template_hash;

#[test]
fn each_gets_pods_of_its_own() {
    let mut story = Story::with(&["bar", "baz"], json!({"duration": "5m"}));
    story.settle();
    assert_eq!(story.phase(), "Pending");
    assert_eq!(story.desired(), [1, 1]);
    assert_eq!(story.status("bar").status, "Progressing");
    assert_eq!(
        story.events,
        [
            "Normal TemplateProgressing: Template 'bar' transitioned from  -> Progressing",
            "Normal TemplateProgressing: Template 'baz' transitioned from  -> Progressing",
            "Normal ExperimentPending: Experiment transitioned from  -> Pending",
            "Normal ScalingReplicaSet: Scaled up ReplicaSet ex-bar from 0 to 1",
            "Normal ScalingReplicaSet: Scaled up ReplicaSet ex-baz from 0 to 1",
        ]
    );
    assert_eq!(story.wakes_in(), Some(600));
    assert_eq!(
        story.condition(),
        ("True".to_owned(), "ReplicaSetUpdated".to_owned())
    );
    story.pods_follow();
    assert_eq!(story.phase(), "Running");
    assert_eq!(story.experiment.status.available_at, Some(Time(START)));
    assert_eq!(story.status("baz").available_replicas, 1);
    assert_eq!(story.wakes_in(), Some(300));
}

#[test]
fn a_replica_set_is_named_labelled_and_found_again() {
    let mut story = Story::with(&["bar"], json!({}));
    story.experiment.spec.templates[0].min_ready_seconds = 5;
    story.experiment.spec.templates[0].template.0["metadata"]["labels"]["rollouts-pod-template-hash"] =
        json!("a rollout's");
    story.settle();
    let object = &story.objects[0];
    let metadata = &object["metadata"];
    let hash = &metadata["labels"]["rollouts-pod-template-hash"];
    assert_ne!(hash, "a rollout's");
    assert_eq!(metadata["name"], "ex-bar");
    assert_eq!(metadata["namespace"], "ns");
    assert_eq!(metadata["labels"]["app"], "bar");
    assert_eq!(metadata["annotations"]["experiment.argoproj.io/name"], "ex");
    assert_eq!(
        metadata["annotations"]["experiment.argoproj.io/template-name"],
        "bar"
    );
    let owner = &metadata["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"], &owner["controller"]),
        (&json!("Experiment"), &json!("u"), &json!(true))
    );
    let spec = &object["spec"];
    assert_eq!(spec["minReadySeconds"], 5);
    assert_eq!(
        spec["selector"]["matchLabels"],
        json!({"app": "bar", "rollouts-pod-template-hash": hash})
    );
    assert_eq!(spec["template"]["metadata"]["labels"], metadata["labels"]);
    assert_eq!(spec["template"]["metadata"]["annotations"]["note"], "kept");
}

/// argoproj/argo-rollouts#380: the same pods under the hash of a Rollout's revision would get its requests.
#[test]
fn pods_have_a_hash_of_their_own() {
    let mut story = Story::with(&["bar", "baz"], json!({}));
    let templates = &mut story.experiment.spec.templates;
    templates[1].template = templates[0].template.clone();
    templates[1].selector = templates[0].selector.clone();
    let of_a_rollout = template_hash(&templates[0].template, None).expect("its types fit");
    story.settle();
    let hashes: BTreeSet<&str> = story.sets.iter().map(ReplicaSet::hash).collect();
    assert_eq!(hashes.len(), 2);
    assert!(!hashes.contains(of_a_rollout.as_str()));
}

#[test]
fn one_that_is_lost_is_created_again() {
    let mut story = Story::available(&["bar", "baz"], json!({}));
    story.sets.remove(0);
    story.settle().pods_follow();
    assert_eq!(story.sets.len(), 2);
    assert_eq!(story.status("bar").status, "Running");
}

#[test]
fn all_must_be_available_before_time_runs() {
    let mut story = Story::with(&["bar", "baz"], json!({"duration": "10s"}));
    story.settle();
    let status = &mut story.sets[0].status;
    (status.replicas, status.available_replicas) = (1, 1);
    story.settle();
    assert_eq!(
        (story.phase(), story.status("bar").status.as_str()),
        ("Pending", "Running")
    );
    assert_eq!(story.experiment.status.available_at, None);
    story.after(60);
    assert_eq!(story.phase(), "Pending");
}

#[test]
fn one_without_progress_fails_the_experiment() {
    let mut story = Story::with(
        &["bar", "baz"],
        json!({"progressDeadlineSeconds": 60, "scaleDownDelaySeconds": 0}),
    );
    story.settle().after(59);
    assert_eq!(story.phase(), "Pending");
    assert_eq!(story.wakes_in(), Some(1));
    let status = &mut story.sets[0].status;
    (status.replicas, status.available_replicas) = (1, 1);
    story.settle();
    story.after(1);
    assert_eq!(story.phase(), "Failed");
    assert_eq!(
        story.message(),
        "Template 'baz' exceeded its progressDeadlineSeconds (60)"
    );
    assert_eq!(story.status("baz").status, "Failed");
    assert_eq!(story.desired(), [0, 0]);
    assert!(story.events.contains(
        &"Warning ExperimentFailed: Experiment transitioned from Pending -> Failed".to_owned()
    ));
}

#[test]
fn pods_that_are_lost_while_it_runs_count_against_the_deadline() {
    let mut story = Story::available(&["bar"], json!({"progressDeadlineSeconds": 60}));
    story.after(3_600);
    assert_eq!(story.phase(), "Running");
    story.sets[0].status.available_replicas = 0;
    story.settle();
    assert_eq!(story.status("bar").status, "Progressing");
    assert_eq!(story.wakes_in(), Some(60));
    story.after(60);
    assert_eq!(story.phase(), "Failed");
}

#[test]
fn a_name_that_is_somebody_elses_is_an_error() {
    let mut story = Story::with(&["good", "bad"], json!({"scaleDownDelaySeconds": 0}));
    let name = replica_set_name(&story.experiment, &story.experiment.spec.templates[1]);
    story.taken_replica_sets.insert(name);
    story.settle();
    assert_eq!(story.phase(), "Error");
    assert_eq!(
        story.message(),
        "Failed to create ReplicaSet for template 'bad': 'ex-bad' exists and is not this experiment's"
    );
    assert_eq!(story.desired(), [0]);
}

#[test]
fn what_an_api_server_refuses_is_an_error() {
    for (what, expected) in [
        (
            Refused::CreateReplicaSet,
            "Failed to create ReplicaSet for template 'bar': quota",
        ),
        (
            Refused::ScaleReplicaSet,
            "Unable to scale ReplicaSet for template 'bar': quota",
        ),
        (
            Refused::CreateService,
            "Failed to create Service for template 'bar': quota",
        ),
        (
            Refused::DeleteService,
            "Failed to delete Service for template 'bar': quota",
        ),
    ] {
        let mut story = Story::with(&["bar"], json!({}));
        story.refused.push(Refusal {
            name: "bar".to_owned(),
            what,
            cause: "quota".to_owned(),
        });
        story.settle();
        assert_eq!((story.phase(), story.message()), ("Error", expected));
        assert_eq!(story.desired().iter().sum::<i32>(), 0);
    }
}
