//! The value itself.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::{Arena, Number, Object, Pointer, json};

/// A JSON value whose strings, lists and maps are borrowed for `'a`.
///
/// Equality is by value: `1`, `1.0` and `1e0` are equal, map order plays no part.
#[derive(Clone, Copy, PartialEq, Default)]
pub enum Value<'a> {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(&'a str),
    Array(&'a [Value<'a>]),
    Object(Object<'a>),
}

/// The JSON type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// The name that JSON and JMESPath give the type.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'a> Value<'a> {
    /// A number that equal values share and others hardly ever do, for who only asks whether a value has changed. It is
    /// the same in all processes of one version.
    pub fn fingerprint(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.to_string().hash(&mut hasher);
        hasher.finish()
    }

    /// The JSON type.
    pub fn kind(self) -> Kind {
        match self {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Number(_) => Kind::Number,
            Value::String(_) => Kind::String,
            Value::Array(_) => Kind::Array,
            Value::Object(_) => Kind::Object,
        }
    }

    pub fn is_null(self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn as_bool(self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_number(self) -> Option<Number> {
        match self {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The integer, if the value was written as one that fits.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Value::Number(Number::Int(value)) => Some(value),
            _ => None,
        }
    }

    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_array(self) -> Option<&'a [Value<'a>]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(self) -> Option<Object<'a>> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value of `key`, if this is a map that has it.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.as_object()?.get(key)
    }

    /// The element at `index`, if this is a list that has it.
    pub fn at(self, index: usize) -> Option<Value<'a>> {
        self.as_array()?.get(index).copied()
    }

    /// What lies below the keys of `path`, one map inside the other.
    pub fn path(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// What `pointer` points at (RFC 6901).
    pub fn pointer(self, pointer: &Pointer) -> Option<Value<'a>> {
        pointer.resolve(self)
    }

    /// This document with `value` at the keys of `path`; maps that are missing (or are no maps) are made.
    ///
    /// Copies the maps along the path and shares the rest.
    pub fn with(self, arena: &'a Arena, path: &[&'a str], value: Value<'a>) -> Value<'a> {
        let Some((key, rest)) = path.split_first() else { return value };
        let object = self.as_object().unwrap_or_default();
        let child = object.get(key).unwrap_or_default().with(arena, rest, value);
        Value::Object(object.with(arena, key, child))
    }

    /// This document without what lies at the keys of `path`.
    pub fn without(self, arena: &'a Arena, path: &[&str]) -> Value<'a> {
        let (Some(object), Some((key, rest))) = (self.as_object(), path.split_first()) else { return self };
        let Some(child) = object.get_entry(key) else { return self };
        if rest.is_empty() {
            return Value::Object(object.without(arena, key));
        }
        Value::Object(object.with(arena, child.0, child.1.without(arena, rest)))
    }

    /// The document with every integer as a float, as Go's plain JSON decoder reads it.
    ///
    /// What holds no integer is shared.
    pub fn with_float_numbers(self, arena: &'a Arena) -> Value<'a> {
        match self {
            Value::Number(number) => Value::Number(Number::Float(number.as_f64())),
            Value::Array(items) if items.iter().any(|item| item.holds_integer()) => {
                let items: Vec<_> = items.iter().map(|item| item.with_float_numbers(arena)).collect();
                arena.array(&items)
            }
            Value::Object(object) if self.holds_integer() => {
                let entries: Vec<_> =
                    object.iter().map(|(key, value)| (key, value.with_float_numbers(arena))).collect();
                Value::Object(Object::from_sorted(arena.slice(&entries)))
            }
            other => other,
        }
    }

    fn holds_integer(self) -> bool {
        match self {
            Value::Number(number) => !matches!(number, Number::Float(_)),
            Value::Array(items) => items.iter().any(|item| item.holds_integer()),
            Value::Object(object) => object.iter().any(|(_, value)| value.holds_integer()),
            _ => false,
        }
    }

    /// Whether `other` is this very value: an equal scalar, or a list or map in the same memory.
    ///
    /// Never true of values that differ, and quick: what a change left alone is found without a look inside.
    pub fn is_same(self, other: Value<'_>) -> bool {
        match (self, other) {
            (Value::Array(items), Value::Array(others)) => {
                std::ptr::eq(items.as_ptr(), others.as_ptr().cast()) && items.len() == others.len()
            }
            (Value::Object(object), Value::Object(others)) => {
                let (entries, others) = (object.entries(), others.entries());
                std::ptr::eq(entries.as_ptr(), others.as_ptr().cast()) && entries.len() == others.len()
            }
            (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => false,
            (value, other) => value == other,
        }
    }

    /// Whether `test` holds of any string of the value, keys among them; asked in document order, up to the first that does.
    pub fn has_text(self, test: &mut impl FnMut(&'a str) -> bool) -> bool {
        match self {
            Value::String(text) => test(text),
            Value::Array(items) => items.iter().any(|item| item.has_text(test)),
            Value::Object(object) => object.iter().any(|(key, item)| test(key) || item.has_text(test)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// A copy of the whole value in another arena.
    pub fn copy_to<'b>(self, arena: &'b Arena) -> Value<'b> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Number(number) => Value::Number(number),
            Value::String(text) => arena.string(text),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| item.copy_to(arena)).collect();
                arena.array(&items)
            }
            Value::Object(object) => {
                let entries: Vec<_> =
                    object.iter().map(|(key, value)| (arena.str(key), value.copy_to(arena))).collect();
                Value::Object(Object::from_sorted(arena.slice(&entries)))
            }
        }
    }
}

/// Prints compact JSON as Go does, without HTML escapes.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        json::Writer::compact().write(f, *self)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Number(Number::Int(value))
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Number(Number::Float(value))
    }
}

impl From<Number> for Value<'_> {
    fn from(value: Number) -> Self {
        Value::Number(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::String(value)
    }
}

impl<'a> From<Object<'a>> for Value<'a> {
    fn from(value: Object<'a>) -> Self {
        Value::Object(value)
    }
}
