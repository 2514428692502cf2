//! JSON paths in Kubernetes' dialect, as Argo's web metrics have them: `{$.items[0].name}`.
//!
//! Own code, because the known crates read RFC 9535 instead, which differs in what matters here: a
//! value that is not there is nothing and no error, `a-b` and `a/b` are no names, `['a.b']` is one
//! name and not two, and a dot within a name cannot be escaped. There are fields, indices, slices,
//! unions, `*`, `..` and filters with one comparison. `range` and text around the braces are left
//! out: they print lists, and a sample is one value. Two things are taken that Kubernetes' own reader
//! refuses: numbers are compared as numbers, whether they were written with a point or not, and an
//! element that lacks what a filter compares does not match.

mod parse;

use serde_json::Value;
use std::cmp::Ordering;

/// Most values that a step may find: more than an answer can hold, short of what `..` after `..`
/// makes of it.
const FOUND_MAX: usize = 1_000_000;

/// A path that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// `.*`: every element, or every field's value.
    Wildcard,
    /// `..`: the value and all within it.
    Descent,
    Index(i64),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: usize,
    },
    Union(Vec<Vec<Step>>),
    Filter(Filter),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Vec<Step>,
    /// Without it, that there is something is enough.
    test: Option<(Comparison, Operand)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Literal(Value),
    Path(Vec<Step>),
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn parse(text: &str) -> Result<Path, String> {
        parse::path(text).map(|steps| Path { steps })
    }

    /// The values that the path finds, in the document's order; none when a slice, a wildcard or a
    /// filter matches nothing.
    ///
    /// # Errors
    /// In words: what the path names is not there, or is of another kind.
    pub(crate) fn find<'v>(&self, value: &'v Value) -> Result<Vec<&'v Value>, String> {
        walk(&self.steps, vec![value])
    }
}

fn walk<'v>(steps: &[Step], values: Vec<&'v Value>) -> Result<Vec<&'v Value>, String> {
    steps
        .iter()
        .try_fold(values, |values, step| step.find(&values))
}

impl Step {
    fn find<'v>(&self, values: &[&'v Value]) -> Result<Vec<&'v Value>, String> {
        let mut found = Vec::new();
        if let Step::Union(paths) = self {
            for path in paths {
                found.extend(walk(path, values.to_vec())?);
            }
            return Ok(found);
        }
        for value in values {
            self.find_in(value, &mut found)?;
            // Looked at on the way: one value may be reached by many ways.
            if found.len() > FOUND_MAX {
                return Err(format!("it finds more than {FOUND_MAX} values"));
            }
        }
        match self {
            // Those that lack the field are passed over, as long as one has it.
            Step::Field(name) if found.is_empty() && !values.is_empty() => {
                Err(format!("`{}` is not there", name.escape_debug()))
            }
            _ => Ok(found),
        }
    }

    fn find_in<'v>(&self, value: &'v Value, found: &mut Vec<&'v Value>) -> Result<(), String> {
        match self {
            Step::Field(name) => found.extend(value.get(name.as_str())),
            Step::Wildcard => found.extend(children(value)),
            Step::Descent => descend(value, found),
            Step::Index(index) => {
                let array = array(value)?;
                let place = from_end(*index, array.len());
                let element = place.and_then(|place| array.get(place));
                found.push(
                    element.ok_or_else(|| {
                        format!("there is no element {index} among {}", array.len())
                    })?,
                );
            }
            Step::Slice { start, end, step } => {
                found.extend(slice(array(value)?, *start, *end)?.iter().step_by(*step));
            }
            Step::Filter(filter) => {
                for element in array(value)? {
                    if filter.takes(element)? {
                        found.push(element);
                    }
                }
            }
            // Path by path, over all values: see `find`.
            Step::Union(_) => {}
        }
        Ok(())
    }
}

impl Filter {
    fn takes(&self, element: &Value) -> Result<bool, String> {
        // An element that lacks what is asked for does not match.
        let left = walk(&self.left, vec![element]).unwrap_or_default();
        let Some((comparison, operand)) = &self.test else {
            return Ok(!left.is_empty());
        };
        let right = match operand {
            Operand::Literal(value) => vec![value],
            Operand::Path(steps) => walk(steps, vec![element]).unwrap_or_default(),
        };
        match (left.as_slice(), right.as_slice()) {
            ([], _) | (_, []) => Ok(false),
            ([left], [right]) => comparison.holds(left, right),
            _ => Err("a filter compares one value with one, and there are several".to_owned()),
        }
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> Result<bool, String> {
        let order = match (left, right) {
            (Value::Number(a), Value::Number(b)) => a
                .as_f64()
                .zip(b.as_f64())
                .and_then(|(a, b)| a.partial_cmp(&b)),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Value::Bool(b)) if self.is_equality() => Some(a.cmp(b)),
            (Value::Null, Value::Null) if self.is_equality() => Some(Ordering::Equal),
            _ => None,
        };
        let order = order.ok_or("a filter compares values that cannot be compared")?;
        Ok(match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        })
    }

    fn is_equality(self) -> bool {
        matches!(self, Comparison::Equal | Comparison::NotEqual)
    }
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        format!("a list is expected where {kind} is")
    })
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

fn descend<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    if found.len() > FOUND_MAX {
        return;
    }
    found.push(value);
    for child in children(value) {
        descend(child, found);
    }
}

/// A place that may be counted from the end.
fn from_end(index: i64, length: usize) -> Option<usize> {
    if index >= 0 {
        usize::try_from(index).ok()
    } else {
        let back = usize::try_from(index.unsigned_abs()).ok()?;
        length.checked_sub(back)
    }
}

fn slice(array: &[Value], start: Option<i64>, end: Option<i64>) -> Result<&[Value], String> {
    let length = array.len();
    let from = from_end(start.unwrap_or(0), length);
    let to = end.map_or(Some(length), |end| from_end(end, length));
    from.zip(to)
        .and_then(|(from, to)| array.get(from..to))
        .ok_or_else(|| {
            let show = |place: Option<i64>| place.map_or(String::new(), |place| place.to_string());
            format!("there is no {}:{} among {length}", show(start), show(end))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "kind": "List",
            "items": [
                {
                    "metadata": {"name": "a", "labels": {"kubernetes.io/host": "h1", "k8s-app": "x"}},
                    "status": {"ready": true, "cpu": 4, "addresses": ["10.0.0.1"]}
                },
                {
                    "metadata": {"name": "b", "labels": {"kubernetes.io/host": "h2"}},
                    "status": {"ready": false, "cpu": 8.5, "addresses": ["10.0.0.2", "10.0.0.3"], "note": "n"}
                }
            ],
            "numbers": [2, 6, 3, 7],
            "none": [],
            "nothing": null
        })
    }

    fn found(path: &str) -> Result<Value, String> {
        let document = document();
        let values = Path::parse(path)?.find(&document)?;
        Ok(Value::Array(values.into_iter().cloned().collect()))
    }

    #[test]
    fn paths_find_what_kubernetes_documentation_says() {
        for (path, expected) in [
            ("{$.kind}", json!(["List"])),
            ("{.kind}", json!(["List"])),
            ("{@.kind}", json!(["List"])),
            (" { .kind } ", json!(["List"])),
            ("{$['kind']}", json!(["List"])),
            ("{$[\"kind\"]}", json!(["List"])),
            ("{.items[0].metadata.name}", json!(["a"])),
            ("{.items[-1].metadata.name}", json!(["b"])),
            ("{.items[*].metadata.name}", json!(["a", "b"])),
            (
                "{.items[*].status.addresses[*]}",
                json!(["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
            ),
            (
                "{.items[*]['metadata.name', 'status.cpu']}",
                json!(["a", "b", 4, 8.5]),
            ),
            (
                "{.items[0].metadata.labels.kubernetes\\.io/host}",
                json!(["h1"]),
            ),
            (
                "{.items[0].metadata.labels['kubernetes\\.io/host']}",
                json!(["h1"]),
            ),
            ("{.items[*].metadata.labels.k8s-app}", json!(["x"])),
            ("{.items[*].status.note}", json!(["n"])),
            ("{..name}", json!(["a", "b"])),
            ("{...name}", json!(["a", "b"])),
            ("{.items..cpu}", json!([4, 8.5])),
            ("{.items[0].status.*}", json!([["10.0.0.1"], 4, true])),
            ("{.numbers[0:2]}", json!([2, 6])),
            ("{.numbers[:2]}", json!([2, 6])),
            ("{.numbers[::2]}", json!([2, 3])),
            ("{.numbers[1::2]}", json!([6, 7])),
            ("{.numbers[-1:]}", json!([7])),
            ("{.numbers[2:2]}", json!([])),
            ("{.numbers[0,2]}", json!([2, 3])),
            ("{.numbers[?(@<5)]}", json!([2, 3])),
            ("{.numbers[?(@ >= 6.0)]}", json!([6, 7])),
            ("{.none[*]}", json!([])),
            ("{.none[?(@.x==1)].y}", json!([])),
            ("{.nothing}", json!([null])),
            (
                "{.items[?(@.metadata.name==\"b\")].status.cpu}",
                json!([8.5]),
            ),
            ("{.items[?(@.metadata.name=='b')].status.cpu}", json!([8.5])),
            ("{.items[?(@.metadata.name!='b')].status.cpu}", json!([4])),
            (
                "{.items[?(@.status.ready==true)].metadata.name}",
                json!(["a"]),
            ),
            ("{.items[?(@..ready==true)].metadata.name}", json!(["a"])),
            ("{.items[?(@.status.note)].metadata.name}", json!(["b"])),
            (
                "{.items[?(@.status.note=='n')].metadata.name}",
                json!(["b"]),
            ),
            (
                "{.items[?(@.metadata.labels.kubernetes\\.io/host=='h2')].metadata.name}",
                json!(["b"]),
            ),
            ("{.items[?(@.metadata.name==')]}')].kind}", json!([])),
        ] {
            assert_eq!(found(path), Ok(expected), "{path}");
        }
        assert_eq!(found("{$}"), Ok(json!([document()])));
        assert_eq!(found("{}"), Ok(json!([document()])));
    }

    #[test]
    fn a_path_that_multiplies_what_it_finds_is_stopped() {
        let many: Vec<Value> = (0..100_000).map(Value::from).collect();
        let deep = (0..100).fold(Value::from(many), |within, _| json!([within]));
        let path = Path::parse("{...*..*..*}").expect("a path");
        let error = path.find(&deep).expect_err("too many");
        assert!(error.contains("more than 1000000 values"), "{error}");
    }

    #[test]
    fn what_is_not_there_or_of_another_kind_is_an_error() {
        for (path, expected) in [
            ("{.hello}", "`hello` is not there"),
            ("{.kind.x}", "`x` is not there"),
            ("{.nothing.x}", "`x` is not there"),
            ("{..hello}", "`hello` is not there"),
            ("{.kind[0]}", "a list is expected where a text is"),
            ("{.items[0][*]}", "a list is expected where an object is"),
            ("{.numbers[4]}", "there is no element 4 among 4"),
            ("{.numbers[-5]}", "there is no element -5 among 4"),
            ("{.numbers[1:9]}", "there is no 1:9 among 4"),
            ("{.numbers[3:1]}", "there is no 3:1 among 4"),
            ("{.numbers[?(@=='x')]}", "cannot be compared"),
            (
                "{.items[?(@.status.addresses[*]=='x')]}",
                "compares one value with one",
            ),
        ] {
            let error = found(path).expect_err(path);
            assert!(error.contains(expected), "{path}: {error}");
        }
    }
}
