//! Tokens to a tree: the grammar of the CEL language definition ("Syntax").
//!
//! By descent, and by precedence for the operators. Its own recursion and the depth of the tree are bounded, so
//! that no text uses up the stack of a thread, here or in whoever walks the tree.

use crate::problem::{Problem, Span};
use crate::token::{RESERVED, Token, tokens};
use crate::tree::{Literal, Node, Operator, Part};

/// Longest text of a condition, in bytes.
pub const TEXT_MAX: usize = 4_096;
/// Most brackets within brackets, and conditionals within conditionals. The language definition asks for 32.
/// It is what the parser's own recursion goes by, some 20 KiB of stack a level without optimisation.
pub const NESTING_MAX: usize = 40;
/// Most levels of a condition's tree, of which a row of operators is one each. The language definition asks
/// for 32 of each kind, and its tests have two kinds in one.
pub const DEPTH_MAX: usize = 96;

/// The tree of a text.
pub(crate) fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > TEXT_MAX {
        let mut end = TEXT_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let beyond = Span {
            from: end,
            to: text.len(),
        };
        let message = format!("a condition has at most {TEXT_MAX} bytes");
        return Err(Problem::new(beyond, message).with_help("split it into several checks"));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        level: 0,
    };
    if parser.peek() == &Token::End {
        return Err(Problem::new(parser.span(), "the condition is empty"));
    }
    let node = parser.expression()?;
    if parser.peek() != &Token::End {
        return Err(parser.unexpected("the end"));
    }
    Ok(node)
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    level: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    /// Takes a token; the end is never passed.
    fn next(&mut self) -> (Token, Span) {
        let taken = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        taken
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    /// Takes this sign if it is next.
    fn take(&mut self, sign: &str) -> Option<Span> {
        self.is_sign(sign).then(|| self.next().1)
    }

    fn expect(&mut self, sign: &str) -> Result<Span, Problem> {
        self.take(sign)
            .ok_or_else(|| self.unexpected(&format!("`{sign}`")))
    }

    fn unexpected(&self, wanted: &str) -> Problem {
        let found = match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Word(word) => format!("`{word}`"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::String(_) => "a string".to_owned(),
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => "a number".to_owned(),
        };
        let problem = Problem::new(self.span(), format!("{wanted} was expected, not {found}"));
        let help = match self.peek() {
            Token::Word(word) => match word.to_lowercase().as_str() {
                "and" => Some("two conditions that must both hold are joined with `&&`"),
                "or" => Some("two conditions of which one must hold are joined with `||`"),
                "not" => Some("the opposite of a condition is written `!(…)`"),
                "is" => Some("values are compared with `==`"),
                _ => None,
            },
            _ => None,
        };
        match help {
            Some(help) => problem.with_help(help),
            None => problem,
        }
    }

    /// One level deeper, and back.
    fn deeper<T>(
        &mut self,
        within: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        if self.level >= NESTING_MAX {
            return Err(too_deep(self.span(), "levels of brackets", NESTING_MAX));
        }
        self.level += 1;
        let found = within(self);
        self.level -= 1;
        found
    }

    fn expression(&mut self) -> Result<Node, Problem> {
        self.deeper(|parser| {
            let test = parser.or()?;
            if parser.take("?").is_none() {
                return Ok(test);
            }
            let yes = parser.or()?;
            parser.expect(":")?;
            let no = parser.expression()?;
            let span = test.span.to(no.span);
            let (test, yes, no) = (Box::new(test), Box::new(yes), Box::new(no));
            node(span, Part::Conditional { test, yes, no })
        })
    }

    fn or(&mut self) -> Result<Node, Problem> {
        self.joined("||", Self::and, Part::Or)
    }

    fn and(&mut self) -> Result<Node, Problem> {
        self.joined("&&", |parser| parser.binary(0), Part::And)
    }

    /// One part, or several with a sign between them.
    fn joined(
        &mut self,
        sign: &str,
        one: impl Fn(&mut Self) -> Result<Node, Problem>,
        all: impl FnOnce(Vec<Node>) -> Part,
    ) -> Result<Node, Problem> {
        let first = one(self)?;
        if !self.is_sign(sign) {
            return Ok(first);
        }
        let mut span = first.span;
        let mut parts = vec![first];
        while self.take(sign).is_some() {
            let part = one(self)?;
            span = span.to(part.span);
            parts.push(part);
        }
        node(span, all(parts))
    }

    /// Operators that bind at least as strongly as `strength`, from the left.
    fn binary(&mut self, strength: usize) -> Result<Node, Problem> {
        let mut left = self.unary()?;
        while let Some((operator, binds)) = operator(self.peek()) {
            if binds < strength {
                break;
            }
            self.next();
            let right = self.binary(binds + 1)?;
            let span = left.span.to(right.span);
            left = node(
                span,
                Part::Binary {
                    operator,
                    left: Box::new(left),
                    right: Box::new(right),
                },
            )?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, Problem> {
        let mut signs = Vec::new();
        while let Some(span) = self.take("!") {
            signs.push(span);
        }
        if signs.is_empty() {
            return self.negated();
        }
        let mut inner = self.member()?;
        for sign in signs.into_iter().rev() {
            let span = sign.to(inner.span);
            inner = node(span, Part::Not(Box::new(inner)))?;
        }
        Ok(inner)
    }

    fn negated(&mut self) -> Result<Node, Problem> {
        let mut signs = Vec::new();
        while let Some(span) = self.take("-") {
            signs.push(span);
        }
        // The last minus belongs to the number after it: the least int has no opposite.
        let literal = signs.last().copied().and_then(|minus| {
            let value = match *self.peek() {
                Token::Int(digits) => Literal::Int(0_i64.checked_sub_unsigned(digits)?),
                Token::Double(value) => Literal::Double(-value),
                _ => return None,
            };
            Some((minus, value))
        });
        let mut inner = match literal {
            Some((minus, value)) => {
                signs.pop();
                let (_, span) = self.next();
                let number = node(minus.to(span), Part::Literal(value))?;
                self.after(number)?
            }
            None => self.member()?,
        };
        for sign in signs.into_iter().rev() {
            let span = sign.to(inner.span);
            inner = node(span, Part::Negate(Box::new(inner)))?;
        }
        Ok(inner)
    }

    fn member(&mut self) -> Result<Node, Problem> {
        let primary = self.primary()?;
        self.after(primary)
    }

    /// Fields, calls and indices after a part.
    fn after(&mut self, mut target: Node) -> Result<Node, Problem> {
        loop {
            if self.take("[").is_some() {
                let index = self.expression()?;
                let end = self.expect("]")?;
                let span = target.span.to(end);
                let (target_box, index) = (Box::new(target), Box::new(index));
                target = node(
                    span,
                    Part::Index {
                        target: target_box,
                        index,
                    },
                )?;
            } else if self.take(".").is_some() {
                target = self.field(target)?;
            } else if self.is_sign("{") {
                let message = "messages are not supported in conditions";
                return Err(Problem::new(target.span, message));
            } else {
                return Ok(target);
            }
        }
    }

    /// A field or a call on `target`, after the dot.
    fn field(&mut self, target: Node) -> Result<Node, Problem> {
        let Token::Word(name) = self.peek().clone() else {
            return Err(self.unexpected("a name"));
        };
        let (_, name_span) = self.next();
        let target_span = target.span;
        if self.take("(").is_some() {
            let (arguments, end) = self.list(")")?;
            let part = Part::Call {
                target: Some(Box::new(target)),
                name,
                name_span,
                arguments,
            };
            return node(target_span.to(end), part);
        }
        if matches!(name.as_str(), "true" | "false" | "null" | "in") {
            let message = format!("`{name}` cannot be the name of a field");
            return Err(Problem::new(name_span, message));
        }
        let part = Part::Select {
            target: Box::new(target),
            field: name,
            field_span: name_span,
        };
        node(target_span.to(name_span), part)
    }

    fn primary(&mut self) -> Result<Node, Problem> {
        let span = self.span();
        match self.peek().clone() {
            Token::Word(word) => self.word(word),
            Token::Int(digits) => {
                let Ok(value) = i64::try_from(digits) else {
                    let message = format!("{digits} is too large for an int");
                    return Err(Problem::new(span, message));
                };
                self.literal(Literal::Int(value))
            }
            Token::Uint(value) => self.literal(Literal::Uint(value)),
            Token::Double(value) => self.literal(Literal::Double(value)),
            Token::String(value) => self.literal(Literal::String(value)),
            Token::Sign("(") => {
                self.next();
                let mut inner = self.expression()?;
                let end = self.expect(")")?;
                inner.span = span.to(end);
                Ok(inner)
            }
            Token::Sign("[") => {
                self.next();
                let (elements, end) = self.list("]")?;
                node(span.to(end), Part::List(elements))
            }
            Token::Sign("{") => {
                self.next();
                self.map(span)
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn literal(&mut self, value: Literal) -> Result<Node, Problem> {
        let (_, span) = self.next();
        node(span, Part::Literal(value))
    }

    fn word(&mut self, word: String) -> Result<Node, Problem> {
        let (_, span) = self.next();
        match word.as_str() {
            "true" => return node(span, Part::Literal(Literal::Bool(true))),
            "false" => return node(span, Part::Literal(Literal::Bool(false))),
            "null" => {
                return Err(Problem::new(span, "`null` is not supported in conditions")
                    .with_help("`has(…)` says whether there is a value"));
            }
            _ => {}
        }
        if RESERVED.contains(&word.as_str()) {
            let message = format!("`{word}` is a reserved word of CEL");
            return Err(Problem::new(span, message));
        }
        if self.take("(").is_some() {
            let (arguments, end) = self.list(")")?;
            let part = Part::Call {
                target: None,
                name: word,
                name_span: span,
                arguments,
            };
            return node(span.to(end), part);
        }
        node(span, Part::Name(word))
    }

    /// Parts with commas between them up to `end`, which is taken.
    fn list(&mut self, end: &str) -> Result<(Vec<Node>, Span), Problem> {
        let mut parts = Vec::new();
        loop {
            if let Some(span) = self.take(end) {
                return Ok((parts, span));
            }
            parts.push(self.expression()?);
            if self.take(",").is_none() {
                let Some(span) = self.take(end) else {
                    return Err(self.unexpected(&format!("`,` or `{end}`")));
                };
                return Ok((parts, span));
            }
            // A comma after the last element of a list is allowed, after the last argument it is not.
            if end == ")" && self.is_sign(end) {
                return Err(self.unexpected("a value"));
            }
        }
    }

    /// The entries of a map, after its opening brace.
    fn map(&mut self, begin: Span) -> Result<Node, Problem> {
        let mut entries = Vec::new();
        loop {
            if let Some(end) = self.take("}") {
                return node(begin.to(end), Part::Map(entries));
            }
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            entries.push((key, value));
            if self.take(",").is_some() {
                continue;
            }
            let Some(end) = self.take("}") else {
                return Err(self.unexpected("`,` or `}`"));
            };
            return node(begin.to(end), Part::Map(entries));
        }
    }
}

/// An operator, and how strongly it binds.
fn operator(token: &Token) -> Option<(Operator, usize)> {
    let sign = match token {
        Token::Sign(sign) => *sign,
        Token::Word(word) if word == "in" => "in",
        _ => return None,
    };
    Some(match sign {
        "==" => (Operator::Equal, 0),
        "!=" => (Operator::NotEqual, 0),
        "<" => (Operator::Less, 0),
        "<=" => (Operator::LessOrEqual, 0),
        ">" => (Operator::Greater, 0),
        ">=" => (Operator::GreaterOrEqual, 0),
        "in" => (Operator::In, 0),
        "+" => (Operator::Add, 1),
        "-" => (Operator::Subtract, 1),
        "*" => (Operator::Multiply, 2),
        "/" => (Operator::Divide, 2),
        "%" => (Operator::Remainder, 2),
        _ => return None,
    })
}

/// A part of the tree, unless it is too deep.
fn node(span: Span, part: Part) -> Result<Node, Problem> {
    let below = part.children().iter().map(|child| child.depth).max();
    let depth = below.unwrap_or(0) + 1;
    if depth > DEPTH_MAX {
        return Err(too_deep(span, "levels", DEPTH_MAX));
    }
    Ok(Node { span, depth, part })
}

fn too_deep(span: Span, what: &str, most: usize) -> Problem {
    let message = format!("this has more than {most} {what}");
    Problem::new(span, message).with_help("split the condition into several checks")
}
