//! Functions of lists, and those that take a list or a string.

use std::cmp::Ordering;

use portcullis_value::Value;

use super::{ANY, ARRAY, Arguments, Function, Parameter, REFERENCE, STRING, Type};
use crate::ast::Node;
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

const ARRAY_OR_STRING: Parameter = Parameter::One(&[Type::Array, Type::String]);
const COMPARABLE: Parameter = Parameter::One(&[Type::NumberArray, Type::StringArray]);

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "contains",
        parameters: &[ARRAY_OR_STRING, ANY],
        returns: Type::Bool,
        doc: "Whether a list has the element, or a string the text.",
        example: ("contains(`[1, 2]`, `2`)", "true"),
        call: contains,
    },
    Function {
        name: "join",
        parameters: &[STRING, Parameter::One(&[Type::StringArray])],
        returns: Type::String,
        doc: "The strings of a list with the first argument between them.",
        example: ("join('-', ['a', 'b'])", r#""a-b""#),
        call: join,
    },
    Function {
        name: "length",
        parameters: &[Parameter::One(&[Type::String, Type::Array, Type::Object])],
        returns: Type::Number,
        doc: "The number of characters, elements or entries.",
        example: ("length('höher')", "5"),
        call: length,
    },
    Function {
        name: "map",
        parameters: &[REFERENCE, ARRAY],
        returns: Type::Array,
        doc: "What the expression makes of each element; null where it makes nothing.",
        example: ("map(&length(@), ['a', 'bc'])", "[1, 2]"),
        call: map,
    },
    Function {
        name: "max",
        parameters: &[COMPARABLE],
        returns: Type::Any,
        doc: "The greatest of numbers or of strings; null for none.",
        example: ("max(`[1, 3, 2]`)", "3"),
        call: max,
    },
    Function {
        name: "max_by",
        parameters: &[ARRAY, REFERENCE],
        returns: Type::Any,
        doc: "The element for which the expression is greatest; null for none.",
        example: ("max_by(['a', 'bcd', 'ef'], &length(@))", r#""bcd""#),
        call: max_by,
    },
    Function {
        name: "min",
        parameters: &[COMPARABLE],
        returns: Type::Any,
        doc: "The least of numbers or of strings; null for none.",
        example: ("min(['b', 'a'])", r#""a""#),
        call: min,
    },
    Function {
        name: "min_by",
        parameters: &[ARRAY, REFERENCE],
        returns: Type::Any,
        doc: "The element for which the expression is least; null for none.",
        example: ("min_by(['ab', 'c'], &length(@))", r#""c""#),
        call: min_by,
    },
    Function {
        name: "reverse",
        parameters: &[ARRAY_OR_STRING],
        returns: Type::Any,
        doc: "The elements or characters in the opposite order.",
        example: ("reverse(`[1, 2]`)", "[2, 1]"),
        call: reverse,
    },
    Function {
        name: "sort",
        parameters: &[Parameter::One(&[Type::StringArray, Type::NumberArray])],
        returns: Type::Array,
        doc: "The numbers or strings of a list in ascending order, strings bytewise.",
        example: ("sort(['b', 'a', 'B'])", r#"["B", "a", "b"]"#),
        call: sort,
    },
    Function {
        name: "sort_by",
        parameters: &[ARRAY, REFERENCE],
        returns: Type::Array,
        doc: "The elements of a list in the order of what the expression makes of them.",
        example: ("sort_by(['bc', 'a'], &length(@))", r#"["a", "bc"]"#),
        call: sort_by,
    },
];

fn contains<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let sought = arguments.value(1)?;
    match arguments.value(0)? {
        Value::String(text) => {
            evaluator.scan(text)?;
            Ok(Value::Bool(sought.as_str().is_some_and(|sought| text.contains(sought))))
        }
        Value::Array(items) => {
            evaluator.steps(items.len())?;
            for item in items {
                if evaluator.equal(*item, sought)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        _ => Err(arguments.not_of_type(0, "Array or String")),
    }
}

fn join<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (glue, items) = (arguments.string(0)?, arguments.array(1)?);
    evaluator.steps(items.len())?;
    let parts: Vec<_> = items.iter().filter_map(|item| item.as_str()).collect();
    let bytes = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len() + glue.len()));
    evaluator.budget.bytes(bytes)?;
    evaluator.string(&parts.join(glue))
}

fn length<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let length = match arguments.value(0)? {
        Value::String(text) => {
            evaluator.scan(text)?;
            text.chars().count()
        }
        Value::Array(items) => items.len(),
        Value::Object(object) => object.len(),
        _ => return Err(arguments.not_of_type(0, "String, Array or Object")),
    };
    Ok(Value::from(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn map<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (expression, items) = (arguments.reference(0)?, arguments.array(1)?);
    let mut mapped = Vec::with_capacity(items.len());
    for item in items {
        mapped.push(evaluator.apply(expression, *item)?);
    }
    evaluator.array(&mapped)
}

fn max<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    extreme(evaluator, arguments.array(0)?, Ordering::Greater)
}

fn min<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    extreme(evaluator, arguments.array(0)?, Ordering::Less)
}

/// The first of the elements to which no other compares as `wanted`.
fn extreme<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    items: &'a [Value<'a>],
    wanted: Ordering,
) -> Evaluated<'a> {
    evaluator.steps(items.len())?;
    let better = |best: Value<'a>, item: Value<'a>| match (item, best) {
        (Value::Number(a), Value::Number(b)) if a.as_f64().partial_cmp(&b.as_f64()) == Some(wanted) => item,
        (Value::String(a), Value::String(b)) if a.cmp(b) == wanted => item,
        _ => best,
    };
    Ok(items.iter().copied().reduce(better).unwrap_or_default())
}

fn max_by<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    extreme_by(evaluator, arguments, Ordering::Greater)
}

fn min_by<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    extreme_by(evaluator, arguments, Ordering::Less)
}

/// What an expression makes of an element, to be compared.
#[derive(Clone, Copy)]
enum Key<'a> {
    Number(f64),
    String(&'a str),
}

impl Key<'_> {
    /// Numbers before strings, a total order.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Adding zero makes zero of negative zero.
            (Key::Number(a), Key::Number(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Key::String(a), Key::String(b)) => a.cmp(b),
            (Key::Number(_), Key::String(_)) => Ordering::Less,
            (Key::String(_), Key::Number(_)) => Ordering::Greater,
        }
    }

    fn is_of_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

fn key<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    expression: &'a Node,
    item: Value<'a>,
) -> Result<Option<Key<'a>>, Failure<'a>> {
    Ok(match evaluator.apply(expression, item)? {
        Value::Number(number) => Some(Key::Number(number.as_f64())),
        Value::String(text) => Some(Key::String(text)),
        _ => None,
    })
}

fn first_key<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    expression: &'a Node,
    item: Value<'a>,
) -> Result<Key<'a>, Failure<'a>> {
    let key = key(evaluator, expression, item)?;
    key.ok_or_else(|| Failure::runtime("invalid type, must be number of string"))
}

/// COMPAT(kyverno): the only element of a list is the answer, whatever its key.
fn extreme_by<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
    wanted: Ordering,
) -> Evaluated<'a> {
    let (items, expression) = (arguments.array(0)?, arguments.reference(1)?);
    let (mut best, others) = match items {
        [] => return Ok(Value::Null),
        [only] => return Ok(*only),
        [first, others @ ..] => (*first, others),
    };
    let mut best_key = first_key(evaluator, expression, best)?;
    for item in others {
        let Some(key) = key(evaluator, expression, *item)?.filter(|key| key.is_of_type(&best_key)) else {
            let expected = if matches!(best_key, Key::Number(_)) { "number" } else { "string" };
            return Err(Failure::runtime(format!("invalid type, must be {expected}")));
        };
        if key.compare(&best_key) == wanted {
            (best, best_key) = (*item, key);
        }
    }
    Ok(best)
}

fn reverse<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    match arguments.value(0)? {
        Value::String(text) => {
            evaluator.scan(text)?;
            let reversed: String = text.chars().rev().collect();
            evaluator.string(&reversed)
        }
        Value::Array(items) => {
            evaluator.steps(items.len())?;
            let reversed: Vec<_> = items.iter().rev().copied().collect();
            evaluator.array(&reversed)
        }
        _ => Err(arguments.not_of_type(0, "Array or String")),
    }
}

fn sort<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let items = arguments.array(0)?;
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let key = match item {
            Value::Number(number) => Key::Number(number.as_f64()),
            Value::String(text) => Key::String(text),
            _ => return Err(arguments.not_of_type(0, "StringArray or NumberArray")),
        };
        keyed.push((key, *item));
    }
    in_order(evaluator, keyed)
}

/// COMPAT(kyverno): a list of one is not looked at. What the reference sorts stays sorted for the variables that are evaluated
/// after this one, so that a rule which compares a list with the sorted one holds always there; here it is compared.
fn sort_by<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (items, expression) = (arguments.array(0)?, arguments.reference(1)?);
    let [first, others @ ..] = items else { return Ok(Value::Array(items)) };
    if others.is_empty() {
        return Ok(Value::Array(items));
    }
    let first_key = first_key(evaluator, expression, *first)?;
    let mut keyed = Vec::with_capacity(items.len());
    keyed.push((first_key, *first));
    for item in others {
        match key(evaluator, expression, *item) {
            Ok(Some(key)) if key.is_of_type(&first_key) => keyed.push((key, *item)),
            Err(Failure::Exhausted(exhausted)) => return Err(exhausted.into()),
            _ => return Err(Failure::runtime("error in sort_by comparison")),
        }
    }
    let sorted = in_order(evaluator, keyed)?;
    if let Value::Array(sorted) = sorted {
        evaluator.sorted.push((items, sorted));
    }
    Ok(sorted)
}

/// The values in the order of their keys; equal ones keep theirs.
fn in_order<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    mut keyed: Vec<(Key<'a>, Value<'a>)>,
) -> Evaluated<'a> {
    // A comparison sort takes about n log n comparisons.
    let rounds = keyed.len().checked_ilog2().map_or(0, |log| log as usize + 1);
    evaluator.steps(keyed.len().saturating_mul(rounds))?;
    keyed.sort_by(|left, right| left.0.compare(&right.0));
    let sorted: Vec<_> = keyed.into_iter().map(|(_, item)| item).collect();
    evaluator.array(&sorted)
}
