//! Operators by how close they bind, signs, and brackets.

use super::super::ConditionError;
use super::super::syntax::{Binary, Kind, Node};
use super::super::token::Word;
use super::{MAX_NODES, Parser, too_long};

/// Makes a part of the one behind a sign.
type Prefix = fn(Box<Node>) -> Kind;

impl Parser {
    /// What binds at least as close as `precedence`.
    pub(super) fn operators(&mut self, precedence: u32) -> Result<Node, ConditionError> {
        let mut left = self.nested(Self::primary)?;
        let mut before: Option<Binary> = None;
        while let Word::Sign(sign) = *self.word() {
            if sign == "|" && precedence == 0 {
                self.next += 1;
                let at = self.at();
                let name = self.expect_name()?;
                left = self.call(at, name, Some(left))?;
                before = None;
                continue;
            }
            let negated = sign == "not";
            let ahead = self.next + usize::from(negated);
            let sign = match self.tokens.get(ahead).map(|token| &token.word) {
                Some(Word::Sign(sign)) => *sign,
                _ => break,
            };
            let Some((operator, own)) = Binary::from_sign(sign) else {
                break;
            };
            if own < precedence || negated && !operator.is_negatable() {
                break;
            }
            if before == Some(Binary::Coalesce) && operator != Binary::Coalesce {
                let cause = format!("`??` and `{sign}` need brackets around one of them");
                return Err(self.error(cause));
            }
            let at = self.at();
            self.next = ahead + 1;
            if operator.chains() {
                left = self.comparison(left, operator, own, at)?;
            } else {
                let right_of = if operator == Binary::Power {
                    own
                } else {
                    own + 1
                };
                let right = self.nested(|parser| parser.operators(right_of))?;
                left = self.node(at, Kind::Binary(operator, Box::new(left), Box::new(right)))?;
                if negated {
                    left = self.node(at, Kind::Not(Box::new(left)))?;
                }
            }
            before = Some(operator);
        }
        Ok(left)
    }

    /// `a < b < c` means that both hold.
    fn comparison(
        &mut self,
        mut left: Node,
        mut operator: Binary,
        precedence: u32,
        at: usize,
    ) -> Result<Node, ConditionError> {
        let mut all: Option<Node> = None;
        loop {
            let right = self.nested(|parser| parser.operators(precedence + 1))?;
            let next = match self.word() {
                Word::Sign(sign) => Binary::from_sign(sign),
                _ => None,
            };
            let next = next.map(|(next, _)| next).filter(|next| next.chains());
            let middle = match next {
                Some(_) => Some(self.copy(&right)?),
                None => None,
            };
            let kind = Kind::Binary(operator, Box::new(left), Box::new(right));
            let one = self.node(at, kind)?;
            let joined = match all {
                None => one,
                Some(all) => {
                    self.node(at, Kind::Binary(Binary::And, Box::new(all), Box::new(one)))?
                }
            };
            let (Some(next), Some(middle)) = (next, middle) else {
                return Ok(joined);
            };
            self.next += 1;
            operator = next;
            left = middle;
            all = Some(joined);
        }
    }

    /// A part that is used twice, counted twice.
    pub(super) fn copy(&mut self, node: &Node) -> Result<Node, ConditionError> {
        let mut parts = 0;
        node.count(&mut parts);
        self.nodes += parts;
        if self.nodes > MAX_NODES {
            return Err(too_long(node.at));
        }
        Ok(node.clone())
    }

    fn primary(&mut self) -> Result<Node, ConditionError> {
        let at = self.at();
        let sign = match self.word() {
            Word::Sign(sign) => *sign,
            _ => return self.operand(),
        };
        let prefix: Option<(Prefix, u32)> = match sign {
            "not" | "!" => Some((Kind::Not, 50)),
            "-" => Some((Kind::Negate, 90)),
            "+" => Some((Kind::Plus, 90)),
            _ => None,
        };
        if let Some((kind, precedence)) = prefix {
            self.next += 1;
            let inner = self.nested(|parser| parser.operators(precedence))?;
            let node = self.node(at, kind(Box::new(inner)))?;
            return self.postfix(node);
        }
        match sign {
            "(" => {
                self.next += 1;
                let inner = self.sequence()?;
                self.expect(")")?;
                self.postfix(inner)
            }
            "#" | "." if self.in_predicate > 0 => {
                let mut name = String::new();
                if sign == "#" {
                    self.next += 1;
                    if let Word::Name(named) = self.word() {
                        name = named.clone();
                        self.next += 1;
                    }
                }
                let node = self.node(at, Kind::Element(name))?;
                self.postfix(node)
            }
            "::" => {
                self.next += 1;
                let name = self.expect_name()?;
                let node = self.call(at, name, None)?;
                self.postfix(node)
            }
            _ => self.operand(),
        }
    }
}
