//! Numbers and spans of time: what operators make of them, exactly or not at all.

use super::Cause;
use crate::tree::Operator;
use crate::value::Value;
use std::cmp::Ordering;

/// A result that may be out of range.
pub(super) fn checked(value: Option<Value>, kind: &'static str) -> Result<Value, Cause> {
    value.ok_or(Cause::Overflow { kind })
}

/// `+`, `-`, `*`, `/` and `%` of numbers and spans of time.
pub(super) fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value, Cause> {
    let divides = matches!(operator, Operator::Divide | Operator::Remainder);
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) if divides => {
            Err(Cause::DivisionByZero)
        }
        (Value::Double(_), Value::Double(divisor)) if divides && *divisor == 0.0 => {
            Err(Cause::DivisionByZero)
        }
        (Value::Int(one), Value::Int(two)) => {
            let result = match operator {
                Operator::Add => one.checked_add(*two),
                Operator::Subtract => one.checked_sub(*two),
                Operator::Multiply => one.checked_mul(*two),
                Operator::Divide => one.checked_div(*two),
                Operator::Remainder => one.checked_rem(*two),
                _ => return Err(Cause::mismatch(std::slice::from_ref(left))),
            };
            checked(result.map(Value::Int), "an int")
        }
        (Value::Uint(one), Value::Uint(two)) => {
            let result = match operator {
                Operator::Add => one.checked_add(*two),
                Operator::Subtract => one.checked_sub(*two),
                Operator::Multiply => one.checked_mul(*two),
                Operator::Divide => one.checked_div(*two),
                Operator::Remainder => one.checked_rem(*two),
                _ => return Err(Cause::mismatch(std::slice::from_ref(left))),
            };
            checked(result.map(Value::Uint), "a uint")
        }
        (Value::Double(one), Value::Double(two)) => {
            let result = match operator {
                Operator::Add => one + two,
                Operator::Subtract => one - two,
                Operator::Multiply => one * two,
                Operator::Divide => one / two,
                _ => return Err(Cause::mismatch(std::slice::from_ref(left))),
            };
            if result.is_finite() {
                Ok(Value::Double(result))
            } else {
                Err(Cause::NotFinite)
            }
        }
        (Value::Duration(one), Value::Duration(two)) => {
            let result = match operator {
                Operator::Add => one.checked_add(*two),
                Operator::Subtract => one.checked_sub(*two),
                _ => return Err(Cause::mismatch(std::slice::from_ref(left))),
            };
            checked(result.map(Value::Duration), "a duration")
        }
        _ => Err(Cause::mismatch(std::slice::from_ref(left))),
    }
}

/// Whether an order is the one that the operator asks for.
pub(super) fn orders_so(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// The order of two values of one type, or of two numbers of any types.
pub(super) fn order(one: &Value, two: &Value) -> Result<Ordering, Cause> {
    match (one, two) {
        (Value::Bool(one), Value::Bool(two)) => Ok(one.cmp(two)),
        (Value::String(one), Value::String(two)) => Ok(one.cmp(two)),
        (Value::Duration(one), Value::Duration(two)) => Ok(one.cmp(two)),
        (Value::Double(one), Value::Double(two)) => Ok(finite_order(*one, *two)),
        (Value::Double(one), other) => match whole(other) {
            Some(two) => Ok(order_with_double(two, *one).reverse()),
            None => Err(Cause::mismatch(std::slice::from_ref(other))),
        },
        (other, Value::Double(two)) => match whole(other) {
            Some(one) => Ok(order_with_double(one, *two)),
            None => Err(Cause::mismatch(std::slice::from_ref(other))),
        },
        _ => match (whole(one), whole(two)) {
            (Some(one), Some(two)) => Ok(one.cmp(&two)),
            _ => Err(Cause::mismatch(std::slice::from_ref(one))),
        },
    }
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

fn finite_order(one: f64, two: f64) -> Ordering {
    // Both are finite; minus zero is zero.
    one.partial_cmp(&two).unwrap_or(Ordering::Equal)
}

/// A whole number and a finite double, exactly: no rounding to either type.
fn order_with_double(whole: i128, double: f64) -> Ordering {
    let floor = double.floor();
    // Beyond ±2¹²⁷ the conversion gives the ends of i128, which is beyond all whole numbers here.
    match whole.cmp(&(floor as i128)) {
        Ordering::Equal if double > floor => Ordering::Less,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `as f64` would make all of these equal.
    #[test]
    fn whole_numbers_and_doubles_are_ordered_exactly() {
        let big = 9_007_199_254_740_993_i64;
        for (whole, double, expected) in [
            (i128::from(big), 9_007_199_254_740_992.0, Ordering::Greater),
            (
                i128::from(i64::MAX),
                9_223_372_036_854_775_808.0,
                Ordering::Less,
            ),
            (
                i128::from(u64::MAX),
                18_446_744_073_709_551_616.0,
                Ordering::Less,
            ),
            (-1, -1.5, Ordering::Greater),
            (-2, -1.5, Ordering::Less),
            (0, -0.0, Ordering::Equal),
            (1, 1e300, Ordering::Less),
            (1, -1e300, Ordering::Greater),
        ] {
            assert_eq!(
                order_with_double(whole, double),
                expected,
                "{whole} {double}"
            );
        }
    }
}
