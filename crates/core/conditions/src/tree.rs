//! The tree of a condition as it was written: no types yet.

use crate::problem::Span;

/// A part of a condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    /// Levels below and including this one.
    pub(crate) depth: usize,
    pub(crate) part: Part,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Literal(Literal),
    Name(String),
    Select {
        target: Box<Node>,
        field: String,
        field_span: Span,
    },
    Index {
        target: Box<Node>,
        index: Box<Node>,
    },
    Call {
        target: Option<Box<Node>>,
        name: String,
        name_span: Span,
        arguments: Vec<Node>,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// `a && b && …`
    And(Vec<Node>),
    /// `a || b || …`
    Or(Vec<Node>),
    Conditional {
        test: Box<Node>,
        yes: Box<Node>,
        no: Box<Node>,
    },
}

/// A value in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
}

/// Operators with two sides, other than `&&` and `||`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Operator {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::In => "in",
        }
    }

    /// Whether it puts values in an order.
    pub(crate) fn orders(self) -> bool {
        matches!(
            self,
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual
        )
    }
}

impl Part {
    /// The parts directly within this one.
    pub(crate) fn children(&self) -> Vec<&Node> {
        match self {
            Part::Literal(_) | Part::Name(_) => Vec::new(),
            Part::Select { target, .. } => vec![target],
            Part::Index { target, index } => vec![target, index],
            Part::Call {
                target, arguments, ..
            } => target.iter().map(AsRef::as_ref).chain(arguments).collect(),
            Part::List(parts) | Part::And(parts) | Part::Or(parts) => parts.iter().collect(),
            Part::Map(entries) => entries
                .iter()
                .flat_map(|(key, value)| [key, value])
                .collect(),
            Part::Not(one) | Part::Negate(one) => vec![one],
            Part::Binary { left, right, .. } => vec![left, right],
            Part::Conditional { test, yes, no } => vec![test, yes, no],
        }
    }
}
