//! Routes by header and mirrors, as far as a plan can say them.

use super::Beyond;
use crate::api::{SetHeaderRoute, SetMirrorRoute, StringMatch};
use sluice_model::routes::{Condition, Mirror, RequestMatch, TextMatch};
use sluice_model::weight::Weight;

/// The requests of a header route; all of its conditions must hold. None when one cannot be said.
pub(super) fn header_matches(
    route: &SetHeaderRoute,
    path: &str,
    beyond: &mut Beyond,
) -> Vec<RequestMatch> {
    let mut all = Vec::new();
    for (at, header) in route.matches.iter().enumerate() {
        let Some(value) = header.header_value.as_ref().and_then(text_match) else {
            beyond.note(
                "beyond-the-plan",
                format!("{path}.setHeaderRoute.match[{at}].headerValue"),
                format!(
                    "the plan has no regular expressions, and so not the route `{}`",
                    route.name
                ),
                "write exact or prefix to see it in the plan",
            );
            return Vec::new();
        };
        all.push(Condition::Header {
            name: header.header_name.to_lowercase(),
            value,
        });
    }
    if all.is_empty() {
        return Vec::new();
    }
    vec![RequestMatch { all }]
}

fn text_match(value: &StringMatch) -> Option<TextMatch> {
    if !value.exact.is_empty() {
        Some(TextMatch::Exact(value.exact.clone()))
    } else if !value.prefix.is_empty() {
        Some(TextMatch::Prefix(value.prefix.clone()))
    } else {
        None
    }
}

/// The copies of a mirror route.
pub(super) fn mirror(route: &SetMirrorRoute, path: &str, beyond: &mut Beyond) -> Mirror {
    beyond.note(
        "beyond-the-plan",
        format!("{path}.setMirrorRoute.match"),
        "a plan copies a share of all requests, and not of certain ones",
        "expect fewer copies on a cluster",
    );
    let percent = f64::from(route.percentage.unwrap_or(100).clamp(0, 100));
    Mirror {
        share: Weight::from_percent(percent).unwrap_or(Weight::FULL),
        // A router copies whatever matches.
        unsafe_methods: true,
        compare: false,
    }
}
