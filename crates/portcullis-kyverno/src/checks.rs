//! What is said of a policy when it is written or loaded: by its schema, by the reference's admission, and beyond.
//!
//! The reference stops at its first error; here all are found in one run, in the order in which it would come upon
//! them, so that the first is its answer. What it accepts is accepted: what plainly cannot work there is a warning.
//!
//! Every file of `checks/` holds small functions about one part of a policy, which note what they find in a
//! [`Finder`]. Those named `check` refuse, those named `warn` do not.

mod background;
mod conditions;
mod context;
mod controllers;
mod document;
mod exception;
mod expressions;
mod finder;
mod generate;
mod images;
mod kinds;
mod loops;
mod match_block;
mod mutate;
mod pattern;
mod pod_security;
pub(crate) mod quote;
mod rule;
mod spec;
mod validate;
mod variables;
mod walk;
mod wildcards;

use std::collections::HashSet;

use portcullis_model::{Diagnostic, Severity};
use portcullis_value::{Value, json};

use self::document::{Document, Rule};
use self::finder::{Finder, Finding, Source};
use crate::kind::KindSelector;

/// What a cluster knows of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// No resource of that kind.
    Unknown,
    /// A resource, or several.
    Resource,
    /// A subresource, be it among resources.
    Subresource,
}

impl Served {
    /// What is taken for granted where there is no cluster to ask.
    fn assumed(kind: &str) -> Self {
        match KindSelector::parse(kind).subresource.is_empty() {
            true => Served::Resource,
            false => Served::Subresource,
        }
    }
}

/// The kinds that a cluster serves.
pub trait Kinds {
    /// What is served under `kind`, as policies write kinds: `Pod`, `apps/v1/Deployment`, `*/scale`.
    fn find(&self, kind: &str) -> Served;

    /// Whether `kind`, written plain or as `group/version/Kind`, is one of objects outside of namespaces.
    fn is_cluster_scoped(&self, kind: &str) -> bool;
}

/// What was found in a policy.
#[derive(Debug)]
pub struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    /// Looks at `document`, a ClusterPolicy or Policy; `kinds` is what the cluster serves, where there is one.
    ///
    /// A kind that the cluster does not serve is a warning, and what the reference would find after it, too.
    pub fn of(document: Value<'_>, kinds: Option<&dyn Kinds>) -> Self {
        Self::with(document, |finder| look(document, kinds, finder))
    }

    /// Looks at `document`, a PolicyException.
    pub fn of_exception(document: Value<'_>) -> Self {
        Self::with(document, |finder| exception::check(document, finder))
    }

    fn with(document: Value<'_>, look: impl FnOnce(&mut Finder)) -> Self {
        let mut finder = Finder::default();
        if document::is_too_deep(document, json::MAX_DEPTH) {
            finder.error(format!("nested deeper than {} levels", json::MAX_DEPTH));
        } else {
            look(&mut finder);
        }
        let mut found = finder.found;
        // The reference looks twice at some places.
        let mut seen = HashSet::new();
        found.retain(|finding| {
            seen.insert((finding.diagnostic.path.clone(), finding.diagnostic.message.clone()))
        });
        Self { found }
    }

    fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.found.iter().filter(|finding| finding.diagnostic.is_error())
    }

    /// Whether the refusal tells of `error`. The reference stops at its first, but field errors are collected and answered together.
    fn is_in_refusal(&self, error: &Finding) -> bool {
        self.errors().next().is_some_and(|first| match first.source {
            Source::FieldErrors => error.source == Source::FieldErrors,
            Source::Schema | Source::Admission => std::ptr::eq(first, error),
        })
    }

    /// Why the reference refuses the policy, in its words, if it does.
    ///
    /// An API server puts the name of the webhook before it.
    pub fn refusal(&self) -> Option<String> {
        let mut texts: Vec<String> = Vec::new();
        for text in self.errors().filter(|error| self.is_in_refusal(error)).map(Finding::refusal) {
            // Each text once.
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        match &*texts {
            [] => None,
            [text] => Some(text.clone()),
            texts => Some(format!("[{}]", texts.join(", "))),
        }
    }

    /// What is told beside the refusal, on one line each and with its place: the errors that are not in it, then the warnings.
    ///
    /// COMPAT(kyverno): what the reference warns of, too, is told in its words alone.
    pub fn told_beside(&self) -> impl Iterator<Item = String> {
        let errors = self.errors().filter(|error| !self.is_in_refusal(error));
        let warnings = self.found.iter().filter(|finding| !finding.diagnostic.is_error());
        errors.chain(warnings).map(Finding::line)
    }

    /// Whether an API server refuses the policy by its schema, before the reference sees it.
    pub fn is_against_schema(&self) -> bool {
        self.found.iter().any(|finding| finding.source == Source::Schema && finding.diagnostic.is_error())
    }

    /// Whether it has a field that there is none of: the reference cannot read such a policy at all.
    pub fn has_unknown_field(&self) -> bool {
        self.found.iter().any(|finding| {
            finding.source == Source::Schema
                && finding.diagnostic.is_error()
                && finding.diagnostic.message.starts_with("unknown field")
        })
    }

    /// The same for an exception that nobody admits, as in a file: it counts, and what an admission would refuse of its fields is
    /// a warning.
    #[must_use]
    pub fn without_admission(mut self) -> Self {
        for finding in self.found.iter_mut().filter(|finding| finding.source == Source::FieldErrors) {
            finding.diagnostic.severity = Severity::Warning;
        }
        self
    }

    /// What was found.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found.into_iter().map(|finding| finding.diagnostic).collect()
    }
}

/// Everything, in the reference's order.
fn look(document: Value<'_>, kinds: Option<&dyn Kinds>, finder: &mut Finder) {
    let document = Document::new(document, kinds);
    document::check(&document, finder);
    conditions::check_form(&document, finder);
    background::check(&document, finder);
    variables::check(&document, finder);
    background::check_on_policy_update(&document, finder);
    spec::check_fields(&document, finder);
    rule::check_fields(&document, finder);
    spec::check_processing(&document, finder);
    for rule in &document.rules {
        finder.at(&rule.pointer(), |finder| check_rule(&document, rule, finder));
    }
    validate::check_generated(&document, finder);
    warn(&document, finder);
}

/// What the reference looks at in one rule after the other when all fields are right; `finder` is at the rule.
fn check_rule(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    mutate::check_json_patch(rule, finder);
    rule::check_blocks(rule, finder);
    conditions::check(rule, finder);
    kinds::check(document, rule, finder);
    kinds::check_served(document, rule, finder);
    rule::check_elements(rule, finder);
    context::check(rule, finder);
    mutate::check(document, rule, finder);
    validate::check(rule, finder);
    generate::check(document, rule, finder);
    images::check(document, rule, finder);
    validate::check_labels(rule, finder);
}

fn warn(document: &Document<'_>, finder: &mut Finder) {
    spec::warn(document, finder);
    expressions::warn(document, finder);
    controllers::warn(document, finder);
    for rule in &document.rules {
        finder.at(&rule.pointer(), |finder| {
            loops::warn(rule, finder);
            conditions::warn(rule, finder);
            context::warn(rule, document.namespace, finder);
            validate::warn(rule, finder);
            pod_security::warn(rule, finder);
            mutate::warn(rule, finder);
            generate::warn(rule, finder);
        });
    }
}

#[cfg(test)]
mod tests;
