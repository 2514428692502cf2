//! The texts of the load balancer's annotations.
//!
//! Names and order of the fields are those that the AWS load balancer controller documents and that Argo's
//! controller writes; clients compare the texts.

use crate::changes::Problem;
use crate::split::{HeaderMatch, Text};
use serde::{Deserialize, Serialize};

/// What a path does with a request.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Action {
    r#type: String,
    forward_config: ForwardConfig,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ForwardConfig {
    target_groups: Vec<TargetGroup>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_group_stickiness_config: Option<StickinessConfig>,
}

/// A Service with its share.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TargetGroup {
    #[serde(default)]
    pub(super) service_name: String,
    #[serde(default)]
    pub(super) service_port: String,
    #[serde(default)]
    pub(super) weight: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StickinessConfig {
    enabled: bool,
    duration_seconds: i64,
}

impl Action {
    pub(super) fn forward(groups: Vec<TargetGroup>, sticky_seconds: Option<i64>) -> Self {
        Self {
            r#type: "forward".to_owned(),
            forward_config: ForwardConfig {
                target_groups: groups,
                target_group_stickiness_config: sticky_seconds.map(|seconds| StickinessConfig {
                    enabled: true,
                    duration_seconds: seconds,
                }),
            },
        }
    }

    /// The action of an annotation, if it is one that forwards.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    pub(super) fn target_groups(&self) -> &[TargetGroup] {
        &self.forward_config.target_groups
    }

    pub(super) fn weight_of(&self, service: &str) -> u32 {
        let groups = self.target_groups().iter();
        groups
            .filter(|group| group.service_name == service)
            .fold(0, |sum, group| sum.saturating_add(group.weight))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Condition<'a> {
    field: &'static str,
    http_header_config: HeaderConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeaderConfig<'a> {
    http_header_name: &'a str,
    values: Vec<&'a str>,
}

/// The conditions of a route by header: one for each header, with all its values.
///
/// # Errors
/// The load balancer compares whole values, in which `*` and `?` stand for any text and any character.
pub(super) fn conditions(route: &str, matches: &[HeaderMatch]) -> Result<String, Problem> {
    let mut conditions: Vec<Condition<'_>> = Vec::new();
    for one in matches {
        let Text::Exact(value) = &one.value else {
            return Err(Problem::asked(
                "header-match",
                route,
                format!(
                    "the load balancer compares whole values of header `{}`",
                    one.header
                ),
                "use `exact`, where `*` stands for any text".to_owned(),
            ));
        };
        let mut known = conditions
            .iter_mut()
            .map(|known| &mut known.http_header_config);
        match known.find(|known| known.http_header_name == one.header) {
            Some(known) => known.values.push(value),
            None => conditions.push(Condition {
                field: "http-header",
                http_header_config: HeaderConfig {
                    http_header_name: &one.header,
                    values: vec![value],
                },
            }),
        }
    }
    Ok(serde_json::to_string(&conditions).expect("texts are JSON"))
}
