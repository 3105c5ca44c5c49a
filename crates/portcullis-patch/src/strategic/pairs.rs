//! Lists whose elements are told apart by two keys, of which an element may lack one: ports, topology spread constraints.

use std::borrow::Cow;

use portcullis_value::{Kind, Value};

use super::collapse::collapsed;
use super::schema::{Field, Type};
use super::{Directive, Error, Merger, Problem, directive, is_keyless, key_text};

/// The text of each key of an element; empty where it lacks the key.
type Texts<'a> = [Cow<'a, str>; 2];

impl<'a> Merger<'a, '_, '_> {
    /// The elements of `patch` that are new, then those of `before`, changed by what `patch` has for them.
    ///
    /// COMPAT(kyverno): kustomize fills in what an element lacks from those that have its other key, and then looks for
    /// the elements that have both. So an overlay for port 80 changes nothing of port 80/TCP, nor one for 80/TCP of port
    /// 80. Where one key stands nowhere, the list is one of a single key.
    pub(super) fn pairs(
        &mut self,
        keys: &'static [&'static str; 2],
        element: &'static Type,
        before: &[Value<'a>],
        patch: &[(usize, Value<'a>)],
    ) -> Result<Vec<Value<'a>>, Error> {
        if let Some((index, item)) = patch.iter().find(|(_, item)| item.as_object().is_none()) {
            let problem = Problem::WrongKind { expected: Kind::Object, found: item.kind() };
            return Err(Error::from(problem).below(&index.to_string()));
        }
        // COMPAT(kyverno): an element that has neither key changes nothing; where the list is new it stays.
        let (keyless, patch): (Vec<_>, Vec<_>) =
            patch.iter().copied().partition(|(_, item)| is_keyless(keys, *item));
        let kinds = self.kinds(keys, patch.iter().map(|(_, item)| *item).chain(before.iter().copied()))?;
        let [first, second] = keys;
        if kinds.iter().all(|[_, text]| text.is_empty()) {
            return self.keyed_list(std::slice::from_ref(first), element, before, &patch);
        }
        if kinds.iter().all(|[text, _]| text.is_empty()) {
            return self.keyed_list(std::slice::from_ref(second), element, before, &patch);
        }
        let mut old: Vec<_> = before.iter().copied().map(Some).collect();
        let mut merged = Vec::with_capacity(old.len() + patch.len());
        if before.is_empty() {
            merged.extend(keyless.iter().map(|(_, item)| *item));
        }
        for kind in &kinds {
            self.budget.steps((old.len() + patch.len()) as u64)?;
            let is_of = |item: Value<'_>| {
                keys.iter().zip(kind).all(|(key, wanted)| wanted.is_empty() || key_text(item, key) == *wanted)
            };
            let Some((index, item)) = patch.iter().find(|(_, item)| is_of(*item)) else { continue };
            let slot = old.iter_mut().find(|slot| slot.is_some_and(is_of));
            let was = slot.as_ref().and_then(|slot| **slot);
            let below = |error: Error| error.below(&index.to_string());
            let value = match directive(item.as_object().unwrap_or_default()).map_err(below)? {
                // COMPAT(kyverno): an element with `$patch: replace` is left as it is.
                Some(Directive::Replace) if was.is_some() => was,
                _ => self.node(Field::Map(element), was, *item).map_err(below)?,
            };
            match slot {
                // COMPAT(kyverno): an element that lacks a key is not found again to be deleted.
                Some(slot)
                    if value.is_some()
                        || keys.iter().all(|key| !key_text(was.unwrap_or_default(), key).is_empty()) =>
                {
                    *slot = value
                }
                Some(_) => {}
                None => merged.extend(value),
            }
        }
        merged.extend(old.into_iter().flatten());
        Ok(collapsed(*keys, &merged, self.budget)?.unwrap_or(merged))
    }

    /// The kinds of `elements` by their keys, each once, in the order in which they first appear.
    fn kinds<'v>(
        &mut self,
        keys: &[&str; 2],
        elements: impl Iterator<Item = Value<'v>>,
    ) -> Result<Vec<Texts<'v>>, Error> {
        let mut written: Vec<Texts<'v>> = Vec::new();
        for item in elements.filter(|item| !is_keyless(keys, *item)) {
            self.budget.steps(written.len() as u64)?;
            let texts = keys.map(|key| key_text(item, key));
            if !written.contains(&texts) {
                written.push(texts);
            }
        }
        for one in 0..written.len() {
            self.budget.steps(written.len() as u64)?;
            let Some(texts) = written.get(one).cloned() else { continue };
            for other in 0..written.len() {
                let Some(filled) = written.get(other).and_then(|other| filled(&texts, other)) else {
                    continue;
                };
                for place in [one, other] {
                    if let Some(slot) = written.get_mut(place) {
                        slot.clone_from(&filled);
                    }
                }
            }
        }
        let mut kinds: Vec<Texts<'v>> = Vec::with_capacity(written.len());
        for texts in written {
            self.budget.steps(kinds.len() as u64)?;
            if !kinds.contains(&texts) {
                kinds.push(texts);
            }
        }
        Ok(kinds)
    }
}

/// What both have together, if one key is equal and the other is too or stands in one of them alone.
fn filled<'v>(one: &Texts<'v>, other: &Texts<'v>) -> Option<Texts<'v>> {
    let [a, b] = one;
    let [x, y] = other;
    let either = |one: &Cow<'v, str>, other: &Cow<'v, str>| match (one.is_empty(), other.is_empty()) {
        (true, _) => Some(other.clone()),
        (_, true) => Some(one.clone()),
        _ => (one == other).then(|| one.clone()),
    };
    (a == x || b == y).then_some([either(a, x)?, either(b, y)?])
}
