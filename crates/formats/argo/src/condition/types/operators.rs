//! Which types an operator can stand between.

use super::super::ConditionError;
use super::super::syntax::Binary;
use super::Type;

pub(super) fn binary(
    at: usize,
    operator: Binary,
    left: &Type,
    right: &Type,
) -> Result<Type, ConditionError> {
    use Type::{Bool, Duration, Float, Int, Nil, Text, Time, Unknown};
    let both = |kinds: &[Type]| {
        let is_of = |found: &Type| *found == Unknown || kinds.contains(found);
        is_of(left) && is_of(right)
    };
    let numbers = || both(&[Int, Float]);
    // With one side unknown, the other decides what it must be.
    let is_open = *left == Unknown || *right == Unknown;
    let arithmetic = || match (left, right) {
        _ if is_open => Unknown,
        (Float, _) | (_, Float) => Float,
        _ => Int,
    };
    let found = match operator {
        Binary::Equal | Binary::NotEqual => left.is_comparable_to(right).then_some(Bool),
        Binary::Or | Binary::And => both(&[Bool]).then_some(Bool),
        Binary::Less | Binary::Greater | Binary::LessOrEqual | Binary::GreaterOrEqual => {
            let same = [[Time].as_slice(), &[Duration], &[Text], &[Int, Float]];
            same.iter().any(|kinds| both(kinds)).then_some(Bool)
        }
        Binary::Add | Binary::Subtract => match (left, right) {
            _ if numbers() => Some(arithmetic()),
            (Text, Text) if operator == Binary::Add => Some(Text),
            (Time, Duration) => Some(Time),
            (Duration, Time) if operator == Binary::Add => Some(Time),
            (Duration, Duration) => Some(Duration),
            (Time, Time) if operator == Binary::Subtract => Some(Duration),
            (Unknown, Text) | (Text, Unknown) if operator == Binary::Add => Some(Unknown),
            (Unknown, Time | Duration) | (Time | Duration, Unknown) => Some(Unknown),
            _ => None,
        },
        Binary::Multiply => match (left, right) {
            _ if numbers() => Some(arithmetic()),
            _ if both(&[Int, Float, Duration]) => Some(if is_open { Unknown } else { Duration }),
            _ => None,
        },
        Binary::Divide | Binary::Power => numbers().then_some(Float),
        Binary::Modulo => both(&[Int]).then_some(Int),
        Binary::Range => both(&[Int]).then_some(Type::Array(Box::new(Int))),
        Binary::In => is_member(left, right).then_some(Bool),
        Binary::Matches | Binary::Contains | Binary::StartsWith | Binary::EndsWith => {
            both(&[Text]).then_some(Bool)
        }
        Binary::Coalesce => Some(match (left, right) {
            (Nil, other) | (other, Nil) => other.clone(),
            (left, right) if left == right => left.clone(),
            _ => Unknown,
        }),
    };
    found.ok_or_else(|| {
        let (sign, left, right) = (operator.sign(), left.word(), right.word());
        ConditionError::new(at, format!("`{sign}` cannot be used on {left} and {right}"))
    })
}

fn is_member(needle: &Type, of: &Type) -> bool {
    match of {
        Type::Unknown => true,
        Type::Map => needle.may_be(&Type::Text),
        Type::Array(of) => needle.is_comparable_to(of),
        Type::Text => *needle == Type::Unknown,
        _ => false,
    }
}
