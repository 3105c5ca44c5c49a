//! `Equals` and `NotEquals`.

use portcullis_gocompat::strconv::{parse_float, parse_int};
use portcullis_gocompat::{Quantity, wildcard};
use portcullis_value::{Budget, Exhausted, Number, Value};

use super::order::compare_if_duration;

/// Whether `key` equals `value`. The key decides what is compared: its type is tried on the value.
pub(super) fn equal(key: Value<'_>, value: Value<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    Ok(match (key, value) {
        (Value::String(key), _) => return equal_text(key, value, budget),
        (Value::Array(_) | Value::Object(_), _) => return identical(key, value, budget),
        (Value::Bool(key), Value::Bool(value)) => key == value,
        (Value::Number(key), Value::Number(value)) => match (key, value) {
            (Number::Int(key), Number::Int(value)) => key == value,
            (Number::Int(key), value) => value.to_i64() == Some(key),
            (key, Number::Int(value)) => key.to_i64() == Some(value),
            (key, value) => key.as_f64() == value.as_f64(),
        },
        (Value::Number(Number::Int(key)), Value::String(value)) => parse_int(value) == Some(key),
        (Value::Number(key), Value::String(value)) => parse_float(value) == Some(key.as_f64()),
        _ => false,
    })
}

/// As durations, else as quantities, else `value` as a wildcard.
fn equal_text(key: &str, value: Value<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    budget.steps(key.len() as u64)?;
    if let Some(ordering) = compare_if_duration(Value::String(key), value, budget)? {
        return Ok(ordering.is_eq());
    }
    let Value::String(value) = value else { return Ok(false) };
    if let Some(key) = Quantity::read(key) {
        // COMPAT(kyverno): once the key is a quantity, nothing but a quantity equals it, not even its own wildcard.
        budget.steps(value.len() as u64)?;
        return Ok(Quantity::read(value) == Some(key));
    }
    wildcard::matches_within(value, key, budget)
}

/// Deep equality. COMPAT(kyverno): integers and floats are different here, as Go's `reflect.DeepEqual` sees them.
fn identical(a: Value<'_>, b: Value<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    budget.step()?;
    Ok(match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a, b) {
            (Number::Int(a), Number::Int(b)) => a == b,
            (Number::Int(_), _) | (_, Number::Int(_)) => false,
            (a, b) => a.as_f64() == b.as_f64(),
        },
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (a, b) in a.iter().zip(b) {
                if !budget.nested(|budget| identical(*a, *b, budget))? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            for ((key, a), (other, b)) in a.iter().zip(b.iter()) {
                if key != other || !budget.nested(|budget| identical(a, b, budget))? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::String(a), Value::String(b)) => {
            budget.steps(a.len() as u64 / 16)?;
            a == b
        }
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => false,
    })
}
