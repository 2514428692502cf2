//! The metric servers of the fake world.

use crate::clock;
use crate::cluster::{Quality, quality_of};
use crate::manifests::metric_of;
use crate::weather::Fault;
use crate::world::World;
use sluice_argo::api::Metric;
use sluice_argo::condition::Value;
use sluice_kubernetes::{Answer, Answering, Meaning, Measure, Question};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Metric servers that say what a revision's image is like.
pub(crate) struct Metrics {
    pub(crate) world: Arc<Mutex<World>>,
}

/// How a metric server that knows nothing answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blindness {
    /// With an error.
    Away,
    /// Not at all.
    Silent,
    /// With nothing, or with an empty list as Prometheus when nothing fits the query.
    Empty,
}

enum Reply {
    Value(Value),
    Error,
    Nothing,
}

impl Metrics {
    fn reply(&self, metric: &Metric) -> (Duration, Reply) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let way = Duration::from_millis(world.random.u64(1..=400));
        let is_blind = clock::now() < world.blind_until || world.chance(Fault::BlindMetrics, 60);
        if is_blind {
            let kinds = [Blindness::Away, Blindness::Silent, Blindness::Empty];
            let drawn = kinds[world.random.usize(..kinds.len())];
            let is_list = world.random.bool();
            let reply = match world.blindness.unwrap_or(drawn) {
                Blindness::Away => Reply::Error,
                Blindness::Silent => Reply::Nothing,
                Blindness::Empty if is_list => Reply::Value(Value::Array(Arc::new([]))),
                Blindness::Empty => Reply::Value(Value::Nil),
            };
            return (way, reply);
        }
        let hash = metric_of(metric);
        let value = match quality_of(&world.store, &world.cluster, hash) {
            Quality::Good => 1.0,
            Quality::Vague => 0.7,
            Quality::Bad => 0.1,
            Quality::Silent => return (way, Reply::Error),
        };
        (way, Reply::Value(Value::Float(value)))
    }
}

impl Measure for Metrics {
    fn measure<'a>(&'a self, question: Question<'a>) -> Answering<'a> {
        let (way, reply) = self.reply(question.metric);
        Box::pin(async move {
            tokio::time::sleep(way).await;
            match reply {
                Reply::Value(value) => Ok(Answer {
                    text: format!("{value:?}"),
                    meaning: Meaning::ByConditions(value),
                    metadata: BTreeMap::new(),
                    notes: BTreeMap::new(),
                }),
                Reply::Error => Err("connection refused".to_owned()),
                Reply::Nothing => std::future::pending().await,
            }
        })
    }
}
