//! The normal form of a pod template: Kubernetes' defaults written out, amounts as numbers, and what says
//! nothing left out.
//!
//! The defaults are those of Kubernetes 1.34 (`pkg/apis/core/v1/defaults.go` and the defaults that its
//! types declare) for pod templates, and those of pods where they say what the template means.

use super::quantity;
use crate::api::{POD_TEMPLATE_HASH_LABEL, PodTemplate};
use serde_json::{Map, Value, json};

/// Fields whose empty mapping means the same as none.
const EMPTY_MAPPINGS: [&str; 18] = [
    "affinity",
    "annotations",
    "capabilities",
    "data",
    "dnsConfig",
    "labels",
    "lifecycle",
    "limits",
    "matchLabels",
    "nodeAffinity",
    "nodeSelector",
    "overhead",
    "podAffinity",
    "podAntiAffinity",
    "requests",
    "resources",
    "securityContext",
    "seLinuxOptions",
];
/// Switches that are off when they are absent.
const OFF_BY_DEFAULT: [&str; 10] = [
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "optional",
    "readOnly",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "stdin",
    "stdinOnce",
    "tty",
];
/// Texts that mean something when they are empty.
const MEANINGFUL_WHEN_EMPTY: [&str; 2] = ["storageClassName", "volumeAttributesClassName"];
/// The mode of files in volumes, 0644.
const FILE_MODE: i64 = 420;

/// The normal form: labels, annotations and spec.
pub(super) fn normal(template: &PodTemplate) -> Value {
    let mut labels = template.labels();
    labels.remove(POD_TEMPLATE_HASH_LABEL);
    let mut normal = json!({
        "metadata": {"labels": labels, "annotations": template.annotations()},
        "spec": template.spec().cloned().unwrap_or_default(),
    });
    drop_empty(&mut normal["spec"]);
    if let Value::Object(pod) = &mut normal["spec"] {
        pod_defaults(pod);
    }
    amounts(&mut normal["spec"]);
    // Defaults may have been added to something empty.
    drop_empty(&mut normal["spec"]);
    normal
}

/// Leaves out what says nothing. Items of lists stay: their number and order count.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_empty);
            fields.retain(|name, value| !is_nothing(name, value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

fn is_nothing(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() && EMPTY_MAPPINGS.contains(&name),
        Value::String(text) => text.is_empty() && !MEANINGFUL_WHEN_EMPTY.contains(&name),
        Value::Bool(false) => OFF_BY_DEFAULT.contains(&name),
        Value::Number(_) => {
            value.as_i64() == Some(0) && ["hostPort", "initialDelaySeconds"].contains(&name)
        }
        Value::Bool(true) => false,
    }
}

fn default(fields: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    fields
        .entry(name.to_owned())
        .or_insert_with(|| value.into());
}

fn each<'a>(
    fields: &'a mut Map<String, Value>,
    list: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    fields
        .get_mut(list)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn inner<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    fields.get_mut(name)?.as_object_mut()
}

fn pod_defaults(pod: &mut Map<String, Value>) {
    // The older name of serviceAccountName; an API server writes both.
    if let Some(account) = pod.remove("serviceAccount") {
        default(pod, "serviceAccountName", account);
    }
    default(pod, "dnsPolicy", "ClusterFirst");
    default(pod, "enableServiceLinks", true);
    default(pod, "restartPolicy", "Always");
    default(pod, "schedulerName", "default-scheduler");
    default(pod, "terminationGracePeriodSeconds", 30);
    let host_network = pod.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in each(pod, list) {
            container_defaults(container, host_network);
        }
    }
    for volume in each(pod, "volumes") {
        volume_defaults(volume);
    }
}

fn container_defaults(container: &mut Map<String, Value>, host_network: bool) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or("");
    let policy = pull_policy(image);
    default(container, "imagePullPolicy", policy);
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    for port in each(container, "ports") {
        default(port, "protocol", "TCP");
        if host_network && let Some(number) = port.get("containerPort").cloned() {
            default(port, "hostPort", number);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = inner(container, probe) {
            default(probe, "timeoutSeconds", 1);
            default(probe, "periodSeconds", 10);
            default(probe, "successThreshold", 1);
            default(probe, "failureThreshold", 3);
            handler_defaults(probe);
        }
    }
    if let Some(lifecycle) = inner(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = inner(lifecycle, hook) {
                handler_defaults(hook);
            }
        }
    }
    for variable in each(container, "env") {
        if let Some(field) = inner(variable, "valueFrom").and_then(|from| inner(from, "fieldRef")) {
            default(field, "apiVersion", "v1");
        }
    }
}

fn handler_defaults(handler: &mut Map<String, Value>) {
    if let Some(request) = inner(handler, "httpGet") {
        default(request, "path", "/");
        default(request, "scheme", "HTTP");
    }
}

fn volume_defaults(volume: &mut Map<String, Value>) {
    if volume.keys().all(|name| name == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    if let Some(image) = inner(volume, "image") {
        let reference = image.get("reference").and_then(Value::as_str).unwrap_or("");
        let policy = pull_policy(reference);
        default(image, "pullPolicy", policy);
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = inner(volume, source) {
            default(source, "defaultMode", FILE_MODE);
        }
    }
    if let Some(source) = inner(volume, "downwardAPI") {
        field_versions(source);
    }
    if let Some(projected) = inner(volume, "projected") {
        for source in each(projected, "sources") {
            if let Some(fields) = inner(source, "downwardAPI") {
                field_versions(fields);
            }
            if let Some(token) = inner(source, "serviceAccountToken") {
                default(token, "expirationSeconds", 3_600);
            }
        }
    }
    let claim = inner(volume, "ephemeral")
        .and_then(|volume| inner(volume, "volumeClaimTemplate"))
        .and_then(|template| inner(template, "spec"));
    if let Some(claim) = claim {
        default(claim, "volumeMode", "Filesystem");
    }
    for (source, defaults) in [
        ("iscsi", vec![("iscsiInterface", json!("default"))]),
        (
            "rbd",
            vec![
                ("pool", json!("rbd")),
                ("user", json!("admin")),
                ("keyring", json!("/etc/ceph/keyring")),
            ],
        ),
        (
            "azureDisk",
            vec![
                ("cachingMode", json!("ReadWrite")),
                ("fsType", json!("ext4")),
                ("kind", json!("Shared")),
            ],
        ),
        (
            "scaleIO",
            vec![
                ("fsType", json!("xfs")),
                ("storageMode", json!("ThinProvisioned")),
            ],
        ),
    ] {
        if let Some(source) = inner(volume, source) {
            for (name, value) in defaults {
                default(source, name, value);
            }
        }
    }
}

fn field_versions(source: &mut Map<String, Value>) {
    for item in each(source, "items") {
        if let Some(field) = inner(item, "fieldRef") {
            default(field, "apiVersion", "v1");
        }
    }
}

/// `Always` for images whose tag is, or is taken for, `latest`.
fn pull_policy(image: &str) -> &'static str {
    let has_digest = image.contains('@');
    let name = image.split('@').next().unwrap_or(image);
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
        None if has_digest => "IfNotPresent",
        None => "Always",
    }
}

/// Amounts as billionths, so that each has one spelling. A divisor of 0 is none.
fn amounts(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match name.as_str() {
                    "limits" | "requests" | "overhead" => {
                        let amounts = value.as_object_mut().into_iter().flatten();
                        amounts.for_each(|(_, amount)| to_nanos(amount));
                    }
                    "sizeLimit" | "divisor" => to_nanos(value),
                    _ => amounts(value),
                }
            }
            fields.retain(|name, value| name != "divisor" || value.as_str() != Some("0n"));
        }
        Value::Array(items) => items.iter_mut().for_each(amounts),
        _ => {}
    }
}

fn to_nanos(value: &mut Value) {
    if let Some(nanos) = quantity::nanos(value) {
        *value = Value::from(format!("{nanos}n"));
    }
}
