//! The changes of a field that Kubernetes makes although the field is fixed.

use std::cmp::Ordering;

use portcullis_gocompat::quantity::Quantity;
use portcullis_value::Value;

use super::fields::{below, differ};

/// A change that is made.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// None.
    No,
    /// It gets a value, and had none.
    Sets,
    /// All that a list or map holds stays in it.
    Adds,
    /// A list gets nothing that it does not hold.
    Removes,
    /// A list keeps its first element, if it has one.
    KeepsFirst,
    /// It gets a lower number, or any if it has none.
    Lowers,
    /// It gets a higher quantity, or any if it has none.
    Raises,
    /// It gets the value that is at this path then.
    Equals(&'static [&'static str]),
}

impl Change {
    /// Whether it is this change that `after` makes of what is `stored` at the path. Elements are compared but for
    /// what lies at the paths `except`.
    pub(super) fn is_made(
        &self,
        path: &[&str],
        except: &[&[&str]],
        stored: Value<'_>,
        after: Value<'_>,
    ) -> bool {
        let [old, new] = [stored, after].map(|object| object.path(path).unwrap_or_default());
        // An empty text is none: it is what a Service has whose address was not given.
        let is_unset = |value: Value<'_>| value.is_null() || value == Value::String("");
        match self {
            Change::No => false,
            Change::Sets => is_unset(old),
            Change::Adds => is_unset(old) || is_within(old, new, except),
            Change::Removes => is_unset(new) || is_within(new, old, except),
            Change::KeepsFirst => match (old.as_array(), new.as_array()) {
                (Some([first, ..]), Some(new)) => new.first() == Some(first),
                (Some([]) | None, _) => true,
                (Some(_), None) => false,
            },
            Change::Lowers => is_unset(old) || compared(new, old).is_some_and(Ordering::is_lt),
            Change::Raises => is_unset(old) || compared(new, old).is_some_and(Ordering::is_gt),
            Change::Equals(path) => after.path(path) == Some(new),
        }
    }
}

/// Whether every element or entry of `part` is in `whole`.
fn is_within(part: Value<'_>, whole: Value<'_>, except: &[&[&str]]) -> bool {
    match (part, whole) {
        (Value::Array(part), Value::Array(whole)) => {
            let except = below(except, "*");
            part.iter().all(|part| whole.iter().any(|whole| !differ(*part, *whole, &except)))
        }
        (Value::Object(part), Value::Object(whole)) => part.keys().all(|key| part.get(key) == whole.get(key)),
        _ => false,
    }
}

/// How two numbers or quantities compare; `None` where one is neither.
fn compared(one: Value<'_>, other: Value<'_>) -> Option<Ordering> {
    Some(quantity(one)?.cmp(&quantity(other)?))
}

fn quantity(value: Value<'_>) -> Option<Quantity> {
    let text = match value {
        Value::String(text) => text.to_owned(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        number => number.to_string(),
    };
    Quantity::parse(&text).ok()
}
