//! What of PromQL can be told without its grammar: brackets and quotes that do not end, and how far a query looks back.
//!
//! The server is the judge of everything else (`sluice check` asks it): each speaks a dialect of its own, and the
//! parsers there are read clocks, or rest on libraries that nobody keeps up.

use std::time::Duration;

/// The longest range that is told: what is longer is as good as for ever.
const RANGE_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The longest range of a query (`[5m]`, `[1h:1m]`); `None` when it has none, or one that cannot be told.
///
/// # Errors
/// What does not end, or ends nothing.
pub(super) fn longest_range(text: &str) -> Result<Option<Duration>, String> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut ranges = Vec::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' | '\'' | '`' => {
                skip_quoted(&mut characters, character).ok_or_else(|| {
                    format!("the text that begins with {} does not end", shown(text, at))
                })?;
            }
            '#' => {
                // A comment ends with its line.
                characters.find(|(_, character)| *character == '\n');
            }
            '(' | '[' | '{' => open.push((at, character)),
            ')' | ']' | '}' => {
                let partner = open.pop();
                if partner.is_none_or(|(_, opening)| closing(opening) != character) {
                    return Err(format!(
                        "the `{character}` of {} closes nothing",
                        shown(text, at)
                    ));
                }
                if let Some((from, '[')) = partner {
                    ranges.push(range(&text[from + 1..at]));
                }
            }
            _ => {}
        }
    }
    if let Some((at, opening)) = open.pop() {
        return Err(format!(
            "the `{opening}` of {} is not closed",
            shown(text, at)
        ));
    }
    let known: Option<Vec<Duration>> = ranges.into_iter().collect();
    Ok(known.and_then(|ranges| ranges.into_iter().max()))
}

/// Goes behind the end of a quoted text; `None` when there is none. In backquotes nothing is escaped.
fn skip_quoted(characters: &mut std::str::CharIndices<'_>, quote: char) -> Option<()> {
    while let Some((_, character)) = characters.next() {
        match character {
            '\\' if quote != '`' => {
                characters.next()?;
            }
            end if end == quote => return Some(()),
            _ => {}
        }
    }
    None
}

fn closing(opening: char) -> char {
    match opening {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// The beginning of what is meant, for messages.
fn shown(text: &str, at: usize) -> String {
    let rest: String = text[at..].chars().take(20).collect();
    format!("`{rest}`")
}

/// The time of a range: `5m`, `1h30m`, `300` (seconds); before the `:` of a subquery.
fn range(text: &str) -> Option<Duration> {
    let text = text.split(':').next()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)).min(RANGE_MAX));
    }
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind
            .find(|it: char| it.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        let length = number.parse::<u64>().ok()?.checked_mul(millis)?;
        sum = sum.checked_add(Duration::from_millis(length))?;
        rest = behind;
    }
    (!sum.is_zero()).then(|| sum.min(RANGE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_range_is_found_outside_of_texts_and_comments() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (text, range) in [
            ("up", None),
            ("rate(x[5m])", seconds(300)),
            ("rate(x[1m]) / rate(y[1h30m])", seconds(5_400)),
            ("max_over_time(rate(x[1m])[1h:30s])", seconds(3_600)),
            (
                r#"x{path="[9d]", q='\'[9d]', r=`[9d\`}[2w]"#,
                seconds(1_209_600),
            ),
            ("rate(x[1m]) # [9d] (", seconds(60)),
            ("rate(x[300])", seconds(300)),
            ("rate(x[$__rate_interval])", None),
            ("rate(x[5m]) + rate(y[step()])", None),
        ] {
            assert_eq!(longest_range(text), Ok(range), "{text}");
        }
    }

    #[test]
    fn what_does_not_end_or_ends_nothing_is_named() {
        for (text, problem) in [
            ("sum(rate(x[5m])", "the `(` of `(rate(x[5m])` is not closed"),
            ("rate(x[5m)", "the `)` of `)` closes nothing"),
            ("x}", "the `}` of `}` closes nothing"),
            ("x{a=\"b}", "the text that begins with `\"b}` does not end"),
            (
                "x{a='\\'}",
                "the text that begins with `'\\'}` does not end",
            ),
            ("é(", "the `(` of `(` is not closed"),
        ] {
            assert_eq!(longest_range(text), Err(problem.to_owned()), "{text}");
        }
    }
}
