//! Calls of functions, with and without predicates.

use super::super::ConditionError;
use super::super::signature::{
    FUNCTIONS, Gives, NOT_COMPUTED, OF_MEASUREMENTS, Signature, accepts, describe,
};
use super::super::syntax::{Kind, Node, PREDICATES};
use super::{Checker, Type, meant};

impl<'a> Checker<'a> {
    pub(super) fn call(
        &mut self,
        at: usize,
        name: &str,
        arguments: &'a [Node],
    ) -> Result<Type, ConditionError> {
        let error = |cause: String| Err(ConditionError::new(at, cause));
        let mut given = Vec::with_capacity(arguments.len());
        for argument in arguments {
            given.push(self.of(argument)?);
        }
        let is_there = |name: &str| self.result.is_some() || !OF_MEASUREMENTS.contains(&name);
        let mut functions = FUNCTIONS.iter();
        let known = functions.find(|function| function.name == name && is_there(name));
        let Some(signature) = known else {
            if NOT_COMPUTED.contains(&name) {
                return error(format!("{name}() is not computed in conditions"));
            }
            let known = FUNCTIONS.iter().map(|function| function.name);
            let known = known.filter(|name| is_there(name));
            let known = known.chain(PREDICATES.iter().map(|(known, ..)| *known));
            return error(format!(
                "there is no function `{name}`{}",
                meant(name, known)
            ));
        };
        check_arguments(at, signature, arguments, &given)?;
        let first = || given.first().cloned().unwrap_or(Type::Unknown);
        Ok(match signature.gives {
            Gives::Unknown => Type::Unknown,
            Gives::Bool => Type::Bool,
            Gives::Int => Type::Int,
            Gives::Float => Type::Float,
            Gives::Text => Type::Text,
            Gives::Time => Type::Time,
            Gives::Duration => Type::Duration,
            Gives::Array => Type::Array(Box::new(Type::Unknown)),
            Gives::Map => Type::Map,
            Gives::SameAsFirst => first(),
            Gives::ElementOfFirst => match first() {
                Type::Array(of) => *of,
                _ => Type::Unknown,
            },
        })
    }

    pub(super) fn method(
        &mut self,
        at: usize,
        of: &'a Node,
        name: &str,
        arguments: &'a [Node],
    ) -> Result<Type, ConditionError> {
        if self.result.is_some() {
            let cause = format!(
                "values have no methods such as `{name}()`; call a function of the expression"
            );
            return Err(ConditionError::new(at, cause));
        }
        for argument in arguments {
            self.of(argument)?;
        }
        match self.of(of)? {
            Type::Unknown | Type::Time | Type::Duration => Ok(Type::Unknown),
            other => {
                let cause = format!("{} has no method `{name}`", other.word());
                Err(ConditionError::new(at, cause))
            }
        }
    }

    pub(super) fn each(
        &mut self,
        name: &'static str,
        over: &'a Node,
        predicate: Option<&'a Node>,
        extra: Option<&'a Node>,
    ) -> Result<Type, ConditionError> {
        let array = self.of(over)?;
        let element = match &array {
            Type::Unknown => Type::Unknown,
            Type::Array(of) => (**of).clone(),
            other => {
                let cause = format!("{name}() takes an array, not {}", other.word());
                return Err(ConditionError::new(over.at, cause));
            }
        };
        let yields = match predicate {
            None => element.clone(),
            Some(predicate) => {
                self.elements.push((name, element.clone()));
                let yields = self.of(predicate)?;
                self.elements.pop();
                let decides = !matches!(name, "map" | "sum" | "groupBy" | "sortBy" | "reduce");
                if decides && !yields.may_be(&Type::Bool) {
                    let cause = format!(
                        "the predicate of {name}() must be a bool, not {}",
                        yields.word()
                    );
                    return Err(ConditionError::new(predicate.at, cause));
                }
                yields
            }
        };
        if let Some(extra) = extra {
            let found = self.of(extra)?;
            if name == "sortBy" && !found.may_be(&Type::Text) {
                let cause = format!("the order is \"asc\" or \"desc\", not {}", found.word());
                return Err(ConditionError::new(extra.at, cause));
            }
        }
        Ok(match name {
            "all" | "none" | "any" | "one" => Type::Bool,
            "count" | "findIndex" | "findLastIndex" => Type::Int,
            "filter" | "sortBy" => Type::Array(Box::new(element)),
            "map" => Type::Array(Box::new(yields)),
            "sum" => yields,
            "find" | "findLast" => element,
            "groupBy" => Type::Map,
            _ => Type::Unknown,
        })
    }
}

fn check_arguments(
    at: usize,
    signature: &Signature,
    arguments: &[Node],
    given: &[Type],
) -> Result<(), ConditionError> {
    let name = signature.name;
    let most = if signature.is_variadic {
        usize::MAX
    } else {
        signature.parameters.len()
    };
    if given.len() < signature.required || given.len() > most {
        let expected = if signature.is_variadic {
            "1 or more".to_owned()
        } else if signature.required == most {
            most.to_string()
        } else {
            format!("{} to {most}", signature.required)
        };
        let cause = format!("{name}() takes {expected} arguments, not {}", given.len());
        return Err(ConditionError::new(at, cause));
    }
    for (index, (argument, found)) in arguments.iter().zip(given).enumerate() {
        let last = signature.parameters.len().saturating_sub(1);
        let accepted = signature.parameters[index.min(last)];
        // A whole number that is written out is taken for a broken one where one is needed.
        let is_literal = is_written_out(argument) && accepts(accepted, &Type::Float);
        if !is_literal && !accepts(accepted, found) {
            let cause = format!(
                "{name}() takes {}, not {}",
                describe(accepted),
                found.word()
            );
            return Err(ConditionError::new(argument.at, cause));
        }
    }
    Ok(())
}

/// Whether an argument is a number that is written out, with or without a sign.
fn is_written_out(argument: &Node) -> bool {
    match &argument.kind {
        Kind::Int(_) => true,
        Kind::Negate(inner) | Kind::Plus(inner) => is_written_out(inner),
        _ => false,
    }
}
