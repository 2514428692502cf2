//! The functions that an expression may call: what they take and what they give.

use super::types::Type;

/// What an argument may be, as bits; what is not known before the run passes.
pub(super) type Accepts = u8;
pub(super) const NUMBER: Accepts = 1;
pub(super) const INT: Accepts = 2;
pub(super) const FLOAT: Accepts = 4;
pub(super) const TEXT: Accepts = 8;
pub(super) const ARRAY: Accepts = 16;
pub(super) const MAP: Accepts = 32;
pub(super) const ANY: Accepts = 64;

/// What a call gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gives {
    Unknown,
    Bool,
    Int,
    Float,
    Text,
    Time,
    Duration,
    Array,
    Map,
    SameAsFirst,
    ElementOfFirst,
}

/// A function.
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// Arguments that must be there.
    pub(super) required: usize,
    /// What each may be.
    pub(super) parameters: &'static [Accepts],
    /// Whether the last may be repeated.
    pub(super) is_variadic: bool,
    pub(super) gives: Gives,
}

const fn function(
    name: &'static str,
    required: usize,
    parameters: &'static [Accepts],
    gives: Gives,
) -> Signature {
    Signature {
        name,
        required,
        parameters,
        is_variadic: false,
        gives,
    }
}

const fn variadic(name: &'static str, accepts: &'static [Accepts], gives: Gives) -> Signature {
    Signature {
        name,
        required: 1,
        parameters: accepts,
        is_variadic: true,
        gives,
    }
}

/// Functions without a predicate. The first six are Argo's own.
pub(super) const FUNCTIONS: [Signature; 52] = [
    function("asInt", 1, &[ANY], Gives::Int),
    function("asFloat", 1, &[ANY], Gives::Float),
    function("isNaN", 1, &[FLOAT], Gives::Bool),
    function("isInf", 1, &[FLOAT], Gives::Bool),
    function("isNil", 1, &[ANY], Gives::Bool),
    function("default", 2, &[ANY, ANY], Gives::Unknown),
    function("len", 1, &[ARRAY | MAP | TEXT], Gives::Int),
    function("type", 1, &[ANY], Gives::Text),
    function("abs", 1, &[NUMBER], Gives::SameAsFirst),
    function("ceil", 1, &[NUMBER], Gives::Float),
    function("floor", 1, &[NUMBER], Gives::Float),
    function("round", 1, &[NUMBER], Gives::Float),
    function("int", 1, &[NUMBER | TEXT], Gives::Int),
    function("float", 1, &[NUMBER | TEXT], Gives::Float),
    function("string", 1, &[ANY], Gives::Text),
    function("trim", 1, &[TEXT, TEXT], Gives::Text),
    function("trimPrefix", 1, &[TEXT, TEXT], Gives::Text),
    function("trimSuffix", 1, &[TEXT, TEXT], Gives::Text),
    function("upper", 1, &[TEXT], Gives::Text),
    function("lower", 1, &[TEXT], Gives::Text),
    function("split", 2, &[TEXT, TEXT, INT], Gives::Array),
    function("splitAfter", 2, &[TEXT, TEXT, INT], Gives::Array),
    function("replace", 3, &[TEXT, TEXT, TEXT, INT], Gives::Text),
    function("repeat", 2, &[TEXT, INT], Gives::Text),
    function("join", 1, &[ARRAY, TEXT], Gives::Text),
    function("indexOf", 2, &[TEXT, TEXT], Gives::Int),
    function("lastIndexOf", 2, &[TEXT, TEXT], Gives::Int),
    function("hasPrefix", 2, &[TEXT, TEXT], Gives::Bool),
    function("hasSuffix", 2, &[TEXT, TEXT], Gives::Bool),
    variadic("max", &[NUMBER | ARRAY], Gives::Unknown),
    variadic("min", &[NUMBER | ARRAY], Gives::Unknown),
    variadic("mean", &[NUMBER | ARRAY], Gives::Unknown),
    variadic("median", &[NUMBER | ARRAY], Gives::Unknown),
    function("fromJSON", 1, &[TEXT], Gives::Unknown),
    function("first", 1, &[ARRAY], Gives::ElementOfFirst),
    function("last", 1, &[ARRAY], Gives::ElementOfFirst),
    function("get", 2, &[ANY, ANY], Gives::Unknown),
    function("take", 2, &[ARRAY, INT], Gives::SameAsFirst),
    function("keys", 1, &[MAP], Gives::Array),
    function("values", 1, &[MAP], Gives::Array),
    function("toPairs", 1, &[MAP], Gives::Array),
    function("fromPairs", 1, &[ARRAY], Gives::Map),
    function("reverse", 1, &[ARRAY], Gives::Array),
    function("uniq", 1, &[ARRAY], Gives::Array),
    variadic("concat", &[ARRAY], Gives::Array),
    function("flatten", 1, &[ARRAY], Gives::Array),
    function("sort", 1, &[ARRAY, TEXT], Gives::Array),
    function("bitand", 2, &[INT, INT], Gives::Int),
    function("bitor", 2, &[INT, INT], Gives::Int),
    function("now", 0, &[], Gives::Time),
    function("duration", 1, &[TEXT], Gives::Duration),
    function("date", 1, &[TEXT, TEXT, TEXT], Gives::Time),
];

/// Argo's own functions, which only conditions of metrics have.
pub(super) const OF_MEASUREMENTS: [&str; 6] =
    ["asInt", "asFloat", "isNaN", "isInf", "isNil", "default"];

/// Functions of Go's implementation that have no use in a condition, and that Sluice does not compute.
pub(super) const NOT_COMPUTED: [&str; 10] = [
    "toJSON",
    "toBase64",
    "fromBase64",
    "timezone",
    "bitxor",
    "bitnand",
    "bitnot",
    "bitshl",
    "bitshr",
    "bitushr",
];

/// Whether an argument of a type may be passed.
pub(super) fn accepts(accepted: Accepts, given: &Type) -> bool {
    let has = |bit: Accepts| accepted & bit != 0;
    match given {
        Type::Unknown => true,
        _ if has(ANY) => true,
        Type::Int => has(INT | NUMBER),
        Type::Float => has(FLOAT | NUMBER),
        Type::Text => has(TEXT),
        Type::Array(_) => has(ARRAY),
        Type::Map => has(MAP),
        Type::Nil | Type::Bool | Type::Time | Type::Duration => false,
    }
}

/// How a message names what is accepted.
pub(super) fn describe(accepted: Accepts) -> String {
    let words = [
        (NUMBER, "a number"),
        (INT, "an int"),
        (FLOAT, "a float"),
        (TEXT, "a string"),
        (ARRAY, "an array"),
        (MAP, "a map"),
    ];
    let named: Vec<&str> = words
        .iter()
        .filter(|(bit, _)| accepted & bit != 0)
        .map(|(_, word)| *word)
        .collect();
    named.join(" or ")
}
