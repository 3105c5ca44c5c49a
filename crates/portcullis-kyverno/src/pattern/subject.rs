//! Values as string patterns see them.

use std::cmp::Ordering;

use portcullis_gocompat::strconv::{FloatBits, FloatFormat, format_float};
use portcullis_gocompat::{Duration, Quantity};
use portcullis_model::Numbers;
use portcullis_value::{Number, Value};

/// A value of the resource.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'v str),
    /// A list or a map.
    Compound,
}

impl<'v> Subject<'v> {
    pub(super) fn new(value: Value<'v>, numbers: Numbers) -> Self {
        match value {
            Value::Null => Subject::Null,
            Value::Bool(value) => Subject::Bool(value),
            Value::Number(Number::Int(value)) if numbers == Numbers::AsWritten => Subject::Int(value),
            Value::Number(number) => Subject::Float(number.as_f64()),
            Value::String(text) => Subject::Text(text),
            Value::Array(_) | Value::Object(_) => Subject::Compound,
        }
    }

    pub(super) fn as_text(self) -> Option<&'v str> {
        match self {
            Subject::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The length of the text, as the steps it takes to read it.
    pub(super) fn length(self) -> u64 {
        self.as_text().map_or(1, |text| text.len() as u64)
    }

    /// How the value compares with what measures something, if it measures the same.
    pub(super) fn compare(self, measure: &Measure) -> Option<Ordering> {
        let as_duration = measure.duration.and_then(|want| Some(self.to_duration()?.cmp(&want)));
        as_duration.or_else(|| measure.quantity.and_then(|want| Some(self.to_quantity()?.cmp(&want))))
    }

    /// Of numbers only zero is a duration: Go wants a unit on all others, and a float is written `0.000000`.
    fn to_duration(self) -> Option<Duration> {
        match self {
            Subject::Null | Subject::Int(0) => Some(Duration(0)),
            Subject::Text(text) => Duration::read(text),
            _ => None,
        }
    }

    fn to_quantity(self) -> Option<Quantity> {
        match self {
            // COMPAT(kyverno): a missing value is zero where numbers are compared.
            Subject::Null => Some(Quantity::from(0)),
            Subject::Int(value) => Some(Quantity::from(value)),
            // COMPAT(kyverno): floats are compared with six decimals.
            Subject::Float(value) => {
                let text = format_float(value, FloatFormat::Fixed, Some(6), FloatBits::Double);
                Quantity::parse(&text).ok()
            }
            Subject::Text(text) => Quantity::read(text),
            Subject::Bool(_) | Subject::Compound => None,
        }
    }
}

/// What a text of a pattern measures: a duration, a quantity or, as `0` and `5m`, both.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    duration: Option<Duration>,
    quantity: Option<Quantity>,
}

impl Measure {
    /// `None` if the text measures nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let measure = Self { duration: Duration::read(text), quantity: Quantity::read(text) };
        (measure.duration.is_some() || measure.quantity.is_some()).then_some(measure)
    }
}
