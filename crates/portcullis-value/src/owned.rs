//! Values that outlive an arena.

use std::fmt;

use crate::{Arena, Number, Object, Value};

/// A value that owns its memory: literals of a compiled policy, answers, configuration.
#[derive(Clone, PartialEq, Default)]
pub enum OwnedValue {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(Box<str>),
    Array(Box<[OwnedValue]>),
    /// INVARIANT: keys are unique and ascending bytewise.
    Object(Box<[(Box<str>, OwnedValue)]>),
}

impl OwnedValue {
    /// The value in borrowed form. Strings are shared; lists and maps take one slice each in the arena.
    #[inline]
    pub fn borrow<'a>(&'a self, arena: &'a Arena) -> Value<'a> {
        match self {
            OwnedValue::Null => Value::Null,
            OwnedValue::Bool(value) => Value::Bool(*value),
            OwnedValue::Number(number) => Value::Number(*number),
            OwnedValue::String(text) => Value::String(text),
            OwnedValue::Array(items) => borrow_list(items, arena),
            OwnedValue::Object(entries) => borrow_map(entries, arena),
        }
    }

    /// How many bytes [`borrow`](Self::borrow) takes from the arena.
    pub fn borrowed_bytes(&self) -> usize {
        match self {
            OwnedValue::Array(items) => {
                items.len().saturating_mul(size_of::<Value<'_>>())
                    + items.iter().map(OwnedValue::borrowed_bytes).sum::<usize>()
            }
            OwnedValue::Object(entries) => {
                entries.len().saturating_mul(size_of::<(&str, Value<'_>)>())
                    + entries.iter().map(|(_, value)| value.borrowed_bytes()).sum::<usize>()
            }
            _ => 0,
        }
    }

    /// A copy of the value in `arena`, for those whose arena outlives this value.
    pub fn copy_to<'a>(&self, arena: &'a Arena) -> Value<'a> {
        match self {
            OwnedValue::Null => Value::Null,
            OwnedValue::Bool(value) => Value::Bool(*value),
            OwnedValue::Number(number) => Value::Number(*number),
            OwnedValue::String(text) => arena.string(text),
            OwnedValue::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| item.copy_to(arena)).collect();
                arena.array(&items)
            }
            OwnedValue::Object(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| (arena.str(key), value.copy_to(arena))).collect();
                Value::Object(Object::from_sorted(arena.slice(&entries)))
            }
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            OwnedValue::String(text) => Some(text),
            _ => None,
        }
    }
}

fn borrow_list<'a>(items: &'a [OwnedValue], arena: &'a Arena) -> Value<'a> {
    Value::Array(arena.slice_of(items.iter().map(|item| item.borrow(arena))))
}

fn borrow_map<'a>(entries: &'a [(Box<str>, OwnedValue)], arena: &'a Arena) -> Value<'a> {
    let entries = entries.iter().map(|(key, value)| (&**key, value.borrow(arena)));
    Value::Object(Object::from_sorted(arena.slice_of(entries)))
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => OwnedValue::Null,
            Value::Bool(value) => OwnedValue::Bool(value),
            Value::Number(number) => OwnedValue::Number(number),
            Value::String(text) => OwnedValue::String(text.into()),
            Value::Array(items) => OwnedValue::Array(items.iter().copied().map(OwnedValue::from).collect()),
            Value::Object(object) => {
                OwnedValue::Object(object.iter().map(|(key, value)| (key.into(), value.into())).collect())
            }
        }
    }
}

impl From<&str> for OwnedValue {
    fn from(text: &str) -> Self {
        OwnedValue::String(text.into())
    }
}

impl fmt::Debug for OwnedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.borrow(&Arena::new()), f)
    }
}
