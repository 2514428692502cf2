//! Documents in a line, and a plan in a line.

use sluice_model::plan::{Exposure, Plan};
use sluice_model::time::format_span;
use sluice_native::{Document, ServiceSpec, parse};

pub(crate) fn document(text: &str) -> Document {
    let parsed = parse("sluice.yaml", text, "/srv/shop");
    let messages: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    parsed
        .document
        .unwrap_or_else(|| panic!("refused:\n{}", messages.join("\n")))
}

pub(crate) fn service(fields: &str) -> ServiceSpec {
    let text = format!("services:\n  checkout:\n    listen: 127.0.0.1:8080\n{fields}");
    document(&text).services.remove(0)
}

pub(crate) fn plan_of(release: &str, replicas: u32) -> Plan {
    service(&format!(
        "    run: ./checkout\n    replicas: {replicas}\n    release: {release}\n"
    ))
    .plan
}

/// Weight and bake of each step: `5@1m 100@0s`.
pub(crate) fn ramp(plan: &Plan) -> String {
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| match &step.exposure {
            Exposure::Split { weight, mirror, .. } => {
                let mirror = if mirror.is_some() { "mirror" } else { "" };
                format!("{mirror}{}@{}", weight.percent(), format_span(step.bake))
            }
            Exposure::Rolling {
                max_surge,
                max_unavailable,
            } => format!("+{max_surge}-{max_unavailable}"),
            Exposure::Recreate => "recreate".to_owned(),
        })
        .collect();
    steps.join(" ")
}
