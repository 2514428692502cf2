//! Sends messages: each try with a deadline, a few tries, and then it is told that it did not work.

use super::Notifier;
use super::deliver::{Deliver, DeliveryError};
use super::outbox::Posted;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::queue::Queue;
use sluice_argo::event::Event;
use sluice_argo::notification::{Message, Retries};
use sluice_model::time::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// How many messages are sent at a time, each to another recipient.
pub(crate) const SENDERS: usize = 16;
/// The deadline of one try.
const TRY_MAX: Duration = Duration::from_secs(10);
/// The time after which no other try begins.
const SEND_MAX: Duration = Duration::from_secs(60);
/// The longest wait that a service may ask for between two tries.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The event of a Rollout about a message that was not sent.
const FAILED: &str = "NotificationFailed";

/// What sending needs besides the messages.
pub(crate) struct Post<'a> {
    pub(crate) events: &'a Events,
    pub(crate) metrics: &'a Metrics,
    pub(crate) queue: &'a Queue,
    pub(crate) clock: fn() -> Timestamp,
}

impl Notifier {
    /// Sends messages, one after the other, until it is dropped.
    pub(crate) async fn send_all(&self, post: &Post<'_>) {
        loop {
            let (posted, is_broken) = self.outbox.next().await;
            let lane = posted.lane();
            let begun = Instant::now();
            let outcome = deliver(&*self.settings.deliver, &posted.due.message, is_broken).await;
            self.outbox.finish(&lane, outcome.is_ok());
            post.metrics.notified(
                &posted.about,
                posted.warning,
                &posted.reason,
                outcome.is_ok(),
                begun.elapsed(),
            );
            self.sent(post, &posted, outcome);
        }
    }

    /// Until everything was sent.
    pub(crate) async fn emptied(&self) {
        self.outbox.emptied().await;
    }

    fn sent(&self, post: &Post<'_>, posted: &Posted, outcome: Result<(), DeliveryError>) {
        let Posted { about, due, .. } = posted;
        let (trigger, to) = (&due.trigger, &due.destination);
        let Err(error) = outcome else {
            tracing::info!(%about, trigger, service = to.service, recipient = to.recipient, "notification sent");
            if let Some(key) = &due.key {
                self.failing.clear(about, key);
            }
            return;
        };
        tell(post.events, posted, &error.cause);
        if let Some(key) = &due.key {
            self.failing.note(about, key, (post.clock)());
            post.queue.add(about);
        }
    }
}

/// Says with an event, and so in the log, that a message was not sent.
fn tell(events: &Events, posted: &Posted, cause: &str) {
    let Posted {
        about, uid, due, ..
    } = posted;
    let failure = sluice_argo::notification::Failure {
        trigger: due.trigger.clone(),
        destination: Some(due.destination.clone()),
        cause: cause.to_owned(),
    };
    events.record(about, uid, failed(&failure));
}

/// The event about a message that is not sent.
pub(super) fn failed(failure: &sluice_argo::notification::Failure) -> Event {
    let place = match &failure.destination {
        Some(to) if to.recipient.is_empty() => format!("{} to {}: ", failure.trigger, to.service),
        Some(to) => format!("{} to {}:{}: ", failure.trigger, to.service, to.recipient),
        None => String::new(),
    };
    Event {
        warning: true,
        reason: FAILED.to_owned(),
        message: format!("{place}{}", failure.cause),
    }
}

async fn deliver(
    services: &dyn Deliver,
    message: &Message,
    once: bool,
) -> Result<(), DeliveryError> {
    let retries = match message {
        Message::Webhook(request) => request.retries,
        Message::Slack(_) => Retries::default(),
    };
    let begun = Instant::now();
    let mut failures = 0;
    loop {
        let tried = tokio::time::timeout(TRY_MAX, services.deliver(message)).await;
        let error = match tried {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => DeliveryError {
                cause: format!(
                    "no answer within {} s; see that the service is up and can be reached from the controller",
                    TRY_MAX.as_secs()
                ),
                is_final: false,
                retry_after: None,
            },
        };
        failures += 1;
        let wait = retries.wait(failures).filter(|_| !once && !error.is_final);
        let Some(wait) = wait else {
            return Err(error);
        };
        let wait = wait
            .max(error.retry_after.unwrap_or_default())
            .min(WAIT_MAX);
        if begun.elapsed() + wait > SEND_MAX {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
    }
}
