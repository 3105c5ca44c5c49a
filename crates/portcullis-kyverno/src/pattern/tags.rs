//! Wildcards in the keys of labels and annotations, which are replaced by keys of the resource on the way.
//!
//! COMPAT(kyverno): what is replaced stays so for the rest of the walk, in the next items of a list too, and what is no
//! string is dropped. Of several keys that fit, the first in order is taken, where the reference takes any.

use std::collections::BTreeMap;
use std::rc::Rc;

use portcullis_gocompat::wildcard;
use portcullis_value::{Exhausted, Object, Value};

use super::failure::{Failure, Path};
use super::tree::{Entry, Map, Node, in_order};
use super::walk::Walk;
use crate::anchor::{Anchor, bare_key};

impl Walk<'_, '_> {
    /// Judges labels or annotations as the pattern has them by now.
    pub(super) fn tags<F: Failure>(
        &mut self,
        number: usize,
        object: Object<'_>,
        path: &Path<'_>,
    ) -> Result<(), F> {
        if let Some(rewritten) = self.rewritten(number) {
            return self.judge(&rewritten, object, path);
        }
        let tree = self.tree;
        tree.tags.get(number).map_or(Ok(()), |pattern| self.judge(pattern, object, path))
    }

    fn rewritten(&self, number: usize) -> Option<Rc<Map>> {
        self.rewritten.iter().find(|rewritten| rewritten.0 == number).map(|rewritten| Rc::clone(&rewritten.1))
    }

    /// Rewrites the labels and annotations in the metadata of `pattern` for those of `object`.
    pub(super) fn rewrite_tags<F: Failure>(&mut self, pattern: &Map, object: Object<'_>) -> Result<(), F> {
        let tree = self.tree;
        for (tag, number) in [("labels", pattern.labels), ("annotations", pattern.annotations)] {
            let Some((number, original)) = number.and_then(|number| Some((number, tree.tags.get(number)?)))
            else {
                continue;
            };
            let tags =
                object.get("metadata").and_then(|metadata| metadata.get(tag)).and_then(Value::as_object);
            let Some(tags) = tags else { continue };
            let current = self.rewritten(number);
            if let Some(map) = self.rewrite::<F>(current.as_deref().unwrap_or(original), tags)? {
                self.rewritten.retain(|rewritten| rewritten.0 != number);
                self.rewritten.push((number, Rc::new(map)));
            }
        }
        Ok(())
    }

    /// The pattern for `tags`; `None` if nothing changes.
    fn rewrite<F: Failure>(&mut self, pattern: &Map, tags: Object<'_>) -> Result<Option<Map>, F> {
        let mut renamed = Vec::new();
        for entry in pattern.entries().filter(|entry| entry.is_text()) {
            self.budget.step()?;
            renamed.extend(self.tag_for::<F>(entry.raw(), tags)?.map(|raw| (entry.raw(), raw)));
        }
        if renamed.is_empty() && pattern.entries().all(Entry::is_text) {
            return Ok(None);
        }
        let name = |entry: &Entry| {
            let renamed = renamed.iter().find(|(raw, _)| *raw == entry.raw());
            renamed.map_or_else(|| entry.raw().to_owned(), |(_, raw)| raw.clone())
        };
        let mut kept: Vec<_> = pattern.entries().filter(|entry| entry.is_text()).collect();
        kept.sort_by_key(|entry| entry.raw());
        let kept: BTreeMap<_, _> = kept.into_iter().map(|entry| (name(entry), entry)).collect();
        Ok(Some(Map::new(kept.into_iter().map(|(raw, entry)| entry.renamed(&raw)).collect())))
    }

    /// What the key `raw` of the pattern becomes, if it is a wildcard that fits a key of `tags`.
    fn tag_for<F: Failure>(&mut self, raw: &str, tags: Object<'_>) -> Result<Option<String>, F> {
        if !wildcard::contains_wildcard(raw) {
            return Ok(None);
        }
        for (key, value) in tags.iter() {
            if value.as_str().is_some() && wildcard::matches_within(bare_key(raw), key, self.budget)? {
                F::meet(key)?;
                let anchored = |anchor: Anchor<'_>| Anchor { kind: anchor.kind, key }.to_string();
                return Ok(Some(Anchor::parse(raw).map_or_else(|| key.to_owned(), anchored)));
            }
        }
        Ok(None)
    }

    /// The fields of `pattern` in the order they have by now, if anchors may have been dropped.
    pub(super) fn fields_by_now<'p>(
        &mut self,
        pattern: &'p Map,
    ) -> Result<Option<Vec<&'p Entry>>, Exhausted> {
        if !self.tree.drops_anchors || self.rewritten.is_empty() {
            return Ok(None);
        }
        let mut fields = Vec::with_capacity(pattern.fields.len());
        for entry in &pattern.fields {
            fields.push((entry, self.holds_anchor(entry)?));
        }
        fields.sort_by_key(|(entry, _)| entry.raw());
        let fields = in_order(fields, |(_, holds_anchor)| *holds_anchor);
        Ok(Some(fields.into_iter().map(|(entry, _)| entry).collect()))
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
                (Some(map), _) => any(map.entries(), |entry| self.holds_anchor(entry)),
                (None, Some(map)) => any(map.entries(), |entry| self.holds_anchor(entry)),
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
