//! Reading fields of known types, as Kubernetes decodes them: null is as good as nothing.

use std::fmt;

use portcullis_value::{Kind, Value};

/// A field that is not of the type that Kubernetes gives it.
#[derive(Debug)]
pub(super) struct WrongType {
    /// The field, from where reading began.
    path: String,
    expected: &'static str,
    got: Kind,
}

impl WrongType {
    fn new(expected: &'static str, value: Value<'_>) -> Self {
        Self { path: String::new(), expected, got: value.kind() }
    }

    /// The same, seen from the map that holds it under `key`.
    pub(super) fn below(mut self, key: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path.insert_str(0, dot);
        self.path.insert_str(0, key);
        self
    }

    /// The same, with the name that `name` gives the field.
    pub(super) fn named(self, name: impl FnOnce(&str) -> String) -> Self {
        Self { path: name(&self.path), ..self }
    }

    /// The same, seen from the list that holds it at `index`.
    pub(super) fn at(self, index: usize) -> Self {
        self.below(&format!("[{index}]"))
    }
}

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` expects {}, got {}", self.path, self.expected, self.got)
    }
}

/// Reads each entry of a map.
pub(super) fn object<'a>(
    value: Value<'a>,
    mut read: impl FnMut(&'a str, Value<'a>) -> Result<(), WrongType>,
) -> Result<(), WrongType> {
    match value {
        Value::Null => Ok(()),
        Value::Object(entries) => {
            entries.iter().try_for_each(|(key, value)| read(key, value).map_err(|error| error.below(key)))
        }
        _ => Err(WrongType::new("an object", value)),
    }
}

pub(super) fn items(value: Value<'_>) -> Result<&[Value<'_>], WrongType> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(WrongType::new("a list", value)),
    }
}

/// A list of texts.
pub(super) fn texts(value: Value<'_>) -> Result<&[Value<'_>], WrongType> {
    let items = items(value)?;
    for (index, item) in items.iter().enumerate() {
        text(*item).map_err(|error| error.at(index))?;
    }
    Ok(items)
}

pub(super) fn text(value: Value<'_>) -> Result<Option<&str>, WrongType> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(WrongType::new("a string", value)),
    }
}

pub(super) fn flag(value: Value<'_>) -> Result<Option<bool>, WrongType> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag)),
        _ => Err(WrongType::new("a boolean", value)),
    }
}

pub(super) fn integer(value: Value<'_>) -> Result<Option<i64>, WrongType> {
    match value {
        Value::Null => Ok(None),
        _ => value.as_i64().map(Some).ok_or_else(|| WrongType::new("an integer", value)),
    }
}
