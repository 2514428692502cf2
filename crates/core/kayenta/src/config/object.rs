//! A JSON object while it is read: typed fields, all problems at once with their paths, and what was not
//! asked for at the end.

use serde_json::{Map, Value};
use sluice_model::{Diagnostic, Severity};
use std::cell::RefCell;

/// Problems kept; the rest is counted in one more, so that no input makes a report without end.
const DIAGNOSTICS_MAX: usize = 100;

/// Characters of a user's text shown in a message.
const QUOTE_MAX: usize = 60;

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: RefCell<Vec<Diagnostic>>,
    more: RefCell<(usize, bool)>,
}

impl Problems {
    pub(crate) fn error(&self, code: &str, path: &str, message: String, help: &str) {
        self.push(Severity::Error, code, path, message, help);
    }

    pub(crate) fn warning(&self, code: &str, path: &str, message: String, help: &str) {
        self.push(Severity::Warning, code, path, message, help);
    }

    fn push(&self, severity: Severity, code: &str, path: &str, message: String, help: &str) {
        let mut found = self.found.borrow_mut();
        if found.len() >= DIAGNOSTICS_MAX {
            let (count, error) = *self.more.borrow();
            *self.more.borrow_mut() = (count + 1, error || severity == Severity::Error);
            return;
        }
        found.push(Diagnostic {
            severity,
            code: code.to_owned(),
            path: path.to_owned(),
            place: None,
            message,
            help: Some(help.to_owned()),
        });
    }

    /// All of them, errors first, otherwise in the order of the document.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        let (count, error) = self.more.into_inner();
        if count > 0 {
            found.push(Diagnostic {
                severity: if error {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                code: "more".to_owned(),
                path: String::new(),
                place: None,
                message: format!("{count} more problems are not shown"),
                help: Some("correct those shown, then read it again".to_owned()),
            });
        }
        found.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
        found
    }
}

/// An object, the path to it, and the fields asked for so far.
pub(crate) struct Object<'a> {
    pub(crate) path: String,
    fields: &'a Map<String, Value>,
    asked: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Object<'a> {
    /// None, and a problem said, if `value` is no object.
    pub(crate) fn new(path: String, value: &'a Value, problems: &'a Problems) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self {
                path,
                fields,
                asked: RefCell::default(),
                problems,
            }),
            other => {
                wrong_type(problems, &path, "an object", other);
                None
            }
        }
    }

    pub(crate) fn path_of(&self, field: &str) -> String {
        let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let plain = !field.is_empty() && field.len() <= QUOTE_MAX && field.chars().all(simple);
        match (self.path.is_empty(), plain) {
            (true, true) => field.to_owned(),
            (false, true) => format!("{}.{field}", self.path),
            (_, false) => format!("{}[\"{}\"]", self.path, shortened(field)),
        }
    }

    /// The field, known from now on. `null` is as good as nothing, as in Kayenta.
    pub(crate) fn get(&self, field: &'static str) -> Option<&'a Value> {
        self.get_or_null(field).filter(|value| !value.is_null())
    }

    /// The field, known from now on, `null` included.
    pub(crate) fn get_or_null(&self, field: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().push(field);
        self.fields.get(field)
    }

    /// A field that must be there; a problem is said if it is not.
    pub(crate) fn need(&self, field: &'static str, help: &str) -> Option<&'a Value> {
        let value = self.get(field);
        if value.is_none() {
            let message = format!("`{field}` is missing");
            self.problems
                .error("missing-field", &self.path_of(field), message, help);
        }
        value
    }

    pub(crate) fn object(&self, field: &'static str) -> Option<Object<'a>> {
        Object::new(self.path_of(field), self.get(field)?, self.problems)
    }

    pub(crate) fn text(&self, field: &'static str) -> Option<String> {
        let value = self.get(field)?;
        match value {
            Value::String(text) => Some(text.clone()),
            // As upstream's reader does: `"configVersion": 1.0` is common.
            Value::Number(number) => Some(number.to_string()),
            other => {
                wrong_type(self.problems, &self.path_of(field), "a text", other);
                None
            }
        }
    }

    pub(crate) fn texts(&self, field: &'static str, value: &'a Value) -> Vec<String> {
        let path = self.path_of(field);
        let Value::Array(items) = value else {
            wrong_type(self.problems, &path, "a list of texts", value);
            return Vec::new();
        };
        let read = items.iter().enumerate().filter_map(|(index, item)| {
            if !item.is_string() {
                wrong_type(self.problems, &format!("{path}[{index}]"), "a text", item);
            }
            item.as_str().map(str::to_owned)
        });
        read.collect()
    }

    pub(crate) fn boolean(&self, field: &'static str) -> Option<bool> {
        let value = self.get(field)?;
        if !value.is_boolean() {
            wrong_type(self.problems, &self.path_of(field), "true or false", value);
        }
        value.as_bool()
    }

    /// A number; `null` is not one here, since upstream would take it for 0.
    pub(crate) fn number(&self, field: &'static str) -> Option<f64> {
        let value = self.get_or_null(field)?;
        if !value.is_number() {
            wrong_type(self.problems, &self.path_of(field), "a number", value);
        }
        value.as_f64()
    }

    /// One of a few words; another one is said, and read as the default, as upstream silently does.
    pub(crate) fn word<T: Copy + Default + PartialEq>(
        &self,
        field: &'static str,
        words: &[(&'static str, T)],
    ) -> T {
        let Some(value) = self.get_or_null(field) else {
            return T::default();
        };
        let path = self.path_of(field);
        let Value::String(text) = value else {
            wrong_type(self.problems, &path, "a text", value);
            return T::default();
        };
        if let Some((_, known)) = words.iter().find(|(word, _)| word == text) {
            return *known;
        }
        let all = words
            .iter()
            .map(|(word, _)| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
        let default = words.iter().find(|(_, word)| *word == T::default());
        let default = default.map_or("the default", |(word, _)| word);
        let message = format!(
            "`{}` is not a word for `{field}`, and is read as `{default}`, as Kayenta does",
            shortened(text)
        );
        self.problems
            .warning("unknown-word", &path, message, &format!("say one of {all}"));
        T::default()
    }

    /// All fields, when their names are the user's.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.fields.iter()
    }

    /// Says which fields nobody asked for.
    pub(crate) fn report_unknown(&self) {
        let asked = self.asked.borrow();
        for field in self
            .fields
            .keys()
            .filter(|field| !asked.contains(&field.as_str()))
        {
            let near = asked.iter().find(|known| {
                strsim::damerau_levenshtein(&known.to_lowercase(), &field.to_lowercase()) <= 2
            });
            let help = match near {
                Some(known) => format!("did you mean `{known}`? Otherwise leave it out"),
                None => "leave it out, or see to it by hand: it changes nothing here".to_owned(),
            };
            let message = format!("`{}` is not a field that the judge knows", shortened(field));
            self.problems
                .warning("unknown-field", &self.path_of(field), message, &help);
        }
    }
}

/// Says that something is of another type than it should be.
pub(crate) fn wrong_type(problems: &Problems, path: &str, wanted: &str, found: &Value) {
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{}\"", shortened(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    let message = format!("{found} stands where {wanted} should be");
    problems.error(
        "wrong-type",
        path,
        message,
        &format!("write {wanted}, or leave it out"),
    );
}

/// A user's text as a message may show it: one line, and not long.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(QUOTE_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(QUOTE_MAX).is_some() {
        short.push('…');
    }
    short
}
