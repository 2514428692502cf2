//! GraphQL over HTTP, as New Relic and SkyWalking serve it.

use crate::answer;
use crate::error::{FetchError, FetchErrorKind};
use crate::transport::{Body, Request, Transport};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// The answer's data, and the server's errors when there is data all the same.
pub(super) async fn ask(
    transport: &Transport,
    query: &str,
    variables: Value,
    query_step: &str,
) -> Result<(Value, Vec<String>), FetchError> {
    let body = json!({"query": query, "variables": variables});
    let reply = transport
        .send(Request::post("/graphql", Body::json(&body)))
        .await?;
    let origin = transport.origin();
    let read = serde_json::from_slice::<Reply>(&reply.body);
    if !reply.status.is_success() {
        let said = read.ok().and_then(|reply| reply.first());
        return Err(answer::refusal(&reply, &origin, said, query_step));
    }
    let address_step = "see that the source's address is right; `/graphql` is put behind it";
    let read: Reply = match read {
        Ok(read) => read,
        Err(_) => answer::json(&reply, &origin, address_step)?,
    };
    if read.data.is_null() {
        return Err(match read.first() {
            Some(said) => FetchError::new(
                FetchErrorKind::Rejected,
                format!("{origin} answered: {}", answer::first_line(&said)),
                query_step,
            ),
            None => FetchError::malformed(
                format!("{origin} answered neither data nor errors"),
                address_step,
            ),
        });
    }
    let warnings = read.errors.into_iter().map(|error| error.message);
    Ok((read.data, warnings.collect()))
}

impl Reply {
    fn first(&self) -> Option<String> {
        self.errors.first().map(|error| error.message.clone())
    }
}
