//! Patterns of one value: booleans, numbers, null and string patterns.

use portcullis_gocompat::strconv::{parse_float, parse_int};
use portcullis_model::Numbers;
use portcullis_value::{Budget, Exhausted, Number, Value};

use super::subject::Subject;
use super::text::Text;

/// A pattern that is no tree.
#[derive(Clone, Debug)]
pub enum Scalar {
    /// Null, missing, zero, false and the empty string.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    /// Any map.
    Map,
    /// Nothing: a list is no scalar pattern.
    List,
}

impl Scalar {
    /// Reads a pattern. Every value is one.
    pub fn compile(pattern: Value<'_>) -> Self {
        match pattern {
            Value::Null => Scalar::Null,
            Value::Bool(value) => Scalar::Bool(value),
            Value::Number(Number::Int(value)) => Scalar::Int(value),
            Value::Number(number) => Scalar::Float(number.as_f64()),
            Value::String(text) => Scalar::Text(Text::compile(text)),
            Value::Object(_) => Scalar::Map,
            Value::Array(_) => Scalar::List,
        }
    }

    /// Whether `value` satisfies the pattern. Missing values are null.
    #[inline]
    pub fn matches(
        &self,
        value: Value<'_>,
        numbers: Numbers,
        budget: &mut Budget<'_>,
    ) -> Result<bool, Exhausted> {
        if let Scalar::Text(pattern) = self {
            return match pattern.foregone(value) {
                Some(matches) => Ok(matches),
                None => pattern.matches(Subject::new(value, numbers), budget),
            };
        }
        let subject = Subject::new(value, numbers);
        Ok(match (self, subject) {
            (Scalar::Map, _) => matches!(value, Value::Object(_)),
            (Scalar::List, _) => false,
            (Scalar::Null, Subject::Null | Subject::Bool(false) | Subject::Int(0)) => true,
            (Scalar::Null, Subject::Float(value)) => value == 0.0,
            (Scalar::Null, Subject::Text(text)) => text.is_empty(),
            (Scalar::Bool(want), Subject::Bool(value)) => value == *want,
            (Scalar::Int(want), Subject::Int(value)) => value == *want,
            (Scalar::Int(want), Subject::Float(value)) => Number::Float(value).to_i64() == Some(*want),
            (Scalar::Int(want), Subject::Text(text)) => parse_int(text) == Some(*want),
            (Scalar::Float(want), Subject::Int(value)) => Number::Float(*want).to_i64() == Some(value),
            (Scalar::Float(want), Subject::Float(value)) => value == *want,
            (Scalar::Float(want), Subject::Text(text)) => parse_float(text) == Some(*want),
            _ => false,
        })
    }

    /// The pattern as it was written, for messages.
    pub(super) fn source(&self) -> Value<'_> {
        match self {
            Scalar::Bool(value) => Value::Bool(*value),
            Scalar::Int(value) => Value::Number(Number::Int(*value)),
            Scalar::Float(value) => Value::Number(Number::Float(*value)),
            Scalar::Text(pattern) => Value::String(pattern.source()),
            Scalar::Null | Scalar::Map | Scalar::List => Value::Null,
        }
    }
}

/// Whether `value` satisfies `pattern`, both read now.
pub fn matches(
    value: Value<'_>,
    pattern: Value<'_>,
    numbers: Numbers,
    budget: &mut Budget<'_>,
) -> Result<bool, Exhausted> {
    Scalar::compile(pattern).matches(value, numbers, budget)
}
