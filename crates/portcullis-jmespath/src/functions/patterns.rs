//! Functions that match wildcards and regular expressions.

use portcullis_gocompat::wildcard;
use portcullis_value::Value;

use super::{Arguments, Function, Parameter, STRING, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};
use crate::text::single_precision;

/// COMPAT(kyverno): a number where a text is meant is printed in single precision.
const TEXT: Parameter = Parameter::One(&[Type::String, Type::Number]);

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "pattern_match",
    parameters: &[STRING, TEXT],
    returns: Type::Bool,
    doc: "Whether the whole text fits a pattern with `*` for any characters and `?` for one.",
    example: ("pattern_match('nginx:1.*', 'nginx:1.25')", "true"),
    call: pattern_match,
}];

fn pattern_match<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (pattern, text) = (arguments.string(0)?, evaluator.text_argument(&arguments, 1)?);
    Ok(Value::Bool(wildcard::matches_within(pattern, text, evaluator.budget)?))
}

impl<'a> Evaluator<'a, '_, '_> {
    /// The string, or the number as text.
    fn text_argument(&mut self, arguments: &Arguments<'a, '_>, index: usize) -> Result<&'a str, Failure<'a>> {
        match arguments.value(index)? {
            Value::Number(number) => self.text(&single_precision(number.as_f64())),
            _ => arguments.string(index),
        }
    }
}
