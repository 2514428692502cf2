//! Bodies in flight: a request's on its way to a replica (`request`), an answer's on its way to a
//! client (`answer`). Both are pulled by whoever writes them, one piece at a time, so that the slower
//! side sets the pace.

mod answer;
mod request;

pub(crate) use answer::{AnswerBody, AnswerSource};
pub(crate) use request::{RequestBody, Watch};

/// Why a body did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the client left")]
    ClientLeft,
    #[error("the client sends nothing")]
    ClientSilent,
    #[error("the request body is malformed: {0}")]
    Malformed(&'static str),
    #[error("the request body is too large")]
    TooLarge,
    #[error("the replica broke off")]
    ReplicaBroke,
    #[error("the replica sends nothing")]
    ReplicaSilent,
}
