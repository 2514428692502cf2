//! Credentials for servers of AWS: found as AWS' own libraries find them, and kept until shortly
//! before they expire.
//!
//! | what | from where |
//! |---|---|
//! | `environment` | variables with keys, and where everything else is |
//! | `profile` | the files `config` and `credentials` |
//! | `sts` | a role, assumed by a web identity (EKS: a service account) or with other credentials |
//! | `container` | an endpoint beside the container (EKS Pod Identity, ECS) |
//! | `instance` | the metadata service of an EC2 instance |
//!
//! `plan` says which of them it is, `cache` keeps what came of it. Own code on the crate's own HTTP
//! client, because the libraries do not fit: `reqsign` knows neither roles of profiles nor another
//! endpoint of STS, goes on to the next identity after a refusal, and sends a container's token to
//! any host; `aws-config` brings an SDK's whole runtime.

mod cache;
mod client;
mod container;
mod environment;
mod error;
mod instance;
mod keys;
mod plan;
mod profile;
mod region;
mod sts;

pub use environment::{AWS_VARIABLES, AwsEnvironment};
pub use error::AwsError;
pub use region::AwsRegion;

use crate::credentials::now;
use crate::secret::{Secret, Secrets, Text};
use crate::server::Authentication;
use cache::Cache;
use client::Client;
use keys::Keys;
use plan::{Plan, Role, Root};
use profile::Profiles;
use std::fmt;
use std::path::Path;
use sts::{Caller, Sts};

/// Names of the secrets that a signing source gets.
const ACCESS_KEY_ID: &str = "access key id";
const SECRET_ACCESS_KEY: &str = "secret access key";
const SESSION_TOKEN: &str = "session token";

/// As whom requests are signed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsIdentity {
    /// A profile of the shared configuration files, which then alone says where credentials are.
    pub profile: Option<String>,
    /// The ARN of a role that is assumed with those credentials.
    pub role_arn: Option<String>,
    /// Where requests go, and whose STS is asked.
    pub region: AwsRegion,
}

/// Credentials of this environment, and those that come from them.
pub struct AwsCredentials {
    environment: AwsEnvironment,
    client: Client,
    kept: Cache<AwsIdentity>,
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl AwsCredentials {
    /// Credentials as this environment says. Nothing is read or sent yet.
    #[must_use]
    pub fn new(environment: AwsEnvironment) -> AwsCredentials {
        AwsCredentials {
            environment,
            client: Client::default(),
            kept: Cache::default(),
        }
    }

    /// The region of this name; if it is empty, that of the environment or of the profile.
    ///
    /// # Errors
    /// No region is named anywhere, or what is named is none.
    pub async fn region(&self, name: &str, profile: Option<&str>) -> Result<AwsRegion, AwsError> {
        let named = Some(name).filter(|name| !name.is_empty());
        let named = named
            .or_else(|| self.environment.get("AWS_REGION"))
            .or_else(|| self.environment.get("AWS_DEFAULT_REGION"));
        if let Some(named) = named {
            return AwsRegion::parse(named);
        }
        let profiles = Profiles::read(&self.environment).await?;
        let profile = profiles.get(profile.unwrap_or_else(|| self.profile_of_environment()));
        let named = profile.and_then(|profile| profile.get("region"));
        let named = named.ok_or_else(|| {
            AwsError::new(
                "no AWS region is known",
                "name it, or set AWS_REGION for this process",
            )
        })?;
        AwsRegion::parse(named)
    }

    /// Where CloudWatch is in this region.
    #[must_use]
    pub fn cloudwatch(&self, region: &AwsRegion) -> String {
        self.environment
            .endpoint("AWS_ENDPOINT_URL_CLOUDWATCH", "monitoring", region)
    }

    /// How requests to a service are signed as this identity, with the secrets for it. They are good
    /// now and for some minutes: ask anew for each measurement, which costs nothing while they last.
    ///
    /// # Errors
    /// There are no credentials, or a role is refused.
    pub async fn signing(
        &self,
        identity: &AwsIdentity,
        service: &str,
    ) -> Result<(Authentication, Secrets), AwsError> {
        let keys = self.keys(identity).await?;
        let mut secrets = Secrets::none()
            .with(ACCESS_KEY_ID, keys.id.expose())
            .with(SECRET_ACCESS_KEY, keys.secret.expose());
        let has_token = keys.token.is_some();
        if let Some(token) = keys.token {
            secrets = secrets.with(SESSION_TOKEN, token.expose());
        }
        let authentication = Authentication::SigV4 {
            region: identity.region.as_str().to_owned(),
            service: service.to_owned(),
            access_key_id: Text::secret(ACCESS_KEY_ID),
            secret_access_key: Text::secret(SECRET_ACCESS_KEY),
            session_token: has_token.then(|| Text::secret(SESSION_TOKEN)),
        };
        Ok((authentication, secrets))
    }

    async fn keys(&self, identity: &AwsIdentity) -> Result<Keys, AwsError> {
        let Some(arn) = &identity.role_arn else {
            let fetch = self.fetch(identity);
            return self.kept.keys(identity.clone(), now, fetch).await;
        };
        let own = AwsIdentity {
            role_arn: None,
            ..identity.clone()
        };
        let fetch = async {
            let role = Role::new(arn, "roleArn", self.environment.session_name())?;
            let keys = self.kept.keys(own.clone(), now, self.fetch(&own)).await?;
            self.assume(&role, &Caller::Keys(&keys), &own).await
        };
        self.kept.keys(identity.clone(), now, fetch).await
    }

    /// Fetches credentials without a role on top.
    async fn fetch(&self, identity: &AwsIdentity) -> Result<Keys, AwsError> {
        let Plan { root, roles } = self.plan(identity.profile.as_deref()).await?;
        let mut keys = match root {
            Root::Keys(keys) => keys,
            Root::WebIdentity { role, token_file } => {
                let token = token(&role, &token_file).await?;
                self.assume(&role, &Caller::WebIdentity(&token), identity)
                    .await?
            }
            Root::Container => container::keys(&self.client, &self.environment, now()).await?,
            Root::Instance { is_named } => {
                let keys = instance::keys(&self.client, &self.environment, now()).await;
                keys.map_err(|error| if is_named { error } else { nowhere(&error) })?
            }
        };
        for role in &roles {
            keys = self.assume(role, &Caller::Keys(&keys), identity).await?;
        }
        Ok(keys)
    }

    async fn plan(&self, profile: Option<&str>) -> Result<Plan, AwsError> {
        let environment = &self.environment;
        let root = match profile {
            Some(_) => None,
            None => plan::of_variables(environment)?,
        };
        let alone = |root| Plan {
            root,
            roles: Vec::new(),
        };
        if let Some(root) = root {
            return Ok(alone(root));
        }
        let profiles = Profiles::read(environment).await?;
        let named = profile.or_else(|| environment.get("AWS_PROFILE"));
        let name = named.unwrap_or_else(|| self.profile_of_environment());
        let planned = if named.is_some() || profiles.get(name).is_some() {
            plan::of_profile(&profiles, name, environment)?
        } else {
            None
        };
        match (planned, named) {
            (Some(plan), _) => Ok(plan),
            (None, Some(name)) => {
                let place = format!("the profile `{name}` of {}", profiles.files());
                Err(plan::nothing_in(&place))
            }
            (None, None) => Ok(alone(plan::of_surroundings(environment))),
        }
    }

    fn profile_of_environment(&self) -> &str {
        self.environment.get("AWS_PROFILE").unwrap_or("default")
    }

    async fn assume(
        &self,
        role: &Role,
        caller: &Caller<'_>,
        identity: &AwsIdentity,
    ) -> Result<Keys, AwsError> {
        let region = &identity.region;
        let sts = Sts {
            client: &self.client,
            endpoint: &self
                .environment
                .endpoint("AWS_ENDPOINT_URL_STS", "sts", region),
            region,
        };
        sts.assume(role, caller, now()).await
    }
}

/// Nothing was set up, and the last resort is none.
fn nowhere(error: &AwsError) -> AwsError {
    AwsError::new(
        format!(
            "there are no AWS credentials: neither keys nor a web identity, a profile or a container's are set up, and {}",
            error.cause
        ),
        "give the pod's service account a role (IRSA or EKS Pod Identity), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
}

/// A web identity's token, read anew each time since it is renewed.
async fn token(role: &Role, path: &Path) -> Result<Secret, AwsError> {
    let refuse = |cause: String| {
        AwsError::new(
            format!(
                "the role `{}` cannot be assumed: the token's file {} {cause}",
                role.arn,
                path.display()
            ),
            "mount the service account's token, or correct AWS_WEB_IDENTITY_TOKEN_FILE",
        )
    };
    let text = profile::read(path)
        .await
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(refuse("is empty".to_owned())),
        token => Ok(Secret::new(token)),
    }
}
