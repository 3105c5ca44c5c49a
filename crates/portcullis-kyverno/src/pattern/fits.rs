//! The walk that knows no more than whether a resource plainly satisfies a pattern or plainly violates it, as most do.

use portcullis_model::Numbers;
use portcullis_value::{Budget, Exhausted, Object, Value};

use super::failure::mentions_anchor;
use super::scalar::Scalar;
use super::tree::{Entry, Map, Node};
use crate::anchor::AnchorKind;

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Satisfied,
    /// Violated, unless the pattern itself speaks of anchors.
    Violated,
    /// Left to the full walk: something does not apply, is rewritten or speaks of anchors.
    Unsure,
}

/// A walk and what it works with.
pub(super) struct Fitting<'w, 't> {
    pub(super) numbers: Numbers,
    pub(super) budget: &'w mut Budget<'t>,
}

impl Fitting<'_, '_> {
    pub(super) fn node(&mut self, pattern: &Node, value: Value<'_>) -> Result<Fit, Exhausted> {
        self.budget.step()?;
        match (pattern, value) {
            (Node::Map(map), Value::Object(object)) if map.tags.is_none() => self.map(map, object),
            (Node::List(patterns), Value::Array(items)) => self.list(patterns, items),
            (Node::Scalar(scalar), _) => self.scalar(scalar, value),
            (Node::Map(_) | Node::Tags(_), Value::Object(_)) => Ok(Fit::Unsure),
            _ => Ok(Fit::Violated),
        }
    }

    /// Of several patterns only the first is used.
    fn list(&mut self, patterns: &[Node], items: &[Value<'_>]) -> Result<Fit, Exhausted> {
        match patterns {
            [] => Ok(Fit::Violated),
            [first @ Node::Map(_), ..] => {
                for item in items {
                    match self.node(first, *item)? {
                        Fit::Satisfied => {}
                        other => return Ok(other),
                    }
                }
                Ok(Fit::Satisfied)
            }
            [Node::Scalar(first), ..] => self.scalar(first, Value::Array(items)),
            [Node::Tags(_) | Node::List(_), ..] => Ok(Fit::Unsure),
        }
    }

    fn map(&mut self, map: &Map, object: Object<'_>) -> Result<Fit, Exhausted> {
        for entry in map.anchors.iter().chain(&map.fields) {
            match self.entry(entry, object.get(&entry.key))? {
                Fit::Satisfied => {}
                other => return Ok(other),
            }
        }
        Ok(Fit::Satisfied)
    }

    fn entry(&mut self, entry: &Entry, value: Option<Value<'_>>) -> Result<Fit, Exhausted> {
        match (entry.anchor, value) {
            (None, value) => self.field(&entry.node, value.unwrap_or_default()),
            (Some(AnchorKind::Condition), None) => Ok(Fit::Unsure),
            (Some(AnchorKind::Negation), Some(_)) => Ok(Fit::Violated),
            (Some(AnchorKind::Existence), Some(_)) => Ok(Fit::Unsure),
            (Some(_), None) => Ok(Fit::Satisfied),
            (Some(AnchorKind::Condition | AnchorKind::Global), Some(value)) => {
                let fit = self.node(&entry.node, value)?;
                Ok(if fit == Fit::Violated { Fit::Unsure } else { fit })
            }
            (Some(AnchorKind::Equality | AnchorKind::AddIfAbsent), Some(value)) => {
                self.node(&entry.node, value)
            }
        }
    }

    fn field(&mut self, node: &Node, value: Value<'_>) -> Result<Fit, Exhausted> {
        match node {
            // A star is satisfied by lists and maps too, here alone.
            Node::Scalar(Scalar::Text(text)) if text.source() == "*" => {
                Ok(if value.is_null() { Fit::Violated } else { Fit::Satisfied })
            }
            node => self.node(node, value),
        }
    }

    /// Of a list every item must satisfy the pattern.
    fn scalar(&mut self, pattern: &Scalar, value: Value<'_>) -> Result<Fit, Exhausted> {
        for item in value.as_array().unwrap_or(std::slice::from_ref(&value)) {
            self.budget.step()?;
            if !pattern.matches(*item, self.numbers, self.budget)? {
                // What is said of the value holds its text, and is told by its text.
                let unsure = mentions_anchor(value, self.budget)?;
                return Ok(if unsure { Fit::Unsure } else { Fit::Violated });
            }
        }
        Ok(Fit::Satisfied)
    }
}
