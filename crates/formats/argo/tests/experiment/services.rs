//! Services of versions.

use super::*;

fn with_service(service: Value, patch: Value) -> Story {
    let mut bar = template("bar");
    bar["service"] = service;
    let mut spec = json!({"templates": [bar], "scaleDownDelaySeconds": 0});
    for (key, value) in patch.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    Story::of(spec)
}

#[test]
fn a_version_has_one_when_it_asks_for_it() {
    for (service, expected) in [(json!({}), "ex-bar"), (json!({"name": "mine"}), "mine")] {
        let mut story = with_service(service, json!({"duration": "1m"}));
        story.settle();
        let object = story.objects.last().expect("a Service").clone();
        assert_eq!(object["kind"], "Service");
        assert_eq!(object["metadata"]["name"], expected);
        assert_eq!(
            object["spec"]["ports"],
            json!([{"port": 80, "targetPort": 80, "protocol": "TCP", "name": "http"}])
        );
        assert_eq!(
            object["spec"]["selector"],
            json!(story.sets[0].metadata.labels)
        );
        assert_eq!(story.status("bar").service_name, expected);
        assert_eq!(
            story.status("bar").pod_template_hash,
            story.sets[0].metadata.labels["rollouts-pod-template-hash"]
        );
        story.pods_follow().after(60);
        assert_eq!((story.phase(), story.services.len()), ("Successful", 1));
        story.pods_follow();
        assert_eq!(story.services, [], "no pod is available any more");
        assert_eq!(story.status("bar").service_name, "");
    }
    let story = Story::available(&["bar"], json!({}));
    assert_eq!(story.services, []);
}

#[test]
fn one_of_another_name_goes() {
    let mut story = with_service(json!({}), json!({}));
    story.services.push(OwnedService {
        name: "outdated".to_owned(),
        template: "bar".to_owned(),
    });
    story.settle();
    assert_eq!(story.services.len(), 1);
    assert_eq!(story.status("bar").service_name, "ex-bar");
}

#[test]
fn one_that_is_no_longer_asked_for_goes() {
    let mut story = with_service(json!({}), json!({}));
    story.settle().pods_follow();
    story.experiment.spec.templates[0].service = None;
    story.settle();
    assert_eq!(story.services, []);
    assert_eq!(story.status("bar").service_name, "");
}
