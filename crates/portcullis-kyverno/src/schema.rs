//! The schema of a policy document: which fields there are, and what they hold.
//!
//! The tables in [`policy`] say what the CRDs of `kyverno.io` say; [`check`] finds what a document has that its
//! schema does not know, and what is of a wrong type, all of it in one pass.

mod policy;
mod suggest;

use portcullis_model::Diagnostic;
use portcullis_value::{Number, Object, Pointer, Value};

pub(crate) use policy::{MUTATE_FOREACH, SPEC_V1, SPEC_V2BETA1, VALIDATE_FOREACH};
pub(crate) use suggest::closest;

/// What a node may be.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything at all.
    Any,
    Text,
    Flag,
    Integer,
    /// One of these texts.
    Enum(&'static [&'static str]),
    List(&'static Shape),
    /// A map with any keys.
    Map(&'static Shape),
    /// A map with these keys.
    Fields(&'static [Field]),
    /// A map with these keys and any others.
    Open(&'static [Field]),
    /// A shape of which more is asked.
    With(&'static Shape, Demand),
}

/// What is asked of a value beyond its shape.
#[derive(Debug)]
pub(crate) enum Demand {
    /// At most one of these keys.
    NotTogether(&'static [&'static str]),
    /// One of these keys.
    ExactlyOne(&'static [&'static str]),
    /// No more characters than this.
    Longest(usize),
    /// No number below this.
    AtLeast(i64),
}

/// One key of a map.
#[derive(Debug)]
pub(crate) struct Field {
    name: &'static str,
    shape: &'static Shape,
    required: bool,
}

const fn field(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, required: false }
}

const fn required(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, required: true }
}

/// How many findings are looked for. Nobody mends more at once.
const MAX_FOUND: usize = 200;

/// Appends what `value` at `path` has that `shape` does not allow.
pub(crate) fn check(value: Value<'_>, shape: &Shape, path: &mut Pointer, found: &mut Vec<Diagnostic>) {
    if found.len() >= MAX_FOUND {
        return;
    }
    match (shape, value) {
        // A null is read as an absent field, as Go's decoder reads it.
        (Shape::Any, _) | (_, Value::Null) => {}
        (Shape::With(shape, demand), value) => {
            check(value, shape, path, found);
            if let Some(message) = demand.broken_by(value) {
                let broken = Diagnostic::error(path.clone(), message);
                found.push(match demand.hint() {
                    Some(hint) => broken.with_hint(hint),
                    None => broken,
                });
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
                check(*item, items, path, found);
                path.pop();
            }
        }
        (Shape::Map(values), Value::Object(object)) => {
            for (key, item) in object.iter() {
                path.push(key);
                check(item, values, path, found);
                path.pop();
            }
        }
        (Shape::Fields(fields) | Shape::Open(fields), Value::Object(object)) => {
            for (key, item) in object.iter() {
                path.push(key);
                match fields.iter().find(|field| field.name == key) {
                    Some(field) => check(item, field.shape, path, found),
                    None if matches!(shape, Shape::Open(_)) => {}
                    None if found.len() >= MAX_FOUND => {}
                    None => found.push(unknown_field(key, fields, path)),
                }
                path.pop();
            }
            for field in fields.iter().filter(|field| field.required) {
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
        (expected, found_value) => {
            let message = format!("expected {}, found {}", expected.name(), describe(found_value));
            let wrong = Diagnostic::error(path.clone(), message);
            found.push(match (expected, found_value) {
                (Shape::Text | Shape::Enum(_), Value::Bool(_) | Value::Number(_)) => {
                    wrong.with_hint(format!("put it in quotes: \"{found_value}\""))
                }
                (Shape::List(_), _) => wrong.with_hint("write it as a list item, with `- ` before it"),
                (Shape::Flag | Shape::Integer, Value::String(text)) => {
                    wrong.with_hint(format!("write it without quotes: {text}"))
                }
                _ => wrong,
            });
        }
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
            (Demand::Longest(most), Value::String(text)) => {
                (text.chars().count() > *most).then(|| format!("longer than {most} characters"))
            }
            (Demand::AtLeast(least), Value::Number(number)) => {
                (number < Number::Int(*least)).then(|| format!("less than {least}"))
            }
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

fn unknown_field(key: &str, fields: &[Field], path: &Pointer) -> Diagnostic {
    let diagnostic = Diagnostic::error(path.clone(), format!("unknown field `{key}`")).at_key();
    match closest(key, fields.iter().map(|field| field.name)) {
        Some(close) => diagnostic.with_hint(format!("did you mean `{close}`?")),
        None => {
            let names: Vec<_> = fields.iter().map(|field| field.name).collect();
            diagnostic.with_hint(format!("the fields here are {}", names.join(", ")))
        }
    }
}

fn quoted(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ")
}

fn describe(value: Value<'_>) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        Value::String(text) if text.chars().count() > 40 => "a string".to_owned(),
        Value::String(_) => format!("the string `{}`", value.as_str().unwrap_or_default()),
        scalar => format!("the {} `{scalar}`", scalar.kind()),
    }
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Shape::With(shape, _) => shape.name(),
            Shape::Any => "any value",
            Shape::Text | Shape::Enum(_) => "a string",
            Shape::Flag => "true or false",
            Shape::Integer => "an integer",
            Shape::List(_) => "a list",
            Shape::Map(_) | Shape::Fields(_) | Shape::Open(_) => "a map",
        }
    }
}
