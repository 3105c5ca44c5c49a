//! Holding a document against its shape.

use portcullis_model::{Diagnostic, closest};
use portcullis_value::{Number, Object, Pointer, Value};

use super::{Demand, Shape, Version};

/// How many findings are looked for. Nobody mends more at once.
const MAX_FOUND: usize = 200;

/// Appends what `value` at `path` has that `shape` in `version` does not allow.
pub(crate) fn check(
    value: Value<'_>,
    shape: &Shape,
    version: Version,
    path: &mut Pointer,
    found: &mut Vec<Diagnostic>,
) {
    if found.len() >= MAX_FOUND {
        return;
    }
    match (shape, value) {
        // A null is read as an absent field, as Go's decoder reads it.
        (Shape::Any | Shape::Conditions | Shape::Undeclared(_), _) | (_, Value::Null) => {}
        (Shape::Atomic(shape) | Shape::Copied(shape), value) => check(value, shape, version, path, found),
        (Shape::With(shape, demands), value) => {
            check(value, shape, version, path, found);
            for demand in *demands {
                if let Some(message) = demand.broken_by(value) {
                    let broken = Diagnostic::error(path.clone(), message);
                    found.push(match demand.hint() {
                        Some(hint) => broken.with_hint(hint),
                        None => broken,
                    });
                }
            }
        }
        (Shape::Text, Value::String(_))
        | (Shape::Flag, Value::Bool(_))
        | (Shape::Integer, Value::Number(Number::Int(_))) => {}
        (Shape::Enum(allowed), Value::String(text)) => {
            if !allowed.contains(&text) {
                let message = format!("unsupported value `{text}`: supported values: {}", quoted(allowed));
                let found_one = Diagnostic::error(path.clone(), message);
                found.push(match closest(text, allowed.iter().copied()) {
                    Some(close) => found_one.with_hint(format!("did you mean `{close}`?")),
                    None => found_one,
                });
            }
        }
        (Shape::List(items), Value::Array(values)) => {
            for (index, item) in values.iter().enumerate() {
                path.push(&index.to_string());
                match item {
                    // An API server drops nulls from maps, and leaves those of lists where they are.
                    Value::Null if items.has_type() && found.len() < MAX_FOUND => {
                        found.push(wrong_type(items, *item, path));
                    }
                    _ => check(*item, items, version, path, found),
                }
                path.pop();
            }
        }
        (Shape::Map(values), Value::Object(object)) => {
            for (key, item) in object.iter() {
                path.push(key);
                check(item, values, version, path, found);
                path.pop();
            }
        }
        (Shape::Fields(fields) | Shape::Open(fields), Value::Object(object)) => {
            let fields = || fields.iter().filter(|field| field.is_in(version));
            for (key, item) in object.iter() {
                path.push(key);
                match fields().find(|field| field.name == key) {
                    Some(field) => check(item, field.shape, version, path, found),
                    None if matches!(shape, Shape::Open(_)) => {}
                    None if found.len() >= MAX_FOUND => {}
                    None => found.push(unknown_field(key, fields().map(|field| field.name), path)),
                }
                path.pop();
            }
            for field in fields().filter(|field| field.is_required) {
                if object.get(field.name).is_none_or(Value::is_null) {
                    found.push(
                        Diagnostic::error(
                            path.clone(),
                            format!("required field `{}` is missing", field.name),
                        )
                        .at_key(),
                    );
                }
            }
        }
        (expected, value) => found.push(wrong_type(expected, value, path)),
    }
}

fn wrong_type(expected: &Shape, value: Value<'_>, path: &Pointer) -> Diagnostic {
    let message = format!("expected {}, found {}", expected.name(), describe(value));
    let wrong = Diagnostic::error(path.clone(), message);
    match (expected, value) {
        (_, Value::Null) => wrong.with_hint("remove the empty item, or write what belongs there"),
        (Shape::Text | Shape::Enum(_), Value::Bool(_) | Value::Number(_)) => {
            wrong.with_hint(Diagnostic::IN_QUOTES)
        }
        (Shape::List(_), _) => wrong.with_hint("write it as a list item, with `- ` before it"),
        (Shape::Flag, Value::String(text @ ("true" | "false"))) => {
            wrong.with_hint(format!("write it without quotes: {text}"))
        }
        (Shape::Integer, Value::String(text)) if text.parse::<i64>().is_ok() => {
            wrong.with_hint(format!("write it without quotes: {text}"))
        }
        _ => wrong,
    }
}

impl Demand {
    /// How `value` falls short of it.
    fn broken_by(&self, value: Value<'_>) -> Option<String> {
        match (self, value) {
            (Demand::NotTogether(keys), Value::Object(object)) => match *present(object, keys) {
                [one, other, ..] => Some(format!("`{one}` and `{other}` cannot stand together")),
                _ => None,
            },
            (Demand::ExactlyOne(keys), Value::Object(object)) => match *present(object, keys) {
                [] => Some("it is not said where the value comes from".to_owned()),
                [_] => None,
                [one, other, ..] => Some(format!("`{one}` and `{other}` cannot stand together")),
            },
            (Demand::Shortest(least), Value::String(text)) => {
                (text.chars().count() < *least).then(|| format!("shorter than {least} characters"))
            }
            (Demand::Longest(most), Value::String(text)) => {
                (text.chars().count() > *most).then(|| format!("longer than {most} characters"))
            }
            (Demand::AtLeast(least), Value::Number(number)) => {
                (number < Number::Int(*least)).then(|| format!("less than {least}"))
            }
            // These two stand where the engine writes, not the user.
            (Demand::Match(_) | Demand::Format(_), _) => None,
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Demand::ExactlyOne(keys) => {
                let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
                Some(format!("write one of {}", keys.join(", ")))
            }
            _ => None,
        }
    }
}

/// Those of `keys` that `object` has.
fn present(object: Object<'_>, keys: &[&'static str]) -> Vec<&'static str> {
    keys.iter().copied().filter(|key| object.get(key).is_some_and(|value| !value.is_null())).collect()
}

fn unknown_field(key: &str, known: impl Iterator<Item = &'static str>, path: &Pointer) -> Diagnostic {
    let diagnostic = Diagnostic::error(path.clone(), format!("unknown field `{key}`")).at_key();
    let known: Vec<_> = known.collect();
    match closest(key, known.iter().copied()) {
        Some(close) => diagnostic.with_hint(format!("did you mean `{close}`?")),
        None => diagnostic.with_hint(format!("the fields here are {}", known.join(", "))),
    }
}

fn quoted(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ")
}

fn describe(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        Value::String(text) if text.chars().count() > 40 => "a string".to_owned(),
        Value::String(_) => format!("the string `{}`", value.as_str().unwrap_or_default()),
        scalar => format!("the {} `{scalar}`", scalar.kind()),
    }
}

impl Shape {
    /// Whether a schema says of what type the value is.
    fn has_type(&self) -> bool {
        match self {
            Shape::With(shape, _) | Shape::Atomic(shape) | Shape::Copied(shape) => shape.has_type(),
            Shape::Any | Shape::Conditions | Shape::Undeclared(_) => false,
            _ => true,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Shape::With(shape, _) | Shape::Atomic(shape) | Shape::Copied(shape) => shape.name(),
            Shape::Any | Shape::Conditions | Shape::Undeclared(_) => "any value",
            Shape::Text | Shape::Enum(_) => "a string",
            Shape::Flag => "true or false",
            Shape::Integer => "an integer",
            Shape::List(_) => "a list",
            Shape::Map(_) | Shape::Fields(_) | Shape::Open(_) => "a map",
        }
    }
}
