//! The walk that knows no more than whether a resource plainly satisfies a pattern or plainly violates it, as most do.

use portcullis_model::Numbers;
use portcullis_value::{Budget, Object, Value};

use super::failure::mentions_anchor;
use super::scalar::Scalar;
use super::tree::{Entry, Map, Node, Tags, TagsOfMetadata};
use crate::anchor::AnchorKind;

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Satisfied,
    /// Violated, unless the pattern itself speaks of anchors.
    Violated,
    /// Left to the full walk: something does not apply, is rewritten or speaks of anchors, or the budget is at its end.
    Unsure,
}

/// A walk and what it works with.
pub(super) struct Fitting<'w, 't> {
    /// The labels and annotations of the tree that are rewritten for some resources.
    pub(super) tags: &'w [Tags],
    pub(super) numbers: Numbers,
    pub(super) budget: &'w mut Budget<'t>,
}

impl Fitting<'_, '_> {
    #[inline]
    pub(super) fn node(&mut self, pattern: &Node, value: &Value<'_>) -> Fit {
        match (pattern, value) {
            (Node::Scalar(scalar), _) => self.scalar(scalar, value),
            (Node::Map(map), Value::Object(object)) => self.map(map, *object),
            (Node::List(patterns), Value::Array(items)) => self.list(patterns, value, items),
            (Node::Tags(number), Value::Object(object)) => match self.tags.get(*number) {
                Some(tags) => self.map(&tags.map, *object),
                None => Fit::Unsure,
            },
            _ => Fit::Violated,
        }
    }

    /// Of several patterns only the first is used.
    #[inline(never)]
    fn list(&mut self, patterns: &[Node], value: &Value<'_>, items: &[Value<'_>]) -> Fit {
        match patterns {
            [] => Fit::Violated,
            [Node::Map(first), ..] => {
                for item in items {
                    let Value::Object(object) = item else { return Fit::Violated };
                    match self.map(first, *object) {
                        Fit::Satisfied => {}
                        other => return other,
                    }
                }
                Fit::Satisfied
            }
            [Node::Scalar(first), ..] => self.scalar(first, value),
            [Node::Tags(_) | Node::List(_), ..] => Fit::Unsure,
        }
    }

    /// Called as such, as lists are: a walk then makes one call for a map and none for what is no map.
    #[inline(never)]
    fn map(&mut self, map: &Map, object: Object<'_>) -> Fit {
        let entries = map.entries();
        if self.budget.steps(entries.len() as u64).is_err()
            || map.tags.as_ref().is_some_and(|tags| self.may_be_rewritten(tags, object))
        {
            return Fit::Unsure;
        }
        for entry in entries {
            match self.entry(entry, object.find(&entry.key)) {
                Fit::Satisfied => {}
                other => return other,
            }
        }
        Fit::Satisfied
    }

    /// Whether the patterns of the labels and annotations in the metadata of `object` are rewritten for them, for all that can
    /// be told.
    #[cold]
    fn may_be_rewritten(&mut self, of: &TagsOfMetadata, object: Object<'_>) -> bool {
        let metadata = object.get("metadata").unwrap_or_default();
        for (key, number) in [("labels", of.labels), ("annotations", of.annotations)] {
            let pattern = number.and_then(|number| self.tags.get(number));
            let tags = metadata.get(key).and_then(Value::as_object);
            let (Some(pattern), Some(tags)) = (pattern, tags) else { continue };
            if pattern.drops {
                return true;
            }
            for (_, wildcard) in &pattern.wild {
                for (key, value) in tags.iter() {
                    if value.as_str().is_some() && wildcard.matches_within(key, self.budget) != Ok(false) {
                        return true;
                    }
                }
            }
        }
        false
    }

    #[inline]
    fn entry(&mut self, entry: &Entry, value: Option<&Value<'_>>) -> Fit {
        let Some(value) = value else {
            return match entry.anchor {
                None => self.field(&entry.node, &Value::Null),
                Some(AnchorKind::Condition) => Fit::Unsure,
                Some(_) => Fit::Satisfied,
            };
        };
        match entry.anchor {
            None => self.field(&entry.node, value),
            Some(AnchorKind::Equality | AnchorKind::AddIfAbsent) => self.node(&entry.node, value),
            Some(AnchorKind::Negation) => Fit::Violated,
            Some(AnchorKind::Existence) => Fit::Unsure,
            Some(AnchorKind::Condition | AnchorKind::Global) => match self.node(&entry.node, value) {
                Fit::Violated => Fit::Unsure,
                fit => fit,
            },
        }
    }

    #[inline]
    fn field(&mut self, node: &Node, value: &Value<'_>) -> Fit {
        match node {
            // A star is satisfied by lists and maps too, here alone.
            Node::Scalar(Scalar::Text(text)) if text.is_star() => {
                if value.is_null() {
                    Fit::Violated
                } else {
                    Fit::Satisfied
                }
            }
            node => self.node(node, value),
        }
    }

    /// Of a list every item must satisfy the pattern.
    fn scalar(&mut self, pattern: &Scalar, value: &Value<'_>) -> Fit {
        let matches = match value {
            Value::Array(items) => self.budget.steps(items.len() as u64).and_then(|()| {
                let mut all = true;
                for item in *items {
                    all = all && pattern.matches(*item, self.numbers, self.budget)?;
                }
                Ok(all)
            }),
            value => pattern.matches(*value, self.numbers, self.budget),
        };
        match matches {
            Ok(true) => Fit::Satisfied,
            // What is said of the value holds its text, and is told by its text.
            Ok(false) if mentions_anchor(*value, self.budget) == Ok(false) => Fit::Violated,
            Ok(false) | Err(_) => Fit::Unsure,
        }
    }
}
