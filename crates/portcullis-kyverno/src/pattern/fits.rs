//! The walk of a resource that satisfies a pattern, as most do: it finds out that much and nothing else.

use portcullis_model::Numbers;
use portcullis_value::{Budget, Exhausted, Object, Value};

use super::scalar::Scalar;
use super::tree::{Entry, Map, Node};
use crate::anchor::AnchorKind;

/// Whether `value` plainly satisfies `pattern`, all anchors in it applying.
///
/// `false` says nothing: what is violated, what does not apply, and labels that are rewritten are left to the full walk.
pub(super) fn fits(
    pattern: &Node,
    value: Value<'_>,
    numbers: Numbers,
    budget: &mut Budget<'_>,
) -> Result<bool, Exhausted> {
    budget.step()?;
    match (pattern, value) {
        (Node::Map(map), Value::Object(object)) if map.tags.is_none() => {
            map_fits(map, object, numbers, budget)
        }
        (Node::List(patterns), Value::Array(items)) => match &**patterns {
            [first @ Node::Map(_), ..] => {
                for item in items {
                    if !fits(first, *item, numbers, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            [Node::Scalar(first), ..] => scalar_fits(first, value, numbers, budget),
            _ => Ok(false),
        },
        (Node::Scalar(scalar), _) => scalar_fits(scalar, value, numbers, budget),
        _ => Ok(false),
    }
}

fn map_fits(
    map: &Map,
    object: Object<'_>,
    numbers: Numbers,
    budget: &mut Budget<'_>,
) -> Result<bool, Exhausted> {
    for entry in &map.anchors {
        let fits = match (entry.anchor, object.get(&entry.key)) {
            (Some(AnchorKind::Negation), found) => found.is_none(),
            (Some(AnchorKind::Condition), None) | (Some(AnchorKind::Existence), Some(_)) => false,
            (_, Some(value)) => fits(&entry.node, value, numbers, budget)?,
            (_, None) => true,
        };
        if !fits {
            return Ok(false);
        }
    }
    for entry in &map.fields {
        if !field_fits(entry, object.get(&entry.key), numbers, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn field_fits(
    entry: &Entry,
    value: Option<Value<'_>>,
    numbers: Numbers,
    budget: &mut Budget<'_>,
) -> Result<bool, Exhausted> {
    match (&entry.node, value) {
        (_, None) if entry.anchor.is_some() => Ok(true),
        (Node::Scalar(Scalar::Text(text)), value) if entry.anchor.is_none() && text.source() == "*" => {
            Ok(value.is_some_and(|value| !value.is_null()))
        }
        (node, value) => fits(node, value.unwrap_or_default(), numbers, budget),
    }
}

/// Of a list every item must satisfy the pattern.
fn scalar_fits(
    pattern: &Scalar,
    value: Value<'_>,
    numbers: Numbers,
    budget: &mut Budget<'_>,
) -> Result<bool, Exhausted> {
    for item in value.as_array().unwrap_or(std::slice::from_ref(&value)) {
        budget.step()?;
        if !pattern.matches(*item, numbers, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}
