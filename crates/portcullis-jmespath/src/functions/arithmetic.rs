//! Arithmetic of numbers, quantities and durations.

use portcullis_gocompat::strconv::{FloatBits, FloatFormat, format_float};
use portcullis_gocompat::{Duration, Quantity, quantity};
use portcullis_value::Value;

use super::{ANY, ARRAY, Arguments, Function, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "add",
        parameters: &[ANY, ANY],
        returns: Type::Any,
        doc: "The sum of two numbers, quantities or durations.",
        example: ("add('1Gi', '512Mi')", r#""1536Mi""#),
        call: |evaluator, arguments| combine(evaluator, arguments, Operand::add),
    },
    Function {
        name: "divide",
        parameters: &[ANY, ANY],
        returns: Type::Any,
        doc: "The quotient of two of a kind as a number, or a quantity or duration divided by a number.",
        example: ("divide('1h', `4`)", r#""15m0s""#),
        call: |evaluator, arguments| combine(evaluator, arguments, Operand::divide),
    },
    Function {
        name: "modulo",
        parameters: &[ANY, ANY],
        returns: Type::Any,
        doc: "The remainder of two whole numbers, whole quantities or durations, with the sign of the first.",
        example: ("modulo('10Gi', '3Gi')", r#""1Gi""#),
        call: |evaluator, arguments| combine(evaluator, arguments, Operand::modulo),
    },
    Function {
        name: "multiply",
        parameters: &[ANY, ANY],
        returns: Type::Any,
        doc: "The product of two numbers, or of a number and a quantity or duration.",
        example: ("multiply('1Gi', `1.5`)", r#""1536Mi""#),
        call: |evaluator, arguments| combine(evaluator, arguments, Operand::multiply),
    },
    Function {
        name: "subtract",
        parameters: &[ANY, ANY],
        returns: Type::Any,
        doc: "The difference of two numbers, quantities or durations.",
        example: ("subtract('2h', '30s')", r#""1h59m30s""#),
        call: |evaluator, arguments| combine(evaluator, arguments, Operand::subtract),
    },
    Function {
        name: "sum",
        parameters: &[ARRAY],
        returns: Type::Any,
        doc: "The sum of a list of numbers, quantities or durations, which must not be empty.",
        example: ("sum(`[\"100m\", \"250m\"]`)", r#""350m""#),
        call: sum,
    },
];

/// What arithmetic is done with.
#[derive(Clone, Copy, Debug)]
enum Operand {
    Scalar(f64),
    Quantity(Quantity),
    Duration(Duration),
}

/// Why a calculation has no result. The texts are the reference's, but for what it computes regardless of overflow.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("invalid operand")]
    InvalidOperand,
    #[error("Types mismatch")]
    Mismatch,
    #[error("Zero divisor passed")]
    ZeroDivisor,
    #[error("Non-integer argument(s) passed for modulo")]
    NotWhole,
    #[error("duration is out of range")]
    Duration,
    #[error(transparent)]
    Quantity(quantity::Error),
}

impl From<quantity::Error> for Fault {
    fn from(error: quantity::Error) -> Self {
        match error {
            quantity::Error::DivisionByZero => Fault::ZeroDivisor,
            quantity::Error::NotWhole => Fault::NotWhole,
            error => Fault::Quantity(error),
        }
    }
}

type Calculated = Result<Operand, Fault>;

impl Operand {
    /// Reads a number, or a string that is a quantity or else a duration.
    ///
    /// COMPAT(kyverno): `30m` is 0.03, since it reads as a quantity; only in `1h30m` it is half an hour.
    fn read(value: Value<'_>) -> Calculated {
        match value {
            Value::Number(number) => Ok(Operand::Scalar(number.as_f64())),
            Value::String(text) => match Quantity::parse(text) {
                Ok(quantity) => Ok(Operand::Quantity(quantity)),
                Err(error @ quantity::Error::OutOfRange) => Err(Fault::Quantity(error)),
                Err(_) => Duration::parse(text).map(Operand::Duration).map_err(|_| Fault::InvalidOperand),
            },
            _ => Err(Fault::InvalidOperand),
        }
    }

    fn add(self, other: Operand) -> Calculated {
        Ok(match (self, other) {
            (Operand::Scalar(left), Operand::Scalar(right)) => Operand::Scalar(left + right),
            (Operand::Quantity(left), Operand::Quantity(right)) => {
                Operand::Quantity(left.checked_add(right)?)
            }
            (Operand::Duration(left), Operand::Duration(right)) => {
                Operand::Duration(left.checked_add(right).ok_or(Fault::Duration)?)
            }
            _ => return Err(Fault::Mismatch),
        })
    }

    fn subtract(self, other: Operand) -> Calculated {
        Ok(match (self, other) {
            (Operand::Scalar(left), Operand::Scalar(right)) => Operand::Scalar(left - right),
            (Operand::Quantity(left), Operand::Quantity(right)) => {
                Operand::Quantity(left.checked_sub(right)?)
            }
            (Operand::Duration(left), Operand::Duration(right)) => {
                Operand::Duration(left.checked_sub(right).ok_or(Fault::Duration)?)
            }
            _ => return Err(Fault::Mismatch),
        })
    }

    fn multiply(self, other: Operand) -> Calculated {
        Ok(match (self, other) {
            (Operand::Scalar(left), Operand::Scalar(right)) => Operand::Scalar(left * right),
            (Operand::Quantity(quantity), Operand::Scalar(factor))
            | (Operand::Scalar(factor), Operand::Quantity(quantity)) => {
                Operand::Quantity(quantity.checked_mul(quantity_of(factor)?)?)
            }
            (Operand::Duration(duration), Operand::Scalar(factor))
            | (Operand::Scalar(factor), Operand::Duration(duration)) => {
                Operand::Duration(duration_of(duration.seconds() * factor)?)
            }
            _ => return Err(Fault::Mismatch),
        })
    }

    fn divide(self, other: Operand) -> Calculated {
        Ok(match (self, other) {
            (Operand::Scalar(left), Operand::Scalar(right)) => Operand::Scalar(left / nonzero(right)?),
            (Operand::Quantity(left), Operand::Quantity(right)) => Operand::Scalar(left.ratio(right)?),
            (Operand::Duration(left), Operand::Duration(right)) => {
                Operand::Scalar(left.seconds() / nonzero(right.seconds())?)
            }
            (Operand::Quantity(quantity), Operand::Scalar(divisor)) => {
                Operand::Quantity(quantity.checked_div(quantity_of(divisor)?)?)
            }
            (Operand::Duration(duration), Operand::Scalar(divisor)) => {
                Operand::Duration(duration_of(duration.seconds() / nonzero(divisor)?)?)
            }
            _ => return Err(Fault::Mismatch),
        })
    }

    fn modulo(self, other: Operand) -> Calculated {
        Ok(match (self, other) {
            (Operand::Scalar(left), Operand::Scalar(right)) => {
                let (left, right) = (whole(left)?, whole(right)?);
                // The one overflow, of -2^63 and -1, is 0.
                let rest = if right == 0 { None } else { Some(left.wrapping_rem(right)) };
                Operand::Scalar(rest.ok_or(Fault::ZeroDivisor)? as f64)
            }
            (Operand::Quantity(left), Operand::Quantity(right)) => {
                Operand::Quantity(left.checked_rem(right)?)
            }
            (Operand::Duration(left), Operand::Duration(right)) => {
                Operand::Duration(left.checked_rem(right).ok_or(Fault::ZeroDivisor)?)
            }
            _ => return Err(Fault::Mismatch),
        })
    }
}

/// The quantity that the text of a number is; what is finer than 1n is rounded up.
fn quantity_of(number: f64) -> Result<Quantity, Fault> {
    Ok(Quantity::parse(&format_float(number, FloatFormat::General, None, FloatBits::Double))?)
}

fn duration_of(seconds: f64) -> Result<Duration, Fault> {
    Duration::checked_from_seconds(seconds).ok_or(Fault::Duration)
}

fn nonzero(divisor: f64) -> Result<f64, Fault> {
    if divisor == 0.0 { Err(Fault::ZeroDivisor) } else { Ok(divisor) }
}

fn whole(number: f64) -> Result<i64, Fault> {
    // 2^63 is a double, 2^63 - 1 is none.
    let limit = 2_f64.powi(63);
    if number.fract() != 0.0 || !(-limit..limit).contains(&number) {
        return Err(Fault::NotWhole);
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    Ok(number as i64)
}

/// The result of `operation` on two arguments.
fn combine<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
    operation: fn(Operand, Operand) -> Calculated,
) -> Evaluated<'a> {
    // A reference to an expression is no operand either.
    let value = |index| arguments.value(index).map_err(|_| arguments.error(Fault::InvalidOperand));
    let (left, right) = (value(0)?, value(1)?);
    calculate(evaluator, arguments, operation, left, right)
}

fn calculate<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
    operation: fn(Operand, Operand) -> Calculated,
    left: Value<'a>,
    right: Value<'a>,
) -> Evaluated<'a> {
    for text in [left, right].into_iter().filter_map(Value::as_str) {
        evaluator.scan(text)?;
    }
    let fail = |fault: Fault| -> Failure<'a> { arguments.error(fault) };
    let (left, right) = (Operand::read(left).map_err(fail)?, Operand::read(right).map_err(fail)?);
    match operation(left, right).map_err(fail)? {
        Operand::Scalar(number) => Ok(number.into()),
        Operand::Quantity(quantity) => evaluator.string(&quantity.to_string()),
        Operand::Duration(duration) => evaluator.string(&duration.to_string()),
    }
}

/// COMPAT(kyverno): a list of one element gives that element, whatever it is; and each sum is read again before the next
/// is added.
fn sum<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let Some((first, rest)) = arguments.array(0)?.split_first() else {
        return Err(arguments.error("at least one element in the array is required"));
    };
    evaluator.steps(rest.len())?;
    rest.iter().try_fold(*first, |sum, item| calculate(evaluator, arguments, Operand::add, sum, *item))
}
