//! A run that is told beforehand instead of drawn: which objects there are, who does what when, and what goes wrong
//! meanwhile. What came of it is looked at afterwards.

use crate::app::APPS;
use crate::bugs::Bug;
use crate::clock;
use crate::cluster::{Image, Quality};
use crate::manifests::{destination_rule, ingress, virtual_service};
use crate::metrics::Blindness;
use crate::promises::Violation;
use crate::run::Run;
use crate::weather::Weather;
use crate::world::World;
use fastrand::Rng;
use serde_json::Value;
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{
    ANALYSIS_RUN, ANALYSIS_TEMPLATE, DEPLOYMENT, EXPERIMENT, REPLICA_SET, ROLLOUT, Resource,
    SECRET, SERVICE,
};

/// The namespace of everything in a scenario.
const NAMESPACE: &str = "shop";

/// What goes wrong from some moment on.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The API server is away for so many seconds, and forgets where watches were.
    ServerAway(i64),
    /// Most writes conflict for so many seconds.
    Conflicts(i64),
    /// The controller hears of nothing for so many seconds.
    Deaf(i64),
    /// At most so many pods may exist; any number again with `None`.
    Quota(Option<usize>),
    /// ReplicaSets are refused for so many seconds.
    RefusedReplicaSets(i64),
    /// Metric servers are away for so many seconds.
    MetricsAway(i64),
    /// Metric servers have no data for so many seconds.
    NoData(i64),
    /// Webhooks take up to ten seconds for each write, for so many seconds; some do not answer in time.
    SlowWebhooks(i64),
    /// The controller is killed now, and another one starts.
    Killed,
    /// The controller is killed after so many more writes, and another one starts.
    KilledAfter(u32),
    /// Another controller leads; this one hears nothing, and goes on for so many seconds.
    LeaderChange(i64),
    /// The controllers' clock is off by so many milliseconds.
    ClockOff(i64),
    /// The definition of Rollouts is an older one.
    OlderDefinition,
    /// The definition of AnalysisRuns takes a status by way of a subresource only, and drops it elsewhere.
    StatusApart,
}

enum Step {
    Apply(Value),
    Edit {
        key: Key,
        subresource: Option<&'static str>,
        patch: Value,
    },
    Delete(Key),
    Trouble(Trouble),
    Wait(i64),
}

/// A run that is told beforehand.
#[derive(Default)]
pub struct Scenario {
    steps: Vec<Step>,
    bug: Option<Bug>,
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Told {
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// Requests that controllers made, watches left out.
    pub requests: u64,
    /// Pods of each ReplicaSet that are available, by its name.
    pub available: Vec<(String, i32)>,
    /// Everything that happened.
    pub trace: Vec<String>,
    objects: Vec<(Key, Value)>,
    events: Vec<Value>,
}

/// The object of a kind and name.
///
/// # Panics
/// When no such kind is known here.
fn key(kind: &str, name: &str) -> Key {
    let known: [Resource; 12] = [
        ROLLOUT,
        REPLICA_SET,
        SERVICE,
        SECRET,
        DEPLOYMENT,
        EXPERIMENT,
        ANALYSIS_RUN,
        ANALYSIS_TEMPLATE,
        sluice_kubernetes::resource::JOB,
        ingress(),
        virtual_service(),
        destination_rule(),
    ];
    let mut known = known.into_iter();
    let resource = known.find(|resource| resource.kind == kind);
    let resource = resource.unwrap_or_else(|| panic!("no kind {kind} is known here"));
    Key::new(resource, NAMESPACE, name)
}

impl Scenario {
    /// Creates an object.
    #[must_use]
    pub fn apply(mut self, object: Value) -> Self {
        self.steps.push(Step::Apply(object));
        self
    }

    /// Changes an object by a merge patch.
    #[must_use]
    pub fn edit(mut self, kind: &str, name: &str, patch: Value) -> Self {
        self.steps.push(Step::Edit {
            key: key(kind, name),
            subresource: None,
            patch,
        });
        self
    }

    /// Changes a Rollout's status by a merge patch, as kubectl's plugin does.
    #[must_use]
    pub fn status(mut self, rollout: &str, status: Value) -> Self {
        self.steps.push(Step::Edit {
            key: key("Rollout", rollout),
            subresource: Some("status"),
            patch: serde_json::json!({"status": status}),
        });
        self
    }

    /// Deletes an object.
    #[must_use]
    pub fn delete(mut self, kind: &str, name: &str) -> Self {
        self.steps.push(Step::Delete(key(kind, name)));
        self
    }

    /// Something goes wrong.
    #[must_use]
    pub fn trouble(mut self, trouble: Trouble) -> Self {
        self.steps.push(Step::Trouble(trouble));
        self
    }

    /// So many seconds pass.
    #[must_use]
    pub fn seconds(mut self, seconds: i64) -> Self {
        self.steps.push(Step::Wait(seconds * 1_000));
        self
    }

    /// Plants a bug.
    #[must_use]
    pub fn planted(mut self, bug: Bug) -> Self {
        self.bug = Some(bug);
        self
    }

    /// Runs it. Pods of the images `good`, `bad`, `vague` and `silent`, with any tag, get ready, and metrics say so
    /// of them; those of others never get ready.
    ///
    /// # Panics
    /// When no runtime can be made.
    #[must_use]
    pub fn run(self) -> Told {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime on this thread needs nothing that could be missing");
        runtime.block_on(self.play())
    }

    async fn play(self) -> Told {
        clock::begin();
        let mut world = World::new(Weather::fine(), Rng::with_seed(1));
        world.bug = self.bug;
        world.trace = Some(Vec::new());
        world.apps = vec![APPS[0], APPS[1]];
        for (name, quality) in [
            ("good", Quality::Good),
            ("bad", Quality::Bad),
            ("vague", Quality::Vague),
            ("silent", Quality::Silent),
        ] {
            for tag in 1..=5 {
                let image = Image {
                    ready_ms: Some((500, 2_000)),
                    quality,
                };
                let name = format!("{name}:{tag}");
                world.cluster.images.insert(name, image);
            }
        }
        let mut run = Run::of(world, Rng::with_seed(2));
        for step in self.steps {
            run.play(step).await;
        }
        run.told()
    }
}

impl Run {
    async fn play(&mut self, step: Step) {
        match step {
            Step::Apply(object) => {
                let kind = object["kind"].as_str().unwrap_or_default();
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                self.lock().apply(&key(kind, name), &object);
            }
            Step::Edit {
                key,
                subresource,
                patch,
            } => self.lock().edit(&key, subresource, patch),
            Step::Delete(key) => {
                self.lock().delete(&key);
            }
            Step::Trouble(trouble) => self.suffer(trouble),
            Step::Wait(span) => {
                let until = clock::elapsed_ms() + span;
                while clock::elapsed_ms() < until {
                    self.tick().await;
                }
            }
        }
    }

    fn suffer(&mut self, trouble: Trouble) {
        let until = |seconds: i64| clock::now().shifted(seconds * 1_000);
        let mut world = self.lock();
        world.tell(|| format!("{trouble:?}"));
        match trouble {
            Trouble::ServerAway(seconds) => world.go_away(until(seconds)),
            Trouble::Conflicts(seconds) => world.storm_until = until(seconds),
            Trouble::Deaf(seconds) => {
                for seat in &mut world.seats {
                    seat.deaf_until = until(seconds);
                }
            }
            Trouble::Quota(quota) => world.cluster.quota = quota,
            Trouble::RefusedReplicaSets(seconds) => world.refuses_until = until(seconds),
            Trouble::MetricsAway(seconds) => {
                world.blind_until = until(seconds);
                world.blindness = Some(Blindness::Away);
            }
            Trouble::NoData(seconds) => {
                world.blind_until = until(seconds);
                world.blindness = Some(Blindness::Empty);
            }
            Trouble::SlowWebhooks(seconds) => world.slow_until = until(seconds),
            Trouble::Killed => {
                if let Some(seat) = world.seats.last_mut() {
                    seat.is_dead = true;
                }
            }
            Trouble::KilledAfter(writes) => {
                if let Some(seat) = world.seats.last_mut() {
                    seat.writes_left = Some(writes);
                }
            }
            Trouble::LeaderChange(seconds) => {
                drop(world);
                self.change_leader(clock::elapsed_ms(), seconds * 1_000);
            }
            Trouble::ClockOff(off) => {
                clock::skew(0, off);
                clock::skew(1, off);
            }
            Trouble::OlderDefinition => world.store.is_older = true,
            Trouble::StatusApart => world.store.has_status_apart = true,
        }
    }

    fn told(self) -> Told {
        let world = self.lock();
        let now = clock::now();
        let sets = world.store.of_kind(REPLICA_SET);
        Told {
            violation: world.promises.violation.clone(),
            requests: world.requests.all,
            available: sets
                .map(|(key, set)| {
                    let count = world.cluster.count(key, set, now);
                    (key.name.clone(), count.available)
                })
                .collect(),
            trace: world.trace.clone().unwrap_or_default(),
            objects: world.store.all(),
            events: world.events.iter().cloned().collect(),
        }
    }
}

impl Told {
    /// An object as it is at the end.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn object(&self, kind: &str, name: &str) -> &Value {
        let key = key(kind, name);
        let mut objects = self.objects.iter();
        let found = objects.find(|(known, _)| *known == key);
        &found.unwrap_or_else(|| panic!("there is no {key}")).1
    }

    /// All objects of a kind.
    #[must_use]
    pub fn all(&self, kind: &str) -> Vec<&Value> {
        let resource = key(kind, "").resource;
        let of_kind = self.objects.iter();
        let of_kind = of_kind.filter(|(known, _)| known.resource == resource);
        of_kind.map(|(_, object)| object).collect()
    }

    /// The messages of the warnings about an object, each after its reason.
    #[must_use]
    pub fn warnings(&self, about: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.events
            .iter()
            .filter(|event| event["involvedObject"]["name"] == about && event["type"] == "Warning")
            .map(|event| format!("{}: {}", text(&event["reason"]), text(&event["message"])))
            .collect()
    }
}
