//! Each fault by itself, in the middle of an update: the update ends as it does without the fault.

use crate::support::{
    analysis, analysis_template, available, condition, hash, image, leads_to, rolled_out,
    rolled_out_as, rollout, set_of, stable_is_untouched,
};
use serde_json::{Value, json};
use sluice_kubernetes_sim::Bug;
use sluice_kubernetes_sim::scenario::{Scenario, Told, Trouble};

/// The second version is rolled out, whatever went wrong.
fn is_updated(told: &Told) {
    assert_eq!(told.violation, None, "{:#?}", told.trace);
    let status = &told.object("Rollout", "web")["status"];
    assert_eq!(status["phase"], "Healthy", "{:#?}", told.trace);
    let set = set_of(told, "web", "good:2");
    assert_eq!(available(told, "web", "good:2"), 3);
    assert_eq!(status["stableRS"], hash(set));
    for service in ["web-stable", "web-canary"] {
        assert_eq!(leads_to(told, service), hash(set));
    }
    assert_eq!(available(told, "web", "good:1"), 0);
}

/// An update in whose middle something goes wrong.
fn update_with(trouble: Trouble) -> Told {
    rolled_out()
        .edit("Rollout", "web", image("good:2"))
        .seconds(4)
        .trouble(trouble)
        .seconds(180)
        .run()
}

/// A blue-green Rollout.
fn blue_green() -> Value {
    let mut object = rollout("web");
    object["spec"]["strategy"] = json!({"blueGreen": {
        "activeService": "web-active",
        "previewService": "web-preview",
        "scaleDownDelaySeconds": 10,
    }});
    object
}

/// A Rollout whose step asks Prometheus.
fn measured() -> Scenario {
    let steps = json!([{"setWeight": 34}, {"analysis": analysis("measured")}]);
    let mut object = rollout("web");
    object["spec"]["strategy"]["canary"]["steps"] = steps;
    rolled_out_as(object).edit("Rollout", "web", image("good:2"))
}

#[test]
fn an_api_server_that_restarts_and_forgets_where_watches_were() {
    is_updated(&update_with(Trouble::ServerAway(15)));
}

#[test]
fn a_storm_of_conflicts() {
    is_updated(&update_with(Trouble::Conflicts(20)));
}

#[test]
fn a_cache_that_is_stale() {
    is_updated(&update_with(Trouble::Deaf(20)));
}

#[test]
fn clocks_that_are_off() {
    for off in [-60_000, 60_000] {
        is_updated(&update_with(Trouble::ClockOff(off)));
    }
}

#[test]
fn replica_sets_that_are_refused_for_a_while() {
    let told = rolled_out()
        .trouble(Trouble::RefusedReplicaSets(20))
        .edit("Rollout", "web", image("good:2"))
        .seconds(10)
        .run();
    let progressing = condition(&told, "web", "Progressing");
    let message = progressing["message"].as_str().unwrap();
    assert!(message.contains("admission webhook"), "{message}");
    assert!(
        told.warnings("web")
            .iter()
            .any(|it| it.contains("admission webhook"))
    );
    stable_is_untouched(&told);

    let told = rolled_out()
        .trouble(Trouble::RefusedReplicaSets(20))
        .edit("Rollout", "web", image("good:2"))
        .seconds(180)
        .run();
    is_updated(&told);
}

#[test]
fn a_controller_that_is_killed_at_any_write() {
    let writes = update_writes();
    assert!(writes > 8, "{writes} writes");
    for at in 1..=writes {
        let told = rolled_out()
            .trouble(Trouble::KilledAfter(at))
            .edit("Rollout", "web", image("good:2"))
            .seconds(180)
            .run();
        is_updated(&told);
    }
}

/// Writes of an undisturbed update.
fn update_writes() -> u32 {
    let writes = |told: &Told| {
        let mut trace = told.trace.iter();
        let writes = trace
            .by_ref()
            .filter(|line| line.contains("  controller 0: "));
        u32::try_from(writes.count()).unwrap()
    };
    let before = writes(&rolled_out().run());
    let update = rolled_out().edit("Rollout", "web", image("good:2"));
    writes(&update.seconds(60).run()) - before
}

/// The Service is switched once, by whomever, and pods that users are on stay.
#[test]
fn a_leader_that_changes_in_the_middle_of_a_switch() {
    for moment in 1..=12 {
        let told = rolled_out_as(blue_green())
            .edit("Rollout", "web", image("good:2"))
            .seconds(moment)
            .trouble(Trouble::LeaderChange(15))
            .seconds(120)
            .run();
        assert_eq!(told.violation, None, "{:#?}", told.trace);
        let set = set_of(&told, "web", "good:2");
        assert_eq!(leads_to(&told, "web-active"), hash(set));
        let switches = told
            .trace
            .iter()
            .filter(|line| line.contains("Service shop/web-active") && line.contains("→"))
            .filter(|line| line.contains(hash(set)));
        assert_eq!(switches.count(), 1, "{:#?}", told.trace);
    }
}

#[test]
fn a_prometheus_that_is_down_for_a_while_is_asked_again() {
    let told = measured()
        .seconds(4)
        .trouble(Trouble::MetricsAway(12))
        .seconds(180)
        .run();
    is_updated(&told);
}

#[test]
fn a_prometheus_that_stays_down_ends_the_update_and_says_why() {
    let told = measured()
        .trouble(Trouble::MetricsAway(1_000))
        .seconds(240)
        .run();
    let status = &told.object("Rollout", "web")["status"];
    assert_eq!(status["phase"], "Degraded");
    assert_eq!(status["abort"], true);
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("quality"), "{message}");
    stable_is_untouched(&told);
}

#[test]
fn a_secret_that_is_deleted_is_named() {
    let mut template = analysis_template("secret");
    template["spec"]["args"] = json!([
        {"name": "hash"},
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "metrics", "key": "token"}}},
    ]);
    template["spec"]["metrics"][0]["provider"]["prometheus"]["query"] = json!("{{args.hash}}");
    template["spec"]["metrics"][0]["provider"]["prometheus"]["address"] =
        json!("http://{{args.token}}.example");
    let mut object = rollout("web");
    object["spec"]["strategy"]["canary"]["steps"] =
        json!([{"setWeight": 34}, {"analysis": analysis("secret")}]);
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "metrics"},
        "data": {"token": "dG9rZW4="},
    });
    let told = Scenario::default()
        .apply(secret)
        .apply(template)
        .apply(crate::support::service("web-stable", "web"))
        .apply(crate::support::service("web-canary", "web"))
        .apply(object)
        .seconds(20)
        .delete("Secret", "metrics")
        .edit("Rollout", "web", image("good:2"))
        .seconds(180)
        .run();
    let runs = told.all("AnalysisRun");
    let message = runs[0]["status"]["message"].as_str().unwrap();
    assert!(message.contains("metrics"), "{message}");
    assert_eq!(runs[0]["status"]["phase"], "Error");
    stable_is_untouched(&told);
}

/// The definition drops a field of the status: the update goes on, and nothing is written again and again.
#[test]
fn an_older_definition_of_rollouts() {
    let update = |scenario: Scenario| {
        scenario
            .trouble(Trouble::OlderDefinition)
            .edit("Rollout", "web", image("good:2"))
            .seconds(180)
            .run()
    };
    let told = update(rolled_out());
    is_updated(&told);
    assert_eq!(
        told.object("Rollout", "web")["status"]["duration"],
        Value::Null
    );

    let told = update(rolled_out().planted(Bug::SeesChangesThatAreNone));
    let violation = told.violation.unwrap();
    let promise = "a controller asks for nothing while nothing changes";
    assert_eq!(violation.promise, promise);
}

/// The definition drops the status of AnalysisRuns: it says which definitions are the right ones, and asks ever more
/// seldom.
#[test]
fn an_older_definition_of_analysis_runs() {
    let told = rolled_out_as({
        let mut object = rollout("web");
        object["spec"]["strategy"]["canary"]["steps"] =
            json!([{"setWeight": 34}, {"analysis": analysis("measured")}]);
        object
    })
    .trouble(Trouble::StatusApart)
    .edit("Rollout", "web", image("good:2"))
    .seconds(240)
    .run();
    assert_eq!(told.violation, None, "{:#?}", told.trace);
    let runs = told.all("AnalysisRun");
    let name = runs[0]["metadata"]["name"].as_str().unwrap();
    let warnings = told.warnings(name);
    assert!(
        warnings.iter().any(|it| it.contains("sluice crds")),
        "{warnings:#?}"
    );
    let stable = set_of(&told, "web", "good:1");
    let status = &told.object("Rollout", "web")["status"];
    assert_eq!(status["stableRS"], hash(stable));
}

/// Each write takes seconds, and some are not admitted in time.
#[test]
fn webhooks_that_are_slow() {
    is_updated(&update_with(Trouble::SlowWebhooks(40)));
}

/// No data is neither a success nor a failure.
#[test]
fn a_prometheus_without_data_promotes_nothing() {
    let told = measured()
        .trouble(Trouble::NoData(1_000))
        .seconds(240)
        .run();
    let status = &told.object("Rollout", "web")["status"];
    assert_ne!(status["phase"], "Healthy");
    let runs = told.all("AnalysisRun");
    assert_ne!(
        runs[0]["status"]["phase"], "Successful",
        "{:#?}",
        told.trace
    );
    stable_is_untouched(&told);
}

/// Going on needs the Deployment that the Rollout refers to; going back does not.
#[test]
fn a_deployment_that_is_deleted_holds_up_no_abort() {
    let mut object = rollout("web");
    let spec = object["spec"].as_object_mut().unwrap();
    let selector = spec.remove("selector").unwrap();
    let template = spec.remove("template").unwrap();
    object["spec"]["workloadRef"] =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-before"});
    object["spec"]["strategy"]["canary"]["steps"] = json!([{"setWeight": 34}, {"pause": {}}]);
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web-before"},
        "spec": {"replicas": 0, "selector": selector, "template": template},
    });
    let stuck = || {
        rolled_out_as(object.clone())
            .apply(deployment.clone())
            .seconds(40)
            .edit("Deployment", "web-before", image("good:2"))
            .seconds(20)
            .delete("Deployment", "web-before")
            .seconds(30)
    };
    let told = stuck().run();
    let invalid = condition(&told, "web", "InvalidSpec");
    let message = invalid["message"].as_str().unwrap();
    assert!(message.contains("`web-before` was not found"), "{message}");
    assert_eq!(available(&told, "web", "good:2"), 1, "{:#?}", told.trace);

    let told = stuck()
        .status("web", json!({"abort": true}))
        .seconds(60)
        .run();
    stable_is_untouched(&told);
    assert_eq!(available(&told, "web", "good:2"), 0, "{:#?}", told.trace);
    let stable = hash(set_of(&told, "web", "good:1"));
    for service in ["web-stable", "web-canary"] {
        assert_eq!(leads_to(&told, service), stable);
    }
    let status = &told.object("Rollout", "web")["status"];
    assert_eq!(status["phase"], "Degraded");
    assert!(status["message"].as_str().unwrap().contains("aborted"));
}
