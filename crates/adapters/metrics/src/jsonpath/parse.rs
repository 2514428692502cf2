//! Reading a path's text.

use super::{Comparison, Filter, Operand, Step};
use serde_json::Value;

/// Longest path, in bytes.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// Reads a path with its braces.
pub(super) fn path(text: &str) -> Result<Vec<Step>, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("it is longer than {TEXT_BYTES_MAX} bytes"));
    }
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .ok_or("it has to stand in braces, and nothing around them")?;
    let mut reader = Reader { rest: inner.trim() };
    reader.steps()
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn take(&mut self, start: &str) -> bool {
        match self.rest.strip_prefix(start) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn steps(&mut self) -> Result<Vec<Step>, String> {
        // The whole value, and the current one: the same here.
        let _root = self.take("$") || self.take("@");
        let mut steps = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let Some(next) = self.rest.chars().next() else {
                return Ok(steps);
            };
            if self.take("..") {
                if steps.last() == Some(&Step::Descent) {
                    return Err("`..` stands twice in a row".to_owned());
                }
                steps.push(Step::Descent);
                if self
                    .rest
                    .starts_with(|c: char| c == '*' || c == '_' || c.is_alphanumeric())
                {
                    steps.push(self.field()?);
                }
            } else if self.take(".") {
                steps.push(self.field()?);
            } else if self.take("[?(") {
                steps.push(self.filter()?);
            } else if self.take("[") {
                self.bracket(&mut steps)?;
            } else if self.rest.starts_with("range") || self.rest.starts_with("end") {
                return Err("`range` and `end` print lists, and one value is wanted".to_owned());
            } else {
                return Err(format!("`{next}` is not expected"));
            }
        }
    }

    /// A field's name after its dot; what ends names is escaped by `\`.
    fn field(&mut self) -> Result<Step, String> {
        let mut name = String::new();
        let mut characters = self.rest.char_indices();
        let end = loop {
            match characters.next() {
                Some((_, '\\')) => match characters.next() {
                    Some((_, escaped)) => name.push(escaped),
                    None => return Err("`\\` stands at the end".to_owned()),
                },
                Some((place, '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')) => break place,
                Some((place, character)) if character.is_whitespace() => break place,
                Some((_, character)) => name.push(character),
                None => break self.rest.len(),
            }
        };
        let is_escaped = name.len() < end;
        self.rest = &self.rest[end..];
        match name.as_str() {
            "" => Err("a field's name is missing after `.`".to_owned()),
            "*" if !is_escaped => Ok(Step::Wildcard),
            _ => Ok(Step::Field(name)),
        }
    }

    /// What stands in brackets, and is no filter.
    fn bracket(&mut self, steps: &mut Vec<Step>) -> Result<(), String> {
        let content = self.until_closed(']')?;
        let mut parts = Vec::new();
        for part in split_outside_quotes(content) {
            parts.push(selector(part.trim())?);
        }
        match parts.len() {
            1 => steps.extend(parts.into_iter().flatten()),
            _ => steps.push(Step::Union(parts)),
        }
        Ok(())
    }

    fn filter(&mut self) -> Result<Step, String> {
        let content = self.until_closed(')')?;
        if !self.take("]") {
            return Err("`]` is missing after a filter".to_owned());
        }
        filter(content).map(Step::Filter)
    }

    /// The text up to a closing character that stands in no quotes.
    fn until_closed(&mut self, closing: char) -> Result<&'t str, String> {
        let mut quotes = Quotes::default();
        let end = self
            .rest
            .char_indices()
            .find(|(_, character)| quotes.is_outside(*character) && *character == closing);
        let (end, _) = end.ok_or_else(|| format!("`{closing}` is missing"))?;
        let content = &self.rest[..end];
        self.rest = &self.rest[end + closing.len_utf8()..];
        Ok(content)
    }
}

/// Whether a text's characters, looked at one after the other, stand in quotes.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
    is_escaped: bool,
}

impl Quotes {
    /// Whether this next character stands outside, and is no quote itself.
    fn is_outside(&mut self, character: char) -> bool {
        if self.is_escaped {
            self.is_escaped = false;
            return false;
        }
        match self.open {
            _ if character == '\\' => self.is_escaped = true,
            Some(quote) if character == quote => self.open = None,
            None if matches!(character, '\'' | '"') => self.open = Some(character),
            None => return true,
            Some(_) => {}
        }
        false
    }
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut quotes = Quotes::default();
    text.split(|character| quotes.is_outside(character) && character == ',')
        .collect()
}

/// What is in quotes, when all of it is.
fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    })
}

/// One selector of brackets: `*`, a name in quotes (with dots, a way of names), an index, a slice.
fn selector(text: &str) -> Result<Vec<Step>, String> {
    if text == "*" {
        return Ok(vec![Step::Slice {
            start: None,
            end: None,
            step: 1,
        }]);
    }
    if let Some(name) = unquoted(text) {
        let dotted = format!(".{name}");
        let mut reader = Reader { rest: &dotted };
        let mut steps = Vec::new();
        while reader.take(".") {
            steps.push(reader.field()?);
        }
        if !reader.rest.is_empty() {
            return Err(format!(
                "`{text}` has a character that names escape with `\\`"
            ));
        }
        return Ok(steps);
    }
    let bad = || format!("`{text}` is neither an index, nor a slice, nor a name in quotes");
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        digits => digits.parse::<i64>().map(Some).map_err(|_| bad()),
    };
    let parts: Vec<&str> = text.split(':').collect();
    let step = match parts.as_slice() {
        [index] => Step::Index(number(index)?.ok_or_else(bad)?),
        [start, end] => Step::Slice {
            start: number(start)?,
            end: number(end)?,
            step: 1,
        },
        [start, end, step] => Step::Slice {
            start: number(start)?,
            end: number(end)?,
            step: usize::try_from(number(step)?.unwrap_or(1))
                .ok()
                .filter(|step| *step > 0)
                .ok_or("a slice's step has to be more than zero")?,
        },
        _ => return Err(bad()),
    };
    Ok(vec![step])
}

fn filter(text: &str) -> Result<Filter, String> {
    let mut quotes = Quotes::default();
    let place = text
        .char_indices()
        .find(|(_, character)| quotes.is_outside(*character) && "!<>=".contains(*character));
    let Some((place, _)) = place else {
        return Ok(Filter {
            left: side(text)?,
            test: None,
        });
    };
    let (left, rest) = text.split_at(place);
    let end = rest
        .find(|character| !"!<>=~".contains(character))
        .unwrap_or(rest.len());
    let (sign, right) = rest.split_at(end);
    let comparison = match sign {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return Err(format!("`{sign}` is no comparison")),
    };
    Ok(Filter {
        left: side(left)?,
        test: Some((comparison, operand(right.trim())?)),
    })
}

/// A path within a filter.
fn side(text: &str) -> Result<Vec<Step>, String> {
    let text = text.trim();
    if !text.starts_with(['@', '$', '.', '[']) {
        return Err(format!("`{text}` is no path, as in `@.name`"));
    }
    Reader { rest: text }.steps()
}

fn operand(text: &str) -> Result<Operand, String> {
    if let Some(quoted) = unquoted(text) {
        return Ok(Operand::Literal(Value::String(quoted.to_owned())));
    }
    // Numbers, true and false are written as in JSON.
    if let Ok(value @ (Value::Number(_) | Value::Bool(_))) = serde_json::from_str(text) {
        return Ok(Operand::Literal(value));
    }
    side(text).map(Operand::Path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (text, expected) in [
            ("$.a", "has to stand in braces"),
            ("value: {.a}", "has to stand in braces"),
            ("{.a}{.b}", "`}` is not expected"),
            ("{hello}", "`h` is not expected"),
            ("{range .a[*]}{.b}{end}", "one value is wanted"),
            ("{.}", "name is missing"),
            ("{.a..}", ""),
            ("{.a....b}", "twice in a row"),
            ("{.a[0}", "`]` is missing"),
            ("{.a[b]}", "neither an index"),
            ("{.a[]}", "neither an index"),
            ("{.a[1:2:3:4]}", "neither an index"),
            ("{.a[::0]}", "more than zero"),
            ("{.a['b]}", "`]` is missing"),
            ("{.a['b[0]']}", "names escape"),
            ("{.a[?(@.b<>1)]}", "`<>` is no comparison"),
            ("{.a[?(@.b=~'x')]}", "`=~` is no comparison"),
            ("{.a[?(@.b=1)]}", "`=` is no comparison"),
            ("{.a[?(@.b==)]}", "is no path"),
            ("{.a[?(b==1)]}", "is no path"),
            ("{.a[?(@.b==1]}", "`)` is missing"),
            ("{.a[?(@.b==1)}", "`]` is missing"),
        ] {
            match path(text) {
                Ok(steps) => assert_eq!((expected, steps.len()), ("", 2), "{text}"),
                Err(error) => assert!(
                    !expected.is_empty() && error.contains(expected),
                    "{text}: {error}"
                ),
            }
        }
        assert_eq!(path("{ .a [0] }").map(|steps| steps.len()), Ok(2));
        let long = format!("{{.{}}}", "a".repeat(TEXT_BYTES_MAX));
        assert!(path(&long).is_err_and(|error| error.contains("longer than")));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"\{[-{}\[\].,:*?()@$'"\\=<>! ab0-9ä]{0,24}\}"#) {
            let read = path(&text);
            proptest::prop_assert!(read.is_ok() || read.is_err_and(|error| !error.is_empty()));
        }
    }
}
