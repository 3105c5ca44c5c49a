//! Patterns: what `validate.pattern` asks of a resource.
//!
//! A [`Pattern`] is compiled once: anchors read, keys put in the order in which they are judged, scalar patterns cut
//! into comparisons with their quantities and durations parsed. A walk that ends well makes no text and, but for
//! rewritten label wildcards, no allocation; one that does not is repeated to tell what is wrong.

mod failure;
mod fits;
pub mod scalar;
mod subject;
mod tags;
pub mod text;
mod tree;
mod walk;

use std::sync::Arc;

use portcullis_model::Numbers;
use portcullis_model::explain::Recorder;
use portcullis_value::{Budget, Exhausted, Value};

use crate::autogen::POD_TEMPLATES;

pub(crate) use failure::Path;
use failure::{Class, NEGATION_MATCHED, Seen, Silent, Told};
use fits::{Fit, Fitting};
pub(crate) use tree::Tree;
use walk::Walk;

/// A pattern tree, ready to be compared with resources.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The keys at which the tree stands.
    under: &'static [&'static str],
    tree: Arc<Tree>,
}

/// What comes of comparing a resource with a pattern. Messages are the reference's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// A condition or global anchor does not hold: the pattern does not apply.
    Skip {
        message: String,
    },
    /// Violated at `path`, which ends in a slash: `/spec/containers/0/image/`.
    Fail {
        path: String,
        message: String,
    },
    /// Violated, yet reported as an error: a list is too short, or the key of a condition or existence anchor was
    /// nowhere to be found.
    Error {
        message: String,
    },
}

/// What Go calls the type of `value`, whose integers look as `numbers` says.
pub(crate) fn type_name(value: Value<'_>, numbers: Numbers) -> &'static str {
    Seen { value, numbers }.type_name()
}

impl Pattern {
    /// Reads a pattern. Every value is one.
    ///
    /// # Errors
    /// The pattern is larger or deeper than `budget` allows.
    pub fn compile(pattern: Value<'_>, budget: &mut Budget<'_>) -> Result<Self, Exhausted> {
        Self::compile_with(pattern, |inner| Tree::compile(inner, budget).map(Arc::new))
    }

    /// Reads a pattern by `tree`, which is given what a pattern for a controller says of the Pods that it makes: that is
    /// the same tree for all controllers, and for the Pods.
    pub(crate) fn compile_with<'p>(
        pattern: Value<'p>,
        tree: impl FnOnce(Value<'p>) -> Result<Arc<Tree>, Exhausted>,
    ) -> Result<Self, Exhausted> {
        let (under, inner) = POD_TEMPLATES
            .iter()
            .find_map(|path| Some((*path, alone_at(pattern, path)?)))
            .unwrap_or((&[], pattern));
        Ok(Self { under, tree: tree(inner)? })
    }

    /// Whether `resource` satisfies the pattern, for those who need not know why it does not.
    ///
    /// # Errors
    /// The comparison takes more than `budget` allows.
    pub fn is_satisfied_by(
        &self,
        resource: Value<'_>,
        numbers: Numbers,
        budget: &mut Budget<'_>,
    ) -> Result<bool, Exhausted> {
        match self.fit(resource, numbers, budget) {
            Fit::Satisfied => return Ok(true),
            Fit::Violated => return Ok(false),
            Fit::Unsure => {}
        }
        if self.tree.mentions_anchor {
            return Ok(self.check(resource, numbers, budget)? == Verdict::Pass);
        }
        match Walk::new(&self.tree, numbers, budget).descend(self.under, resource, &Path::Root) {
            Ok(()) => Ok(true),
            Err(Silent::Exhausted(exhausted)) => Err(exhausted),
            Err(Silent::Failed(_)) => Ok(false),
            Err(Silent::Unsure) => Ok(self.check(resource, numbers, budget)? == Verdict::Pass),
        }
    }

    /// Whether `resource` plainly satisfies the pattern; `None` where it takes more to tell.
    pub(crate) fn plainly_fits(
        &self,
        resource: Value<'_>,
        numbers: Numbers,
        budget: &mut Budget<'_>,
    ) -> Option<bool> {
        match self.fit(resource, numbers, budget) {
            Fit::Satisfied => Some(true),
            Fit::Violated => Some(false),
            Fit::Unsure => None,
        }
    }

    /// How `resource` plainly fits the pattern, which is found out soonest.
    fn fit(&self, resource: Value<'_>, numbers: Numbers, budget: &mut Budget<'_>) -> Fit {
        let mut inner = &resource;
        for key in self.under {
            let Value::Object(object) = inner else { return Fit::Unsure };
            inner = object.find(key).unwrap_or(&Value::Null);
        }
        match (Fitting { tags: &self.tree.tags, numbers, budget }).node(&self.tree.root, inner) {
            Fit::Violated if self.tree.mentions_anchor => Fit::Unsure,
            fit => fit,
        }
    }

    /// Compares `resource` with the pattern.
    ///
    /// # Errors
    /// The comparison takes more than `budget` allows.
    pub fn check(
        &self,
        resource: Value<'_>,
        numbers: Numbers,
        budget: &mut Budget<'_>,
    ) -> Result<Verdict, Exhausted> {
        let fit = self.fit(resource, numbers, budget);
        if fit == Fit::Satisfied {
            return Ok(Verdict::Pass);
        }
        if fit == Fit::Unsure && !self.tree.mentions_anchor {
            match Walk::new(&self.tree, numbers, budget).descend(self.under, resource, &Path::Root) {
                Ok(()) => return Ok(Verdict::Pass),
                Err(Silent::Exhausted(exhausted)) => return Err(exhausted),
                Err(Silent::Failed(_) | Silent::Unsure) => {}
            }
        }
        self.tell(resource, numbers, None, budget)
    }

    /// [`check`](Self::check) by the walk that tells texts, whose steps `recorder` takes down.
    ///
    /// # Errors
    /// The comparison takes more than `budget` allows.
    pub fn tell(
        &self,
        resource: Value<'_>,
        numbers: Numbers,
        recorder: Option<&Recorder>,
        budget: &mut Budget<'_>,
    ) -> Result<Verdict, Exhausted> {
        let mut walk = Walk::new(&self.tree, numbers, budget).recorded_by(recorder);
        match walk.descend(self.under, resource, &Path::Root) {
            Ok(()) => Ok(Verdict::Pass),
            Err(Told::Exhausted(exhausted)) => Err(exhausted),
            Err(Told::Failed { class: Class::Anchor | Class::Skipped, message, .. }) => {
                Ok(Verdict::Skip { message })
            }
            Err(Told::Failed { path, message, .. }) => {
                let anchor_in_error = walk.keys_are_missing() && !message.contains(NEGATION_MATCHED);
                Ok(if path.is_empty() || anchor_in_error {
                    Verdict::Error { message }
                } else {
                    Verdict::Fail { path, message }
                })
            }
        }
    }
}

/// The map that stands at `path` of a document that says nothing beside it. A star, which means more under a key than
/// by itself, is none.
fn alone_at<'p>(document: Value<'p>, path: &[&str]) -> Option<Value<'p>> {
    let inner = path.iter().try_fold(document, |value, key| {
        let object = value.as_object().filter(|object| object.len() == 1)?;
        object.get(key)
    });
    inner.filter(|inner| matches!(inner, Value::Object(_)))
}
