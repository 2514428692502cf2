//! Credentials for requests that AWS wants signed: from the controller's environment, or from a profile of the
//! shared credentials file.

use super::environment::Environment;
use sluice_argo::api::Sigv4Config;
use sluice_metrics::{Authentication, Secrets, Text};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::io::AsyncReadExt as _;

/// Longest file of credentials that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Keys that sign.
struct Keys {
    id: String,
    secret: String,
    token: Option<String>,
}

/// The region that is named, or that of the environment.
pub(super) fn region(name: &str, own: &str, environment: &Environment) -> Result<String, String> {
    let named = Some(own).filter(|own| !own.is_empty());
    let region = named
        .or_else(|| environment.get("AWS_REGION"))
        .or_else(|| environment.get("AWS_DEFAULT_REGION"));
    region.map(str::to_owned).ok_or_else(|| {
        format!("{name}: no AWS region is known; name it in sigv4.region, or set AWS_REGION for the controller")
    })
}

/// How requests to a service are signed, with the secrets for it.
pub(super) async fn signing(
    name: &str,
    service: &str,
    own: &Sigv4Config,
    environment: &Environment,
) -> Result<(Authentication, Secrets), String> {
    let region = region(name, &own.region, environment)?;
    if !own.role_arn.is_empty() {
        return Err(format!(
            "{name}: this controller assumes no roles, and sigv4 names `{}`; give its keys to the controller, or put a signing proxy in front",
            own.role_arn
        ));
    }
    let keys = keys(name, &own.profile, environment).await?;
    let mut secrets = Secrets::none()
        .with("access key id", keys.id)
        .with("secret access key", keys.secret);
    let session_token = keys.token.map(|token| {
        secrets = secrets.clone().with("session token", token);
        Text::secret("session token")
    });
    let authentication = Authentication::SigV4 {
        region,
        service: service.to_owned(),
        access_key_id: Text::secret("access key id"),
        secret_access_key: Text::secret("secret access key"),
        session_token,
    };
    Ok((authentication, secrets))
}

/// Keys of the environment, unless a profile is named: then its own.
async fn keys(name: &str, profile: &str, environment: &Environment) -> Result<Keys, String> {
    if profile.is_empty()
        && let Some(id) = environment.get("AWS_ACCESS_KEY_ID")
        && let Some(secret) = environment.get("AWS_SECRET_ACCESS_KEY")
    {
        return Ok(Keys {
            id: id.to_owned(),
            secret: secret.to_owned(),
            token: environment.get("AWS_SESSION_TOKEN").map(str::to_owned),
        });
    }
    let profile = match profile {
        "" => environment.get("AWS_PROFILE").unwrap_or("default"),
        profile => profile,
    };
    let named = environment.get("AWS_SHARED_CREDENTIALS_FILE");
    let path = named.map(PathBuf::from).or_else(|| {
        let home = environment.get("HOME")?;
        Some(PathBuf::from(home).join(".aws/credentials"))
    });
    let next_step = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the controller, or mount a credentials file and name it in AWS_SHARED_CREDENTIALS_FILE";
    let path = path.ok_or_else(|| format!("{name}: there are no AWS credentials; {next_step}"))?;
    let text = read(&path).await.map_err(|cause| {
        format!(
            "{name}: no AWS credentials: {} cannot be read: {cause}; {next_step}",
            path.display()
        )
    })?;
    let values = of_profile(&text, profile);
    let value = |key: &str| values.get(key).map(|value| (*value).to_owned());
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some(id), Some(secret)) => Ok(Keys {
            id,
            secret,
            token: value("aws_session_token"),
        }),
        _ => Err(format!(
            "{name}: the profile `{profile}` of {} has no keys; add aws_access_key_id and aws_secret_access_key",
            path.display()
        )),
    }
}

async fn read(path: &PathBuf) -> std::io::Result<String> {
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).await?;
    Ok(text)
}

/// The settings of a profile: `name = value` under `[profile]`.
fn of_profile<'t>(text: &'t str, profile: &str) -> BTreeMap<&'t str, &'t str> {
    let mut is_in = false;
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            is_in = title.trim() == profile;
        } else if is_in
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once('=')
        {
            values.insert(name.trim(), value.trim());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_by_its_title() {
        let text = "[default]\naws_access_key_id = AKID\n# aws_secret_access_key = no\n\n[ shop ]\naws_access_key_id=SHOP\naws_secret_access_key = a=b/c\n";
        assert_eq!(
            of_profile(text, "shop"),
            BTreeMap::from([
                ("aws_access_key_id", "SHOP"),
                ("aws_secret_access_key", "a=b/c")
            ])
        );
        assert_eq!(of_profile(text, "default").len(), 1);
        assert!(of_profile(text, "bank").is_empty());
    }
}
