//! Which way credentials are come by, as environment and profiles say it. Pure.
//!
//! The order is that of AWS' own libraries ("Standardized credential providers"). Two things differ
//! on purpose: what is set up and does not work is an error instead of a step to the next way, which
//! may be another identity's; and no command is run for credentials (`credential_process`).

use super::environment::AwsEnvironment;
use super::error::AwsError;
use super::keys::Keys;
use super::profile::{Profile, Profiles};
use crate::secret::Secret;
use std::path::PathBuf;

/// Most profiles that lead from one to the next.
const PROFILES_MAX: usize = 8;

/// Where the first credentials come from, and the roles that are assumed with them, one with the
/// other's credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) root: Root,
    pub(super) roles: Vec<Role>,
}

/// Where credentials come from that no role's credentials are needed for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Root {
    Keys(Keys),
    /// A token of an identity provider, as Kubernetes is one for its service accounts.
    WebIdentity {
        role: Role,
        token_file: PathBuf,
    },
    /// An endpoint beside the container: EKS Pod Identity, ECS.
    Container,
    /// The metadata service of an EC2 instance; asked last, when nobody named anything.
    Instance {
        is_named: bool,
    },
}

/// A role, and how it is assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: String,
    /// What the role's account may want to be told.
    pub(super) external_id: Option<String>,
    /// How long its credentials are to last; an hour if left out.
    pub(super) duration_seconds: Option<u32>,
}

impl Role {
    /// The role with this ARN, which `place` names.
    pub(super) fn new(arn: &str, place: &str, session_name: &str) -> Result<Role, AwsError> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let is_role =
            matches!(parts[..], ["arn", _, "iam", _, _, path] if path.starts_with("role/"));
        if !is_role {
            return Err(AwsError::new(
                format!("{place} names `{}`, which is no role", arn.escape_debug()),
                "write its ARN, as in `arn:aws:iam::123456789012:role/metrics`",
            ));
        }
        Ok(Role {
            arn: arn.to_owned(),
            session_name: session_name.to_owned(),
            external_id: None,
            duration_seconds: None,
        })
    }
}

/// What variables say, that go before profiles.
pub(super) fn of_variables(environment: &AwsEnvironment) -> Result<Option<Root>, AwsError> {
    if let Some(keys) = environment.keys()? {
        return Ok(Some(Root::Keys(keys)));
    }
    let Some(token_file) = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE") else {
        return Ok(None);
    };
    let Some(arn) = environment.get("AWS_ROLE_ARN") else {
        return Err(AwsError::new(
            "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not",
            "name the role in AWS_ROLE_ARN (on EKS, in the service account's annotation eks.amazonaws.com/role-arn)",
        ));
    };
    Ok(Some(Root::WebIdentity {
        role: Role::new(arn, "AWS_ROLE_ARN", environment.session_name())?,
        token_file: PathBuf::from(token_file),
    }))
}

/// What is left when neither variables nor a profile say anything.
pub(super) fn of_surroundings(environment: &AwsEnvironment) -> Root {
    let container = [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if container
        .into_iter()
        .any(|name| environment.get(name).is_some())
    {
        Root::Container
    } else {
        Root::Instance { is_named: false }
    }
}

/// What a profile says, and those that it leads to; nothing if it has no settings for credentials.
pub(super) fn of_profile(
    profiles: &Profiles,
    name: &str,
    environment: &AwsEnvironment,
) -> Result<Option<Plan>, AwsError> {
    let (mut roles, mut seen) = (Vec::new(), Vec::new());
    let mut name = name;
    let root = loop {
        let Some(profile) = profiles.get(name) else {
            return Err(AwsError::new(
                format!("there is no profile `{name}` in {}", profiles.looked_for()),
                "add it, or correct its name; AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name other files",
            ));
        };
        let place = format!("the profile `{name}` of {}", profiles.files());
        // A profile may name itself as the source of the keys that its role is assumed with.
        let is_own_source = seen.last() == Some(&name);
        if seen.len() >= PROFILES_MAX || (seen.contains(&name) && !is_own_source) {
            return Err(AwsError::new(
                format!(
                    "{place} is its own source, by way of {}",
                    seen.join(" and ")
                ),
                "let the last source_profile have keys",
            ));
        }
        let is_first = seen.is_empty();
        seen.push(name);
        let arn = profile.get("role_arn").filter(|_| !is_own_source);
        let Some(arn) = arn else {
            match keys(profile, &place)? {
                Some(keys) => break Root::Keys(keys),
                None if is_first => return Ok(None),
                None => return Err(nothing_in(&place)),
            }
        };
        let role = role(profile, arn, &place, environment)?;
        match [
            "source_profile",
            "credential_source",
            "web_identity_token_file",
        ]
        .map(|setting| profile.get(setting))
        {
            [Some(source), None, None] => {
                roles.push(role);
                name = source;
            }
            [None, Some(source), None] => {
                roles.push(role);
                break of_source(source, &place, environment)?;
            }
            [None, None, Some(token_file)] => {
                let token_file = PathBuf::from(token_file);
                break Root::WebIdentity { role, token_file };
            }
            _ => {
                return Err(AwsError::new(
                    format!("{place} has a role_arn, and not one source of credentials for it"),
                    "give it either source_profile, credential_source or web_identity_token_file",
                ));
            }
        }
    };
    roles.reverse();
    Ok(Some(Plan { root, roles }))
}

/// A profile that was named has nothing to offer.
pub(super) fn nothing_in(place: &str) -> AwsError {
    AwsError::new(
        format!("{place} has no credentials"),
        "give it aws_access_key_id and aws_secret_access_key, or a role_arn with a source",
    )
}

fn keys(profile: &Profile, place: &str) -> Result<Option<Keys>, AwsError> {
    let names = ["aws_access_key_id", "aws_secret_access_key"];
    match names.map(|name| profile.get(name)) {
        [Some(id), Some(secret)] => Ok(Some(Keys {
            id: Secret::new(id),
            secret: Secret::new(secret),
            token: profile.get("aws_session_token").map(Secret::new),
            expires: None,
        })),
        [None, None] => {
            let unsupported = ["credential_process", "sso_session", "sso_start_url"];
            let set = unsupported
                .into_iter()
                .find(|name| profile.get(name).is_some());
            set.map_or(Ok(None), |set| {
                Err(AwsError::new(
                    format!("{place} has {set}, which is not supported: no command is run and nobody logs in"),
                    "give it keys or a role, or leave the profile out and use the pod's own identity",
                ))
            })
        }
        _ => Err(AwsError::new(
            format!("{place} has half of a key"),
            "give it both aws_access_key_id and aws_secret_access_key",
        )),
    }
}

fn role(
    profile: &Profile,
    arn: &str,
    place: &str,
    environment: &AwsEnvironment,
) -> Result<Role, AwsError> {
    if profile.get("mfa_serial").is_some() {
        return Err(AwsError::new(
            format!("{place} wants a code of a device (mfa_serial), which nobody types here"),
            "name a role that needs none",
        ));
    }
    let session_name = profile.get("role_session_name");
    let session_name = session_name.unwrap_or_else(|| environment.session_name());
    let mut role = Role::new(arn, place, session_name)?;
    role.external_id = profile.get("external_id").map(str::to_owned);
    if let Some(seconds) = profile.get("duration_seconds") {
        let seconds = seconds.parse().map_err(|_| {
            AwsError::new(
                format!("{place} has the duration_seconds `{seconds}`"),
                "write a number of seconds, as in 3600",
            )
        })?;
        role.duration_seconds = Some(seconds);
    }
    Ok(role)
}

/// What `credential_source` names.
fn of_source(source: &str, place: &str, environment: &AwsEnvironment) -> Result<Root, AwsError> {
    let place = || format!("{place} has the credential_source `{source}`");
    match source {
        "Ec2InstanceMetadata" => Ok(Root::Instance { is_named: true }),
        "EcsContainer" => Ok(Root::Container),
        "Environment" => environment.keys()?.map(Root::Keys).ok_or_else(|| {
            AwsError::new(
                format!("{}, where there are no keys", place()),
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        }),
        _ => Err(AwsError::new(
            place(),
            "write Environment, EcsContainer or Ec2InstanceMetadata",
        )),
    }
}

#[cfg(test)]
mod tests;
