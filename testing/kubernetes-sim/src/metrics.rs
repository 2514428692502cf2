//! The metric servers of the fake world.

use crate::clock;
use crate::cluster::{Quality, quality_of};
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
            let reply = match world.random.u8(..3) {
                0 => Reply::Error,
                1 => Reply::Value(Value::Nil),
                _ => Reply::Nothing,
            };
            return (way, reply);
        }
        let provider = &metric.provider;
        let of_query = provider
            .prometheus
            .as_ref()
            .map(|prometheus| prometheus.query.as_str());
        let of_url = provider
            .web
            .as_ref()
            .and_then(|web| web.url.rsplit('/').next());
        let hash = of_query.or(of_url).unwrap_or_default();
        let value = match quality_of(&world.store, &world.cluster, hash) {
            Quality::Good => 1.0,
            Quality::Vague => 0.7,
            Quality::Bad => 0.1,
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
