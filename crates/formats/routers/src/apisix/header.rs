//! Routes by header of APISIX: each an ApisixRoute of its own, made anew from the base route.
//!
//! Three things differ from Argo's controller. Only the rules that are split are copied: a copy of another
//! one would go before it and hide changes to it. Conditions of the base rule stay, beside those on the
//! headers. And of several routes the first one wins, by its priority.

use super::{Apisix, Rule};
use crate::changes::{Draft, Effect, Problem};
use crate::object::{ObjectRef, Objects};
use crate::split::{HeaderMatch, ManagedRoute, RouteRule, Text, Traffic};
use crate::{owned, tree};
use serde_json::{Value, json};

impl Apisix {
    /// Creates the route of this place in the order, or makes it right.
    pub(super) fn header_route(
        &self,
        traffic: &Traffic,
        objects: &Objects,
        (order, route): (usize, &ManagedRoute),
        draft: &mut Draft,
    ) -> Result<(), Problem> {
        let RouteRule::Header(matches) = &route.rule else {
            return Ok(());
        };
        let base_object = self.object(traffic, &self.route);
        let base = objects.need(&base_object)?;
        let object = self.object(traffic, &route.name);
        let above = traffic.managed_routes.len() - order;
        let rules = self.sound_rules(traffic, base, &base_object)?;
        let rules = rules
            .iter()
            .map(|rule| rule.above(base, matches, above, &base_object));
        let http = Value::Array(rules.collect::<Result<_, _>>()?);
        match objects.look(&object)? {
            None => {
                let mut body = owned::copy(base, &object, &traffic.owner);
                body["spec"]["http"] = http;
                draft.create(&object, body);
            }
            Some(before) => {
                owned::must_belong(before, &object, &traffic.owner)?;
                let mut after = before.clone();
                let spec = tree::fields_mut(&mut after, &["spec"], &object)?;
                tree::put(spec, "http", http);
                draft.update(&object, before, after, Effect::Raises);
            }
        }
        Ok(())
    }
}

impl Rule {
    /// The rule for requests that the headers fit, which leads to the canary.
    fn above(
        &self,
        base: &Value,
        matches: &[HeaderMatch],
        above: usize,
        object: &ObjectRef,
    ) -> Result<Value, Problem> {
        let mut copy = base["spec"]["http"][self.index].clone();
        let backends = self.backends(base).iter().enumerate();
        let mut backends: Vec<Value> = backends
            .filter(|(index, _)| *index != self.stable)
            .map(|(_, backend)| backend.clone())
            .collect();
        let canary = self.canary - usize::from(self.stable < self.canary);
        backends[canary]["weight"] = 100.into();
        let priority = copy["priority"].as_i64().unwrap_or(0);
        let above = i64::try_from(above).unwrap_or(i64::MAX);
        copy["backends"] = Value::Array(backends);
        copy["priority"] = priority.saturating_add(above).into();
        let fields = tree::fields_mut(&mut copy, &["match"], object)?;
        let conditions = fields.get("exprs").and_then(Value::as_array).cloned();
        let mut conditions = conditions.unwrap_or_default();
        conditions.extend(matches.iter().map(condition));
        fields.insert("exprs".to_owned(), Value::Array(conditions));
        Ok(copy)
    }
}

fn condition(one: &HeaderMatch) -> Value {
    let (operator, value) = match &one.value {
        Text::Exact(text) => ("Equal", text.clone()),
        Text::Regex(text) => ("RegexMatch", text.clone()),
        Text::Prefix(text) => ("RegexMatch", format!("^{}.*", literal(text))),
    };
    json!({
        "subject": {"scope": "Header", "name": one.header},
        "op": operator,
        "value": value,
    })
}

/// The text as a regular expression that matches it alone.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
