//! Functions of plain numbers.

use portcullis_gocompat::math::power_by_squaring;
use portcullis_value::Value;

use super::{Arguments, Function, NUMBER, NUMBERS, Type};
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "abs",
        parameters: &[NUMBER],
        returns: Type::Number,
        doc: "The number without its sign.",
        example: ("abs(`-1.5`)", "1.5"),
        call: abs,
    },
    Function {
        name: "avg",
        parameters: &[NUMBERS],
        returns: Type::Number,
        doc: "The mean of a list of numbers.",
        example: ("avg(`[1, 2, 6]`)", "3"),
        call: avg,
    },
    Function {
        name: "ceil",
        parameters: &[NUMBER],
        returns: Type::Number,
        doc: "The number rounded up.",
        example: ("ceil(`1.2`)", "2"),
        call: ceil,
    },
    Function {
        name: "floor",
        parameters: &[NUMBER],
        returns: Type::Number,
        doc: "The number rounded down.",
        example: ("floor(`1.8`)", "1"),
        call: floor,
    },
    Function {
        name: "round",
        parameters: &[NUMBER, NUMBER],
        returns: Type::Number,
        doc: "The first number rounded to so many digits behind the point, half away from zero.",
        example: ("round(`9.876`, `2`)", "9.88"),
        call: round,
    },
];

fn abs<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    Ok(arguments.number(0)?.as_f64().abs().into())
}

fn ceil<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    Ok(arguments.number(0)?.as_f64().ceil().into())
}

fn floor<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    Ok(arguments.number(0)?.as_f64().floor().into())
}

/// COMPAT(kyverno): of an empty list it is no number, which no JSON can hold: the search then fails.
fn avg<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let numbers = arguments.array(0)?;
    evaluator.steps(numbers.len())?;
    let sum: f64 = numbers
        .iter()
        .filter_map(|item| item.as_number())
        .map(|number| number.as_f64())
        .fold(0.0, |sum, number| sum + number);
    #[expect(clippy::cast_precision_loss, reason = "a list is shorter than 2^53")]
    let count = numbers.len() as f64;
    Ok(Value::from(sum / count))
}

/// COMPAT(kyverno): the text about a negative number of digits is the one that is printed, verbs and all; more than 308
/// digits give no number.
fn round<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (number, digits) = (arguments.number(0)?.as_f64(), arguments.number(1)?.as_f64());
    if digits.fract() != 0.0 {
        return Err(arguments.error("Non-integer argument(s) passed for round off"));
    }
    if digits < 0.0 {
        return Err(arguments.error("%!d(MISSING) argument is out of bounds (%!d(MISSING))"));
    }
    let power = power_by_squaring(digits);
    Ok(((number * power).round() / power).into())
}
