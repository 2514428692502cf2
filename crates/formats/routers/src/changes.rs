//! What is to be written, and what stands in the way.

use crate::object::ObjectRef;
use serde_json::Value;
use sluice_model::diagnostic::{Diagnostic, Severity};
use std::fmt;

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Create this object.
    Create {
        /// Which.
        object: ObjectRef,
        /// All of it.
        body: Value,
    },
    /// Put this in the object's place. The body has the `resourceVersion` of what was read, so that a change
    /// by somebody else in between is refused.
    Update {
        /// Which.
        object: ObjectRef,
        /// All of it.
        body: Value,
    },
    /// Delete the object.
    Delete {
        /// Which.
        object: ObjectRef,
        /// The `uid` that it must have; an object that came in its place stays.
        uid: Option<String>,
    },
}

impl Write {
    /// The object that is written.
    #[must_use]
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Create { object, .. }
            | Self::Update { object, .. }
            | Self::Delete { object, .. } => object,
        }
    }
}

/// What is to be written, in order, and what stands in the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The writes. Each is made after the one before has succeeded; after a failure, read and apply again.
    pub writes: Vec<Write>,
    /// Whether the objects express the split when these writes have succeeded. If not, and there are no
    /// problems, read and apply again after them: the rest is only safe then.
    pub complete: bool,
    /// What stands in the way. Only writes that take traffic away from the canary are made then.
    pub problems: Vec<Problem>,
    /// What was done although it is not all that was asked for.
    pub warnings: Vec<Problem>,
}

impl Changes {
    /// Whether the objects express the split as they are.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.complete && self.writes.is_empty()
    }
}

/// Something that is wrong with an object, or with what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// Stable name of the rule, as `object-not-found`.
    pub rule: &'static str,
    /// The object, unless it is about what is asked for.
    pub object: Option<Box<ObjectRef>>,
    /// Where in the object, as `spec.http[0].route`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub cause: String,
    /// What to do about it.
    pub next_step: String,
}

impl fmt::Display for Problem {
    /// `VirtualService shop/checkout spec.http[0].route: cause; next step`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}; {}", self.cause, self.next_step)
    }
}

impl Problem {
    pub(crate) fn at(
        object: &ObjectRef,
        rule: &'static str,
        path: impl Into<String>,
        cause: String,
        next_step: String,
    ) -> Self {
        Self {
            rule,
            object: Some(Box::new(object.clone())),
            path: path.into(),
            cause,
            next_step,
        }
    }

    /// About what is asked for.
    pub(crate) fn asked(rule: &'static str, path: &str, cause: String, next_step: String) -> Self {
        Self {
            rule,
            object: None,
            path: path.to_owned(),
            cause,
            next_step,
        }
    }

    /// Something in the object is of another type than its API says.
    pub(crate) fn malformed(object: &ObjectRef, path: impl Into<String>, wanted: &str) -> Self {
        Self::at(
            object,
            "malformed",
            path,
            format!("this is not {wanted}"),
            format!("correct the {}", object.kind.kind),
        )
    }

    /// As a diagnostic.
    #[must_use]
    pub fn diagnostic(self, severity: Severity) -> Diagnostic {
        Diagnostic {
            severity,
            code: self.rule.to_owned(),
            path: self.place(),
            place: None,
            message: self.cause,
            help: Some(self.next_step),
        }
    }

    fn place(&self) -> String {
        let object = self.object.as_ref().map(ToString::to_string);
        let parts: Vec<&str> = [object.as_deref().unwrap_or_default(), &self.path]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(" ")
    }
}

/// Whether a write may send more traffic to the canary, or to pods that get none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Raises,
    Lowers,
}

impl Effect {
    pub(crate) fn raises_if(raises: bool) -> Self {
        if raises { Self::Raises } else { Self::Lowers }
    }
}

/// Changes while they are collected.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    writes: Vec<(Effect, Write)>,
    staged: bool,
    problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Draft {
    /// The value, unless there is a problem, which is noted.
    pub(crate) fn sound<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems(vec![problem])).ok()
    }

    /// Notes problems, each once.
    pub(crate) fn problems(&mut self, found: Vec<Problem>) {
        for problem in found {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    /// Puts `after` in the place of `before` if it differs. Whether it does.
    pub(crate) fn update(
        &mut self,
        object: &ObjectRef,
        before: &Value,
        after: Value,
        effect: Effect,
    ) -> bool {
        let differs = *before != after;
        if differs {
            let object = object.clone();
            let body = after;
            self.writes.push((effect, Write::Update { object, body }));
        }
        differs
    }

    pub(crate) fn create(&mut self, object: &ObjectRef, body: Value) {
        let object = object.clone();
        self.writes
            .push((Effect::Raises, Write::Create { object, body }));
    }

    pub(crate) fn delete(&mut self, object: &ObjectRef, body: &Value) {
        let uid = body.pointer("/metadata/uid").and_then(Value::as_str);
        self.writes.push((
            Effect::Lowers,
            Write::Delete {
                object: object.clone(),
                uid: uid.map(str::to_owned),
            },
        ));
    }

    /// There is more to do once these writes are made.
    pub(crate) fn more_follows(&mut self) {
        self.staged = true;
    }

    /// The changes. A problem holds up an advance of the canary, on all objects, and never its retreat.
    pub(crate) fn finish(self) -> Changes {
        let held = !self.problems.is_empty();
        Changes {
            writes: self
                .writes
                .into_iter()
                .filter(|(effect, _)| !held || *effect == Effect::Lowers)
                .map(|(_, write)| write)
                .collect(),
            complete: !held && !self.staged,
            problems: self.problems,
            warnings: self.warnings,
        }
    }
}
