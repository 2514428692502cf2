//! The variables that say where credentials are, with the names and meanings of AWS' own tools.

use super::error::AwsError;
use super::keys::Keys;
use super::region::AwsRegion;
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The variables that are read, and no others.
/// Source: "AWS SDKs and Tools Reference Guide", settings reference.
pub const AWS_VARIABLES: [&str; 22] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_CLOUDWATCH",
    "AWS_ENDPOINT_URL_STS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "HOME",
];

/// Name of sessions when none is set; it shows in the trails of the role's account.
const SESSION_NAME: &str = "sluice";

/// What [`AWS_VARIABLES`] say. Printed, it is blank: there are secrets among them.
#[derive(Clone, Default)]
pub struct AwsEnvironment(BTreeMap<&'static str, String>);

impl fmt::Debug for AwsEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl AwsEnvironment {
    /// The environment in which each variable has this value; an empty one is one that is not set.
    #[must_use]
    pub fn new(value: impl Fn(&str) -> Option<String>) -> AwsEnvironment {
        let set = AWS_VARIABLES
            .into_iter()
            .filter_map(|name| Some((name, value(name)?)));
        AwsEnvironment(set.filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(AWS_VARIABLES.contains(&name), "{name} is not read");
        self.0.get(name).map(String::as_str)
    }

    /// The keys that are set.
    pub(super) fn keys(&self) -> Result<Option<Keys>, AwsError> {
        let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        match names.map(|name| self.get(name)) {
            [None, None] => Ok(None),
            [Some(id), Some(secret)] => Ok(Some(Keys {
                id: Secret::new(id),
                secret: Secret::new(secret),
                token: self.get("AWS_SESSION_TOKEN").map(Secret::new),
                expires: None,
            })),
            [id, _] => {
                let (set, missing) = match id {
                    Some(_) => ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
                    None => ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
                };
                Err(AwsError::new(
                    format!("{set} is set, and {missing} is not"),
                    "set both, or none",
                ))
            }
        }
    }

    pub(super) fn session_name(&self) -> &str {
        self.get("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION_NAME)
    }

    /// A file that a variable names, or that is in `~/.aws`.
    pub(super) fn file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let named = self.get(variable).map(PathBuf::from);
        named.or_else(|| {
            let home = self.get("HOME")?;
            Some(PathBuf::from(home).join(".aws").join(name))
        })
    }

    /// Where a service is in a region: at its own variable's address, at that of all services, or at AWS'.
    pub(super) fn endpoint(&self, variable: &str, service: &str, region: &AwsRegion) -> String {
        let named = self.get(variable).or_else(|| self.get("AWS_ENDPOINT_URL"));
        named.map_or_else(
            || format!("https://{}", region.host(service)),
            str::to_owned,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(set: &[(&str, &str)]) -> AwsEnvironment {
        AwsEnvironment::new(|name| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn it_prints_names_alone() {
        let environment = environment(&[
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", ""),
        ]);
        assert_eq!(format!("{environment:?}"), r#"{"AWS_SECRET_ACCESS_KEY"}"#);
    }

    #[test]
    fn a_services_own_endpoint_goes_before_that_of_all() {
        let region = AwsRegion::parse("cn-north-1").expect("a region");
        let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        let own = ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:2");
        for (set, expected) in [
            (&[][..], "https://sts.cn-north-1.amazonaws.com.cn"),
            (&[all], "http://127.0.0.1:1"),
            (&[all, own], "http://127.0.0.1:2"),
        ] {
            let endpoint = environment(set).endpoint("AWS_ENDPOINT_URL_STS", "sts", &region);
            assert_eq!(endpoint, expected);
        }
    }
}
