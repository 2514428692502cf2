//! Text to tokens: the lexis of the CEL language definition ("Syntax").

use crate::problem::{Problem, Span};

/// Words that no variable can be called (language definition, "Syntax").
pub(crate) const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Punctuation, longer signs first.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ",", ".",
    "(", ")", "[", "]", "{", "}",
];

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name or a reserved word.
    Word(String),
    /// Digits; at most 2⁶³, which only a minus makes an `int`.
    Int(u64),
    Uint(u64),
    Double(f64),
    String(String),
    Sign(&'static str),
    End,
}

/// Whether this could be a name: letters, digits and `_`, not beginning with a digit.
pub(crate) fn is_name(word: &str) -> bool {
    let mut signs = word.chars();
    signs
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && signs.all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
}

/// The tokens of a text, the last one being [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Problem> {
    let mut reader = Reader { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        reader.skip_space();
        let from = reader.at;
        let token = reader.token()?;
        let ended = token == Token::End;
        tokens.push((
            token,
            Span {
                from,
                to: reader.at,
            },
        ));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// What stands here as long as `wanted` holds.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|sign| !wanted(sign)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn skip_space(&mut self) {
        loop {
            self.take_while(|sign| matches!(sign, '\t' | '\n' | '\x0c' | '\r' | ' '));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|sign| sign != '\n' && sign != '\r');
        }
    }

    fn token(&mut self) -> Result<Token, Problem> {
        let from = self.at;
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        let second = self.rest().chars().nth(1);
        let is_digit = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_digit());
        if first.is_ascii_digit() || (first == '.' && is_digit(second)) {
            return self.number();
        }
        if first == '"' || first == '\'' {
            return self.string(from, false);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let word = self.take_while(|sign| sign.is_ascii_alphanumeric() || sign == '_');
            if matches!(self.peek(), Some('"' | '\'')) {
                return match word {
                    "r" | "R" => self.string(from, true),
                    "b" | "B" => Err(self
                        .problem(from, "bytes are not supported in conditions")
                        .with_help("write a string, without the `b`")),
                    _ => Ok(Token::Word(word.to_owned())),
                };
            }
            return Ok(Token::Word(word.to_owned()));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        self.at += first.len_utf8();
        let problem = self.problem(from, format!("`{}` does not belong here", shown(first)));
        Err(match first {
            '=' => problem.with_help("values are compared with `==`"),
            '&' => problem.with_help("two conditions that must both hold are joined with `&&`"),
            '|' => problem.with_help("two conditions of which one must hold are joined with `||`"),
            '`' | '“' | '”' | '‘' | '’' => {
                problem.with_help("strings stand in `\"` or `'`")
            }
            _ => problem,
        })
    }

    fn number(&mut self) -> Result<Token, Problem> {
        let from = self.at;
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            let digits = self.take_while(|sign| sign.is_ascii_hexdigit());
            return self.whole(from, digits, 16);
        }
        let digits = self.take_while(|sign| sign.is_ascii_digit());
        let mut is_double = false;
        let after_dot = self.rest().strip_prefix('.');
        if after_dot.is_some_and(|after| after.starts_with(|sign: char| sign.is_ascii_digit())) {
            self.at += 1;
            self.take_while(|sign| sign.is_ascii_digit());
            is_double = true;
        }
        if let Some(after) = self.rest().strip_prefix(['e', 'E']) {
            let signed = after.strip_prefix(['+', '-']).unwrap_or(after);
            if signed.starts_with(|sign: char| sign.is_ascii_digit()) {
                self.at += 1 + (after.len() - signed.len());
                self.take_while(|sign| sign.is_ascii_digit());
                is_double = true;
            }
        }
        if !is_double {
            return self.whole(from, digits, 10);
        }
        self.ends(from)?;
        let text = &self.text[from..self.at];
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::Double(value)),
            _ => Err(self.problem(from, format!("{text} is too large for a double"))),
        }
    }

    /// Digits of a whole number, after which `u` may stand.
    fn whole(&mut self, from: usize, digits: &str, radix: u32) -> Result<Token, Problem> {
        let unsigned = matches!(self.peek(), Some('u' | 'U'));
        if unsigned {
            self.at += 1;
        }
        self.ends(from)?;
        let text = &self.text[from..self.at];
        if digits.is_empty() {
            return Err(self.problem(from, format!("{text} is not a number")));
        }
        match u64::from_str_radix(digits, radix) {
            Ok(value) if unsigned => Ok(Token::Uint(value)),
            Ok(value) if value <= 1 << 63 => Ok(Token::Int(value)),
            _ => Err(self.problem(
                from,
                format!(
                    "{text} is too large for {}",
                    if unsigned { "a uint" } else { "an int" }
                ),
            )),
        }
    }

    /// A number is not followed by a letter at once.
    fn ends(&mut self, from: usize) -> Result<(), Problem> {
        let tail = self.take_while(|sign| sign.is_alphanumeric() || sign == '_');
        if tail.is_empty() {
            return Ok(());
        }
        let text = &self.text[from..self.at];
        let problem = self.problem(from, format!("{text} is not a number"));
        Err(if crate::span_of_time::read(text).is_some() {
            problem.with_help(format!("a span of time is written `duration(\"{text}\")`"))
        } else {
            problem
        })
    }

    /// A string, whose token began at `from`, and whose quotes begin here.
    fn string(&mut self, from: usize, raw: bool) -> Result<Token, Problem> {
        let rest = self.rest();
        let quote = ["\"\"\"", "'''", "\"", "'"]
            .into_iter()
            .find(|quote| rest.starts_with(quote))
            .unwrap_or("\"");
        self.at += quote.len();
        let mut value = String::new();
        loop {
            if self.rest().starts_with(quote) {
                self.at += quote.len();
                return Ok(Token::String(value));
            }
            match self.peek() {
                None => return Err(self.problem(from, "this string does not end")),
                Some('\n' | '\r') if quote.len() == 1 => {
                    return Err(self.problem(from, "this string does not end"));
                }
                Some('\\') if !raw => value.push(self.escape()?),
                Some(sign) => {
                    self.at += sign.len_utf8();
                    value.push(sign);
                }
            }
        }
    }

    /// An escape sequence (language definition, "String and Bytes Values").
    fn escape(&mut self) -> Result<char, Problem> {
        let from = self.at;
        self.at += 1;
        let Some(kind) = self.peek() else {
            return Err(self.problem(from, "this string does not end"));
        };
        self.at += kind.len_utf8();
        let simple = match kind {
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '\\' | '?' | '"' | '\'' | '`' => kind,
            'x' | 'X' => return self.code(from, 2, 16),
            'u' => return self.code(from, 4, 16),
            'U' => return self.code(from, 8, 16),
            '0'..='3' => {
                self.at -= 1;
                return self.code(from, 3, 8);
            }
            _ => return Err(self.bad_escape(from)),
        };
        Ok(simple)
    }

    fn code(&mut self, from: usize, digits: usize, radix: u32) -> Result<char, Problem> {
        let rest = self.rest();
        let text: String = rest.chars().take(digits).collect();
        self.at += text.len();
        let good = text.chars().count() == digits && text.chars().all(|sign| sign.is_digit(radix));
        let code = good
            .then(|| u32::from_str_radix(&text, radix).ok())
            .flatten();
        code.and_then(char::from_u32)
            .ok_or_else(|| self.bad_escape(from))
    }

    fn bad_escape(&self, from: usize) -> Problem {
        let text: String = self.text[from..self.at].chars().map(shown).collect();
        self.problem(from, format!("`{text}` does not stand for a character"))
            .with_help("a backslash itself is written `\\\\`")
    }

    fn problem(&self, from: usize, message: impl Into<String>) -> Problem {
        Problem::new(Span { from, to: self.at }, message)
    }
}

/// A character in a message: control characters would garble it.
fn shown(sign: char) -> char {
    if sign.is_control() { '\u{fffd}' } else { sign }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Token>, String> {
        let found = tokens(text).map_err(|problem| problem.to_string())?;
        Ok(found.into_iter().map(|(token, _)| token).collect())
    }

    /// Language definition, "String and Bytes Values", table of examples; and "Numeric Values".
    #[test]
    fn literals_of_the_language_definition() {
        for (text, expected) in [
            (r#""""#, Token::String(String::new())),
            (r#"'""'"#, Token::String("\"\"".into())),
            (r"'''x''x'''", Token::String("x''x".into())),
            (r#""\"""#, Token::String("\"".into())),
            (r#""\\""#, Token::String("\\".into())),
            (r#"r"\\""#, Token::String(r"\\".into())),
            (r#""\303\277""#, Token::String("Ã¿".into())),
            (r#""\377""#, Token::String("ÿ".into())),
            (r#""\xFF""#, Token::String("ÿ".into())),
            (r#""\u00e9\U0001F600""#, Token::String("é😀".into())),
            ("'''a\nb'''", Token::String("a\nb".into())),
            ("7", Token::Int(7)),
            ("7u", Token::Uint(7)),
            ("0xff", Token::Int(255)),
            ("0xFFu", Token::Uint(255)),
            ("7.0", Token::Double(7.0)),
            ("7e0", Token::Double(7.0)),
            (".5", Token::Double(0.5)),
            ("1.5e-3", Token::Double(0.001_5)),
        ] {
            assert_eq!(read(text), Ok(vec![expected, Token::End]), "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_said_with_its_place() {
        for (text, expected) in [
            (
                "a = b",
                "2..3: `=` does not belong here; values are compared with `==`",
            ),
            (
                "a & b",
                "2..3: `&` does not belong here; two conditions that must both hold are joined with `&&`",
            ),
            ("é", "0..2: `é` does not belong here"),
            (
                "“x”",
                "0..3: `“` does not belong here; strings stand in `\"` or `'`",
            ),
            (
                "5m",
                "0..2: 5m is not a number; a span of time is written `duration(\"5m\")`",
            ),
            ("5x", "0..2: 5x is not a number"),
            ("0x", "0..2: 0x is not a number"),
            (
                "9223372036854775809",
                "0..19: 9223372036854775809 is too large for an int",
            ),
            (
                "18446744073709551616u",
                "0..21: 18446744073709551616u is too large for a uint",
            ),
            ("1e999", "0..5: 1e999 is too large for a double"),
            ("'abc", "0..4: this string does not end"),
            ("'a\nb'", "0..2: this string does not end"),
            ("'''a", "0..4: this string does not end"),
            (
                r"'\q'",
                "1..3: `\\q` does not stand for a character; a backslash itself is written `\\\\`",
            ),
            (
                r"'\uD800'",
                "1..7: `\\uD800` does not stand for a character; a backslash itself is written `\\\\`",
            ),
            (
                "b'x'",
                "0..1: bytes are not supported in conditions; write a string, without the `b`",
            ),
        ] {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn space_and_comments_are_nothing() {
        let expected = vec![Token::Word("a".into()), Token::Sign("&&"), Token::End];
        assert_eq!(read(" a // why\r\n\t&& // more"), Ok(expected));
    }
}
