//! Fields that are of one type, after variables were put in.
//!
//! A variable that is a whole value brings its own type. Where a text belongs, anything else is an error: taken for a missing
//! one, it would mean all resources where one was meant.

use portcullis_value::{Arena, Object, Value};

use super::VariableError;

/// The text at `path` of `rendered`; empty where nothing is written.
///
/// # Errors
/// It is of another type.
pub(crate) fn text_at<'a>(rendered: Value<'a>, path: &[&str]) -> Result<&'a str, VariableError> {
    match rendered.path(path) {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(mistyped("a string", path, other)),
    }
}

/// The map at `path` of `rendered`; `None` where nothing is written.
///
/// # Errors
/// It is of another type.
pub(crate) fn map_at<'a>(rendered: Value<'a>, path: &[&str]) -> Result<Option<Object<'a>>, VariableError> {
    match rendered.path(path) {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(other) => Err(mistyped("a map", path, other)),
    }
}

fn mistyped(want: &str, path: &[&str], got: Value<'_>) -> VariableError {
    VariableError::unresolved(format!("expected {want} at /{}, got {}", path.join("/"), got.kind()))
}

/// `written` without what is null in it and in its maps `parts`, which is as good as not written: a null that is there once
/// variables are put in is the value of one.
pub(crate) fn without_nulls<'a>(arena: &'a Arena, written: Value<'a>, parts: &[&'a str]) -> Value<'a> {
    let bare = |value: Value<'a>| match value {
        Value::Object(map) => {
            let said: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
            Value::Object(Object::from_sorted(arena.slice(&said)))
        }
        value => value,
    };
    parts.iter().fold(bare(written), |written, part| match written.get(part) {
        Some(map) => written.with(arena, &[part], bare(map)),
        None => written,
    })
}
