//! The ConfigMap of notifications in a file.

use sluice_argo::document::{is_argo, parse};

const CONFIG: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: argo-rollouts-notification-configmap}
data:
  service.slack: |
    token: $slack-token
  service.webhook.pager: |
    url: https://pager.example/$hook
  trigger.on-rollout-aborted: |
    - send: [aborted]
  trigger.on-odd: |
    - when: rollout.status.phase ==
      send: [aborted]
  trigger.on-lost: |
    - send: [lost]
  template.aborted: |
    message: \"{{.rollout.metadata.name}} was taken back\"
  subscriptions: |
    - recipients: [slack:releases, teams:shop]
      triggers: [on-rollout-aborted, on-nothing]
";

const SECRET: &str = "\
---
apiVersion: v1
kind: Secret
metadata: {name: argo-rollouts-notification-secret}
stringData: {slack-token: xoxb-hidden}
";

/// Line, and what is said of it.
fn found(text: &str) -> Vec<(u32, String)> {
    assert!(is_argo(text));
    let parsed = parse("notify.yaml", text);
    let found = parsed.diagnostics.into_iter();
    found
        .map(|it| (it.place.map_or(0, |place| place.line), it.message))
        .collect()
}

#[test]
fn what_is_wrong_in_the_configuration_is_told_with_its_key() {
    let alone = found(CONFIG);
    let lines: Vec<u32> = alone.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [11, 14, 18, 18], "{alone:#?}");
    for (told, expected) in alone.iter().zip([
        "rollout.status.phase ==",
        "there is no template `lost`",
        "there is no trigger `on-nothing`",
        "there is no service `teams`",
    ]) {
        assert!(told.1.contains(expected), "{told:?}");
    }
}

/// Nobody keeps Secrets beside their ConfigMaps; where somebody does, it is looked into.
#[test]
fn keys_of_the_secret_are_looked_for_where_it_is_in_the_file() {
    let both = found(&format!("{CONFIG}{SECRET}"));
    let lacking: Vec<&str> = both
        .iter()
        .map(|(_, told)| told.as_str())
        .filter(|told| told.contains("Secret"))
        .collect();
    assert!(
        matches!(lacking[..], [one] if one.contains("no text under `hook`")),
        "{both:#?}"
    );
}

#[test]
fn a_config_map_of_another_name_is_somebody_else_s() {
    let other = CONFIG.replace("argo-rollouts-notification-configmap", "other");
    assert!(!is_argo(&other));
    assert_eq!(parse("other.yaml", &other).diagnostics, []);
}
