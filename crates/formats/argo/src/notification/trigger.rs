//! Triggers: when which templates are sent.

use super::notified::condition_key;
use super::yaml;
use crate::condition::{Expression, Value};
use serde::Deserialize;
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

/// One entry of a trigger.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Its place in the trigger and its text, as keys have them.
    pub(super) key: String,
    /// What has to hold; `None` where nothing is written, which only events fulfil.
    pub(super) when: Option<Expression>,
    /// What tells apart for what it was sent already.
    pub(super) once_per: Option<Expression>,
    /// The templates, in their order.
    pub(super) send: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    when: String,
    once_per: String,
    send: Vec<String>,
}

impl Condition {
    /// Reads a trigger.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read_all(text: &str) -> Result<Vec<Condition>, String> {
        let written: Vec<Written> = yaml::shaped(yaml::read(text)?)?;
        let conditions = written.into_iter().enumerate();
        conditions
            .map(|(place, written)| {
                let Written {
                    when,
                    once_per,
                    send,
                } = written;
                Ok(Condition {
                    key: condition_key(place, &when),
                    when: expression("when", &when)?,
                    once_per: expression("oncePer", &once_per)?,
                    send,
                })
            })
            .collect()
    }

    /// Whether it holds. Nothing holds where nothing is written.
    ///
    /// # Errors
    /// Why it cannot be told, as a field of something that is not there.
    pub(super) fn holds(
        &self,
        names: &BTreeMap<String, Value>,
        now: Timestamp,
    ) -> Result<bool, String> {
        let Some(when) = &self.when else {
            return Ok(false);
        };
        match when.yields(names, now) {
            Ok(value) => Ok(value == Value::Bool(true)),
            Err(cause) => Err(format!("when, {cause}")),
        }
    }

    /// For what it is sent once; `None` when nothing is written.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub(super) fn once_per(
        &self,
        names: &BTreeMap<String, Value>,
        now: Timestamp,
    ) -> Result<Option<String>, String> {
        let Some(once_per) = &self.once_per else {
            return Ok(None);
        };
        match once_per.yields(names, now) {
            Ok(value) => Ok(Some(value.to_string())),
            Err(cause) => Err(format!("oncePer, {cause}")),
        }
    }
}

fn expression(field: &str, text: &str) -> Result<Option<Expression>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match Expression::parse(text) {
        Ok(expression) => Ok(Some(expression)),
        Err(cause) => Err(format!("{field} `{text}`, {cause}")),
    }
}
