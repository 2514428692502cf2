//! What operators stand between: constants, names, lists, maps, calls, and what follows them with `.` or `[`.

use super::super::ConditionError;
use super::super::syntax::{Kind, Node, PREDICATES};
use super::super::token::Word;
use super::Parser;

impl Parser {
    pub(super) fn operand(&mut self) -> Result<Node, ConditionError> {
        let at = self.at();
        let word = self.word().clone();
        let kind = match word {
            Word::Name(name) => {
                self.next += 1;
                match name.as_str() {
                    "true" => return self.node(at, Kind::Bool(true)),
                    "false" => return self.node(at, Kind::Bool(false)),
                    "nil" => return self.node(at, Kind::Nil),
                    _ if self.is("(") => {
                        let node = self.call(at, name, None)?;
                        return self.postfix(node);
                    }
                    _ => Kind::Name(name),
                }
            }
            Word::Int(number) => {
                self.next += 1;
                return self.node(at, Kind::Int(number));
            }
            Word::Float(number) => {
                self.next += 1;
                return self.node(at, Kind::Float(number));
            }
            Word::Text(text) => {
                self.next += 1;
                Kind::Text(text)
            }
            Word::Sign("[") => Kind::Array(self.list("[", "]")?),
            Word::Sign("{") => self.map()?,
            other => {
                let cause = format!("a value was expected, not {}", other.describe());
                return Err(self.error(cause));
            }
        };
        let node = self.node(at, kind)?;
        self.postfix(node)
    }

    /// Expressions between brackets, separated by commas.
    fn list(&mut self, open: &str, close: &str) -> Result<Vec<Node>, ConditionError> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.take(close) {
            if !items.is_empty() {
                self.expect(",")?;
                if self.take(close) {
                    break;
                }
            }
            items.push(self.whole()?);
        }
        Ok(items)
    }

    fn map(&mut self) -> Result<Kind, ConditionError> {
        self.expect("{")?;
        let mut entries = Vec::new();
        while !self.take("}") {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.take("}") {
                    break;
                }
            }
            let at = self.at();
            let literal = match self.word() {
                Word::Text(text) => Some(text.to_string()),
                Word::Name(name) => Some(name.clone()),
                Word::Int(number) => Some(number.to_string()),
                Word::Float(number) => Some(number.to_string()),
                _ => None,
            };
            let key = match literal {
                Some(text) => {
                    self.next += 1;
                    self.node(at, Kind::Text(text.into()))?
                }
                None if self.is("(") => self.whole()?,
                None => {
                    return Err(self.error(
                        "a key was expected: a name, a text, a number, or an expression in brackets",
                    ));
                }
            };
            self.expect(":")?;
            entries.push((key, self.whole()?));
        }
        Ok(Kind::Map(entries))
    }

    /// A function's arguments; with a pipe, the first stands before it.
    pub(super) fn call(
        &mut self,
        at: usize,
        name: String,
        piped: Option<Node>,
    ) -> Result<Node, ConditionError> {
        let known = PREDICATES.iter().find(|(known, ..)| *known == name);
        let Some(&(name, may_lack, may_follow)) = known else {
            let mut arguments: Vec<Node> = piped.into_iter().collect();
            arguments.extend(self.list("(", ")")?);
            return self.node(at, Kind::Call { name, arguments });
        };
        self.expect("(")?;
        let is_piped = piped.is_some();
        let over = Box::new(match piped {
            Some(piped) => piped,
            None => self.whole()?,
        });
        let predicate = if self.is(")") && may_lack {
            None
        } else {
            if !is_piped {
                if self.is(")") {
                    let cause = format!("{name}() needs an array and a predicate");
                    return Err(self.error(cause));
                }
                self.expect(",")?;
            }
            Some(Box::new(self.predicate()?))
        };
        let mut extra = None;
        if self.take(",") && may_follow && !self.is(")") {
            extra = Some(Box::new(self.whole()?));
            self.take(",");
        }
        self.expect(")")?;
        let kind = Kind::Each {
            name,
            over,
            predicate,
            extra,
        };
        self.node(at, kind)
    }

    fn predicate(&mut self) -> Result<Node, ConditionError> {
        self.in_predicate += 1;
        let inner = if self.is("{") {
            self.block()
        } else {
            self.whole()
        };
        self.in_predicate -= 1;
        inner
    }

    pub(super) fn postfix(&mut self, mut node: Node) -> Result<Node, ConditionError> {
        loop {
            let at = self.at();
            let optional = self.is("?.");
            if optional || self.is(".") {
                self.next += 1;
                if optional && self.is("[") {
                    node = self.index(node, true)?;
                } else {
                    node = self.member(node, at, optional)?;
                }
            } else if self.is("[") {
                node = self.index(node, false)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn member(&mut self, node: Node, at: usize, optional: bool) -> Result<Node, ConditionError> {
        let name = match self.word() {
            Word::Name(name) => name.clone(),
            // `result.in` and the like: operators may be names of fields.
            Word::Sign(sign) if sign.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                (*sign).to_owned()
            }
            other => {
                let cause = format!("the name of a field was expected, not {}", other.describe());
                return Err(self.error(cause));
            }
        };
        self.next += 1;
        if self.is("(") {
            let arguments = self.list("(", ")")?;
            let of = Box::new(node);
            return self.node(
                at,
                Kind::Method {
                    of,
                    name,
                    arguments,
                },
            );
        }
        let (of, in_chain) = match node {
            Node {
                kind: Kind::Chain(inner),
                ..
            } => (*inner, true),
            other => (other, false),
        };
        let key = Box::new(self.node(at, Kind::Text(name.into()))?);
        let of = Box::new(of);
        let member = self.node(at, Kind::Member { of, key, optional })?;
        if in_chain || optional {
            return self.node(at, Kind::Chain(Box::new(member)));
        }
        Ok(member)
    }

    /// `[key]`, `[from:to]`, `[from:]`, `[:to]`.
    fn index(&mut self, node: Node, optional: bool) -> Result<Node, ConditionError> {
        let at = self.at();
        self.expect("[")?;
        let of = Box::new(node);
        let from = if self.is(":") {
            None
        } else {
            Some(Box::new(self.whole()?))
        };
        if self.take(":") {
            let to = if self.is("]") {
                None
            } else {
                Some(Box::new(self.whole()?))
            };
            self.expect("]")?;
            return self.node(at, Kind::Slice { of, from, to });
        }
        self.expect("]")?;
        let Some(key) = from else {
            return Err(ConditionError::new(at, "an index is missing"));
        };
        let member = self.node(at, Kind::Member { of, key, optional })?;
        if optional {
            return self.node(at, Kind::Chain(Box::new(member)));
        }
        Ok(member)
    }
}
