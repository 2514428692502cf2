//! Secrets reach a measurement and nothing else.

use super::*;

fn token() -> SecretKeyRef {
    serde_json::from_value(json!({"name": "web", "key": "token"})).expect("a reference")
}

fn run() -> Value {
    json!({
        "metadata": {"name": "run"},
        "spec": {
            "metrics": [metric("m", json!({"interval": "60s", "provider": {"web": {"url": "http://x/?t={{args.token}}"}, "prometheus": null}}))],
            "args": [{"name": "token", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}}]
        }
    })
}

#[test]
fn they_reach_the_measurement_and_nothing_else() {
    let mut story = Story::unstarted(run(), START);
    story.secrets.insert(&token(), "s3cret".to_owned());
    story.decide(&[]);
    let task = story.task("m");
    let web = task.metric.provider.web.clone().expect("it is");
    assert_eq!(web.url, "http://x/?t=s3cret");
    assert!(!format!("{:?}", story.decision).contains("s3cret"));
    let told = Measured {
        metadata: BTreeMap::from([("url".to_owned(), "http://x/?t=s3cret".to_owned())]),
        ..measured(
            &task,
            measurement("Error: http://x/?t=s3cret is down", None),
        )
    };
    story.decide(&[told]);
    let result = story.result("m");
    assert_eq!(result.measurements[0].message, "http://x/?t=***** is down");
    assert_eq!(result.metadata["url"], "http://x/?t=*****");
}

#[test]
fn one_that_is_gone_ends_the_run() {
    let mut story = Story::unstarted(run(), START);
    story
        .secrets
        .insert_missing(&token(), "secrets \"web\" not found".to_owned());
    story.decide(&[]);
    assert_eq!(story.phase(), "Error");
    assert_eq!(
        story.message(),
        "Unable to resolve metric arguments: secrets \"web\" not found"
    );
}

/// A secret that is deleted later matters when the next measurement needs it.
#[test]
fn one_that_is_not_needed_now_may_be_gone() {
    let mut story = Story::unstarted(run(), START);
    story.secrets.insert(&token(), "s3cret".to_owned());
    story.decide(&[]);
    story.measures("Successful");
    story.secrets = Secrets::none();
    story.after(30);
    assert_eq!(story.phase(), "Running");
    story.after(30);
    assert_eq!(
        story.message(),
        "Unable to resolve metric arguments: key 'token' does not exist in secret 'web'"
    );
}
