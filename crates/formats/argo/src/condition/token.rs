//! The words of an expression.

use super::ConditionError;
use std::sync::Arc;

/// Longest expression, in characters.
const MAX_LENGTH: usize = 16_384;

/// One word and where it starts, as a number of characters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) word: Word,
}

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Name(String),
    /// An operator, a bracket, or a word that is one, as `and`.
    Sign(&'static str),
    End,
}

impl Word {
    /// How a message names the word.
    pub(super) fn describe(&self) -> String {
        match self {
            Word::Int(number) => format!("`{number}`"),
            Word::Float(number) => format!("`{number}`"),
            Word::Text(text) => format!("the text \"{text}\""),
            Word::Name(name) => format!("`{name}`"),
            Word::Sign(sign) => format!("`{sign}`"),
            Word::End => "the end".to_owned(),
        }
    }
}

/// Signs, the longer ones first.
const SIGNS: [&str; 34] = [
    "**", "==", "!=", "<=", ">=", "&&", "||", "..", "??", "?.", "::", "(", ")", "[", "]", "{", "}",
    ",", ";", ":", "?", ".", "|", "!", "<", ">", "+", "-", "*", "/", "%", "^", "#", "=",
];

/// Words that are operators.
const OPERATORS: [&str; 11] = [
    "not",
    "in",
    "or",
    "and",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
    "else",
];

/// Splits an expression into words; the last is the end.
pub(super) fn split(text: &str) -> Result<Vec<Token>, ConditionError> {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() > MAX_LENGTH {
        return Err(ConditionError::new(
            MAX_LENGTH,
            format!("an expression has at most {MAX_LENGTH} characters"),
        ));
    }
    let mut reader = Reader {
        characters,
        at: 0,
        tokens: Vec::new(),
    };
    while reader.skip_blanks()? {
        let at = reader.at;
        let word = reader.word()?;
        reader.tokens.push(Token { at, word });
    }
    let at = reader.at;
    let word = Word::End;
    reader.tokens.push(Token { at, word });
    Ok(reader.tokens)
}

struct Reader {
    characters: Vec<char>,
    at: usize,
    tokens: Vec<Token>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn starts_with(&self, sign: &str) -> bool {
        sign.chars()
            .enumerate()
            .all(|(ahead, expected)| self.peek(ahead) == Some(expected))
    }

    /// Goes to the next word; `false` at the end.
    fn skip_blanks(&mut self) -> Result<bool, ConditionError> {
        loop {
            match self.peek(0) {
                None => return Ok(false),
                Some(blank) if blank.is_whitespace() => self.at += 1,
                Some('/') if self.peek(1) == Some('/') => {
                    while self.peek(0).is_some_and(|next| next != '\n') {
                        self.at += 1;
                    }
                }
                Some('/') if self.peek(1) == Some('*') => {
                    let start = self.at;
                    self.at += 2;
                    while !self.starts_with("*/") {
                        if self.peek(0).is_none() {
                            return Err(ConditionError::new(start, "a comment has no `*/`"));
                        }
                        self.at += 1;
                    }
                    self.at += 2;
                }
                Some(_) => return Ok(true),
            }
        }
    }

    fn word(&mut self) -> Result<Word, ConditionError> {
        let first = self.peek(0).unwrap_or_default();
        match first {
            '"' | '\'' => self.text(first).map(Word::Text),
            '`' => self.raw_text().map(Word::Text),
            '0'..='9' => self.number(),
            '.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
            _ if is_name_part(first) => Ok(self.name()),
            _ => {
                let sign = SIGNS.iter().find(|sign| self.starts_with(sign));
                let Some(sign) = sign else {
                    return Err(ConditionError::new(
                        self.at,
                        format!("`{first}` means nothing here"),
                    ));
                };
                self.at += sign.chars().count();
                Ok(Word::Sign(sign))
            }
        }
    }

    fn name(&mut self) -> Word {
        let start = self.at;
        while self.peek(0).is_some_and(is_name_part) {
            self.at += 1;
        }
        let name: String = self.characters[start..self.at].iter().collect();
        match OPERATORS.iter().find(|operator| **operator == name) {
            Some(operator) => Word::Sign(operator),
            None => Word::Name(name),
        }
    }

    fn number(&mut self) -> Result<Word, ConditionError> {
        let start = self.at;
        let radix = match (self.peek(0), self.peek(1).map(|c| c.to_ascii_lowercase())) {
            (Some('0'), Some('x')) => 16,
            (Some('0'), Some('o')) => 8,
            (Some('0'), Some('b')) => 2,
            _ => 10,
        };
        let mut is_float = false;
        if radix == 10 {
            self.digits(10);
            if self.peek(0) == Some('.') && self.peek(1) != Some('.') {
                is_float = true;
                self.at += 1;
                self.digits(10);
            }
            if matches!(self.peek(0), Some('e' | 'E')) {
                is_float = true;
                self.at += 1;
                if matches!(self.peek(0), Some('+' | '-')) {
                    self.at += 1;
                }
                self.digits(10);
            }
        } else {
            self.at += 2;
            self.digits(radix);
        }
        let bad = |at: usize, text: &str| {
            ConditionError::new(
                at,
                format!("`{text}` is no number, or one that is too large"),
            )
        };
        let text: String = self.characters[start..self.at]
            .iter()
            .filter(|c| **c != '_')
            .collect();
        if self.peek(0).is_some_and(is_name_part) {
            return Err(bad(start, &text));
        }
        if is_float {
            return text
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
                .map(Word::Float)
                .ok_or_else(|| bad(start, &text));
        }
        let digits = if radix == 10 { &text } else { &text[2..] };
        i64::from_str_radix(digits, radix)
            .map(Word::Int)
            .map_err(|_| bad(start, &text))
    }

    fn digits(&mut self, radix: u32) {
        while self.peek(0).is_some_and(|c| c == '_' || c.is_digit(radix)) {
            self.at += 1;
        }
    }

    fn raw_text(&mut self) -> Result<Arc<str>, ConditionError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Err(unended(start)),
                (Some('`'), Some('`')) => {
                    text.push('`');
                    self.at += 2;
                }
                (Some('`'), _) => {
                    self.at += 1;
                    return Ok(text.into());
                }
                (Some(other), _) => {
                    text.push(other);
                    self.at += 1;
                }
            }
        }
    }

    fn text(&mut self, quote: char) -> Result<Arc<str>, ConditionError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek(0) {
                None | Some('\n') => return Err(unended(start)),
                Some(end) if end == quote => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some('\\') => {
                    self.at += 1;
                    text.push(self.escaped()?);
                }
                Some(other) => {
                    text.push(other);
                    self.at += 1;
                }
            }
        }
    }

    /// The character that an escape after `\` stands for.
    fn escaped(&mut self) -> Result<char, ConditionError> {
        let at = self.at;
        let letter = self.peek(0).ok_or_else(|| unended(at))?;
        self.at += 1;
        let (digits, radix) = match letter {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' | '\'' | '"' | '`' | '?' => return Ok(letter),
            'x' | 'X' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='3' => {
                self.at -= 1;
                (3, 8)
            }
            _ => {
                return Err(ConditionError::new(
                    at,
                    format!("`\\{letter}` is no escape; write `\\\\` for a backslash"),
                ));
            }
        };
        let code: String = (0..digits).filter_map(|ahead| self.peek(ahead)).collect();
        self.at += digits;
        u32::from_str_radix(&code, radix)
            .ok()
            .filter(|_| code.len() == digits)
            .and_then(char::from_u32)
            .ok_or_else(|| {
                ConditionError::new(at, format!("`\\{letter}` lacks its {digits} digits"))
            })
    }
}

fn is_name_part(character: char) -> bool {
    character == '_' || character == '$' || character.is_alphanumeric()
}

fn unended(at: usize) -> ConditionError {
    ConditionError::new(at, "a text is not ended")
}
