//! Wildcards in the keys of labels and annotations, which are replaced by keys of the resource on the way.
//!
//! COMPAT(kyverno): what is replaced stays so for the rest of the walk, in the next items of a list too, and what is no
//! string is dropped. Of several keys that fit, the first in order is taken, where the reference takes any.

use std::collections::BTreeMap;
use std::rc::Rc;

use portcullis_value::{Exhausted, Object, Value};

use super::failure::{Failure, Path};
use super::tree::{Entry, Map, Node, Tags, in_order};
use super::walk::Walk;
use crate::anchor::Anchor;

impl Walk<'_, '_> {
    /// Judges labels or annotations as the pattern has them by now.
    pub(super) fn tags<F: Failure>(
        &mut self,
        number: usize,
        object: Object<'_>,
        path: &Path<'_>,
    ) -> Result<(), F> {
        if let Some(rewritten) = self.rewritten(number) {
            return self.judge(&rewritten.map, object, path);
        }
        let tree = self.tree;
        tree.tags.get(number).map_or(Ok(()), |tags| self.judge(&tags.map, object, path))
    }

    fn rewritten(&self, number: usize) -> Option<Rc<Tags>> {
        self.rewritten.iter().find(|rewritten| rewritten.0 == number).map(|rewritten| Rc::clone(&rewritten.1))
    }

    /// Rewrites the labels and annotations in the metadata of `pattern` for those of `object`.
    pub(super) fn rewrite_tags<F: Failure>(&mut self, pattern: &Map, object: Object<'_>) -> Result<(), F> {
        let tree = self.tree;
        let Some(numbers) = &pattern.tags else { return Ok(()) };
        for (tag, number) in [("labels", numbers.labels), ("annotations", numbers.annotations)] {
            let Some((number, original)) = number.and_then(|number| Some((number, tree.tags.get(number)?)))
            else {
                continue;
            };
            let tags =
                object.get("metadata").and_then(|metadata| metadata.get(tag)).and_then(Value::as_object);
            let Some(tags) = tags else { continue };
            let current = self.rewritten(number);
            if let Some(new) = self.rewrite::<F>(current.as_deref().unwrap_or(original), tags)? {
                self.rewritten.retain(|rewritten| rewritten.0 != number);
                self.rewritten.push((number, Rc::new(new)));
            }
        }
        Ok(())
    }

    /// The pattern for `tags`; `None` if nothing changes.
    fn rewrite<F: Failure>(&mut self, pattern: &Tags, tags: Object<'_>) -> Result<Option<Tags>, F> {
        let mut renamed = Vec::new();
        for (raw, wildcard) in &pattern.wild {
            for (key, value) in tags.iter() {
                if value.as_str().is_some() && wildcard.matches_within(key, self.budget)? {
                    F::meet(key)?;
                    renamed.push((raw, key));
                    break;
                }
            }
        }
        if renamed.is_empty() && !pattern.drops {
            return Ok(None);
        }
        let name = |entry: &Entry| match renamed.iter().find(|(raw, _)| ***raw == *entry.raw()) {
            Some((raw, key)) => Anchor::parse(raw)
                .map_or_else(|| (*key).to_owned(), |anchor| Anchor { kind: anchor.kind, key }.to_string()),
            None => entry.raw().to_owned(),
        };
        let mut kept: Vec<_> = pattern.map.entries().iter().filter(|entry| entry.is_text()).collect();
        kept.sort_by_key(|entry| entry.raw());
        let kept: BTreeMap<_, _> = kept.into_iter().map(|entry| (name(entry), entry)).collect();
        Ok(Some(Tags::new(Map::new(kept.into_iter().map(|(raw, entry)| entry.renamed(&raw)).collect()))))
    }

    /// The fields of `pattern` in the order they have by now, when anchors may have been dropped.
    pub(super) fn fields_by_now<'p>(&mut self, pattern: &'p Map) -> Result<Vec<&'p Entry>, Exhausted> {
        let mut fields = Vec::with_capacity(pattern.fields().len());
        for entry in pattern.fields() {
            fields.push((entry, self.holds_anchor(entry)?));
        }
        fields.sort_by_key(|(entry, _)| entry.raw());
        let fields = in_order(fields, |(_, holds_anchor)| *holds_anchor);
        Ok(fields.into_iter().map(|(entry, _)| entry).collect())
    }

    fn holds_anchor(&mut self, entry: &Entry) -> Result<bool, Exhausted> {
        Ok(entry.anchor.is_some() || self.node_holds_anchor(&entry.node)?)
    }

    fn node_holds_anchor(&mut self, node: &Node) -> Result<bool, Exhausted> {
        self.budget.step()?;
        match node {
            Node::Map(map) => any(map.entries(), |entry| self.holds_anchor(entry)),
            Node::List(items) => any(items, |item| self.node_holds_anchor(item)),
            Node::Tags(number) => match (self.rewritten(*number), self.tree.tags.get(*number)) {
                (Some(tags), _) => any(tags.map.entries(), |entry| self.holds_anchor(entry)),
                (None, Some(tags)) => any(tags.map.entries(), |entry| self.holds_anchor(entry)),
                (None, None) => Ok(false),
            },
            Node::Scalar(_) => Ok(false),
        }
    }
}

fn any<T>(
    items: impl IntoIterator<Item = T>,
    mut test: impl FnMut(T) -> Result<bool, Exhausted>,
) -> Result<bool, Exhausted> {
    for item in items {
        if test(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}
