//! Who takes messages to their services.

use sluice_argo::notification::Message;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Why a message was not delivered. It quotes no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct DeliveryError {
    /// Why, and what to do.
    pub cause: String,
    /// Whether the same message will fare no better: nothing is to be gained by another try soon.
    pub is_final: bool,
    /// After which time the service wants to be asked again, if it said so.
    pub retry_after: Option<Duration>,
}

/// A delivery that is under way.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>>;

/// Takes messages to their services: one try each. Whoever calls it sets the deadline, and tries again.
pub trait Deliver: Send + Sync + 'static {
    /// Delivers a message.
    fn deliver<'a>(&'a self, message: &'a Message) -> Delivering<'a>;
}
