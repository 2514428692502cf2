//! As whom requests to AWS are signed: the metric's profile, role and region, or what the controller finds where
//! it runs. Credentials themselves are found and kept by `sluice_metrics`.

use sluice_argo::api::Sigv4Config;
use sluice_metrics::{Authentication, AwsCredentials, AwsError, AwsIdentity, AwsRegion, Secrets};

/// How requests to a service are signed, with the secrets for it; and in which region the service is.
pub(super) async fn signing(
    name: &str,
    service: &str,
    own: &Sigv4Config,
    credentials: &AwsCredentials,
) -> Result<(AwsRegion, Authentication, Secrets), String> {
    let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let profile = named(&own.profile);
    let told = |error: AwsError| format!("{name}: {error}");
    let region = credentials.region(&own.region, profile.as_deref()).await;
    let identity = AwsIdentity {
        region: region.map_err(told)?,
        profile,
        role_arn: named(&own.role_arn),
    };
    let (authentication, secrets) = credentials
        .signing(&identity, service)
        .await
        .map_err(told)?;
    Ok((identity.region, authentication, secrets))
}
