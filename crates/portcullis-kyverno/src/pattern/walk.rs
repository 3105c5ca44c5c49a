//! The walk of a resource along a pattern.

use std::collections::BTreeMap;
use std::rc::Rc;

use portcullis_gocompat::fmt::display;
use portcullis_model::Numbers;
use portcullis_model::explain::{Part, Recorder, Step, within};
use portcullis_value::{Budget, Object, Value};

use super::failure::{CONDITION_MISMATCH, Class, Failure, GLOBAL_MISMATCH, NEGATION_MATCHED, Path, Seen};
use super::scalar::Scalar;
use super::tree::{Entry, Map, Node, Tags, Tree};
use crate::anchor::AnchorKind;

/// One walk and what it remembers.
pub(super) struct Walk<'w, 't> {
    pub(super) tree: &'w Tree,
    numbers: Numbers,
    pub(super) budget: &'w mut Budget<'t>,
    /// The labels and annotations of the tree that were rewritten, by their number.
    pub(super) rewritten: Vec<(usize, Rc<Tags>)>,
    /// Condition and existence anchors that were met, and whether the key was there at least once.
    met: BTreeMap<Box<str>, bool>,
    /// Takes down what is seen, in a walk that tells texts.
    recorder: Option<&'w Recorder>,
}

impl<'w, 't> Walk<'w, 't> {
    pub(super) fn new(tree: &'w Tree, numbers: Numbers, budget: &'w mut Budget<'t>) -> Self {
        Self { tree, numbers, budget, rewritten: Vec::new(), met: BTreeMap::new(), recorder: None }
    }

    pub(super) fn recorded_by(self, recorder: Option<&'w Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// Who takes down what a walk of this kind sees.
    fn recorder<F: Failure>(&self) -> Option<&'w Recorder> {
        if F::TOLD { self.recorder } else { None }
    }

    /// Whether an anchor was met whose key was never there.
    pub(super) fn keys_are_missing(&self) -> bool {
        self.met.values().any(|seen| !seen)
    }

    /// Judges what stands at `keys` by the tree. Each key is the only one of its map in the pattern.
    pub(super) fn descend<F: Failure>(
        &mut self,
        keys: &[&str],
        value: Value<'_>,
        path: &Path<'_>,
    ) -> Result<(), F> {
        let tree = self.tree;
        let [key, deeper @ ..] = keys else { return self.element(&tree.root, value, path) };
        self.budget.step()?;
        let Value::Object(object) = value else { return self.no_map(value, path) };
        self.descend(deeper, object.get(key).unwrap_or_default(), &Path::Key(path, key))
    }

    fn element<F: Failure>(&mut self, pattern: &Node, value: Value<'_>, path: &Path<'_>) -> Result<(), F> {
        self.budget.step()?;
        match (pattern, value) {
            (Node::Map(pattern), Value::Object(object)) => self.map(pattern, object, path),
            (Node::Tags(number), Value::Object(object)) => self.tags(*number, object, path),
            (Node::List(pattern), Value::Array(items)) => self.list(pattern, items, path),
            (Node::Scalar(pattern), _) => self.scalar(pattern, value, path),
            (Node::Map(_) | Node::Tags(_), _) => self.no_map(value, path),
            (Node::List(_), _) => self.no_list(value, path),
        }
    }

    fn seen<'v>(&self, value: Value<'v>) -> Seen<'v> {
        Seen { value, numbers: self.numbers }
    }

    fn no_map<F: Failure>(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), F> {
        if let Some(recorder) = self.recorder::<F>() {
            recorder.add(path.step(recorder, value).found(false).wanted("a map"));
        }
        let found = self.seen(value).type_name();
        self.violation(path, format_args!(
            "pattern and resource have different structures. Path: {path}. Expected map[string]interface {{}}, found {found}"
        ))
    }

    fn no_list<F: Failure>(&mut self, value: Value<'_>, path: &Path<'_>) -> Result<(), F> {
        if let Some(recorder) = self.recorder::<F>() {
            recorder.add(path.step(recorder, value).found(false).wanted("a list"));
        }
        self.violation(path, format_args!(
            "validation rule failed at path {path}, resource does not satisfy the expected overlay pattern"
        ))
    }

    fn violation<F: Failure>(&mut self, path: &Path<'_>, message: std::fmt::Arguments<'_>) -> Result<(), F> {
        Err(F::new(Class::Violation, Some(path), message, self.budget))
    }

    /// Of a list every item must satisfy the pattern.
    fn scalar<F: Failure>(&mut self, pattern: &Scalar, value: Value<'_>, path: &Path<'_>) -> Result<(), F> {
        let items = value.as_array().unwrap_or(std::slice::from_ref(&value));
        for item in items {
            self.budget.step()?;
            if !pattern.matches(*item, self.numbers, self.budget)? {
                self.saw::<F>(pattern, value, path, false);
                return Err(F::mismatch(self.seen(value), pattern, path, self.budget));
            }
        }
        self.saw::<F>(pattern, value, path, true);
        Ok(())
    }

    fn saw<F: Failure>(&self, pattern: &Scalar, value: Value<'_>, path: &Path<'_>, is_satisfied: bool) {
        if let Some(recorder) = self.recorder::<F>() {
            let step = path.step(recorder, value).found(is_satisfied);
            recorder.add(step.wanted(display(pattern.source()).to_string()));
        }
    }

    fn list<F: Failure>(&mut self, pattern: &[Node], items: &[Value<'_>], path: &Path<'_>) -> Result<(), F> {
        match pattern {
            [] => self.violation(path, format_args!("pattern Array empty")),
            // COMPAT(kyverno): of several patterns only the first is used.
            [first @ (Node::Map(_) | Node::Tags(_)), ..] => self.list_of_maps(first, items, path),
            [Node::Scalar(first), ..] => self.scalar(first, Value::Array(items), path),
            [Node::List(_), ..] => {
                if items.len() < pattern.len() {
                    let message = format_args!(
                        "validate Array failed, array length mismatch, resource Array len is {} and pattern Array len is {}",
                        items.len(),
                        pattern.len()
                    );
                    return Err(F::new(Class::Violation, None, message, self.budget));
                }
                let mut pairs = pattern.iter().zip(items).enumerate();
                pairs.try_for_each(|(index, (node, item))| {
                    self.element(node, *item, &Path::Index(path, index))
                })
            }
        }
    }

    /// Skipped items are left out, unless all are.
    fn list_of_maps<F: Failure>(
        &mut self,
        pattern: &Node,
        items: &[Value<'_>],
        path: &Path<'_>,
    ) -> Result<(), F> {
        let mut skipped: Option<F> = None;
        let mut applied = false;
        for (index, item) in items.iter().enumerate() {
            match self.element::<F>(pattern, *item, &Path::Index(path, index)) {
                Ok(()) => applied = true,
                Err(failure) => match failure.class() {
                    Class::Anchor | Class::Skipped => skipped = Some(join(skipped, failure)),
                    Class::Violation | Class::Negation | Class::Abort => return Err(failure),
                },
            }
        }
        match skipped {
            Some(failure) if !applied => Err(failure.outside_skipped()),
            _ => Ok(()),
        }
    }

    fn map<F: Failure>(&mut self, pattern: &Map, object: Object<'_>, path: &Path<'_>) -> Result<(), F> {
        self.rewrite_tags::<F>(pattern, object)?;
        self.judge(pattern, object, path)
    }

    pub(super) fn judge<F: Failure>(
        &mut self,
        pattern: &Map,
        object: Object<'_>,
        path: &Path<'_>,
    ) -> Result<(), F> {
        if F::TOLD {
            self.meet_anchors(pattern, object);
        }
        self.anchors::<F>(pattern.anchors(), object, path)?;
        if self.tree.drops_anchors && !self.rewritten.is_empty() {
            let fields = self.fields_by_now(pattern)?;
            return fields.into_iter().try_for_each(|entry| self.field(entry, object, path));
        }
        pattern.fields().iter().try_for_each(|entry| self.field(entry, object, path))
    }

    fn meet_anchors(&mut self, pattern: &Map, object: Object<'_>) {
        for entry in pattern.anchors() {
            if matches!(entry.anchor, Some(AnchorKind::Condition | AnchorKind::Existence)) {
                *self.met.entry(entry.raw().into()).or_default() |= object.contains_key(&entry.key);
            }
        }
    }

    /// The first phase: conditions, which decide whether the rest of the map is judged.
    fn anchors<F: Failure>(
        &mut self,
        anchors: &[Entry],
        object: Object<'_>,
        path: &Path<'_>,
    ) -> Result<(), F> {
        let mut skipped: Option<F> = None;
        let (mut applied, mut condition_failed) = (false, false);
        for entry in anchors {
            let Err(failure) = self.anchor::<F>(entry, object, path) else {
                applied = true;
                continue;
            };
            match failure.class() {
                Class::Abort => return Err(failure),
                Class::Anchor => condition_failed = true,
                Class::Skipped => {}
                // COMPAT(kyverno): after a condition that does not hold, violations no longer count.
                Class::Violation | Class::Negation if condition_failed => continue,
                Class::Violation | Class::Negation => return Err(failure),
            }
            skipped = Some(join(skipped, failure));
        }
        match skipped {
            // COMPAT(kyverno): what was skipped further down counts only if nothing else applied here.
            Some(failure) if condition_failed || !applied => Err(failure.outside_skipped()),
            _ => Ok(()),
        }
    }

    fn anchor<F: Failure>(&mut self, entry: &Entry, object: Object<'_>, path: &Path<'_>) -> Result<(), F> {
        within(
            self.recorder::<F>(),
            || self.judge_anchor(entry, object, path),
            |result, recorder| anchor_step(entry, object, path, result, recorder),
        )
    }

    fn judge_anchor<F: Failure>(
        &mut self,
        entry: &Entry,
        object: Object<'_>,
        path: &Path<'_>,
    ) -> Result<(), F> {
        let value = object.get(&entry.key);
        let path = &Path::Key(path, &entry.key);
        match (entry.anchor, value) {
            (Some(AnchorKind::Condition), Some(value)) => self
                .element(&entry.node, value, path)
                .map_err(|failure: F| failure.outside_anchor(CONDITION_MISMATCH)),
            (Some(AnchorKind::Condition), None) => {
                let message = format_args!(
                    "{CONDITION_MISMATCH}: conditional anchor key doesn't exist in the resource"
                );
                Err(F::new(Class::Anchor, Some(path), message, self.budget))
            }
            (Some(AnchorKind::Negation), Some(_)) => {
                let message = format_args!("{NEGATION_MATCHED}: {path} is not allowed");
                Err(F::new(Class::Negation, Some(path), message, self.budget))
            }
            (Some(AnchorKind::Existence), Some(value)) => self.existence(&entry.node, value, path),
            (_, Some(value)) => self.element(&entry.node, value, path),
            (_, None) => Ok(()),
        }
    }

    /// Each of the patterns must be satisfied by one item.
    fn existence<F: Failure>(&mut self, pattern: &Node, value: Value<'_>, path: &Path<'_>) -> Result<(), F> {
        let Value::Array(items) = value else {
            let found = self.seen(value).type_name();
            return self.violation(path, format_args!(
                "invalid resource type {found}: Existence ^ () anchor can be used only on list/array type resource"
            ));
        };
        let Node::List(patterns) = pattern else {
            let found = pattern.type_name();
            return self.violation(
                path,
                format_args!(
                    "invalid pattern type {found}: Pattern has to be of list to compare against resource"
                ),
            );
        };
        for pattern in patterns {
            if !matches!(pattern, Node::Map(_)) {
                // COMPAT(kyverno): it names the type of the list, not of the item.
                return self.violation(path, format_args!(
                    "invalid pattern type []interface {{}}: Pattern has to be of type map to compare against items in resource"
                ));
            }
            if !self.any_item::<F>(pattern, items, path)? {
                return self
                    .violation(path, format_args!("existence anchor validation failed at path {path}"));
            }
        }
        Ok(())
    }

    fn any_item<F: Failure>(
        &mut self,
        pattern: &Node,
        items: &[Value<'_>],
        path: &Path<'_>,
    ) -> Result<bool, F> {
        for (index, item) in items.iter().enumerate() {
            match self.element::<F>(pattern, *item, &Path::Index(path, index)) {
                Ok(()) => return Ok(true),
                Err(failure) if failure.class() == Class::Abort => return Err(failure),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    /// The second phase: what must hold.
    fn field<F: Failure>(&mut self, entry: &Entry, object: Object<'_>, parent: &Path<'_>) -> Result<(), F> {
        let value = object.get(&entry.key);
        let path = &Path::Key(parent, &entry.key);
        if entry.anchor == Some(AnchorKind::Global) {
            let Some(value) = value else { return Ok(()) };
            return within(
                self.recorder::<F>(),
                || self.element(&entry.node, value, path),
                |result, recorder| anchor_step(entry, object, parent, result, recorder),
            )
            .map_err(|failure: F| failure.outside_anchor(GLOBAL_MISMATCH));
        }
        let value = value.unwrap_or_default();
        match &entry.node {
            // COMPAT(kyverno): a star is satisfied by lists and maps too, here alone.
            Node::Scalar(pattern @ Scalar::Text(text)) if text.is_star() => {
                self.saw::<F>(pattern, value, path, !value.is_null());
                if value.is_null() {
                    return self.violation(parent, format_args!("{parent}/{} not found", entry.key));
                }
                Ok(())
            }
            node => self.element(node, value, path),
        }
    }
}

/// The step of the anchor `entry` in the map `object`, which stands at `path`.
fn anchor_step<F: Failure>(
    entry: &Entry,
    object: Object<'_>,
    path: &Path<'_>,
    result: &Result<(), F>,
    recorder: &Recorder,
) -> Step {
    let step = Step::new(Part::Anchor, Path::Key(path, entry.raw()).dotted()).found(result.is_ok());
    let step = match object.get(&entry.key) {
        Some(value) => step.seen(recorder.show(value)),
        None => step.note("the key is not there"),
    };
    match (entry.anchor, result) {
        (Some(AnchorKind::Condition | AnchorKind::Global), Err(_)) => {
            step.note("the condition does not hold: what is around it does not apply here")
        }
        (Some(AnchorKind::Negation), Err(_)) => step.note("the key must not be there"),
        (Some(AnchorKind::Existence), Err(_)) => step.note("no element satisfies the pattern"),
        _ => step,
    }
}

fn join<F: Failure>(all: Option<F>, next: F) -> F {
    match all {
        Some(all) => all.and(next),
        None => next,
    }
}
