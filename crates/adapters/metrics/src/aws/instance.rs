//! The role of an EC2 instance, from its metadata service (IMDSv2: a session token first).
//!
//! Source: "Amazon EC2 User Guide", "Use the Instance Metadata Service". Version 1, which answers
//! whoever asks, is not used.

use super::client::{self, Client};
use super::environment::AwsEnvironment;
use super::error::AwsError;
use super::keys::{Keys, Written};
use crate::answer::first_line;
use crate::exchange::Reply;
use crate::secret::Secret;
use crate::sigv4::RESERVED;
use percent_encoding::utf8_percent_encode;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use sluice_model::Timestamp;
use std::time::Duration;

/// Longest wait for one answer: the service is beside the instance, and elsewhere nobody answers.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long the session is to last, in seconds: through the calls for one set of credentials.
const SESSION_SECONDS: &str = "60";

const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";

/// Below it, the role's name; below that, its credentials.
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";

const WANTED: &str = "this machine's instance role cannot be used";

/// An answer says itself whether it has credentials.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: String,
}

/// The instance's credentials.
pub(super) async fn keys(
    client: &Client,
    environment: &AwsEnvironment,
    now: Timestamp,
) -> Result<Keys, AwsError> {
    let is_off = environment
        .get("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is_off {
        return Err(AwsError::new(
            format!("{WANTED}: AWS_EC2_METADATA_DISABLED is set"),
            "unset it, or name another source",
        ));
    }
    let service = Service {
        client,
        endpoint: endpoint(environment),
    };
    let session = service.session().await?;
    let roles = service.get(CREDENTIALS, &session).await?;
    let role = first_line(&String::from_utf8_lossy(&roles.body));
    if role.is_empty() {
        return Err(no_role());
    }
    let path = format!("{CREDENTIALS}{}", utf8_percent_encode(&role, RESERVED));
    let reply = service.get(&path, &session).await?;
    let malformed = |cause: &str| {
        AwsError::new(
            format!("{WANTED}: {} {cause}", service.endpoint),
            "see that the endpoint is that of the instance metadata service",
        )
    };
    let no_credentials = |_| malformed("answered no credentials");
    let answer: Answer = serde_json::from_slice(&reply.body).map_err(no_credentials)?;
    if answer.code != "Success" {
        return Err(AwsError::new(
            format!(
                "{WANTED}: the credentials of `{role}` are in the state {}",
                first_line(&answer.code)
            ),
            "see that the role exists and that ec2.amazonaws.com may assume it",
        ));
    }
    let written: Written = serde_json::from_slice(&reply.body).map_err(no_credentials)?;
    written.keys(now).map_err(|cause| malformed(&cause))
}

fn endpoint(environment: &AwsEnvironment) -> String {
    let named = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let mode = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    let address = match (named, mode) {
        (Some(named), _) => named,
        (None, Some(mode)) if mode.eq_ignore_ascii_case("ipv6") => IPV6,
        (None, _) => IPV4,
    };
    address.trim_end_matches('/').to_owned()
}

struct Service<'a> {
    client: &'a Client,
    endpoint: String,
}

impl Service<'_> {
    async fn session(&self) -> Result<Secret, AwsError> {
        let header = (
            "x-aws-ec2-metadata-token-ttl-seconds",
            HeaderValue::from_static(SESSION_SECONDS),
        );
        let reply = self.call(Method::PUT, "/latest/api/token", header).await?;
        Ok(Secret::new(String::from_utf8_lossy(&reply.body).trim()))
    }

    async fn get(&self, path: &str, session: &Secret) -> Result<Reply, AwsError> {
        let mut value = HeaderValue::from_str(session.expose()).map_err(|_| {
            AwsError::new(
                format!("{WANTED}: {} gave no session token", self.endpoint),
                "see that the endpoint is that of the instance metadata service",
            )
        })?;
        value.set_sensitive(true);
        self.call(Method::GET, path, ("x-aws-ec2-metadata-token", value))
            .await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        (name, value): (&'static str, HeaderValue),
    ) -> Result<Reply, AwsError> {
        let call = async {
            let address = format!("{}{path}", self.endpoint);
            let mut request =
                client::request(method, &address, "AWS_EC2_METADATA_SERVICE_ENDPOINT")?;
            request.headers_mut().insert(name, value);
            self.client.send(request, TIMEOUT).await
        };
        let reply = call
            .await
            .map_err(|error| AwsError::of_call(WANTED, error))?;
        match reply.status {
            status if status.is_success() => Ok(reply),
            StatusCode::NOT_FOUND => Err(no_role()),
            status => Err(AwsError::new(
                format!("{WANTED}: {} answered {status}", self.endpoint),
                "see that the instance's metadata is on, with a hop limit of 2 for pods",
            )),
        }
    }
}

fn no_role() -> AwsError {
    AwsError::new(
        format!("{WANTED}: the instance has none"),
        "attach an instance profile, or give the pod an identity of its own",
    )
}
