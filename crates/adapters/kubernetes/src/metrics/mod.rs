//! What the controller tells about its objects and itself, under the names of Argo's controller, so that
//! dashboards made for that one show this one. `objects` and `analyses` are read from the cache when somebody
//! asks; `recorded` is what is counted meanwhile; `text` is how it is written.

mod analyses;
mod objects;
mod process;
mod queue;
mod recorded;
mod text;

pub(crate) use queue::{QueueCounts, QueueState};
pub(crate) use recorded::Metrics;
pub(crate) use text::{CONTENT_TYPE, Family, as_float};

use crate::cache::Cache;
use crate::notify::Notifier;
use crate::queue::Queue;
use crate::requests::{REQUESTS, Requests};
use crate::resource::{ANALYSIS_RUN, EXPERIMENT, ROLLOUT};
use std::collections::VecDeque;
use text::{Pieces, Section};

/// The least length of a piece of the text, in bytes, but the last.
const PIECE: usize = 64 * 1024;

/// Everything that is told at one moment; its text comes in pieces.
pub(crate) struct Scrape(VecDeque<Box<dyn Pieces>>);

/// What is told.
pub(crate) struct Told<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) queue: &'a Queue,
    pub(crate) metrics: &'a Metrics,
    pub(crate) notifier: Option<&'a Notifier>,
    pub(crate) instance_id: &'a str,
}

impl Scrape {
    /// What is told of a controller now.
    pub(crate) fn of(told: &Told<'_>) -> Self {
        let Told {
            cache,
            queue,
            metrics,
            notifier,
            instance_id,
        } = told;
        metrics.keep_only(|key| cache.version(key).is_some());
        let mut scrape = Scrape(VecDeque::new());
        scrape.add(objects::rollouts(cache, instance_id), &objects::ROLLOUTS);
        scrape.add(metrics.objects(&ROLLOUT), &recorded::ROLLOUTS);
        scrape.add(metrics.durations(), &recorded::DURATIONS);
        let experiments = objects::experiments(cache, instance_id);
        scrape.add(experiments, &objects::EXPERIMENTS);
        scrape.add(metrics.objects(&EXPERIMENT), &recorded::EXPERIMENTS);
        scrape.add(analyses::runs(cache, instance_id), &analyses::RUNS);
        scrape.add(metrics.objects(&ANALYSIS_RUN), &recorded::RUNS);
        scrape.add(analyses::templates(cache), &analyses::TEMPLATES);
        scrape.add(queue.states(), &queue::QUEUES);
        let outboxes = notifier.iter().map(|notifier| recorded::Outbox {
            waiting: notifier.waiting(),
            dropped: notifier.dropped(),
        });
        scrape.add(outboxes.collect(), &recorded::OUTBOX);
        scrape
    }

    /// With what is told of the requests and the process; `started` in seconds since 1970.
    pub(crate) fn with_process(mut self, requests: &Requests, started: f64) -> Self {
        self.add(requests.counts(), &REQUESTS);
        self.add(vec![process::Process::now(started)], &process::PROCESS);
        self
    }

    fn add<T: Send + 'static>(&mut self, things: Vec<T>, families: &'static [Family<T>]) {
        self.0.push_back(Box::new(Section::new(things, families)));
    }
}

impl Iterator for Scrape {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut text = String::new();
        while let Some(section) = self.0.front_mut() {
            if section.write(&mut text, PIECE) {
                return Some(text);
            }
            self.0.pop_front();
        }
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests;
