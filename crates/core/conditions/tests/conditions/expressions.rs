//! Expressions drawn from a sequence of choices, each of a wanted type: what they contain fits by construction.

use std::fmt::Write;

/// A type that is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Drawn {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Duration,
    Ints,
    Strings,
    Labels,
}

/// Choices, which end in zeros.
pub(crate) struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// Whether spans of time may be drawn.
    pub(crate) spans: bool,
    names: u32,
}

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8], spans: bool) -> Choices<'a> {
        Choices {
            bytes: bytes.iter(),
            spans,
            names: 0,
        }
    }

    fn next(&mut self, of: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % of
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.next(of.len())]
    }

    fn comparable(&mut self) -> Drawn {
        let all = [
            Drawn::Int,
            Drawn::Double,
            Drawn::String,
            Drawn::Uint,
            Drawn::Bool,
            Drawn::Duration,
        ];
        all[self.next(if self.spans { 6 } else { 5 })]
    }

    /// An expression of this type, at most `depth` levels deep, in which `scope` names ints.
    pub(crate) fn draw(&mut self, wanted: Drawn, depth: usize, scope: &[String]) -> String {
        let choice = self.next(if depth == 0 { 2 } else { 9 });
        if choice < 2 {
            return self.leaf(wanted, scope);
        }
        let below = depth - 1;
        let sub = |choices: &mut Self, kind| choices.draw(kind, below, scope);
        match wanted {
            Drawn::Bool => self.test(choice, below, scope),
            Drawn::Int => match choice {
                2..=4 => {
                    let sign = self.pick(&["+", "-", "*", "/", "%"]);
                    format!(
                        "({} {sign} {})",
                        sub(self, Drawn::Int),
                        sub(self, Drawn::Int)
                    )
                }
                5 => format!("size({})", sub(self, Drawn::Strings)),
                6 => format!("{}.size()", sub(self, Drawn::String)),
                7 => format!("{}[{}]", sub(self, Drawn::Ints), sub(self, Drawn::Int)),
                _ => format!("(-{})", sub(self, Drawn::Int)),
            },
            Drawn::Uint => {
                let sign = self.pick(&["+", "-", "*", "/", "%"]);
                format!(
                    "({} {sign} {})",
                    sub(self, Drawn::Uint),
                    sub(self, Drawn::Uint)
                )
            }
            Drawn::Double => match choice {
                2..=5 => {
                    let sign = self.pick(&["+", "-", "*", "/"]);
                    format!(
                        "({} {sign} {})",
                        sub(self, Drawn::Double),
                        sub(self, Drawn::Double)
                    )
                }
                6 => format!("double({})", sub(self, Drawn::Int)),
                _ => format!("(-{})", sub(self, Drawn::Double)),
            },
            Drawn::String => match choice {
                2..=4 => format!(
                    "({} + {})",
                    sub(self, Drawn::String),
                    sub(self, Drawn::String)
                ),
                5 => format!("string({})", sub(self, Drawn::Int)),
                6 => format!("{}[{}]", sub(self, Drawn::Labels), sub(self, Drawn::String)),
                _ => format!("{}[{}]", sub(self, Drawn::Strings), sub(self, Drawn::Int)),
            },
            Drawn::Duration => {
                let sign = self.pick(&["+", "-"]);
                format!(
                    "({} {sign} {})",
                    sub(self, Drawn::Duration),
                    sub(self, Drawn::Duration)
                )
            }
            Drawn::Ints => match choice {
                2..=4 => format!("[{}, {}]", sub(self, Drawn::Int), sub(self, Drawn::Int)),
                5 => format!("({} + {})", sub(self, Drawn::Ints), sub(self, Drawn::Ints)),
                _ => {
                    let (range, name) = (sub(self, Drawn::Ints), self.name());
                    let within = [scope, std::slice::from_ref(&name)].concat();
                    if choice == 6 {
                        let test = self.draw(Drawn::Bool, below, &within);
                        format!("{range}.filter({name}, {test})")
                    } else {
                        let result = self.draw(Drawn::Int, below, &within);
                        format!("{range}.map({name}, {result})")
                    }
                }
            },
            Drawn::Strings => {
                format!(
                    "[{}, {}]",
                    sub(self, Drawn::String),
                    sub(self, Drawn::String)
                )
            }
            Drawn::Labels => {
                format!(
                    "{{{}: {}}}",
                    sub(self, Drawn::String),
                    sub(self, Drawn::String)
                )
            }
        }
    }

    fn test(&mut self, choice: usize, below: usize, scope: &[String]) -> String {
        match choice {
            2 | 3 => {
                let sign = self.pick(&["<", "<=", ">", ">=", "==", "!="]);
                let kind = self.comparable();
                let (left, right) = (self.draw(kind, below, scope), self.draw(kind, below, scope));
                format!("({left} {sign} {right})")
            }
            4 => {
                let sign = self.pick(&["&&", "||"]);
                let mut text = String::from("(");
                for index in 0..2 + self.next(2) {
                    let part = self.draw(Drawn::Bool, below, scope);
                    let joint = if index == 0 { "" } else { sign };
                    write!(text, "{joint}({part})").unwrap();
                }
                text + ")"
            }
            5 => format!("!({})", self.draw(Drawn::Bool, below, scope)),
            6 => {
                let (range, name) = (self.draw(Drawn::Ints, below, scope), self.name());
                let within = [scope, std::slice::from_ref(&name)].concat();
                let kind = self.pick(&["all", "exists", "exists_one"]);
                let test = self.draw(Drawn::Bool, below, &within);
                format!("{range}.{kind}({name}, {test})")
            }
            7 => {
                let (element, list) = (
                    self.draw(Drawn::Int, below, scope),
                    self.draw(Drawn::Ints, below, scope),
                );
                format!("({element} in {list})")
            }
            _ => {
                let how = self.pick(&["contains", "startsWith", "endsWith"]);
                let (text, part) = (
                    self.draw(Drawn::String, below, scope),
                    self.draw(Drawn::String, below, scope),
                );
                format!("{text}.{how}({part})")
            }
        }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("x{}", self.names)
    }

    fn leaf(&mut self, wanted: Drawn, scope: &[String]) -> String {
        let text = match wanted {
            Drawn::Bool => self.pick(&[
                "true",
                "false",
                "manual",
                "has(labels.team)",
                "('a' in labels)",
            ]),
            Drawn::Int => {
                if let Some(name) = scope.get(self.next(scope.len() + 1)) {
                    return name.clone();
                }
                self.pick(&[
                    "1",
                    "0",
                    "-3",
                    "7",
                    "canary.errors",
                    "step.index",
                    "9223372036854775807",
                ])
            }
            Drawn::Uint => self.pick(&["1u", "0u", "quota", "18446744073709551615u"]),
            Drawn::Double => self.pick(&[
                "1.5",
                "0.0",
                "-2.25",
                "canary.errorRatio",
                "step.weight",
                "1e300",
            ]),
            Drawn::String => {
                self.pick(&["'a'", "''", "'é'", "labels.team", "labels.none", "zones[0]"])
            }
            Drawn::Duration => self.pick(&["duration('5m')", "rollout.age", "duration('-1.5s')"]),
            Drawn::Ints => self.pick(&["[1, 2, 3]", "[]", "[step.index]"]),
            Drawn::Strings => self.pick(&["zones", "['a']", "[]"]),
            Drawn::Labels => self.pick(&["labels", "{'a': 'b'}", "{}"]),
        };
        text.to_owned()
    }
}
