//! The types of operators.

use super::{Checker, Operation, article};
use crate::problem::Span;
use crate::tree::{Literal, Node, Operator, Part};
use crate::types::Kind;
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn negate(&mut self, inner: &Node) -> Option<(Operation, Kind)> {
        let found = self.part(inner)?;
        if !matches!(found.kind, Kind::Int | Kind::Double | Kind::Unknown) {
            let message = format!("`-` is not defined for {}", found.kind);
            let help = (found.kind == Kind::Uint)
                .then(|| format!("write `-int({})`", inner.span.of(self.text)));
            self.report(inner.span, message, help);
            return None;
        }
        Some((Operation::Negate(Box::new(found.checked)), found.kind))
    }

    pub(super) fn conditional(
        &mut self,
        span: Span,
        test: &Node,
        yes: &Node,
        no: &Node,
    ) -> Option<(Operation, Kind)> {
        let test_found = self.truth(test, "what stands before `?`");
        let (yes_found, no_found) = (self.part(yes), self.part(no));
        let (test_found, yes_found, no_found) = (test_found?, yes_found?, no_found?);
        let Some(kind) = yes_found.kind.join(&no_found.kind) else {
            let message = format!(
                "both sides of `:` have one type, not {} and {}",
                yes_found.kind, no_found.kind
            );
            let help = self.conversion(&yes_found.kind, no, &no_found.kind);
            self.report(span, message, help);
            return None;
        };
        let operation = Operation::Conditional {
            test: Box::new(test_found),
            yes: Box::new(yes_found.checked),
            no: Box::new(no_found.checked),
        };
        Some((operation, kind))
    }

    pub(super) fn binary(
        &mut self,
        span: Span,
        operator: Operator,
        left: &Node,
        right: &Node,
    ) -> Option<(Operation, Kind)> {
        let (left_found, right_found) = (self.part(left), self.part(right));
        let (left_found, right_found) = (left_found?, right_found?);
        let Some(kind) = result_of(operator, &left_found.kind, &right_found.kind) else {
            let kinds = (&left_found.kind, &right_found.kind);
            let message = mismatch(operator, kinds.0, kinds.1);
            let help = self.advice(operator, (left, kinds.0), (right, kinds.1));
            self.report(span, message, help);
            return None;
        };
        let divides = matches!(operator, Operator::Divide | Operator::Remainder);
        if let (true, Operation::Constant(divisor)) = (divides, &right_found.checked.operation)
            && matches!(divisor, Value::Int(0) | Value::Uint(0) | Value::Double(0.0))
        {
            self.report(right.span, "this divides by zero", None);
            return None;
        }
        let operation = Operation::Binary {
            operator,
            left: Box::new(left_found.checked),
            right: Box::new(right_found.checked),
        };
        Some((operation, kind))
    }

    /// What to write so that the types fit, when that is easily said.
    fn advice(
        &self,
        operator: Operator,
        (left, left_kind): (&Node, &Kind),
        (right, right_kind): (&Node, &Kind),
    ) -> Option<String> {
        if operator == Operator::In {
            return matches!(right_kind, Kind::String).then(|| {
                format!(
                    "write `{}.contains({})`",
                    right.span.of(self.text),
                    left.span.of(self.text)
                )
            });
        }
        let chained = |node: &Node| matches!(&node.part, Part::Binary { operator, .. } if operator.orders() || *operator == Operator::Equal);
        if *left_kind == Kind::Bool
            && (operator.orders() || operator == Operator::Equal)
            && chained(left)
        {
            return Some("write `a < b && b < c` for a value between two others".to_owned());
        }
        let sides = [
            (right_kind, left, left_kind),
            (left_kind, right, right_kind),
        ];
        // A literal is written otherwise rather than something else converted.
        let is_literal =
            |(_, node, _): &&(&Kind, &Node, &Kind)| matches!(node.part, Part::Literal(_));
        let literals = sides.iter().filter(is_literal);
        literals
            .chain(&sides)
            .find_map(|(wanted, node, kind)| self.conversion(wanted, node, kind))
    }

    /// How to write `node`, a number of type `kind`, as the number that is `wanted`; a literal is simply
    /// written otherwise, and everything is converted to a double rather than from one.
    pub(super) fn conversion(&self, wanted: &Kind, node: &Node, kind: &Kind) -> Option<String> {
        if !wanted.is_number() || !kind.is_number() || wanted == kind {
            return None;
        }
        let text = node.span.of(self.text);
        match (&node.part, wanted) {
            (Part::Literal(Literal::Int(value)), Kind::Double) => {
                Some(format!("write `{value}.0`"))
            }
            (Part::Literal(Literal::Int(value)), Kind::Uint) if *value >= 0 => {
                Some(format!("write `{value}u`"))
            }
            (_, Kind::Double) => Some(format!("write `double({text})`")),
            (_, Kind::Int) if *kind == Kind::Uint => Some(format!("write `int({text})`")),
            _ => None,
        }
    }
}

/// The type of an operator's result; `None` when it is not defined for these.
fn result_of(operator: Operator, left: &Kind, right: &Kind) -> Option<Kind> {
    if operator == Operator::In {
        let fits = match right {
            Kind::List(element) => element.is(left),
            Kind::Map(key, _) => key.is(left),
            Kind::Unknown => true,
            _ => false,
        };
        return fits.then_some(Kind::Bool);
    }
    if operator.orders() && left.is_number() && right.is_number() {
        return Some(Kind::Bool);
    }
    let both = left.join(right)?;
    let number = both.is_number() || both == Kind::Unknown;
    match operator {
        Operator::Equal | Operator::NotEqual => Some(Kind::Bool),
        Operator::Add => (number || matches!(both, Kind::String | Kind::Duration | Kind::List(_)))
            .then_some(both),
        Operator::Subtract => (number || both == Kind::Duration).then_some(both),
        Operator::Multiply | Operator::Divide => number.then_some(both),
        Operator::Remainder => (number && both != Kind::Double).then_some(both),
        _ => (number || matches!(both, Kind::Bool | Kind::String | Kind::Duration))
            .then_some(Kind::Bool),
    }
}

fn mismatch(operator: Operator, left: &Kind, right: &Kind) -> String {
    let sign = operator.sign();
    match operator {
        Operator::Equal | Operator::NotEqual => {
            format!("`{sign}` compares values of one type, not {left} and {right}")
        }
        Operator::In if matches!(right, Kind::List(_) | Kind::Map(_, _)) => {
            format!("{} cannot be in a {right}", article(left))
        }
        Operator::In => format!("`in` needs a list or a map, not {}", article(right)),
        _ if left == right => format!("`{sign}` is not defined for {left}"),
        _ => format!("`{sign}` is not defined for {left} and {right}"),
    }
}
