//! Credentials for AWS, from servers that speak the documented protocols of STS, of EKS Pod Identity and
//! of EC2's instance metadata.
//!
//! `roles` is what STS gives and refuses, `places` where credentials come from without it.

mod places;
mod roles;

use crate::support::{Fake, Got, ok, reply, window};
use sluice_metrics::{
    AwsCredentials, AwsEnvironment, AwsError, AwsIdentity, AwsRegion, Query, Source, WebQuery,
};
use std::time::SystemTime;
use tempfile::TempDir;

pub(super) const ROLE: &str = "arn:aws:iam::123456789012:role/metrics";

/// What an environment says; nothing of this machine is asked.
pub(super) struct World {
    variables: Vec<(String, String)>,
    folder: TempDir,
}

impl World {
    pub(super) fn with(variables: &[(&str, &str)]) -> World {
        let world = World {
            variables: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        variables
            .iter()
            .fold(world, |world, (name, value)| world.set(name, value))
            .set("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// Keys that are set.
    pub(super) fn with_keys() -> World {
        World::with(&[
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG"),
        ])
    }

    /// A later value goes before an earlier one.
    pub(super) fn set(mut self, name: &str, value: &str) -> World {
        self.variables
            .insert(0, (name.to_owned(), value.to_owned()));
        self
    }

    /// A variable that names a file with this text.
    pub(super) fn file(self, name: &str, text: &str) -> World {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        self.set(name, &path)
    }

    pub(super) fn credentials(&self) -> AwsCredentials {
        AwsCredentials::new(AwsEnvironment::new(|name| {
            let found = self.variables.iter().find(|(set, _)| set == name);
            found.map(|(_, value)| value.clone())
        }))
    }
}

pub(super) fn identity() -> AwsIdentity {
    AwsIdentity {
        profile: None,
        role_arn: None,
        region: AwsRegion::parse("eu-central-1").unwrap(),
    }
}

pub(super) fn as_role() -> AwsIdentity {
    AwsIdentity {
        role_arn: Some(ROLE.to_owned()),
        ..identity()
    }
}

pub(super) fn of_profile(name: &str) -> AwsIdentity {
    AwsIdentity {
        profile: Some(name.to_owned()),
        ..identity()
    }
}

/// RFC 3339, this many seconds from now.
pub(super) fn in_seconds(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_millis()).unwrap();
    sluice_model::Timestamp(now + seconds * 1_000).to_string()
}

/// STS's answer, as its reference has it.
pub(super) fn granted(action: &str, id: &str, seconds: i64) -> String {
    ok(&format!(
        r#"<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <{action}Result>
    <SubjectFromWebIdentityToken>system:serviceaccount:argo:controller</SubjectFromWebIdentityToken>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/metrics/sluice</Arn>
      <AssumedRoleId>AROA:sluice</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{id}</AccessKeyId>
      <SecretAccessKey>{id}/secret+</SecretAccessKey>
      <SessionToken>{id}-token==</SessionToken>
      <Expiration>{}</Expiration>
    </Credentials>
  </{action}Result>
  <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>
</{action}Response>"#,
        in_seconds(seconds)
    ))
}

pub(super) fn refused(status: &str, code: &str, message: &str) -> String {
    reply(
        status,
        &format!(
            r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>Sender</Type>
    <Code>{code}</Code>
    <Message>{message}</Message>
  </Error>
  <RequestId>c6104cbe</RequestId>
</ErrorResponse>"#
        ),
    )
}

/// Keys as endpoints have them in JSON.
pub(super) fn in_json(id: &str, seconds: i64) -> String {
    ok(&format!(
        r#"{{"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "{id}", "SecretAccessKey": "s3cret",
            "Token": "{id}-token", "Expiration": "{}"}}"#,
        in_seconds(seconds)
    ))
}

/// With which key a source asks that was made from these credentials, and with which token.
pub(super) async fn signed(
    credentials: &AwsCredentials,
    identity: &AwsIdentity,
) -> Result<(String, Option<String>), AwsError> {
    let (authentication, secrets) = credentials.signing(identity, "aps").await?;
    let server = Fake::answering([ok("{}")]).await;
    let mut settings = server.server();
    settings.authentication = authentication;
    let source = Source::new("prod", &settings, &secrets).unwrap();
    let query = Query::Web(WebQuery::default());
    source.fetch(&query, window()).await.unwrap();
    let got = server.only();
    let token = got.header("x-amz-security-token").map(str::to_owned);
    Ok((signer(&got), token))
}

pub(super) fn signer(got: &Got) -> String {
    let header = got.header("authorization").unwrap();
    let (_, scope) = header.split_once("Credential=").unwrap();
    scope.split_once('/').unwrap().0.to_owned()
}

pub(super) fn parts(got: &Got) -> Vec<&str> {
    got.body.split('&').collect()
}
