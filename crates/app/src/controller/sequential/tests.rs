//! Rollouts as `sluice/sequential` sees them: counters of pods, look after look.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::books::{Books, Shown};
use super::config::Config;
use super::{NAME, follow, measure};
use crate::controller::Environment;
use crate::controller::tests::support::{Cluster, Fake, NOW, metric, run, servers};
use serde_json::{Value, json};
use sluice_argo::api::{AnalysisPhase, AnalysisRun, Measurement, Metric};
use sluice_kubernetes::{Answer, Meaning, Question};
use sluice_model::Weight;
use std::collections::BTreeMap;
use std::time::Duration;

fn written(more: Value) -> Value {
    let mut config = json!({
        "canary": {"total": "canary_total", "bad": "canary_bad"},
        "stable": {"total": "stable_total", "bad": "stable_bad"},
        "weight": 10,
    });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    config
}

/// A run of a metric, look after look.
struct Watch {
    metric: Metric,
    run: AnalysisRun,
    config: Config,
    books: Option<Books>,
    looks: u32,
    /// Requests and failures so far, of both sides.
    sums: [f64; 4],
}

impl Watch {
    fn of(config: Value) -> Watch {
        Watch {
            metric: metric(json!({"plugin": {NAME: config}})),
            run: run(),
            config: Config::read(&config).unwrap_or_else(|error| panic!("{error}")),
            books: None,
            looks: 0,
            sums: [0.0; 4],
        }
    }

    /// Half a minute in which the counters grew by this.
    fn look(&mut self, grown: [f64; 4]) -> Answer {
        for (sum, grown) in self.sums.iter_mut().zip(grown) {
            *sum += grown;
        }
        let shown = self
            .sums
            .map(|sum| BTreeMap::from([("pod".to_owned(), sum)]));
        self.show(shown, self.config.weight.unwrap())
    }

    fn show(&mut self, shown: Shown, weight: Weight) -> Answer {
        let now = NOW.after(Duration::from_secs(30) * self.looks);
        self.looks += 1;
        let lookup = Cluster::default();
        let question = Question {
            metric: &self.metric,
            run: &self.run,
            before: None,
            lookup: &lookup,
            now,
        };
        let answer = follow(&question, &self.config, self.books.take(), weight, shown).unwrap();
        // As the next look finds it, in a process that may be another one.
        self.books = serde_json::from_str(&answer.notes[NAME]).unwrap();
        answer
    }

    /// Looks until it is decided, at most so many times.
    fn until_decided(&mut self, most: usize, grown: [f64; 4]) -> Option<AnalysisPhase> {
        (0..most).find_map(|_| match self.look(grown).meaning {
            Meaning::Decided(phase, _) => Some(phase),
            _ => None,
        })
    }

    fn requests(&self) -> Value {
        serde_json::to_value(self.books.as_ref().unwrap()).unwrap()["counts"].clone()
    }
}

#[test]
fn a_bad_canary_fails_a_good_one_succeeds_and_too_few_requests_decide_nothing() {
    for (grown, expected) in [
        ([1_000.0, 50.0, 9_000.0, 9.0], Some(AnalysisPhase::Failed)),
        (
            [1_000.0, 1.0, 9_000.0, 9.0],
            Some(AnalysisPhase::Successful),
        ),
        ([1.0, 0.0, 9.0, 0.0], None),
    ] {
        let mut watch = Watch::of(written(json!({})));
        assert_eq!(watch.until_decided(60, grown), expected, "{grown:?}");
    }
}

#[test]
fn what_is_not_decided_in_time_is_inconclusive() {
    let mut watch = Watch::of(written(json!({"within": "5m"})));
    let decided = watch.until_decided(60, [1.0, 0.0, 9.0, 0.0]);
    assert_eq!(decided, Some(AnalysisPhase::Inconclusive));
    assert_eq!(watch.looks, 11);
}

/// A short failure of both sides, of which one side's scrape shows the more at first.
#[test]
fn one_look_alone_decides_nothing() {
    let mut watch = Watch::of(written(json!({})));
    for _ in 0..6 {
        watch.look([10.0, 0.0, 90.0, 0.0]);
    }
    let alarmed = watch.look([60.0, 50.0, 90.0, 0.0]);
    let calmed = watch.look([10.0, 0.0, 540.0, 450.0]);
    for (answer, is_alarm) in [(alarmed, true), (calmed, false)] {
        let Meaning::Unfinished(_, why) = answer.meaning else {
            panic!("{answer:?}");
        };
        assert_eq!(why.starts_with("worse than stable"), is_alarm, "{why}");
    }
}

#[test]
fn what_was_served_before_a_weight_was_in_force_counts_for_none() {
    let mut watch = Watch::of(written(json!({})));
    let percent = |percent| Weight::from_percent(percent).unwrap();
    let mut total = 0.0;
    let mut counted = Vec::new();
    for weight in [10.0, 10.0, 10.0, 10.0, 50.0, 50.0, 50.0, 50.0] {
        total += 100.0;
        let shown = [total, 0.0, total, 0.0].map(|sum| BTreeMap::from([("pod".to_owned(), sum)]));
        watch.show(shown, percent(weight));
        let sum = watch
            .requests()
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["canaryRequests"].as_u64().unwrap())
            .sum::<u64>();
        counted.push(sum);
    }
    // Each weight: a minute for the counters to follow, and then from one look to the next.
    assert_eq!(counted, [0, 0, 0, 100, 100, 100, 100, 200]);
}

#[test]
fn counters_that_begin_again_lose_nothing_but_what_was_never_shown() {
    let mut watch = Watch::of(written(json!({"settle": "1s"})));
    let show = |canary: &[(&str, f64)]| {
        let canary: BTreeMap<String, f64> = canary
            .iter()
            .map(|(pod, value)| ((*pod).to_owned(), *value))
            .collect();
        [canary, BTreeMap::new(), BTreeMap::new(), BTreeMap::new()]
    };
    let weight = Weight::from_percent(10.0).unwrap();
    for shown in [
        &[("a", 1_000.0)][..],
        &[("a", 1_000.0)],
        // Grown by 100.
        &[("a", 1_100.0)],
        // Began again, and served 7 since; a new pod served 5.
        &[("a", 7.0), ("b", 5.0)],
        // One does not show for a while.
        &[("b", 5.0)],
        &[("a", 8.0), ("b", 5.0)],
    ] {
        watch.show(show(shown), weight);
    }
    assert_eq!(watch.requests()[0]["canaryRequests"], 100 + 7 + 5 + 1);
}

#[test]
fn pods_that_come_and_go_for_days_do_not_fill_the_status() {
    let mut watch = Watch::of(written(json!({"settle": "1s"})));
    let weight = Weight::from_percent(10.0).unwrap();
    let mut most = 0;
    for look in 0..2_000 {
        let shown = BTreeMap::from([(format!("pod-{look}"), 1.0)]);
        let nothing = BTreeMap::new;
        let answer = watch.show([shown, nothing(), nothing(), nothing()], weight);
        most = most.max(answer.notes[NAME].len());
    }
    // All but the first two looks counted.
    assert_eq!(watch.requests()[0]["canaryRequests"], 1_998);
    assert!(most < 4_096, "{most}");
}

fn vector(value: f64) -> String {
    format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"pod":"a"}},"value":[1,"{value}"]}}]}}}}"#
    )
}

async fn ask(
    fake: &Fake,
    cluster: &Cluster,
    config: Value,
    before: Option<&Measurement>,
) -> Result<Answer, String> {
    let mut config = written(config);
    config["prometheus"] = json!({"address": fake.url()});
    let metric = metric(json!({"plugin": {NAME: config}}));
    let question = Question {
        metric: &metric,
        run: &run(),
        before,
        lookup: cluster,
        now: NOW,
    };
    measure(&servers(Environment::default()), &question, &config).await
}

fn noted(answer: &Answer) -> Measurement {
    Measurement {
        metadata: answer.notes.clone(),
        ..Measurement::default()
    }
}

#[tokio::test]
async fn four_counters_are_asked_and_an_outage_is_waited_through() {
    let sums = [100.0, 1.0, 900.0, 9.0].map(vector);
    let mut answers: Vec<(u16, &str)> = sums.iter().map(|body| (200, body.as_str())).collect();
    answers.push((503, "away"));
    let fake = Fake::answering(&answers).await;
    let cluster = Cluster::default();
    let mut answer = ask(&fake, &cluster, json!({}), None).await.unwrap();
    assert!(
        matches!(&answer.meaning, Meaning::Unfinished(at, _) if *at == NOW.after(Duration::from_secs(30)))
    );
    assert_eq!(fake.got().len(), 4);
    for (got, query) in
        fake.got()
            .iter()
            .zip(["canary_total", "canary_bad", "stable_total", "stable_bad"])
    {
        assert!(got.body.contains(&format!("query={query}&")), "{got:?}");
    }
    // As many looks without an answer as a metric survives measurements in error.
    for count in 1..=4 {
        answer = ask(&fake, &cluster, json!({}), Some(&noted(&answer)))
            .await
            .unwrap();
        let Meaning::Unfinished(_, why) = &answer.meaning else {
            panic!("{answer:?}");
        };
        assert!(
            why.contains(&format!("no answer {count} times")) && why.contains("503"),
            "{why}"
        );
    }
    let error = ask(&fake, &cluster, json!({}), Some(&noted(&answer)))
        .await
        .unwrap_err();
    assert!(error.contains(NAME) && error.contains("503"), "{error}");
}

#[tokio::test]
async fn the_weight_is_the_routers_when_none_is_written() {
    let fake = Fake::answering(&[(200, &vector(1.0))]).await;
    let unknown = ask(&fake, &Cluster::default(), json!({"weight": null}), None).await;
    assert!(unknown.unwrap_err().contains("write `weight`"));
    let cluster = Cluster {
        weight: Some(25.0),
        ..Cluster::default()
    };
    let answer = ask(&fake, &cluster, json!({"weight": null}), None)
        .await
        .unwrap();
    let books: Value = serde_json::from_str(&answer.notes[NAME]).unwrap();
    assert_eq!(books["weight"], 25.0);
}

#[tokio::test]
async fn what_is_no_counter_is_refused() {
    for (body, said) in [
        (vector(-1.0), "no counter"),
        (vector(f64::NAN), "no counter"),
        (
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#.to_owned(),
            "no vector",
        ),
    ] {
        let fake = Fake::answering(&[(200, &body)]).await;
        let error = ask(&fake, &Cluster::default(), json!({}), None)
            .await
            .unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
