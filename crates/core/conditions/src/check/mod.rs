//! From a tree as it was written to one whose types fit.
//!
//! Every part gets a type, by the rules of the CEL language definition ("Standard Definitions"); what fits no rule
//! becomes a [`Problem`], and checking goes on with the parts around it, so that one run finds all.
//! What is resolved here (which variable a name is, which function a call is) is not looked up again when the
//! condition runs. `calls` has functions, `macros` has `has`, `all` and their kin.

mod calls;
mod macros;
mod operators;

use crate::environment::Environment;
use crate::functions::Function;
use crate::nearest::did_you_mean;
use crate::problem::{Problem, Span};
use crate::tree::{Literal, Node, Operator, Part};
use crate::types::{Kind, Type};
use crate::value::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most problems that are reported of one condition.
pub const PROBLEMS_MAX: usize = 16;

/// A part of a condition whose types fit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checked {
    pub(crate) span: Span,
    pub(crate) operation: Operation,
}

/// What a part does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operation {
    Constant(Value),
    Variable(Variable),
    /// `has(variable)`: whether it has a value.
    HasVariable(Variable),
    /// A name that a macro introduced, counted from the outermost one.
    Local(usize),
    Field {
        target: Box<Checked>,
        field: Arc<str>,
    },
    HasField {
        target: Box<Checked>,
        field: Arc<str>,
    },
    Index {
        target: Box<Checked>,
        index: Box<Checked>,
    },
    List(Vec<Checked>),
    Map(Vec<(Checked, Checked)>),
    Not(Box<Checked>),
    Negate(Box<Checked>),
    And(Vec<Checked>),
    Or(Vec<Checked>),
    Conditional {
        test: Box<Checked>,
        yes: Box<Checked>,
        no: Box<Checked>,
    },
    Binary {
        operator: Operator,
        left: Box<Checked>,
        right: Box<Checked>,
    },
    Call {
        function: Function,
        arguments: Vec<Checked>,
    },
    Macro(Box<MacroPart>),
}

/// A variable with the type that its value must have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) declared: Type,
}

/// A macro over the elements of a list, or the keys of a map.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MacroPart {
    pub(crate) kind: Macro,
    pub(crate) range: Checked,
    /// Which elements count; all when absent.
    pub(crate) test: Option<Checked>,
    /// What `map` makes of each.
    pub(crate) result: Option<Checked>,
}

/// The macros over elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// A part and its type.
#[derive(Clone, Debug)]
struct Typed {
    checked: Checked,
    kind: Kind,
}

/// The tree of a condition, and the variables that it names; or what is wrong with it.
pub(crate) fn check(
    text: &str,
    tree: &Node,
    environment: &Environment,
) -> Result<(Checked, BTreeSet<String>), Vec<Problem>> {
    let mut checker = Checker {
        text,
        environment,
        problems: Vec::new(),
        locals: Vec::new(),
        variables: BTreeSet::new(),
    };
    let typed = checker.part(tree);
    if let Some(typed) = &typed
        && !typed.kind.is(&Kind::Bool)
    {
        let message = format!(
            "a condition is true or false, and this is {}",
            article(&typed.kind)
        );
        let help = match typed.kind {
            Kind::Int | Kind::Uint | Kind::Double => Some("compare it, as in `… > 0`"),
            Kind::String => Some("compare it, as in `… == \"…\"`"),
            Kind::Duration => Some("compare it, as in `… > duration(\"10m\")`"),
            _ => None,
        };
        checker.report(tree.span, message, help.map(str::to_owned));
    }
    match (typed, checker.problems.is_empty()) {
        (Some(typed), true) => Ok((typed.checked, checker.variables)),
        _ => Err(checker.problems),
    }
}

struct Checker<'a> {
    text: &'a str,
    environment: &'a Environment,
    problems: Vec<Problem>,
    /// Names that macros have introduced, outermost first.
    locals: Vec<(String, Kind)>,
    variables: BTreeSet<String>,
}

impl Checker<'_> {
    fn report(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            let problem = Problem::new(span, message);
            self.problems.push(match help {
                Some(help) => problem.with_help(help),
                None => problem,
            });
        }
    }

    /// A part with its type; `None` when it has none, which has been reported then.
    fn part(&mut self, node: &Node) -> Option<Typed> {
        let (operation, kind) = match &node.part {
            Part::Literal(literal) => constant(literal),
            Part::Name(_) | Part::Select { .. } => self.path(node)?,
            Part::Index { target, index } => self.index(target, index)?,
            Part::Call {
                target,
                name,
                name_span,
                arguments,
            } => self.call(node.span, target.as_deref(), name, *name_span, arguments)?,
            Part::List(elements) => self.list(elements)?,
            Part::Map(entries) => self.map(entries)?,
            Part::Not(inner) => {
                let inner = self.truth(inner, "`!`")?;
                (Operation::Not(Box::new(inner)), Kind::Bool)
            }
            Part::Negate(inner) => self.negate(inner)?,
            Part::And(parts) => (Operation::And(self.truths(parts, "`&&`")?), Kind::Bool),
            Part::Or(parts) => (Operation::Or(self.truths(parts, "`||`")?), Kind::Bool),
            Part::Conditional { test, yes, no } => self.conditional(node.span, test, yes, no)?,
            Part::Binary {
                operator,
                left,
                right,
            } => self.binary(node.span, *operator, left, right)?,
        };
        Some(Typed {
            checked: Checked {
                span: node.span,
                operation,
            },
            kind,
        })
    }

    /// A part that must be true or false, for what `user` needs.
    fn truth(&mut self, node: &Node, user: &str) -> Option<Checked> {
        let typed = self.part(node)?;
        if typed.kind.is(&Kind::Bool) {
            return Some(typed.checked);
        }
        let found = article(&typed.kind);
        let message = match user {
            "`!`" => format!("`!` is for what is true or false, and this is {found}"),
            "`&&`" | "`||`" => format!("{user} joins what is true or false, and this is {found}"),
            _ => format!("{user} is true or false, and this is {found}"),
        };
        self.report(node.span, message, None);
        None
    }

    /// All of them, so that all problems are found.
    fn truths(&mut self, nodes: &[Node], user: &str) -> Option<Vec<Checked>> {
        let found: Vec<Option<Checked>> = nodes.iter().map(|node| self.truth(node, user)).collect();
        found.into_iter().collect()
    }

    fn list(&mut self, elements: &[Node]) -> Option<(Operation, Kind)> {
        let (parts, kind) = self.alike(elements, "the elements of a list")?;
        Some((Operation::List(parts), Kind::List(Box::new(kind))))
    }

    fn map(&mut self, entries: &[(Node, Node)]) -> Option<(Operation, Kind)> {
        let (keys, values): (Vec<Node>, Vec<Node>) = entries.iter().cloned().unzip();
        let keys_found = self.alike(&keys, "the keys of a map");
        let values_found = self.alike(&values, "the values of a map");
        let ((keys_found, key_kind), (values_found, value_kind)) = (keys_found?, values_found?);
        if !key_kind.is_key() {
            let span = keys.first().map(|key| key.span)?;
            let message = format!(
                "a key is a bool, an int, a uint or a string, not {}",
                article(&key_kind)
            );
            self.report(span, message, None);
            return None;
        }
        Some((
            Operation::Map(keys_found.into_iter().zip(values_found).collect()),
            Kind::Map(Box::new(key_kind), Box::new(value_kind)),
        ))
    }

    /// Parts that must all have one type.
    fn alike(&mut self, nodes: &[Node], what: &str) -> Option<(Vec<Checked>, Kind)> {
        let found: Vec<Option<Typed>> = nodes.iter().map(|node| self.part(node)).collect();
        let found: Vec<Typed> = found.into_iter().collect::<Option<_>>()?;
        let mut kind = Kind::Unknown;
        for (typed, node) in found.iter().zip(nodes) {
            match kind.join(&typed.kind) {
                Some(joined) => kind = joined,
                None => {
                    let message = format!("{what} have one type, not {kind} and {}", typed.kind);
                    let help = self.conversion(&kind, node, &typed.kind);
                    self.report(node.span, message, help);
                    return None;
                }
            }
        }
        Some((found.into_iter().map(|typed| typed.checked).collect(), kind))
    }

    /// A name, or fields after a name: the longest part of it that is a variable is the variable.
    fn path(&mut self, node: &Node) -> Option<(Operation, Kind)> {
        let Some(words) = words_of(node) else {
            let Part::Select {
                target,
                field,
                field_span,
            } = &node.part
            else {
                return None;
            };
            let target = self.part(target)?;
            return self.field(target, field, *field_span);
        };
        let (mut typed, used) = self.named(node, &words)?;
        for (word, span) in &words[used..] {
            let whole = typed.checked.span.to(*span);
            let (operation, kind) = self.field(typed, word, *span)?;
            typed = Typed {
                checked: Checked {
                    span: whole,
                    operation,
                },
                kind,
            };
        }
        Some((typed.checked.operation, typed.kind))
    }

    /// What the first words name, and how many words that is.
    fn named(&mut self, node: &Node, words: &[(String, Span)]) -> Option<(Typed, usize)> {
        let (first, first_span) = words.first()?;
        let local = self.locals.iter().rposition(|(name, _)| name == first);
        if let Some(slot) = local {
            let kind = self.locals[slot].1.clone();
            let checked = Checked {
                span: *first_span,
                operation: Operation::Local(slot),
            };
            return Some((Typed { checked, kind }, 1));
        }
        for used in (1..=words.len()).rev() {
            let name = joined(&words[..used]);
            let Some(declared) = self.environment.type_of(&name) else {
                continue;
            };
            let kind = Kind::from(declared);
            let declared = declared.clone();
            self.variables.insert(name.clone());
            let checked = Checked {
                span: first_span.to(words[used - 1].1),
                operation: Operation::Variable(Variable { name, declared }),
            };
            return Some((Typed { checked, kind }, used));
        }
        self.unknown(node.span, &joined(words));
        None
    }

    fn unknown(&mut self, span: Span, name: &str) {
        let within = format!("{name}.");
        let names: Vec<&str> = self.environment.variables().map(|(name, _)| name).collect();
        let below: Vec<&str> = names
            .iter()
            .copied()
            .filter(|known| known.starts_with(&within))
            .collect();
        if below.is_empty() {
            let locals = self.locals.iter().map(|(name, _)| name.as_str());
            let known: Vec<&str> = locals.chain(names).collect();
            let help = did_you_mean(name, &known);
            self.report(span, format!("there is no `{name}`"), help);
        } else {
            let help = did_you_mean(name, &below);
            let message = format!("`{name}` is not a value by itself");
            self.report(span, message, help);
        }
    }

    fn field(&mut self, target: Typed, field: &str, span: Span) -> Option<(Operation, Kind)> {
        match &target.kind {
            Kind::Map(key, value) if key.is(&Kind::String) => {
                let kind = value.as_ref().clone();
                let operation = Operation::Field {
                    target: Box::new(target.checked),
                    field: field.into(),
                };
                Some((operation, kind))
            }
            other => {
                let text = target.checked.span.of(self.text).to_owned();
                let message = format!("`{text}` is {} and has no `{field}`", article(other));
                self.report(span, message, None);
                None
            }
        }
    }

    fn index(&mut self, target: &Node, index: &Node) -> Option<(Operation, Kind)> {
        let (found, index_found) = (self.part(target), self.part(index));
        let (found, index_found) = (found?, index_found?);
        let (wanted, kind) = match &found.kind {
            Kind::List(element) => (Kind::Int, element.as_ref().clone()),
            Kind::Map(key, value) => (key.as_ref().clone(), value.as_ref().clone()),
            other => {
                let message = format!(
                    "only lists and maps have elements, and this is {}",
                    article(other)
                );
                self.report(target.span, message, None);
                return None;
            }
        };
        if !wanted.is(&index_found.kind) {
            let message = format!(
                "an element of a {} is found by {}, not by {}",
                found.kind,
                article(&wanted),
                article(&index_found.kind)
            );
            self.report(index.span, message, None);
            return None;
        }
        let operation = Operation::Index {
            target: Box::new(found.checked),
            index: Box::new(index_found.checked),
        };
        Some((operation, kind))
    }
}

/// The words of `a.b.c`; `None` when it is not only names.
fn words_of(node: &Node) -> Option<Vec<(String, Span)>> {
    match &node.part {
        Part::Name(name) => Some(vec![(name.clone(), node.span)]),
        Part::Select {
            target,
            field,
            field_span,
        } => {
            let mut words = words_of(target)?;
            words.push((field.clone(), *field_span));
            Some(words)
        }
        _ => None,
    }
}

fn joined(words: &[(String, Span)]) -> String {
    let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
    words.join(".")
}

fn constant(literal: &Literal) -> (Operation, Kind) {
    let (value, kind) = match literal {
        Literal::Bool(value) => (Value::Bool(*value), Kind::Bool),
        Literal::Int(value) => (Value::Int(*value), Kind::Int),
        Literal::Uint(value) => (Value::Uint(*value), Kind::Uint),
        Literal::Double(value) => (Value::Double(*value), Kind::Double),
        Literal::String(value) => (Value::String(value.as_str().into()), Kind::String),
    };
    (Operation::Constant(value), kind)
}

/// A type with its article: `an int`, `a list(string)`.
fn article(kind: &Kind) -> String {
    match kind {
        Kind::Int => "an int".to_owned(),
        other => format!("a {other}"),
    }
}
