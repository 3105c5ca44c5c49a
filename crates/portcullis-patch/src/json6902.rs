//! JSON Patch (RFC 6902), as `evanphx/json-patch` for Go applies it.
//!
//! That library is what API servers, kustomize and Kyverno patch with. Beyond the RFC it knows negative indexes (`-1` is the
//! last element, and for `add` the place after it), and two [`Options`]. Its error texts are kept, for people search
//! for them. Where it does something else than the RFC, the code says so.
//!
//! A patch is applied whole or not at all.

mod apply;
mod container;
mod error;

use portcullis_value::{Arena, Kind, Object, Value};

pub use apply::Options;
pub use error::{ApplyError, ChildError, ParseError};

/// How many operations a patch may have.
pub const MAX_OPERATIONS: usize = 10_000;

/// One operation. Paths are JSON Pointers (RFC 6901) as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation<'a> {
    Add { path: &'a str, value: Value<'a> },
    Remove { path: &'a str },
    Replace { path: &'a str, value: Value<'a> },
    Move { from: &'a str, path: &'a str },
    Copy { from: &'a str, path: &'a str },
    Test { path: &'a str, value: Value<'a> },
}

/// Operations that are applied in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch<'a> {
    pub operations: Vec<Operation<'a>>,
}

impl<'a> Patch<'a> {
    /// Reads a patch from its JSON form, a list of maps; `null` is the empty patch.
    ///
    /// Members that an operation has no use for are ignored. A `test` without a value tests for `null`.
    ///
    /// # Errors
    /// What is no list of operations, or one of more than [`MAX_OPERATIONS`].
    pub fn parse(document: Value<'a>) -> Result<Self, ParseError> {
        let items = match document {
            Value::Null => &[],
            Value::Array(items) => items,
            other => return Err(ParseError::NotAList(other.kind())),
        };
        if items.len() > MAX_OPERATIONS {
            return Err(ParseError::TooLong(items.len()));
        }
        let operations = items.iter().map(|item| Operation::parse(*item)).collect::<Result<_, _>>()?;
        Ok(Self { operations })
    }
}

impl<'a> Operation<'a> {
    fn parse(item: Value<'a>) -> Result<Self, ParseError> {
        let invalid = |problem: &'static str| ParseError::Invalid { operation: item.to_string(), problem };
        let map = match item {
            Value::Object(map) => map,
            Value::Null => return Err(invalid("unsupported operation")),
            other => return Err(ParseError::NotAMap(other.kind())),
        };
        let text = |key| map.get(key).and_then(Value::as_str);
        let path = || {
            text("path").ok_or_else(|| {
                invalid("failed to decode 'path': operation missing path field: missing value")
            })
        };
        let from = || {
            text("from").ok_or_else(|| {
                invalid("failed to decode 'from': operation, missing from field: missing value")
            })
        };
        let value = || {
            map.get("value").ok_or_else(|| {
                invalid("failed to decode 'value': operation, missing value field: missing value")
            })
        };
        Ok(match text("op").unwrap_or_default() {
            "add" => Operation::Add { path: path()?, value: value()? },
            "remove" => Operation::Remove { path: path()? },
            "replace" => Operation::Replace { path: path()?, value: value()? },
            "move" => Operation::Move { from: from()?, path: path()? },
            "copy" => Operation::Copy { from: from()?, path: path()? },
            "test" => Operation::Test { path: path()?, value: map.get("value").unwrap_or_default() },
            _ => return Err(invalid("unsupported operation")),
        })
    }

    /// The name of the operation.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::Add { .. } => "add",
            Operation::Remove { .. } => "remove",
            Operation::Replace { .. } => "replace",
            Operation::Move { .. } => "move",
            Operation::Copy { .. } => "copy",
            Operation::Test { .. } => "test",
        }
    }

    /// The path it is for.
    pub fn path(&self) -> &'a str {
        match *self {
            Operation::Add { path, .. }
            | Operation::Remove { path }
            | Operation::Replace { path, .. }
            | Operation::Move { path, .. }
            | Operation::Copy { path, .. }
            | Operation::Test { path, .. } => path,
        }
    }

    /// The operation as a map: `{"op":"add","path":"/a","value":1}`.
    pub fn to_value(&self, arena: &'a Arena) -> Value<'a> {
        let (op, path) = (("op", Value::String(self.name())), ("path", Value::String(self.path())));
        let entries = match *self {
            Operation::Remove { .. } => arena.slice(&[op, path]),
            Operation::Move { from, .. } | Operation::Copy { from, .. } => {
                arena.slice(&[("from", Value::String(from)), op, path])
            }
            Operation::Add { value, .. }
            | Operation::Replace { value, .. }
            | Operation::Test { value, .. } => arena.slice(&[op, path, ("value", value)]),
        };
        Value::Object(Object::from_sorted(entries))
    }
}

/// The name that Go's JSON decoder gives a kind of value.
fn go_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        kind => kind.name(),
    }
}
