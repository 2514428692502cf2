//! The functions of conditions: their signatures, and what each gives.
//!
//! Language definition, "List of Standard Definitions". The macros (`has`, `all` …) are not functions; see
//! `check`.

use crate::evaluate::Cause;
use crate::span_of_time;
use crate::types::Kind;
use crate::value::Value;

/// A function that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    ToBool,
    ToInt,
    ToUint,
    ToDouble,
    ToString,
    ToDuration,
    Hours,
    Minutes,
    Seconds,
}

/// A type in a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Duration,
    AnyList,
    AnyMap,
}

impl Shape {
    fn takes(self, kind: &Kind) -> bool {
        matches!(
            (self, kind),
            (_, Kind::Unknown)
                | (Shape::Bool, Kind::Bool)
                | (Shape::Int, Kind::Int)
                | (Shape::Uint, Kind::Uint)
                | (Shape::Double, Kind::Double)
                | (Shape::String, Kind::String)
                | (Shape::Duration, Kind::Duration)
                | (Shape::AnyList, Kind::List(_))
                | (Shape::AnyMap, Kind::Map(_, _))
        )
    }

    fn name(self) -> &'static str {
        match self {
            Shape::Bool => "bool",
            Shape::Int => "int",
            Shape::Uint => "uint",
            Shape::Double => "double",
            Shape::String => "string",
            Shape::Duration => "duration",
            Shape::AnyList => "list",
            Shape::AnyMap => "map",
        }
    }
}

/// One way to call a function.
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    /// Called on its first parameter: `a.f(b)`.
    pub(crate) member: bool,
    parameters: &'static [Shape],
    pub(crate) function: Function,
}

const fn global(name: &'static str, parameters: &'static [Shape], function: Function) -> Signature {
    Signature {
        name,
        member: false,
        parameters,
        function,
    }
}

const fn member(name: &'static str, parameters: &'static [Shape], function: Function) -> Signature {
    Signature {
        name,
        member: true,
        parameters,
        function,
    }
}

/// All signatures.
pub(crate) const SIGNATURES: &[Signature] = &[
    global("size", &[Shape::String], Function::Size),
    global("size", &[Shape::AnyList], Function::Size),
    global("size", &[Shape::AnyMap], Function::Size),
    member("size", &[Shape::String], Function::Size),
    member("size", &[Shape::AnyList], Function::Size),
    member("size", &[Shape::AnyMap], Function::Size),
    member(
        "contains",
        &[Shape::String, Shape::String],
        Function::Contains,
    ),
    member(
        "startsWith",
        &[Shape::String, Shape::String],
        Function::StartsWith,
    ),
    member(
        "endsWith",
        &[Shape::String, Shape::String],
        Function::EndsWith,
    ),
    global("bool", &[Shape::Bool], Function::ToBool),
    global("bool", &[Shape::String], Function::ToBool),
    global("int", &[Shape::Int], Function::ToInt),
    global("int", &[Shape::Uint], Function::ToInt),
    global("int", &[Shape::Double], Function::ToInt),
    global("int", &[Shape::String], Function::ToInt),
    global("uint", &[Shape::Uint], Function::ToUint),
    global("uint", &[Shape::Int], Function::ToUint),
    global("uint", &[Shape::Double], Function::ToUint),
    global("uint", &[Shape::String], Function::ToUint),
    global("double", &[Shape::Double], Function::ToDouble),
    global("double", &[Shape::Int], Function::ToDouble),
    global("double", &[Shape::Uint], Function::ToDouble),
    global("double", &[Shape::String], Function::ToDouble),
    global("string", &[Shape::String], Function::ToString),
    global("string", &[Shape::Bool], Function::ToString),
    global("string", &[Shape::Int], Function::ToString),
    global("string", &[Shape::Uint], Function::ToString),
    global("string", &[Shape::Double], Function::ToString),
    global("string", &[Shape::Duration], Function::ToString),
    global("duration", &[Shape::Duration], Function::ToDuration),
    global("duration", &[Shape::String], Function::ToDuration),
    member("getHours", &[Shape::Duration], Function::Hours),
    member("getMinutes", &[Shape::Duration], Function::Minutes),
    member("getSeconds", &[Shape::Duration], Function::Seconds),
];

/// Functions of the language that conditions do without, and what to do instead.
pub(crate) const UNSUPPORTED: [(&str, &str); 8] = [
    ("matches", "use `contains`, `startsWith` or `endsWith`"),
    ("dyn", "the types of a condition are known before it runs"),
    ("type", "the types of a condition are known before it runs"),
    ("bytes", "use strings"),
    (
        "timestamp",
        "use spans of time, as `rollout.age > duration(\"10m\")`",
    ),
    (
        "getMilliseconds",
        "compare spans of time, as `rollout.age > duration(\"500ms\")`",
    ),
    ("optional", "`has(…)` says whether there is a value"),
    ("bind", "write the value where it is needed"),
];

impl Signature {
    /// Whether it can be called so; of a member the target is the first argument.
    pub(crate) fn takes(&self, member: bool, arguments: &[Kind]) -> bool {
        self.member == member
            && self.parameters.len() == arguments.len()
            && self
                .parameters
                .iter()
                .zip(arguments)
                .all(|(shape, kind)| shape.takes(kind))
    }

    /// How it is called: `string.contains(string)`.
    pub(crate) fn shown(&self) -> String {
        let names: Vec<&str> = self.parameters.iter().map(|shape| shape.name()).collect();
        match names.split_first() {
            Some((target, rest)) if self.member => {
                format!("{target}.{}({})", self.name, rest.join(", "))
            }
            _ => format!("{}({})", self.name, names.join(", ")),
        }
    }
}

impl Function {
    /// The type of what it gives.
    pub(crate) fn gives(self) -> Kind {
        match self {
            Function::Size
            | Function::ToInt
            | Function::Hours
            | Function::Minutes
            | Function::Seconds => Kind::Int,
            Function::Contains | Function::StartsWith | Function::EndsWith | Function::ToBool => {
                Kind::Bool
            }
            Function::ToUint => Kind::Uint,
            Function::ToDouble => Kind::Double,
            Function::ToString => Kind::String,
            Function::ToDuration => Kind::Duration,
        }
    }

    /// What it gives for these arguments, which are of one of its signatures.
    pub(crate) fn call(self, arguments: &[Value]) -> Result<Value, Cause> {
        const SECOND_NS: i64 = 1_000_000_000;
        Ok(match (self, arguments) {
            (Function::Size, [Value::String(text)]) => count(text.chars().count()),
            (Function::Size, [Value::List(elements)]) => count(elements.len()),
            (Function::Size, [Value::Map(entries)]) => count(entries.len()),
            (Function::Contains, [Value::String(text), Value::String(part)]) => {
                Value::Bool(text.contains(part.as_ref()))
            }
            (Function::StartsWith, [Value::String(text), Value::String(part)]) => {
                Value::Bool(text.starts_with(part.as_ref()))
            }
            (Function::EndsWith, [Value::String(text), Value::String(part)]) => {
                Value::Bool(text.ends_with(part.as_ref()))
            }
            (Function::Hours, [Value::Duration(nanos)]) => Value::Int(nanos / (3_600 * SECOND_NS)),
            (Function::Minutes, [Value::Duration(nanos)]) => Value::Int(nanos / (60 * SECOND_NS)),
            (Function::Seconds, [Value::Duration(nanos)]) => Value::Int(nanos / SECOND_NS),
            (Function::ToBool, [value]) => to_bool(value)?,
            (Function::ToInt, [value]) => to_int(value)?,
            (Function::ToUint, [value]) => to_uint(value)?,
            (Function::ToDouble, [value]) => to_double(value)?,
            (Function::ToString, [value]) => to_string(value)?,
            (Function::ToDuration, [value]) => to_duration(value)?,
            _ => return Err(Cause::mismatch(arguments)),
        })
    }
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn unread(text: &str, kind: &'static str) -> Cause {
    let shown: String = text.chars().take(40).collect();
    Cause::Unreadable { text: shown, kind }
}

fn to_bool(value: &Value) -> Result<Value, Cause> {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::String(text) => match text.as_ref() {
            "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
            _ => Err(unread(text, "a bool")),
        },
        _ => Err(Cause::mismatch(std::slice::from_ref(value))),
    }
}

fn to_int(value: &Value) -> Result<Value, Cause> {
    match value {
        Value::Int(_) => Ok(value.clone()),
        Value::Uint(value) => i64::try_from(*value)
            .map(Value::Int)
            .map_err(|_| Cause::Overflow { kind: "an int" }),
        // The least int itself is refused, as the conformance tests want it: its double stands for others too.
        Value::Double(value) if *value > -TWO_63 && *value < TWO_63 => {
            Ok(Value::Int(*value as i64))
        }
        Value::Double(_) => Err(Cause::Overflow { kind: "an int" }),
        Value::String(text) => text
            .parse()
            .map(Value::Int)
            .map_err(|_| unread(text, "an int")),
        _ => Err(Cause::mismatch(std::slice::from_ref(value))),
    }
}

fn to_uint(value: &Value) -> Result<Value, Cause> {
    match value {
        Value::Uint(_) => Ok(value.clone()),
        Value::Int(value) => u64::try_from(*value)
            .map(Value::Uint)
            .map_err(|_| Cause::Overflow { kind: "a uint" }),
        Value::Double(value) if *value >= 0.0 && *value < 2.0 * TWO_63 => {
            Ok(Value::Uint(*value as u64))
        }
        Value::Double(_) => Err(Cause::Overflow { kind: "a uint" }),
        Value::String(text) => text
            .parse()
            .map(Value::Uint)
            .map_err(|_| unread(text, "a uint")),
        _ => Err(Cause::mismatch(std::slice::from_ref(value))),
    }
}

fn to_double(value: &Value) -> Result<Value, Cause> {
    match value {
        Value::Double(_) => Ok(value.clone()),
        Value::Int(value) => Ok(Value::Double(*value as f64)),
        Value::Uint(value) => Ok(Value::Double(*value as f64)),
        Value::String(text) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Double(value)),
            _ => Err(unread(text, "a double")),
        },
        _ => Err(Cause::mismatch(std::slice::from_ref(value))),
    }
}

fn to_string(value: &Value) -> Result<Value, Cause> {
    Ok(match value {
        Value::String(_) => value.clone(),
        Value::Bool(value) => value.to_string().into(),
        Value::Int(value) => value.to_string().into(),
        Value::Uint(value) => value.to_string().into(),
        Value::Double(value) => value.to_string().into(),
        Value::Duration(nanos) => span_of_time::write(*nanos).into(),
        _ => return Err(Cause::mismatch(std::slice::from_ref(value))),
    })
}

fn to_duration(value: &Value) -> Result<Value, Cause> {
    match value {
        Value::Duration(_) => Ok(value.clone()),
        Value::String(text) => span_of_time::read(text)
            .map(Value::Duration)
            .ok_or_else(|| unread(text, "a span of time")),
        _ => Err(Cause::mismatch(std::slice::from_ref(value))),
    }
}

/// 2⁶³: the first whole number that no int is.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;
