//! Types and conversions between them.

use portcullis_gocompat::strconv::parse_float;
use portcullis_value::Value;

use super::{ANY, Arguments, Function, Parameter, STRING, Type};
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "not_null",
        parameters: &[Parameter::Rest(&[Type::Any])],
        returns: Type::Any,
        doc: "The first argument that is not null.",
        example: ("not_null(missing, 'a', 'b')", r#""a""#),
        call: not_null,
    },
    Function {
        name: "to_array",
        parameters: &[ANY],
        returns: Type::Array,
        doc: "A list itself, all else as a list of one.",
        example: ("to_array('a')", r#"["a"]"#),
        call: to_array,
    },
    Function {
        name: "to_boolean",
        parameters: &[STRING],
        returns: Type::Bool,
        doc: "The truth that a string spells, in any case of letters.",
        example: ("to_boolean('True')", "true"),
        call: to_boolean,
    },
    Function {
        name: "to_number",
        parameters: &[ANY],
        returns: Type::Number,
        doc: "A number itself, the number that a string spells, otherwise null.",
        example: ("to_number('1e3')", "1000"),
        call: to_number,
    },
    Function {
        name: "to_string",
        parameters: &[ANY],
        returns: Type::String,
        doc: "A string itself, all else as JSON.",
        example: ("to_string(`[1, true]`)", r#""[1,true]""#),
        call: to_string,
    },
    Function {
        name: "type",
        parameters: &[ANY],
        returns: Type::String,
        doc: "The name of the argument's JSON type.",
        example: ("type(`[]`)", r#""array""#),
        call: kind,
    },
];

fn not_null<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    for index in 0..arguments.len() {
        let value = arguments.value(index)?;
        if !value.is_null() {
            return Ok(value);
        }
    }
    Ok(Value::Null)
}

fn to_array<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    match arguments.value(0)? {
        list @ Value::Array(_) => Ok(list),
        other => evaluator.array(&[other]),
    }
}

fn to_boolean<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    if text.eq_ignore_ascii_case("true") {
        Ok(Value::Bool(true))
    } else if text.eq_ignore_ascii_case("false") {
        Ok(Value::Bool(false))
    } else {
        let message = format_args!("lowercase argument must be 'true' or 'false' (provided: '{text}')");
        Err(arguments.error(message))
    }
}

fn to_number<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    Ok(match arguments.value(0)? {
        number @ Value::Number(_) => number,
        Value::String(text) => parse_float(text).map_or(Value::Null, Value::from),
        _ => Value::Null,
    })
}

fn to_string<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    evaluator.text_of(arguments.value(0)?).map(Value::String)
}

fn kind<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    Ok(Value::String(arguments.value(0)?.kind().name()))
}
