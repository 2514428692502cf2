//! Routes by header and mirrors: HTTP routes of the VirtualService that stand before all others.

use crate::split::{HeaderMatch, ManagedRoute, RequestMatch, RouteRule, Text};
use crate::tree;
use serde_json::{Map, Value, json};

/// The fields of a managed route that are ours; others in it are left as they are.
const FIELDS: [&str; 5] = ["name", "match", "route", "mirror", "mirrorPercentage"];

/// Where managed routes send requests.
pub(super) struct Target<'a> {
    /// The canary's host.
    pub(super) host: &'a str,
    /// The canary's subset, where sides are subsets.
    pub(super) subset: Option<&'a str>,
    /// The destinations of the first route that is split, with their new weights.
    pub(super) split: &'a [Value],
}

impl Target<'_> {
    /// The route as it should be; what it has beside our fields stays.
    pub(super) fn route(&self, route: &ManagedRoute, existing: Option<&Value>) -> Value {
        let mut fields = existing
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let wanted = match &route.rule {
            RouteRule::Header(matches) => self.header(&route.name, matches),
            RouteRule::Mirror { matches, percent } => self.mirror(&route.name, matches, *percent),
        };
        for field in FIELDS {
            match wanted.get(field) {
                None => drop(fields.remove(field)),
                Some(value) if field == "route" => put_destinations(&mut fields, value),
                Some(value) => tree::put(&mut fields, field, value.clone()),
            }
        }
        Value::Object(fields)
    }

    fn header(&self, name: &str, matches: &[HeaderMatch]) -> Value {
        let matches: Value = matches
            .iter()
            .map(|one| json!({"headers": {one.header.as_str(): text(&one.value)}}))
            .collect();
        json!({
            "name": name,
            "match": matches,
            "route": [{"destination": self.destination(), "weight": 100}],
        })
    }

    fn mirror(&self, name: &str, matches: &[RequestMatch], percent: u32) -> Value {
        let matches: Value = matches.iter().map(request).collect();
        json!({
            "name": name,
            "match": matches,
            "route": self.split,
            "mirror": self.destination(),
            "mirrorPercentage": {"value": percent},
        })
    }

    /// The canary, at the port of the split.
    fn destination(&self) -> Value {
        let mut destination = json!({"host": self.host});
        let first = self.split.first();
        let port = first.and_then(|one| tree::child(one, &["destination", "port", "number"]));
        if let Some(port) = port {
            destination["port"] = json!({"number": port});
        }
        if let Some(subset) = self.subset {
            destination["subset"] = subset.into();
        }
        destination
    }
}

/// Sets destinations, in which an absent weight is 0.
fn put_destinations(route: &mut Map<String, Value>, wanted: &Value) {
    let spelled = |list: &[Value]| -> Vec<Value> {
        let list = list.iter().cloned();
        list.map(|mut one| {
            if let Some(fields) = one.as_object_mut() {
                fields.entry("weight").or_insert_with(|| 0.into());
            }
            one
        })
        .collect()
    };
    let old = route.get("route").and_then(Value::as_array);
    let old = old.map(|old| Value::Array(spelled(old)));
    let new = Value::Array(spelled(wanted.as_array().map_or(&[], Vec::as_slice)));
    if !old.is_some_and(|old| tree::same(&old, &new)) {
        route.insert("route".to_owned(), new);
    }
}

fn request(one: &RequestMatch) -> Value {
    let mut fields = Map::new();
    for (field, value) in [("method", &one.method), ("uri", &one.path)] {
        if let Some(value) = value {
            fields.insert(field.to_owned(), text(value));
        }
    }
    if !one.headers.is_empty() {
        let headers = one.headers.iter();
        let headers: Map<String, Value> = headers
            .map(|(name, value)| (name.clone(), text(value)))
            .collect();
        fields.insert("headers".to_owned(), Value::Object(headers));
    }
    Value::Object(fields)
}

fn text(condition: &Text) -> Value {
    match condition {
        Text::Exact(value) => json!({"exact": value}),
        Text::Prefix(value) => json!({"prefix": value}),
        Text::Regex(value) => json!({"regex": value}),
    }
}
