//! Experiments, from their first decision until their pods are gone. The situations are those of Argo's own
//! tests (`experiments/*_test.go`), told as stories against a small cluster.

mod analyses;
mod ends;
mod properties;
mod services;
mod specs;
mod versions;

use serde_json::{Value, json};
use sluice_argo::api::{
    AnalysisPhase, AnalysisRun, AnalysisTemplate, Experiment, TemplateStatus, Time,
};
use sluice_argo::arguments::TemplateSource;
use sluice_argo::experiment::{
    ExperimentDecision, ExperimentWorld, ExperimentWrite, OwnedService, Refusal, Refused, decide,
    replica_set_name,
};
use sluice_argo::rollout::ReplicaSet;
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

const START: Timestamp = Timestamp(1_764_000_000_000);

#[derive(Default)]
struct Library(BTreeMap<(bool, String), AnalysisTemplate>);

impl TemplateSource for Library {
    fn template(&self, name: &str) -> Option<&AnalysisTemplate> {
        self.0.get(&(false, name.to_owned()))
    }
    fn cluster_template(&self, name: &str) -> Option<&AnalysisTemplate> {
        self.0.get(&(true, name.to_owned()))
    }
}

/// An Experiment in a cluster that does what is written.
struct Story {
    experiment: Experiment,
    sets: Vec<ReplicaSet>,
    services: Vec<OwnedService>,
    objects: Vec<Value>,
    runs: Vec<AnalysisRun>,
    library: Library,
    taken_replica_sets: BTreeSet<String>,
    taken_runs: BTreeSet<String>,
    refused: Vec<Refusal>,
    now: Timestamp,
    events: Vec<String>,
    wake_at: Option<Timestamp>,
}

impl Story {
    fn of(spec: Value) -> Self {
        let mut library = Library::default();
        for (of_cluster, name) in [(false, "errors"), (true, "errors"), (false, "latency")] {
            let template = json!({
                "metadata": {"name": name},
                "spec": {"metrics": [{"name": "m", "provider": {"prometheus": {"query": "up"}}}], "args": [{"name": "hash", "value": "none"}]}
            });
            let template = serde_json::from_value(template).expect("a template");
            library.0.insert((of_cluster, name.to_owned()), template);
        }
        let experiment = json!({
            "metadata": {"name": "ex", "namespace": "ns", "uid": "u"}, "spec": spec
        });
        Story {
            experiment: serde_json::from_value(experiment).expect("an Experiment"),
            sets: Vec::new(),
            services: Vec::new(),
            objects: Vec::new(),
            runs: Vec::new(),
            library,
            taken_replica_sets: BTreeSet::new(),
            taken_runs: BTreeSet::new(),
            refused: Vec::new(),
            now: START,
            events: Vec::new(),
            wake_at: None,
        }
    }

    /// Templates of these names, with one pod each, and more of the spec.
    fn with(templates: &[&str], patch: Value) -> Self {
        let templates: Vec<Value> = templates.iter().map(|name| template(name)).collect();
        let mut spec = json!({"templates": templates});
        for (key, value) in patch.as_object().expect("an object") {
            spec[key] = value.clone();
        }
        Story::of(spec)
    }

    fn decide(&self) -> ExperimentDecision {
        let world = ExperimentWorld {
            experiment: &self.experiment,
            replica_sets: self.sets.clone(),
            services: self.services.clone(),
            runs: self.runs.clone(),
            templates: &self.library,
            taken_replica_sets: self.taken_replica_sets.clone(),
            taken_runs: self.taken_runs.clone(),
            refused: &self.refused,
        };
        let decision = decide(&world, self.now);
        assert_eq!(
            decision,
            decide(&world, self.now),
            "deciding twice is the same"
        );
        decision
    }

    /// Decides and writes until nothing is left to write.
    fn settle(&mut self) -> &mut Self {
        for _ in 0..20 {
            let decision = self.decide();
            self.wake_at = decision.wake_at;
            if decision.writes.is_empty() {
                return self;
            }
            self.refused.clear();
            for write in decision.writes {
                self.write(write);
            }
        }
        panic!("it does not settle: {:?}", self.decide().writes);
    }

    fn write(&mut self, write: ExperimentWrite) {
        match write {
            ExperimentWrite::CreateReplicaSet { object, .. } => {
                let set = serde_json::from_value(object.clone()).expect("a ReplicaSet");
                self.sets.push(set);
                self.objects.push(object);
            }
            ExperimentWrite::ScaleReplicaSet { name, from, to, .. } => {
                let set = self.set(&name);
                assert_eq!(set.desired(), from);
                set.spec.replicas = Some(to);
            }
            ExperimentWrite::SetDeadline { name, deadline } => {
                let annotations = &mut self.set(&name).metadata.annotations;
                annotations.remove("scale-down-deadline");
                let text = deadline.map(|deadline| Time(deadline).to_string());
                annotations.extend(text.map(|text| ("scale-down-deadline".to_owned(), text)));
            }
            ExperimentWrite::CreateService { template, object } => {
                let name = text(&object["metadata"]["name"]);
                self.services.push(OwnedService { name, template });
                self.objects.push(object);
            }
            ExperimentWrite::DeleteService { name, .. } => {
                self.services.retain(|service| service.name != name);
            }
            ExperimentWrite::CreateRun { run, .. } => self.runs.push(*run),
            ExperimentWrite::TerminateRun { name, .. } => self.run(&name).spec.terminate = true,
            ExperimentWrite::Status(status) => {
                let stored = serde_json::to_value(status).expect("JSON");
                self.experiment.status = serde_json::from_value(stored).expect("a status");
            }
            ExperimentWrite::Event(event) => {
                let kind = if event.warning { "Warning" } else { "Normal" };
                self.events
                    .push(format!("{kind} {}: {}", event.reason, event.message));
            }
            ExperimentWrite::RolloutEvent { rollout, event } => {
                self.events
                    .push(format!("{rollout} {}: {}", event.reason, event.message));
            }
        }
    }

    fn set(&mut self, name: &str) -> &mut ReplicaSet {
        let mut sets = self.sets.iter_mut();
        sets.find(|set| set.metadata.name == name)
            .expect("a ReplicaSet")
    }

    fn run(&mut self, name: &str) -> &mut AnalysisRun {
        let mut runs = self.runs.iter_mut();
        runs.find(|run| run.metadata.name == name).expect("a run")
    }

    /// All pods that are wanted are there and available; others are gone.
    fn pods_follow(&mut self) -> &mut Self {
        for set in &mut self.sets {
            let desired = set.desired();
            set.status.replicas = desired;
            set.status.ready_replicas = desired;
            set.status.available_replicas = desired;
        }
        self.settle()
    }

    fn after(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.shifted(seconds * 1_000);
        self.settle()
    }

    fn available(templates: &[&str], patch: Value) -> Self {
        let mut story = Story::with(templates, patch);
        story.settle().pods_follow();
        assert_eq!(story.phase(), "Running");
        story.events.clear();
        story
    }

    fn run_ends(&mut self, name: &str, phase: &str) -> &mut Self {
        self.run(name).status.phase = AnalysisPhase::from(phase.to_owned());
        self.settle()
    }

    fn terminates(&mut self) -> &mut Self {
        self.experiment.spec.terminate = true;
        self.settle()
    }

    fn phase(&self) -> &str {
        self.experiment.status.phase.as_str()
    }

    fn message(&self) -> &str {
        &self.experiment.status.message
    }

    fn status(&self, template: &str) -> &TemplateStatus {
        let mut statuses = self.experiment.status.template_statuses.iter();
        statuses.find(|one| one.name == template).expect("a status")
    }

    fn analysis(&self, name: &str) -> (&str, &str) {
        let mut statuses = self.experiment.status.analysis_runs.iter();
        let one = statuses.find(|one| one.name == name).expect("a status");
        (one.phase.as_str(), one.message.as_str())
    }

    fn desired(&self) -> Vec<i32> {
        self.sets.iter().map(ReplicaSet::desired).collect()
    }

    fn wakes_in(&self) -> Option<i64> {
        Some((self.wake_at?.0 - self.now.0) / 1_000)
    }

    fn condition(&self) -> (String, String) {
        let mut conditions = self.experiment.status.conditions.iter();
        let one = conditions
            .find(|one| one.kind == "Progressing")
            .expect("a condition");
        (one.status.clone(), one.reason.clone())
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn template(name: &str) -> Value {
    json!({
        "name": name,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}, "annotations": {"note": "kept"}},
            "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}]}]}
        }
    })
}

fn analysis(name: &str, required: bool) -> Value {
    json!({"name": name, "templateName": "errors", "requiredForCompletion": required})
}
