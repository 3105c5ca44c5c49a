//! What the dialect says of values: truth, equality, order, size.

use std::mem::size_of;

use portcullis_value::{Number, Value};

use crate::error::Failure;
use crate::evaluate::Evaluator;

/// False are null, false and whatever is empty; zero is true.
pub(crate) fn is_true(value: Value<'_>) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => value,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// What a list of `len` elements takes.
pub(crate) fn array_bytes(len: usize) -> usize {
    len.saturating_mul(size_of::<Value<'_>>())
}

/// What a map of `len` entries takes.
pub(crate) fn object_bytes(len: usize) -> usize {
    len.saturating_mul(size_of::<(&str, Value<'_>)>())
}

impl<'a> Evaluator<'a, '_, '_> {
    /// Whether the values are equal, numbers as doubles.
    ///
    /// The comparison is charged: lists that a projection made may share their elements and so be far larger than
    /// the memory they take.
    pub(crate) fn equal(&mut self, left: Value<'a>, right: Value<'a>) -> Result<bool, Failure<'a>> {
        match (left, right) {
            (Value::Number(left), Value::Number(right)) => Ok(left.as_f64() == right.as_f64()),
            (Value::Array(left), Value::Array(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                self.nested(left.len(), |evaluator| {
                    for (left, right) in left.iter().zip(right) {
                        if !evaluator.equal(*left, *right)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                })
            }
            (Value::Object(left), Value::Object(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                self.nested(left.len(), |evaluator| {
                    for (left, right) in left.iter().zip(right.iter()) {
                        if left.0 != right.0 || !evaluator.equal(left.1, right.1)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                })
            }
            _ => Ok(left == right),
        }
    }

    /// About how many bytes the JSON of `value` takes, charged as a walk through all of it.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub(crate) fn weigh(&mut self, value: Value<'a>) -> Result<usize, Failure<'a>> {
        match value {
            Value::Number(number) => self.finite(number).map(|()| 8),
            Value::String(text) => Ok(text.len() + 2),
            Value::Null | Value::Bool(_) => Ok(4),
            Value::Array(items) => self.nested(items.len(), |evaluator| {
                items
                    .iter()
                    .try_fold(2, |sum: usize, item| Ok(sum.saturating_add(evaluator.weigh(*item)? + 1)))
            }),
            Value::Object(object) => self.nested(object.len(), |evaluator| {
                object.iter().try_fold(2, |sum: usize, (key, item)| {
                    Ok(sum.saturating_add(key.len() + 4).saturating_add(evaluator.weigh(item)?))
                })
            }),
        }
    }

    fn finite(&self, number: Number) -> Result<(), Failure<'a>> {
        let text = match number.as_f64() {
            number if number.is_finite() => return Ok(()),
            number if number.is_nan() => "NaN",
            number if number > 0.0 => "+Inf",
            _ => "-Inf",
        };
        Err(Failure::runtime(format!("json: unsupported value: {text}")))
    }
}
