//! Reading JSON into an arena, by serde, whatever the deserializer.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::quick;
use crate::object::{compare, sort_last_wins};
use crate::{Arena, Number, Object, Value};

/// How deep lists and maps may be nested in one another.
pub const MAX_DEPTH: usize = 256;

/// Why a text is no JSON document.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    /// Counted from 1.
    pub line: usize,
    /// In bytes, counted from 1.
    pub column: usize,
}

/// Reads one JSON document. Strings without escapes are borrowed from `text`, all else lies in `arena`.
///
/// Of a key written twice the last wins, as in Kubernetes. Integers beyond 64 bits become doubles.
///
/// # Errors
/// Invalid JSON, anything after the document, more than [`MAX_DEPTH`] levels, a number beyond a double.
pub fn read<'a>(arena: &'a Arena, text: &'a str) -> Result<Value<'a>, Error> {
    match quick::read(arena, text) {
        Some(value) => Ok(value),
        None => document(arena, text).map(|(value, _)| value),
    }
}

/// As [`read`], but `None` where a map has a key twice.
///
/// # Errors
/// As [`read`].
pub fn read_unique<'a>(arena: &'a Arena, text: &'a str) -> Result<Option<Value<'a>>, Error> {
    document(arena, text).map(|(value, repeats)| (!repeats).then_some(value))
}

/// The document, and whether a map in it has a key twice.
fn document<'a>(arena: &'a Arena, text: &'a str) -> Result<(Value<'a>, bool), Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // The stack counts levels itself: serde_json's own limit is 128 and cannot be moved.
    deserializer.disable_recursion_limit();
    let mut stack = Stack::new(arena);
    let value = Node(&mut stack).deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| (value, stack.repeats)));
    value.map_err(|error| {
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        Error { message: message.to_owned(), line: error.line(), column: error.column() }
    })
}

/// Whether `text` is one JSON document by its grammar alone, as `json.Valid` of Go says: whatever its depth and numbers.
pub fn is_valid(text: &str) -> bool {
    serde_json::from_str::<de::IgnoredAny>(text).is_ok()
}

/// Builds a [`Value`] from any deserializer of self-describing data.
#[derive(Debug)]
pub struct Seed<'a> {
    arena: &'a Arena,
}

impl<'a> Seed<'a> {
    pub fn new(arena: &'a Arena) -> Self {
        Self { arena }
    }
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for Seed<'a> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        Node(&mut Stack::new(self.arena)).deserialize(deserializer)
    }
}

/// Children of the lists and maps that are being read, innermost last. A finished list or map is cut off the end and
/// copied into the arena in its final size, so that the arena holds no outgrown vectors.
struct Stack<'a> {
    arena: &'a Arena,
    items: Vec<Value<'a>>,
    entries: Vec<(&'a str, Value<'a>)>,
    depth: usize,
    /// Whether a map had a key twice.
    repeats: bool,
}

impl<'a> Stack<'a> {
    fn new(arena: &'a Arena) -> Self {
        Self { arena, items: Vec::new(), entries: Vec::new(), depth: 0, repeats: false }
    }

    fn enter<E: de::Error>(&mut self) -> Result<(), E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        Ok(())
    }
}

struct Node<'s, 'a>(&'s mut Stack<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Node<'_, 'a> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Node<'_, 'a> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'a>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'a>, E> {
        Ok(Value::Number(Number::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'a>, E> {
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'a>, E> {
        Ok(Value::Number(Number::Float(value)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'a>, E> {
        Ok(Value::String(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
        Ok(self.0.arena.string(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'a>, A::Error> {
        let stack = self.0;
        stack.enter()?;
        let start = stack.items.len();
        while let Some(item) = items.next_element_seed(Node(stack))? {
            stack.items.push(item);
        }
        stack.depth -= 1;
        let array = Value::Array(stack.arena.slice(stack.items.get(start..).unwrap_or_default()));
        stack.items.truncate(start);
        Ok(array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'a>, A::Error> {
        let stack = self.0;
        stack.enter()?;
        let start = stack.entries.len();
        while let Some(key) = entries.next_key_seed(Key(stack.arena))? {
            let value = entries.next_value_seed(Node(stack))?;
            stack.entries.push((key, value));
        }
        stack.depth -= 1;
        let entries = stack.entries.get_mut(start..).unwrap_or_default();
        let unique = sort_last_wins(entries, |a, b| compare(a.0, b.0));
        stack.repeats |= unique < entries.len();
        let entries = stack.arena.slice(entries.get(..unique).unwrap_or_default());
        stack.entries.truncate(start);
        Ok(Value::Object(Object::from_sorted(entries)))
    }
}

struct Key<'a>(&'a Arena);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = &'a str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'a str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Key<'a> {
    type Value = &'a str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<&'a str, E> {
        Ok(text)
    }

    fn visit_str<E>(self, text: &str) -> Result<&'a str, E> {
        Ok(self.0.str(text))
    }
}
