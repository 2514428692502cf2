//! The types of calls.

use super::{Checked, Checker, Operation, Typed};
use crate::functions::{SIGNATURES, Signature, UNSUPPORTED};
use crate::nearest::did_you_mean;
use crate::problem::Span;
use crate::tree::Node;
use crate::types::Kind;

/// Signatures that are listed as help.
const SHOWN_MAX: usize = 4;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        span: Span,
        target: Option<&Node>,
        name: &str,
        name_span: Span,
        arguments: &[Node],
    ) -> Option<(Operation, Kind)> {
        if let Some(found) = self.macro_call(target, name, name_span, arguments) {
            return found;
        }
        if let Some((_, instead)) = UNSUPPORTED.iter().find(|(known, _)| *known == name) {
            let message = format!("`{name}` is not supported in conditions");
            self.report(name_span, message, Some((*instead).to_owned()));
            return None;
        }
        let known: Vec<&Signature> = SIGNATURES
            .iter()
            .filter(|known| known.name == name)
            .collect();
        if known.is_empty() {
            let mut names: Vec<&str> = SIGNATURES.iter().map(|known| known.name).collect();
            names.extend(super::macros::NAMES);
            names.dedup();
            let help = did_you_mean(name, &names);
            self.report(name_span, format!("there is no function `{name}`"), help);
            return None;
        }
        let found: Vec<Option<Typed>> = target
            .into_iter()
            .chain(arguments)
            .map(|argument| self.part(argument))
            .collect();
        let found: Vec<Typed> = found.into_iter().collect::<Option<_>>()?;
        let kinds: Vec<Kind> = found.iter().map(|typed| typed.kind.clone()).collect();
        let member = target.is_some();
        let Some(signature) = known.iter().find(|known| known.takes(member, &kinds)) else {
            self.misfit(span, name, target.is_some(), &kinds, &known);
            return None;
        };
        let arguments: Vec<Checked> = found.into_iter().map(|typed| typed.checked).collect();
        let function = signature.function;
        let kind = function.gives();
        // What is constant is converted now: a span that is none is a problem of the text.
        let mut constants = Vec::new();
        for argument in &arguments {
            if let Operation::Constant(value) = &argument.operation {
                constants.push(value.clone());
            }
        }
        if constants.len() < arguments.len() {
            let operation = Operation::Call {
                function,
                arguments,
            };
            return Some((operation, kind));
        }
        match function.call(&constants) {
            Ok(value) => Some((Operation::Constant(value), kind)),
            Err(cause) => {
                self.report(span, cause.to_string(), None);
                None
            }
        }
    }

    /// The function is there, but not for these types.
    fn misfit(
        &mut self,
        span: Span,
        name: &str,
        member: bool,
        kinds: &[Kind],
        known: &[&Signature],
    ) {
        let given: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let message = match given.split_first() {
            None => format!("`{name}` is not defined without a value"),
            Some((target, [])) if member => format!("`{target}.{name}()` is not defined"),
            Some((target, rest)) if member => {
                format!("`{target}.{name}({})` is not defined", rest.join(", "))
            }
            Some(_) => format!("`{name}({})` is not defined", given.join(", ")),
        };
        let shown: Vec<String> = known
            .iter()
            .take(SHOWN_MAX)
            .map(|signature| format!("`{}`", signature.shown()))
            .collect();
        self.report(
            span,
            message,
            Some(format!("there is {}", shown.join(", "))),
        );
    }
}
