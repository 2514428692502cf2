//! AWS Security Token Service: roles are assumed with keys, or with the token of an identity provider.
//!
//! Source: "AWS Security Token Service API Reference", version 2011-06-15: forms go in, XML comes out.

use super::client::{self, Client};
use super::error::AwsError;
use super::keys::{Keys, Written};
use super::plan::Role;
use super::region::AwsRegion;
use crate::answer::first_line;
use crate::credentials::sign;
use crate::exchange::Reply;
use crate::secret::{Secret, blot};
use crate::sigv4::{RESERVED, Signer};
use percent_encoding::utf8_percent_encode;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use serde::Deserialize;
use sluice_model::Timestamp;
use std::time::Duration;

/// Longest wait for one answer: a role is assumed within a second, with the identity provider slow
/// within a few.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest text of a refusal that is shown, in characters.
const SAID_CHARS_MAX: usize = 600;

/// STS in one region.
pub(super) struct Sts<'a> {
    pub(super) client: &'a Client,
    pub(super) endpoint: &'a str,
    pub(super) region: &'a AwsRegion,
}

/// Who is to become the role.
pub(super) enum Caller<'a> {
    /// Whoever has these keys.
    Keys(&'a Keys),
    /// Whom this token names.
    WebIdentity(&'a Secret),
}

#[derive(Deserialize)]
struct Granted {
    #[serde(rename = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
    result: GrantedResult,
}

#[derive(Deserialize)]
struct GrantedResult {
    #[serde(rename = "Credentials")]
    credentials: Written,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "Error")]
    error: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    code: String,
    #[serde(default)]
    message: String,
}

impl Sts<'_> {
    /// The role's credentials for this caller.
    pub(super) async fn assume(
        &self,
        role: &Role,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<Keys, AwsError> {
        let wanted = format!("the role `{}` cannot be assumed", role.arn);
        let call = async {
            let request = self.request(role, caller, now)?;
            self.client.send(request, TIMEOUT).await
        };
        let reply = call
            .await
            .map_err(|error| AwsError::of_call(&wanted, error))?;
        if !reply.status.is_success() {
            return Err(refusal(&wanted, &reply, caller));
        }
        let text = String::from_utf8_lossy(&reply.body);
        // What the parser says may quote a secret.
        let granted = quick_xml::de::from_str::<Granted>(&text)
            .map_err(|_| "answered no credentials".to_owned());
        granted
            .and_then(|granted| granted.result.credentials.keys(now))
            .map_err(|cause| {
                AwsError::new(
                    format!("{wanted}: STS {cause}"),
                    "see that its endpoint is that of STS, and that the clock here is right",
                )
            })
    }

    fn request(
        &self,
        role: &Role,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<Request, crate::FetchError> {
        let action = match caller {
            Caller::Keys(_) => "AssumeRole",
            Caller::WebIdentity(_) => "AssumeRoleWithWebIdentity",
        };
        let mut form = vec![
            ("Action", action),
            ("Version", "2011-06-15"),
            ("RoleArn", &role.arn),
            ("RoleSessionName", &role.session_name),
        ];
        let duration = role.duration_seconds.map(|seconds| seconds.to_string());
        if let Some(duration) = &duration {
            form.push(("DurationSeconds", duration));
        }
        match (caller, &role.external_id) {
            (Caller::WebIdentity(token), _) => form.push(("WebIdentityToken", token.expose())),
            (Caller::Keys(_), Some(external_id)) => form.push(("ExternalId", external_id)),
            (Caller::Keys(_), None) => {}
        }
        let mut request = client::request(Method::POST, self.endpoint, "the endpoint of STS")?;
        request.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        *request.body_mut() = Some(encode(&form).into());
        if let Caller::Keys(keys) = caller {
            let signer = Signer {
                region: self.region.as_str().to_owned(),
                service: "sts".to_owned(),
                access_key_id: keys.id.clone(),
                secret_access_key: keys.secret.clone(),
                session_token: keys.token.clone(),
            };
            sign(&signer, &mut request, now)?;
        }
        Ok(request)
    }
}

fn encode(form: &[(&str, &str)]) -> String {
    let pairs = form
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)));
    pairs.collect::<Vec<_>>().join("&")
}

fn refusal(wanted: &str, reply: &Reply, caller: &Caller<'_>) -> AwsError {
    let text = String::from_utf8_lossy(&reply.body);
    let refused = quick_xml::de::from_str::<Refused>(&text).ok();
    let (code, said) = match refused {
        Some(Refused { error }) => {
            let said = format!("{}: {}", error.code, first_line(&error.message));
            (error.code, said)
        }
        None => (String::new(), first_line(&text)),
    };
    let said: String = match caller {
        Caller::WebIdentity(token) => blot(&said, [*token].into_iter()),
        Caller::Keys(keys) => {
            let secrets = [Some(&keys.secret), keys.token.as_ref()];
            blot(&said, secrets.into_iter().flatten())
        }
    };
    let said: String = said.chars().take(SAID_CHARS_MAX).collect();
    AwsError::new(
        format!("{wanted}: STS answered {}: {said}", reply.status),
        next_step(&code, caller, reply),
    )
}

/// What a person can do, by STS's code. Source: "AWS Security Token Service API Reference", errors of
/// both actions, and its common errors.
fn next_step(code: &str, caller: &Caller<'_>, reply: &Reply) -> &'static str {
    match (code, caller) {
        ("AccessDenied", Caller::WebIdentity(_)) => {
            "let the role's trust policy name this cluster's identity provider and this service account"
        }
        ("AccessDenied", Caller::Keys(_)) => {
            "let the role's trust policy allow this identity, and a policy of this identity sts:AssumeRole on the role"
        }
        ("ExpiredTokenException" | "ExpiredToken", Caller::WebIdentity(_)) => {
            "see that the token's file is renewed (kubelet does it for a projected token), and that the clock here is right"
        }
        ("ExpiredTokenException" | "ExpiredToken", Caller::Keys(_)) => {
            "renew the keys that the role is assumed with, and see that the clock here is right"
        }
        ("InvalidIdentityToken" | "IDPRejectedClaim" | "IDPCommunicationError", _) => {
            "see that IAM knows the cluster's identity provider, with the audience sts.amazonaws.com, and reaches it"
        }
        ("RegionDisabledException", _) => {
            "activate STS for this region in the account, or name another region"
        }
        ("InvalidClientTokenId" | "SignatureDoesNotMatch" | "IncompleteSignature", _) => {
            "correct the keys that the role is assumed with, and see that the clock here is right"
        }
        _ if reply.status.is_server_error() || code.starts_with("Throttl") => {
            "it is asked again with the next measurement"
        }
        _ => "correct the role and its settings",
    }
}
