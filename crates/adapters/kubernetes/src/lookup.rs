//! What measuring reads of the cluster: Secrets that a provider names by itself, and the weight of the canary
//! that a run watches.

use crate::api::{Api, Key, Reason};
use crate::resource::{ROLLOUT, SECRET};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use sluice_argo::api::AnalysisRun;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A read that is under way. It ends within the deadline of a request to the API server; its error says what
/// could not be read, why, and what to do.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// Reads of the cluster what a measurement needs.
pub trait Lookup: Send + Sync {
    /// A Secret, as it is now.
    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> Reading<'a, SecretKeys>;

    /// The share of the traffic, in percent, that the router gives to the canary of the Rollout that owns a
    /// run; `None` when nothing owns it, or no router sets a weight.
    fn canary_weight<'a>(&'a self, run: &'a AnalysisRun) -> Reading<'a, Option<f64>>;
}

/// The keys of a Secret with their values. Its `Debug` form has the keys alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretKeys(BTreeMap<String, String>);

impl SecretKeys {
    /// The value of a key, if it is there and is text; what is around it stays, as a line end.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The keys of an object of the API.
    pub(crate) fn of(secret: &Value) -> Self {
        let data = secret.get("data").and_then(Value::as_object);
        let decoded = data.into_iter().flatten().filter_map(|(key, value)| {
            let bytes = BASE64.decode(value.as_str()?).ok()?;
            Some((key.clone(), String::from_utf8(bytes).ok()?))
        });
        decoded.collect()
    }
}

impl FromIterator<(String, String)> for SecretKeys {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(keys: I) -> Self {
        SecretKeys(keys.into_iter().collect())
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads by the API server.
pub(crate) struct ApiLookup<'a, A>(pub(crate) &'a A);

impl<A: Api> Lookup for ApiLookup<'_, A> {
    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> Reading<'a, SecretKeys> {
        Box::pin(async move {
            let key = Key::new(SECRET, namespace, name);
            match self.0.get(&key).await {
                Ok(object) => Ok(SecretKeys::of(&object)),
                Err(cause) => {
                    let next_step = match cause.reason {
                        Reason::NotFound => "create it, or correct its name",
                        Reason::Refused => "allow the controller to `get` it",
                        _ => "see that the API server answers",
                    };
                    Err(format!(
                        "the Secret `{namespace}/{name}` cannot be read: {cause}; {next_step}"
                    ))
                }
            }
        })
    }

    fn canary_weight<'a>(&'a self, run: &'a AnalysisRun) -> Reading<'a, Option<f64>> {
        Box::pin(async move {
            let owners = run.metadata.rest.get("ownerReferences");
            let owners = owners.and_then(Value::as_array).into_iter().flatten();
            let mut rollouts = owners.filter(|owner| owner["kind"] == *ROLLOUT.kind);
            let Some(name) = rollouts.next().and_then(|owner| owner["name"].as_str()) else {
                return Ok(None);
            };
            let key = Key::new(ROLLOUT, &run.metadata.namespace, name);
            let rollout = self.0.get(&key).await.map_err(|cause| {
                format!("the weight of the canary cannot be read from {key}: {cause}")
            })?;
            let weight = rollout.pointer("/status/canary/weights/canary/weight");
            Ok(weight.and_then(Value::as_f64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_secret_are_decoded_and_never_printed() {
        let object = serde_json::json!({"data": {
            "api-key": "aHVudGVyMg==",
            "binary": "//79",
            "broken": "?",
        }});
        let keys = SecretKeys::of(&object);
        assert_eq!(keys.get("api-key"), Some("hunter2"));
        assert_eq!(keys.get("binary"), None);
        assert_eq!(keys.get("broken"), None);
        assert_eq!(format!("{keys:?}"), r#"{"api-key"}"#);
        assert_eq!(
            SecretKeys::of(&serde_json::json!({})),
            SecretKeys::default()
        );
    }
}
