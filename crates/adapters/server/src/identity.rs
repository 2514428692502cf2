//! Who asks: the user behind a unix socket, or the bearer of the token.
//!
//! The name found here is the actor in the history and in the decision log. The kernel vouches for
//! the user number of a unix socket's other end; its name is looked up in the user database.

use crate::error::{ApiError, ErrorCode};
use crate::token::Token;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use nix::unistd::{Uid, User};
use std::time::Duration;

/// The actor of requests that came with the token.
pub const TOKEN_ACTOR: &str = "api-token";

/// Longest wait for the user database, which may be on another machine; then the number must do.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a connection came from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The unix socket; the user behind it.
    Local { actor: String },
    /// TCP; each request has to carry the token.
    Remote { token: Token },
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name in the log.
    pub actor: String,
}

/// Whether the user behind a unix socket may use the API: the folder's owner, and root. The socket's
/// mode says the same; this holds where somebody has changed it.
pub(crate) fn may_connect(uid: u32) -> bool {
    uid == 0 || uid == Uid::effective().as_raw()
}

/// The user that this process runs as.
pub async fn current_user() -> String {
    user_name(Uid::effective().as_raw()).await
}

/// The name of a user; `uid 1234` where there is none.
pub(crate) async fn user_name(uid: u32) -> String {
    let lookup = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)));
    match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
        Ok(Ok(Ok(Some(user)))) => user.name,
        Ok(Ok(Ok(None))) => format!("uid {uid}"),
        Ok(Ok(Err(error))) => unnamed(uid, &error),
        Ok(Err(error)) => unnamed(uid, &error),
        Err(error) => unnamed(uid, &error),
    }
}

fn unnamed(uid: u32, error: &dyn std::error::Error) -> String {
    tracing::warn!(uid, %error, "the user database has no answer; the log shows the number");
    format!("uid {uid}")
}

/// Who makes this request.
pub(crate) fn identify(origin: &Origin, headers: &HeaderMap) -> Result<Caller, ApiError> {
    match origin {
        Origin::Local { actor } => Ok(Caller {
            actor: actor.clone(),
        }),
        Origin::Remote { token } => match headers.get(AUTHORIZATION) {
            Some(header) if token.is_borne_by(header.as_bytes()) => Ok(Caller {
                actor: TOKEN_ACTOR.to_owned(),
            }),
            Some(_) => Err(ApiError::new(
                ErrorCode::Unauthorized,
                "the token is not the right one",
            )
            .with_help("take it from the file api.token in the state folder")),
            None => Err(
                ApiError::new(ErrorCode::Unauthorized, "this address needs a token").with_help(
                    "send `Authorization: Bearer TOKEN`, with the token from the file api.token \
                     in the state folder",
                ),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn users_have_names_and_strangers_have_numbers() {
        assert_eq!(user_name(0).await, "root");
        assert_eq!(user_name(3_999_999_999).await, "uid 3999999999");
    }

    #[test]
    fn only_the_owner_and_root_may_connect() {
        let own = Uid::effective().as_raw();
        assert!(may_connect(own));
        assert!(may_connect(0));
        assert!(!may_connect(own + 1));
    }
}
