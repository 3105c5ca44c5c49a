//! Functions of maps.

use portcullis_gocompat::fmt::display;
use portcullis_value::{Number, Value};

use super::{ARRAY, Arguments, Function, OBJECT, Parameter, STRING, Type};
use crate::evaluate::{Evaluated, Evaluator};
use crate::text::single_precision;

const ARRAY_OR_OBJECT: Parameter = Parameter::One(&[Type::Object, Type::Array]);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "items",
        parameters: &[ARRAY_OR_OBJECT, STRING, STRING],
        returns: Type::Array,
        doc: "The entries of a map, or the elements of a list with their indexes, as maps with two given keys.",
        example: (r#"items(`{"a": 1}`, 'key', 'value')"#, r#"[{"key": "a", "value": 1}]"#),
        call: items,
    },
    Function {
        name: "keys",
        parameters: &[OBJECT],
        returns: Type::Array,
        doc: "The keys of a map, sorted.",
        example: (r#"keys(`{"b": 1, "a": 2}`)"#, r#"["a", "b"]"#),
        call: keys,
    },
    Function {
        name: "label_match",
        parameters: &[OBJECT, OBJECT],
        returns: Type::Bool,
        doc: "Whether every entry of the first map is in the second.",
        example: (r#"label_match(`{"app": "web"}`, `{"app": "web", "tier": "front"}`)"#, "true"),
        call: label_match,
    },
    Function {
        name: "lookup",
        parameters: &[ARRAY_OR_OBJECT, Parameter::One(&[Type::String, Type::Number])],
        returns: Type::Any,
        doc: "The value of a map's key or the element at a list's index; null if there is none.",
        example: (r#"lookup(`{"a": 1}`, 'a')"#, "1"),
        call: lookup,
    },
    Function {
        name: "merge",
        parameters: &[Parameter::Rest(&[Type::Object])],
        returns: Type::Object,
        doc: "One map with the entries of all; of equal keys the last wins.",
        example: (r#"merge(`{"a": 1}`, `{"a": 2, "b": 3}`)"#, r#"{"a": 2, "b": 3}"#),
        call: merge,
    },
    Function {
        name: "object_from_lists",
        parameters: &[ARRAY, ARRAY],
        returns: Type::Object,
        doc: "A map of a list of keys and a list of values; null where values are lacking.",
        example: ("object_from_lists(['a', 'b'], `[1]`)", r#"{"a": 1, "b": null}"#),
        call: object_from_lists,
    },
    Function {
        name: "values",
        parameters: &[OBJECT],
        returns: Type::Array,
        doc: "The values of a map in the order of its keys.",
        example: (r#"values(`{"b": 1, "a": 2}`)"#, "[2, 1]"),
        call: values,
    },
];

fn items<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (name, value) = (arguments.string(1)?, arguments.string(2)?);
    let mut items = Vec::new();
    // Where both have one name, the value, which comes last, wins.
    match arguments.value(0)? {
        Value::Object(object) => {
            evaluator.steps(object.len())?;
            for (key, item) in object.iter() {
                items.push(evaluator.object(vec![(name, Value::String(key)), (value, item)])?);
            }
        }
        Value::Array(list) => {
            evaluator.steps(list.len())?;
            for (index, item) in (0_i64..).zip(list) {
                items.push(evaluator.object(vec![(name, Value::from(index)), (value, *item)])?);
            }
        }
        _ => return Err(arguments.not_of_type(0, "Object or Array")),
    }
    evaluator.array(&items)
}

fn keys<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let object = arguments.object(0)?;
    evaluator.steps(object.len())?;
    let keys: Vec<_> = object.keys().map(Value::String).collect();
    evaluator.array(&keys)
}

fn values<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let object = arguments.object(0)?;
    evaluator.steps(object.len())?;
    let values: Vec<_> = object.iter().map(|(_, value)| value).collect();
    evaluator.array(&values)
}

fn label_match<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (selector, labels) = (arguments.object(0)?, arguments.object(1)?);
    evaluator.steps(selector.len())?;
    for (key, wanted) in selector.iter() {
        match labels.get(key) {
            Some(label) if evaluator.equal(label, wanted)? => {}
            _ => return Ok(Value::Bool(false)),
        }
    }
    Ok(Value::Bool(true))
}

fn lookup<'a>(_: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let found = match (arguments.value(0)?, arguments.value(1)?) {
        (Value::Object(object), Value::String(key)) => object.get(key),
        (Value::Object(_), _) => return Err(arguments.not_of_type(1, "String")),
        (Value::Array(items), Value::Number(index)) => {
            let index = integer(index).map_err(|reason| {
                arguments.error(format_args!("argument #2: {reason}: {}", display(Value::Number(index))))
            })?;
            usize::try_from(index).ok().and_then(|index| items.get(index)).copied()
        }
        (Value::Array(_), _) => return Err(arguments.not_of_type(1, "Number")),
        _ => return Err(arguments.not_of_type(0, "Object or Array")),
    };
    Ok(found.unwrap_or_default())
}

fn integer(number: Number) -> Result<i64, &'static str> {
    if number.as_f64().fract() != 0.0 {
        return Err("expected an integer number but got");
    }
    number.to_i64().ok_or("number is outside the range of integer numbers")
}

fn merge<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let mut entries = Vec::new();
    for index in 0..arguments.len() {
        let object = arguments.object(index)?;
        evaluator.steps(object.len())?;
        entries.extend_from_slice(object.entries());
    }
    evaluator.object(entries)
}

fn object_from_lists<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
) -> Evaluated<'a> {
    let (keys, values) = (arguments.array(0)?, arguments.array(1)?);
    evaluator.steps(keys.len())?;
    let mut entries = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let key = match key {
            Value::String(key) => key,
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Number(number) => evaluator.text(&single_precision(number.as_f64()))?,
            _ => return Err(arguments.not_of_type(0, "StringArray")),
        };
        entries.push((key, values.get(index).copied().unwrap_or_default()));
    }
    evaluator.object(entries)
}
