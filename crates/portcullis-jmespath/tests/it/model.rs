//! A second evaluator: slow, obvious, over `serde_json`, of the language without most of the functions.

use std::fmt;

use serde_json::{Map, Value, json};

/// An expression of which every operand stands in parentheses.
#[derive(Clone, Debug)]
pub(crate) enum Model {
    Current,
    Field(String),
    Literal(Value),
    /// `(left).step`
    Then(Box<Model>, Step),
    /// `(source)[*].steps`
    Each(Box<Model>, Vec<Step>),
    Values(Box<Model>, Vec<Step>),
    Flatten(Box<Model>, Vec<Step>),
    Slice(Box<Model>, Option<i64>, Option<i64>, Option<i64>, Vec<Step>),
    Filter(Box<Model>, Box<Model>, Vec<Step>),
    Compare(Box<Model>, &'static str, Box<Model>),
    Or(Box<Model>, Box<Model>),
    And(Box<Model>, Box<Model>),
    Pipe(Box<Model>, Box<Model>),
    Not(Box<Model>),
    List(Vec<Model>),
    Hash(Vec<(String, Model)>),
    Call(&'static str, Box<Model>),
    Map(Box<Model>, Box<Model>),
}

/// What may follow a dot or be an index.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Field(String),
    Index(i64),
    List(Vec<Model>),
    Call(&'static str),
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failed {
    Missing(String),
    Error,
}

type Outcome = Result<Value, Failed>;

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = |steps: &[Step]| steps.iter().map(Step::to_string).collect::<String>();
        let number = |number: &Option<i64>| number.map_or(String::new(), |number| number.to_string());
        match self {
            Model::Current => write!(f, "@"),
            Model::Field(name) => write!(f, "{name}"),
            Model::Literal(value) => write!(f, "`{value}`"),
            Model::Then(left, step) => write!(f, "({left}){step}"),
            Model::Each(source, each) => write!(f, "({source})[*]{}", steps(each)),
            Model::Values(source, each) => write!(f, "({source}).*{}", steps(each)),
            Model::Flatten(source, each) => write!(f, "({source})[]{}", steps(each)),
            Model::Slice(source, start, stop, step, each) => {
                write!(f, "({source})[{}:{}:{}]{}", number(start), number(stop), number(step), steps(each))
            }
            Model::Filter(source, condition, each) => write!(f, "({source})[?{condition}]{}", steps(each)),
            Model::Compare(left, operator, right) => write!(f, "({left}) {operator} ({right})"),
            Model::Or(left, right) => write!(f, "({left}) || ({right})"),
            Model::And(left, right) => write!(f, "({left}) && ({right})"),
            Model::Pipe(left, right) => write!(f, "({left}) | ({right})"),
            Model::Not(operand) => write!(f, "!({operand})"),
            Model::List(items) => write!(f, "{}", list(items)),
            Model::Hash(entries) => {
                let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                write!(f, "{{{}}}", entries.join(", "))
            }
            Model::Call(name, argument) => write!(f, "{name}({argument})"),
            Model::Map(expression, items) => write!(f, "map(&({expression}), {items})"),
        }
    }
}

fn list(items: &[Model]) -> String {
    format!("[{}]", items.iter().map(Model::to_string).collect::<Vec<_>>().join(", "))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::List(items) => write!(f, ".{}", list(items)),
            Step::Call(name) => write!(f, ".{name}(@)"),
        }
    }
}

/// Null where a key is missing.
fn or_null(outcome: Outcome) -> Outcome {
    match outcome {
        Err(Failed::Missing(_)) => Ok(Value::Null),
        other => other,
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    }
}

/// What the steps make of each element, nulls left out.
fn project(items: Vec<Value>, steps: &[Step]) -> Outcome {
    let mut kept = Vec::new();
    for item in items {
        let value = or_null(steps.iter().try_fold(item, |value, step| step.value(&value)))?;
        if !value.is_null() {
            kept.push(value);
        }
    }
    Ok(Value::Array(kept))
}

impl Step {
    fn value(&self, current: &Value) -> Outcome {
        match self {
            Step::Field(name) => Model::Field(name.clone()).value(current),
            Step::Index(index) => {
                let Value::Array(items) = current else { return Ok(Value::Null) };
                let index = if *index < 0 { items.len() as i64 + index } else { *index };
                Ok(usize::try_from(index)
                    .ok()
                    .and_then(|index| items.get(index))
                    .cloned()
                    .unwrap_or_default())
            }
            Step::List(items) => Model::List(items.clone()).value(current),
            Step::Call(name) => Model::Call(name, Box::new(Model::Current)).value(current),
        }
    }
}

impl Model {
    pub(crate) fn value(&self, current: &Value) -> Outcome {
        match self {
            Model::Current => Ok(current.clone()),
            Model::Field(name) => match current {
                Value::Object(entries) => entries.get(name).cloned().ok_or(Failed::Missing(name.clone())),
                _ => Ok(Value::Null),
            },
            Model::Literal(value) => Ok(value.clone()),
            Model::Then(left, step) => step.value(&left.value(current)?),
            Model::Each(source, each) => match or_null(source.value(current))? {
                Value::Array(items) => project(items, each),
                _ => Ok(Value::Null),
            },
            Model::Values(source, each) => match source.value(current) {
                Ok(Value::Object(entries)) => {
                    let nulls = vec![Value::Null; entries.len()];
                    project(nulls.into_iter().chain(entries.into_iter().map(|entry| entry.1)).collect(), each)
                }
                _ => Ok(Value::Null),
            },
            Model::Flatten(source, each) => match source.value(current) {
                Ok(Value::Array(items)) => {
                    let flat = items.into_iter().flat_map(|item| match item {
                        Value::Array(inner) => inner,
                        other => vec![other],
                    });
                    project(flat.collect(), each)
                }
                _ => Ok(Value::Null),
            },
            Model::Slice(source, start, stop, step, each) => match or_null(source.value(current))? {
                Value::Array(items) => project(slice(&items, *start, *stop, step.unwrap_or(1))?, each),
                _ => Ok(Value::Null),
            },
            Model::Filter(source, condition, each) => match source.value(current) {
                Ok(Value::Array(items)) => {
                    let mut kept = Vec::new();
                    // An error of the projected part may come before one of a later condition: so one by one.
                    for item in items {
                        if is_true(&or_null(condition.value(&item))?) {
                            let Value::Array(value) = project(vec![item], each)? else { unreachable!() };
                            kept.extend(value);
                        }
                    }
                    Ok(Value::Array(kept))
                }
                _ => Ok(Value::Null),
            },
            Model::Compare(left, operator, right) => {
                let (left, right) = (or_null(left.value(current))?, or_null(right.value(current))?);
                Ok(compare(&left, operator, &right))
            }
            Model::Or(left, right) => {
                let left = or_null(left.value(current))?;
                if is_true(&left) { Ok(left) } else { or_null(right.value(current)) }
            }
            Model::And(left, right) => {
                let left = or_null(left.value(current))?;
                if is_true(&left) { right.value(current) } else { Ok(left) }
            }
            Model::Pipe(left, right) => or_null(right.value(&or_null(left.value(current))?)),
            Model::Not(operand) => Ok(json!(!is_true(&or_null(operand.value(current))?))),
            Model::List(_) | Model::Hash(_) if current.is_null() => Ok(Value::Null),
            Model::List(items) => items.iter().map(|item| or_null(item.value(current))).collect(),
            Model::Hash(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(key.clone(), or_null(value.value(current))?);
                }
                Ok(Value::Object(map))
            }
            Model::Call(name, argument) => call(name, &or_null(argument.value(current))?),
            Model::Map(expression, items) => match or_null(items.value(current))? {
                Value::Array(items) => items.iter().map(|item| or_null(expression.value(item))).collect(),
                _ => Err(Failed::Error),
            },
        }
    }
}

/// Every index is looked at and asked whether it is in the slice.
fn slice(items: &[Value], start: Option<i64>, stop: Option<i64>, step: i64) -> Result<Vec<Value>, Failed> {
    if step == 0 {
        return Err(Failed::Error);
    }
    let len = items.len() as i64;
    let bound = |bound: i64| if bound < 0 { bound + len } else { bound };
    let (mut index, stop) = if step > 0 {
        (start.map_or(0, |start| bound(start).max(0)), stop.map_or(len, bound))
    } else {
        (
            start.map_or(len - 1, |start| bound(start).min(len - 1)),
            stop.map_or(-1, |stop| bound(stop).max(-1)),
        )
    };
    let mut kept = Vec::new();
    while if step > 0 { index < stop } else { index > stop } {
        if let Some(item) = usize::try_from(index).ok().and_then(|index| items.get(index)) {
            kept.push(item.clone());
        }
        index += step;
    }
    Ok(kept)
}

fn compare(left: &Value, operator: &str, right: &Value) -> Value {
    match (operator, left.as_f64(), right.as_f64()) {
        ("==", _, _) => json!(left == right),
        ("!=", _, _) => json!(left != right),
        ("<", Some(left), Some(right)) => json!(left < right),
        (">=", Some(left), Some(right)) => json!(left >= right),
        _ => Value::Null,
    }
}

fn call(name: &str, argument: &Value) -> Outcome {
    match (name, argument) {
        ("type", Value::Null) => Ok(json!("null")),
        ("type", Value::Bool(_)) => Ok(json!("boolean")),
        ("type", Value::Number(_)) => Ok(json!("number")),
        ("type", Value::String(_)) => Ok(json!("string")),
        ("type", Value::Array(_)) => Ok(json!("array")),
        ("type", Value::Object(_)) => Ok(json!("object")),
        ("length", Value::String(text)) => Ok(json!(text.chars().count())),
        ("length", Value::Array(items)) => Ok(json!(items.len())),
        ("length", Value::Object(entries)) => Ok(json!(entries.len())),
        ("keys", Value::Object(entries)) => Ok(entries.keys().cloned().collect()),
        ("to_array", Value::Array(_)) => Ok(argument.clone()),
        ("to_array", other) => Ok(json!([other])),
        _ => Err(Failed::Error),
    }
}
