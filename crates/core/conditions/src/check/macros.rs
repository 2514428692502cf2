//! The types of macros (language definition, "Macros").

use super::{Checked, Checker, Macro, MacroPart, Operation, article, words_of};
use crate::problem::Span;
use crate::tree::{Node, Part};
use crate::types::Kind;

/// Names of the macros.
pub(super) const NAMES: [&str; 7] = [
    "has",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "filter",
    "map",
];

impl Checker<'_> {
    /// A macro; `None` when it is none, and `Some(None)` when it has been reported.
    pub(super) fn macro_call(
        &mut self,
        target: Option<&Node>,
        name: &str,
        name_span: Span,
        arguments: &[Node],
    ) -> Option<Option<(Operation, Kind)>> {
        let kind = match name {
            "has" => return Some(self.has(target, name_span, arguments)),
            "all" => Macro::All,
            "exists" => Macro::Exists,
            "exists_one" | "existsOne" => Macro::ExistsOne,
            "filter" => Macro::Filter,
            "map" => Macro::Map,
            _ => return None,
        };
        Some(self.over_elements(kind, target, name, name_span, arguments))
    }

    fn has(
        &mut self,
        target: Option<&Node>,
        name_span: Span,
        arguments: &[Node],
    ) -> Option<(Operation, Kind)> {
        let ([argument], None) = (arguments, target) else {
            self.report(
                name_span,
                "`has` asks for one field or variable",
                Some("write `has(labels.team)`".to_owned()),
            );
            return None;
        };
        if let Some(words) = words_of(argument) {
            let (typed, used) = self.named(argument, &words)?;
            if used == words.len() {
                return match typed.checked.operation {
                    Operation::Variable(variable) => {
                        Some((Operation::HasVariable(variable), Kind::Bool))
                    }
                    _ => self.not_a_field(argument),
                };
            }
        }
        let Part::Select {
            target,
            field,
            field_span,
        } = &argument.part
        else {
            return self.not_a_field(argument);
        };
        let found = self.part(target)?;
        let (operation, _) = self.field(found, field, *field_span)?;
        match operation {
            Operation::Field { target, field } => {
                Some((Operation::HasField { target, field }, Kind::Bool))
            }
            _ => self.not_a_field(argument),
        }
    }

    fn not_a_field(&mut self, argument: &Node) -> Option<(Operation, Kind)> {
        self.report(
            argument.span,
            "`has` asks for a field or a variable, and this is neither",
            Some("write `has(labels.team)`".to_owned()),
        );
        None
    }

    fn over_elements(
        &mut self,
        kind: Macro,
        target: Option<&Node>,
        name: &str,
        name_span: Span,
        arguments: &[Node],
    ) -> Option<(Operation, Kind)> {
        let (Some(target), [variable, rest @ ..]) = (target, arguments) else {
            self.form(name, name_span, kind);
            return None;
        };
        let (test, result) = match (kind, rest) {
            (Macro::Map, [result]) => (None, Some(result)),
            (Macro::Map, [test, result]) => (Some(test), Some(result)),
            (Macro::Map, _) => {
                self.form(name, name_span, kind);
                return None;
            }
            (_, [test]) => (Some(test), None),
            _ => {
                self.form(name, name_span, kind);
                return None;
            }
        };
        let range = self.part(target);
        let local = self.local_name(variable, name);
        let (range, local) = (range?, local?);
        let element = match (&range.kind, kind) {
            (Kind::List(element), _) => element.as_ref().clone(),
            (Kind::Unknown, _) => Kind::Unknown,
            (Kind::Map(key, _), Macro::All | Macro::Exists | Macro::ExistsOne) => {
                key.as_ref().clone()
            }
            (other, _) => {
                let wanted = match kind {
                    Macro::Filter | Macro::Map => "a list",
                    _ => "a list or a map",
                };
                let message = format!("`{name}` needs {wanted}, not {}", article(other));
                self.report(target.span, message, None);
                return None;
            }
        };
        self.locals.push((local, element.clone()));
        let test = test.map(|test| self.truth(test, &format!("the test of `{name}`")));
        let result = result.map(|result| self.part(result));
        self.locals.pop();
        let test: Option<Checked> = match test {
            Some(found) => Some(found?),
            None => None,
        };
        let (result, gives) = match (result, kind) {
            (Some(found), _) => {
                let found = found?;
                (Some(found.checked), Kind::List(Box::new(found.kind)))
            }
            (None, Macro::Filter) => (None, Kind::List(Box::new(element))),
            (None, _) => (None, Kind::Bool),
        };
        let part = MacroPart {
            kind,
            range: range.checked,
            test,
            result,
        };
        Some((Operation::Macro(Box::new(part)), gives))
    }

    /// The name that a macro introduces. It must not hide a variable: `canary.all(canary, …)` would be a riddle.
    fn local_name(&mut self, variable: &Node, name: &str) -> Option<String> {
        let Part::Name(local) = &variable.part else {
            let message = format!("`{name}` needs a name for the elements here");
            let help = Some(format!("write `list.{name}(element, …)`"));
            self.report(variable.span, message, help);
            return None;
        };
        if self.environment.begins_with(local) {
            let message = format!("`{local}` is the name of a variable already");
            self.report(variable.span, message, None);
            return None;
        }
        Some(local.clone())
    }

    fn form(&mut self, name: &str, span: Span, kind: Macro) {
        let (what, example) = match kind {
            Macro::Map => ("a name and what to make of it", "x, x * 2"),
            _ => ("a name and a test", "x, x > 2"),
        };
        let message = format!("`{name}` takes {what}, and is called on a list");
        self.report(
            span,
            message,
            Some(format!("write `list.{name}({example})`")),
        );
    }
}
