//! The endpoint beside a container: EKS Pod Identity's agent, or that of ECS.
//!
//! Source: "AWS SDKs and Tools Reference Guide", "Container credential provider".

use super::client::{self, Client};
use super::environment::AwsEnvironment;
use super::error::AwsError;
use super::keys::{Keys, Written};
use super::profile::read;
use crate::answer::first_line;
use crate::error::FetchError;
use crate::exchange::Reply;
use crate::secret::{Secret, blot};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use sluice_model::Timestamp;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Longest wait for the answer: it comes from this machine.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where ECS has its endpoint, which the relative variable is put behind.
const ECS_ORIGIN: &str = "http://169.254.170.2";

/// What may be asked without TLS besides this machine: the endpoints of ECS and of EKS Pod Identity.
const HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

const WANTED: &str = "the container's credentials cannot be fetched";

#[derive(Deserialize)]
struct Refused {
    message: String,
}

/// The container's credentials.
pub(super) async fn keys(
    client: &Client,
    environment: &AwsEnvironment,
    now: Timestamp,
) -> Result<Keys, AwsError> {
    let (variable, address) = match (environment.get(RELATIVE), environment.get(FULL)) {
        (Some(path), _) => (RELATIVE, format!("{ECS_ORIGIN}{path}")),
        (None, Some(address)) => (FULL, address.to_owned()),
        (None, None) => {
            return Err(AwsError::new(
                format!("{WANTED}: neither {RELATIVE} nor {FULL} is set"),
                "give the pod's service account a Pod Identity association, or name another source",
            ));
        }
    };
    let of_call = |error: FetchError| AwsError::of_call(WANTED, error);
    let mut request = client::request(Method::GET, &address, variable).map_err(of_call)?;
    if !may_have_token(request.url()) {
        return Err(AwsError::new(
            format!(
                "{WANTED}: {variable} leads to {} without TLS",
                client::origin(request.url())
            ),
            "write an https address, one of this machine, or that of EKS Pod Identity",
        ));
    }
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let token = token(environment).await?;
    if let Some(token) = &token {
        headers.insert(AUTHORIZATION, header(token)?);
    }
    let origin = client::origin(request.url());
    let reply = client.send(request, TIMEOUT).await.map_err(of_call)?;
    if !reply.status.is_success() {
        return Err(refusal(&origin, &reply, token.as_ref()));
    }
    let written: Result<Written, String> =
        serde_json::from_slice(&reply.body).map_err(|_| "answered no credentials".to_owned());
    written
        .and_then(|written| written.keys(now))
        .map_err(|cause| {
            AwsError::new(
                format!("{WANTED}: {origin} {cause}"),
                format!("see that {variable} leads to the container's credentials"),
            )
        })
}

/// Whether this address may be sent the container's token: nobody on the way reads it.
fn may_have_token(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "https" || is_loopback || HOSTS.contains(&host)
}

/// What shows the endpoint who asks; the file is read anew each time, since its token is renewed.
async fn token(environment: &AwsEnvironment) -> Result<Option<Secret>, AwsError> {
    let Some(path) = environment.get(TOKEN_FILE) else {
        return Ok(environment.get(TOKEN).map(Secret::new));
    };
    let text = read(Path::new(path)).await.map_err(|error| {
        AwsError::new(
            format!("{WANTED}: the token's file {path} cannot be read: {error}"),
            format!("mount it, or correct {TOKEN_FILE}"),
        )
    })?;
    Ok(Some(Secret::new(text.trim())))
}

fn header(token: &Secret) -> Result<HeaderValue, AwsError> {
    let mut value = HeaderValue::from_str(token.expose()).map_err(|_| {
        AwsError::new(
            format!("{WANTED}: the token has a character that no header can carry"),
            format!("correct {TOKEN_FILE} or {TOKEN}"),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn refusal(origin: &str, reply: &Reply, token: Option<&Secret>) -> AwsError {
    let said = serde_json::from_slice::<Refused>(&reply.body).map_or_else(
        |_| String::from_utf8_lossy(&reply.body).into_owned(),
        |refused| refused.message,
    );
    let said: String = blot(&first_line(&said), token.into_iter())
        .chars()
        .take(400)
        .collect();
    AwsError::new(
        format!("{WANTED}: {origin} answered {}: {said}", reply.status),
        "see the Pod Identity association of the service account, and the role's trust policy (pods.eks.amazonaws.com)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_this_machine_to_aws_endpoints_or_by_tls() {
        for (address, may) in [
            ("http://127.0.0.1:80/v1/credentials", true),
            ("http://localhost/v1", true),
            ("http://[::1]/v1", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://169.254.170.2/v2/credentials/x", true),
            ("https://credentials.example/x", true),
            ("http://credentials.example/x", false),
            ("http://169.254.170.2.example/x", false),
            ("http://10.0.0.1/x", false),
        ] {
            assert_eq!(
                may_have_token(&Url::parse(address).expect(address)),
                may,
                "{address}"
            );
        }
    }
}
