//! Reads an expression.

mod operands;
mod operators;

use super::ConditionError;
use super::syntax::{Kind, Node};
use super::token::{Token, Word, split};

/// Deepest nesting. Reading and computing recurse as deep as this, and no deeper.
const MAX_DEPTH: usize = 96;
/// Most parts of one expression, as in Go's implementation.
const MAX_NODES: usize = 10_000;

/// Reads the text as an expression.
pub(super) fn parse(text: &str) -> Result<Node, ConditionError> {
    let mut parser = Parser {
        tokens: split(text)?,
        next: 0,
        depth: 0,
        in_predicate: 0,
        nodes: 0,
    };
    let node = parser.sequence()?;
    match parser.word() {
        Word::End => {}
        other => {
            let cause = format!("{} was not expected", other.describe());
            return Err(parser.error(cause));
        }
    }
    check_height(&node, 0)?;
    Ok(node)
}

/// Long sums and conjunctions nest without brackets.
fn check_height(node: &Node, depth: usize) -> Result<(), ConditionError> {
    if depth > MAX_DEPTH {
        return Err(too_deep(node.at));
    }
    node.children()
        .into_iter()
        .try_for_each(|child| check_height(child, depth + 1))
}

fn too_long(at: usize) -> ConditionError {
    ConditionError::new(at, format!("it has more than {MAX_NODES} parts"))
}

fn too_deep(at: usize) -> ConditionError {
    ConditionError::new(at, format!("it is nested deeper than {MAX_DEPTH} levels"))
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    in_predicate: usize,
    nodes: usize,
}

impl Parser {
    fn token(&self) -> &Token {
        // The last word is the end and never passed.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn word(&self) -> &Word {
        &self.token().word
    }

    fn at(&self) -> usize {
        self.token().at
    }

    fn error(&self, cause: impl Into<String>) -> ConditionError {
        ConditionError::new(self.at(), cause)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.word(), Word::Sign(other) if *other == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let is_here = self.is(sign);
        if is_here {
            self.next += 1;
        }
        is_here
    }

    fn expect(&mut self, sign: &str) -> Result<(), ConditionError> {
        if self.take(sign) {
            return Ok(());
        }
        let cause = format!("`{sign}` was expected, not {}", self.word().describe());
        Err(self.error(cause))
    }

    fn expect_name(&mut self) -> Result<String, ConditionError> {
        if let Word::Name(name) = self.word() {
            let name = name.clone();
            self.next += 1;
            return Ok(name);
        }
        let cause = format!("a name was expected, not {}", self.word().describe());
        Err(self.error(cause))
    }

    fn node(&mut self, at: usize, kind: Kind) -> Result<Node, ConditionError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(too_long(at));
        }
        Ok(Node { at, kind })
    }

    /// Runs a part of the grammar that may contain itself.
    fn nested<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, ConditionError>,
    ) -> Result<T, ConditionError> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep(self.at()));
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    fn sequence(&mut self) -> Result<Node, ConditionError> {
        let at = self.at();
        let mut nodes = vec![self.whole()?];
        while self.take(";") {
            if matches!(self.word(), Word::End) {
                break;
            }
            nodes.push(self.whole()?);
        }
        match nodes.len() {
            1 => Ok(nodes.remove(0)),
            _ => self.node(at, Kind::Sequence(nodes)),
        }
    }

    /// An expression with all operators, `let` and `if` included.
    fn whole(&mut self) -> Result<Node, ConditionError> {
        self.nested(|parser| {
            if parser.is("let") {
                return parser.variable();
            }
            if parser.is("if") {
                return parser.conditional();
            }
            let left = parser.operators(0)?;
            parser.ternary(left)
        })
    }

    fn variable(&mut self) -> Result<Node, ConditionError> {
        self.expect("let")?;
        let at = self.at();
        let name = self.expect_name()?;
        self.expect("=")?;
        let value = Box::new(self.whole()?);
        self.expect(";")?;
        let then = Box::new(self.sequence()?);
        self.node(at, Kind::Let { name, value, then })
    }

    fn conditional(&mut self) -> Result<Node, ConditionError> {
        let at = self.at();
        self.expect("if")?;
        let condition = Box::new(self.whole()?);
        let yes = Box::new(self.block()?);
        self.expect("else")?;
        let no = if self.is("if") {
            self.nested(Self::conditional)?
        } else {
            self.block()?
        };
        self.node(at, Kind::If(condition, yes, Box::new(no)))
    }

    fn block(&mut self) -> Result<Node, ConditionError> {
        self.expect("{")?;
        let inner = self.sequence()?;
        self.expect("}")?;
        Ok(inner)
    }

    fn ternary(&mut self, mut node: Node) -> Result<Node, ConditionError> {
        while self.is("?") {
            let at = self.at();
            self.next += 1;
            let yes = if self.is(":") {
                self.copy(&node)?
            } else {
                self.whole()?
            };
            self.expect(":")?;
            let no = self.whole()?;
            node = self.node(at, Kind::If(Box::new(node), Box::new(yes), Box::new(no)))?;
        }
        Ok(node)
    }
}
