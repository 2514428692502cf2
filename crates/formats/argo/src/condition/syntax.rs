//! The parts of an expression.

use std::sync::Arc;

/// A part, and the character where it starts.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// A variable: `result`, or one of `let`.
    Name(String),
    /// The element at hand in a predicate: `#`, or its `#acc` and `#index`.
    Element(String),
    Array(Vec<Node>),
    /// Keys and values.
    Map(Vec<(Node, Node)>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Plus(Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    /// `of.key` and `of[key]`; nothing when optional and `of` is nothing.
    Member {
        of: Box<Node>,
        key: Box<Node>,
        optional: bool,
    },
    /// Where a `?.` inside ends: the whole is nothing from there on.
    Chain(Box<Node>),
    /// `of[from:to]`.
    Slice {
        of: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
    },
    Call {
        name: String,
        arguments: Vec<Node>,
    },
    /// `of.name(arguments…)`.
    Method {
        of: Box<Node>,
        name: String,
        arguments: Vec<Node>,
    },
    /// A function that runs a predicate for each element: the array, the predicate, and what follows.
    Each {
        name: &'static str,
        over: Box<Node>,
        predicate: Option<Box<Node>>,
        extra: Option<Box<Node>>,
    },
    If(Box<Node>, Box<Node>, Box<Node>),
    Let {
        name: String,
        value: Box<Node>,
        then: Box<Node>,
    },
    /// Several expressions; the last counts.
    Sequence(Vec<Node>),
}

impl Node {
    /// The parts that it is made of.
    pub(super) fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Nil
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Name(_)
            | Kind::Element(_) => Vec::new(),
            Kind::Array(items) | Kind::Sequence(items) => items.iter().collect(),
            Kind::Call { arguments, .. } => arguments.iter().collect(),
            Kind::Method { of, arguments, .. } => std::iter::once(&**of).chain(arguments).collect(),
            Kind::Map(entries) => entries
                .iter()
                .flat_map(|(key, value)| [key, value])
                .collect(),
            Kind::Not(inner) | Kind::Negate(inner) | Kind::Plus(inner) | Kind::Chain(inner) => {
                vec![inner]
            }
            Kind::Binary(_, left, right) => vec![left, right],
            Kind::Member { of, key, .. } => vec![of, key],
            Kind::Slice { of, from, to } => {
                let bounds = from.iter().chain(to).map(|bound| &**bound);
                std::iter::once(&**of).chain(bounds).collect()
            }
            Kind::Each {
                over,
                predicate,
                extra,
                ..
            } => {
                let others = predicate.iter().chain(extra).map(|other| &**other);
                std::iter::once(&**over).chain(others).collect()
            }
            Kind::If(condition, yes, no) => vec![condition, yes, no],
            Kind::Let { value, then, .. } => vec![value, then],
        }
    }

    /// Adds the number of its parts, itself included.
    pub(super) fn count(&self, parts: &mut usize) {
        *parts += 1;
        for child in self.children() {
            child.count(parts);
        }
    }
}

/// Operators with two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Coalesce,
}

impl Binary {
    /// The operator of a sign, with its precedence: the higher binds first.
    pub(super) fn from_sign(sign: &str) -> Option<(Binary, u32)> {
        Some(match sign {
            "or" | "||" => (Binary::Or, 10),
            "and" | "&&" => (Binary::And, 15),
            "==" => (Binary::Equal, 20),
            "!=" => (Binary::NotEqual, 20),
            "<" => (Binary::Less, 20),
            ">" => (Binary::Greater, 20),
            "<=" => (Binary::LessOrEqual, 20),
            ">=" => (Binary::GreaterOrEqual, 20),
            "in" => (Binary::In, 20),
            "matches" => (Binary::Matches, 20),
            "contains" => (Binary::Contains, 20),
            "startsWith" => (Binary::StartsWith, 20),
            "endsWith" => (Binary::EndsWith, 20),
            ".." => (Binary::Range, 25),
            "+" => (Binary::Add, 30),
            "-" => (Binary::Subtract, 30),
            "*" => (Binary::Multiply, 60),
            "/" => (Binary::Divide, 60),
            "%" => (Binary::Modulo, 60),
            "**" | "^" => (Binary::Power, 100),
            "??" => (Binary::Coalesce, 500),
            _ => return None,
        })
    }

    /// The operator as messages write it.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Binary::Or => "or",
            Binary::And => "and",
            Binary::Equal => "==",
            Binary::NotEqual => "!=",
            Binary::Less => "<",
            Binary::Greater => ">",
            Binary::LessOrEqual => "<=",
            Binary::GreaterOrEqual => ">=",
            Binary::In => "in",
            Binary::Matches => "matches",
            Binary::Contains => "contains",
            Binary::StartsWith => "startsWith",
            Binary::EndsWith => "endsWith",
            Binary::Range => "..",
            Binary::Add => "+",
            Binary::Subtract => "-",
            Binary::Multiply => "*",
            Binary::Divide => "/",
            Binary::Modulo => "%",
            Binary::Power => "**",
            Binary::Coalesce => "??",
        }
    }

    /// Whether several in a row mean that all hold: `1 < x < 3`.
    pub(super) fn chains(self) -> bool {
        matches!(
            self,
            Binary::Less | Binary::Greater | Binary::LessOrEqual | Binary::GreaterOrEqual
        )
    }

    /// Whether `not` may stand before it.
    pub(super) fn is_negatable(self) -> bool {
        matches!(
            self,
            Binary::In | Binary::Matches | Binary::Contains | Binary::StartsWith | Binary::EndsWith
        )
    }
}

/// Functions that run a predicate: their name, whether it may be left out, and whether one more argument may follow.
pub(super) const PREDICATES: [(&str, bool, bool); 15] = [
    ("all", false, false),
    ("none", false, false),
    ("any", false, false),
    ("one", false, false),
    ("filter", false, false),
    ("map", false, false),
    ("count", true, false),
    ("sum", true, false),
    ("find", false, false),
    ("findIndex", false, false),
    ("findLast", false, false),
    ("findLastIndex", false, false),
    ("groupBy", false, false),
    ("sortBy", false, true),
    ("reduce", false, true),
];
