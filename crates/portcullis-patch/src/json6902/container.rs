//! One step of a path: a map or list and the child it has under a token.

use portcullis_value::{Arena, Value};

use super::error::ChildError;

pub(super) fn is_container(value: Value<'_>) -> bool {
    matches!(value, Value::Object(_) | Value::Array(_))
}

/// The child of `container` under `key`.
pub(super) fn get<'a>(container: Value<'a>, key: &str) -> Result<Value<'a>, ChildError> {
    match container {
        Value::Array(items) => {
            let index = existing(items, key)?;
            Ok(items.get(index).copied().unwrap_or_default())
        }
        _ => container.get(key).ok_or_else(|| ChildError::NoKey(key.to_owned())),
    }
}

/// What an operation reads at the end of its path: the child of `container` under `key`.
///
/// COMPAT(kyverno): the empty key of a map is the map.
pub(super) fn read<'a>(container: Value<'a>, key: &str) -> Result<Value<'a>, ChildError> {
    match container {
        Value::Object(_) if key.is_empty() => Ok(container),
        _ => get(container, key),
    }
}

/// `container` with `value` under `key`; in a list before what is there.
pub(super) fn insert<'a>(
    arena: &'a Arena,
    container: Value<'a>,
    key: &str,
    value: Value<'a>,
) -> Result<Value<'a>, ChildError> {
    let Value::Array(items) = container else { return set(arena, container, key, value) };
    let (before, after) = items
        .split_at_checked(place(items.len(), key)?)
        .ok_or_else(|| ChildError::NoIndex(index(key).unwrap_or_default()))?;
    Ok(arena.array(&[before, &[value], after].concat()))
}

/// `container` with `value` in place of its child under `key`; a map need not have one.
pub(super) fn set<'a>(
    arena: &'a Arena,
    container: Value<'a>,
    key: &str,
    value: Value<'a>,
) -> Result<Value<'a>, ChildError> {
    match container {
        Value::Array(items) => {
            let index = existing(items, key)?;
            let mut items = items.to_vec();
            if let Some(item) = items.get_mut(index) {
                *item = value;
            }
            Ok(arena.array(&items))
        }
        _ => Ok(container.with(arena, &[arena.str(key)], value)),
    }
}

/// `container` without its child under `key`.
pub(super) fn remove<'a>(arena: &'a Arena, container: Value<'a>, key: &str) -> Result<Value<'a>, ChildError> {
    match container {
        Value::Array(items) => {
            let mut items = items.to_vec();
            let index = existing(&items, key)?;
            items.remove(index);
            Ok(arena.array(&items))
        }
        _ if container.get(key).is_none() => Err(ChildError::NoKey(key.to_owned())),
        _ => Ok(container.without(arena, &[key])),
    }
}

/// Go's `strconv.Atoi`: a sign and leading zeros are allowed.
pub(super) fn index(token: &str) -> Option<i64> {
    token.parse().ok()
}

/// The position of the element that `token` names. Negative indexes count from the end.
fn existing(items: &[Value<'_>], token: &str) -> Result<usize, ChildError> {
    let index = index(token).ok_or_else(|| ChildError::NotAnIndex(token.to_owned()))?;
    position(index, items.len()).filter(|at| *at < items.len()).ok_or(ChildError::NoIndex(index))
}

/// The position at which an element is inserted into a list of `len` elements; `-` and `-1` are its end.
fn place(len: usize, token: &str) -> Result<usize, ChildError> {
    if token == "-" {
        return Ok(len);
    }
    let index = index(token).ok_or_else(|| ChildError::NotAPlace(token.to_owned()))?;
    position(index, len + 1).filter(|at| *at <= len).ok_or(ChildError::NoIndex(index))
}

fn position(index: i64, len: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}
