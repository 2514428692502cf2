//! Those whom controllers notify of a run's Rollouts: of each revision that gets healthy once, and never twice.

use crate::app::App;
use crate::clock;
use crate::rest::Broken;
use crate::weather::Fault;
use crate::world::World;
use serde_json::{Value, json};
use sluice_argo::notification::{CONFIG_MAP_NAME, Message, SECRET_NAME};
use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{CONFIG_MAP, SECRET};
use sluice_kubernetes::{Deliver, Delivering, DeliveryError, Notifications};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The controller's namespace.
const NAMESPACE: &str = "argo-rollouts";
/// The annotation by which a Rollout subscribes.
const SUBSCRIBES: &str = "notifications.argoproj.io/subscribe.on-healthy.recipient";
/// Longest way of a message, in milliseconds.
const WAY_MS: u64 = 2_000;
/// The same while recipients are slow: beyond the ten seconds of a try.
const SLOW_WAY_MS: u64 = 15_000;
/// So often a message may have been refused for its next try to come before everything rests.
const REFUSALS_MAX: u32 = 1;

/// What was heard, and what was refused, with how often.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    messages: BTreeMap<String, u32>,
    refused: BTreeMap<String, u32>,
}

/// The ConfigMap and the Secret of the controller's namespace.
pub(crate) fn configuration() -> [(Key, Value); 2] {
    let key = |resource, name| Key::new(resource, NAMESPACE, name);
    let config_map = json!({
        "metadata": {"name": CONFIG_MAP_NAME},
        "data": {
            "service.webhook.recipient": "{url: 'http://recipient.example/$key', retryMax: 1}",
            "trigger.on-healthy": "- {when: rollout.status.phase == 'Healthy', oncePer: rollout.status.currentPodHash, send: [healthy]}",
            "template.healthy": "message: '{{.rollout.metadata.namespace}}/{{.rollout.metadata.name}} {{.rollout.status.currentPodHash}}'",
        },
    });
    let secret = json!({"metadata": {"name": SECRET_NAME}, "data": {"key": "aHVudGVyMg=="}});
    [
        (key(CONFIG_MAP, CONFIG_MAP_NAME), config_map),
        (key(SECRET, SECRET_NAME), secret),
    ]
}

/// Lets a Rollout subscribe.
pub(crate) fn subscribe(rollout: &mut Value) {
    rollout["metadata"]["annotations"][SUBSCRIBES] = json!("");
}

/// How a controller notifies.
pub(crate) fn settings(world: &Arc<Mutex<World>>, controller: usize) -> Notifications {
    Notifications {
        namespace: NAMESPACE.to_owned(),
        self_service: false,
        deliver: Arc::new(Recipients {
            world: Arc::clone(world),
            controller,
        }),
    }
}

/// A healthy revision that nobody was told of. A controller that is gone may have lost what it was about to send.
pub(crate) fn untold(world: &World, app: App, rollout: &Value) -> Option<Broken> {
    let status = &rollout["status"];
    let hash = status["currentPodHash"].as_str().unwrap_or_default();
    let message = format!("{}/{} {hash}", app.namespace, app.name);
    let heard = &world.heard;
    let refusals = heard.refused.get(&message).copied().unwrap_or(0);
    let is_owed = status["phase"] == "Healthy"
        && !rollout["metadata"]["annotations"][SUBSCRIBES].is_null()
        && world.seats.len() == 1
        && refusals <= REFUSALS_MAX;
    (is_owed && !heard.messages.contains_key(&message)).then(|| {
        let seen = format!("nobody heard `{message}`");
        ("who subscribes to a revision is notified", seen)
    })
}

/// The recipients as one controller reaches them.
struct Recipients {
    world: Arc<Mutex<World>>,
    controller: usize,
}

impl Deliver for Recipients {
    fn deliver<'a>(&'a self, message: &'a Message) -> Delivering<'a> {
        Box::pin(async move {
            let Message::Webhook(request) = message else {
                return Ok(());
            };
            let way = {
                let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
                let is_slow = world.chance(Fault::AwayRecipients, 200);
                let longest = if is_slow { SLOW_WAY_MS } else { WAY_MS };
                world.random.u64(1..=longest)
            };
            tokio::time::sleep(Duration::from_millis(way)).await;
            let is_dead = self.hear(&request.body)?;
            if is_dead {
                return std::future::pending().await;
            }
            Ok(())
        })
    }
}

impl Recipients {
    /// Somebody hears a message, or refuses it; true when the one who sends it is dead.
    fn hear(&self, message: &str) -> Result<bool, DeliveryError> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        if world.seats[self.controller].is_dead {
            return Ok(true);
        }
        if world.chance(Fault::AwayRecipients, 300) {
            *world.heard.refused.entry(message.to_owned()).or_default() += 1;
            return Err(DeliveryError {
                cause: "connection refused".to_owned(),
                is_final: false,
                retry_after: None,
            });
        }
        world.tell(|| format!("heard: {message}"));
        world.promises.reached.notifications += 1;
        let times = world.heard.messages.entry(message.to_owned()).or_default();
        *times += 1;
        if *times > 1 {
            let seen = format!("`{message}` for the second time");
            let now = clock::now();
            world.promises.broken(now, "nobody is notified twice", seen);
        }
        Ok(false)
    }
}
