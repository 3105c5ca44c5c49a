//! Targets of policies by kind and namespace.

use std::collections::HashMap;

use portcullis_gocompat::wildcard::{Wildcard, contains_wildcard};
use portcullis_model::{Gvk, KindSelector, Operation, Operations, Target};

/// What a request is about, as far as it is known without its object.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'r> {
    /// The top-level kind: that of the parent for a subresource.
    pub gvk: Gvk<'r>,
    pub subresource: &'r str,
    pub operation: Operation,
    pub namespace: &'r str,
    pub name: &'r str,
}

/// Which policies have a target that a request may be.
#[derive(Default)]
pub(super) struct Index {
    /// Targets that name their kind.
    kinds: HashMap<Box<str>, Places>,
    /// Targets whose kind is a pattern.
    wild: Places,
}

/// Targets by namespace.
#[derive(Default)]
struct Places {
    /// Those of any namespace, or of namespaces that are patterns.
    anywhere: Vec<Entry>,
    named: HashMap<Box<str>, Vec<Entry>>,
}

/// What is a target of some policies.
struct Entry {
    /// Their numbers, ascending; one that names the target twice is there once.
    policies: Vec<u32>,
    operations: Operations,
    kind: KindSelector,
    /// Empty where the namespace plays no part.
    namespaces: Box<[Wildcard]>,
}

impl Index {
    /// Adds a target of `policy`, whose number is no less than those that were added before, and which lives in the namespace
    /// `home` (empty for a cluster-wide one).
    pub(super) fn insert(&mut self, policy: u32, home: &str, target: &Target) {
        let Target { kind, operations, namespaces } = target;
        let places = if contains_wildcard(&kind.kind) {
            &mut self.wild
        } else {
            self.kinds.entry(kind.kind.clone()).or_default()
        };
        let add = |entries: &mut Vec<Entry>, namespaces: &[Box<str>]| match entries
            .iter_mut()
            .find(|entry| entry.is(kind, *operations, namespaces))
        {
            Some(entry) if entry.policies.last() == Some(&policy) => {}
            Some(entry) => entry.policies.push(policy),
            None => entries.push(Entry {
                policies: vec![policy],
                operations: *operations,
                kind: kind.clone(),
                namespaces: namespaces.iter().map(|pattern| Wildcard::new(pattern)).collect(),
            }),
        };
        if !home.is_empty() {
            add(places.named.entry(home.into()).or_default(), namespaces);
        } else if !namespaces.is_empty() && !namespaces.iter().any(|pattern| contains_wildcard(pattern)) {
            for namespace in namespaces {
                add(places.named.entry(namespace.clone()).or_default(), &[]);
            }
        } else {
            add(&mut places.anywhere, namespaces);
        }
    }

    /// Appends the numbers of the policies that may concern `subject`: in no order, and one more than once.
    pub(super) fn find(&self, subject: &Subject<'_>, found: &mut Vec<u32>) {
        for places in self.kinds.get(subject.gvk.kind).into_iter().chain([&self.wild]) {
            let named = |namespace: &str| places.named.get(namespace).map(Vec::as_slice).unwrap_or_default();
            // A rule takes a Namespace to be in the namespace that it is.
            let own = if subject.gvk.kind == "Namespace" { named(subject.name) } else { &[] };
            for entry in places.anywhere.iter().chain(named(subject.namespace)).chain(own) {
                if entry.may_concern(subject) {
                    found.extend_from_slice(&entry.policies);
                }
            }
        }
    }
}

impl Entry {
    /// Whether it is the entry of this target.
    fn is(&self, kind: &KindSelector, operations: Operations, namespaces: &[Box<str>]) -> bool {
        self.operations == operations
            && self.kind == *kind
            && self.namespaces.iter().map(Wildcard::as_str).eq(namespaces.iter().map(|pattern| &**pattern))
    }

    fn may_concern(&self, subject: &Subject<'_>) -> bool {
        let is_in = |namespace: &str| self.namespaces.iter().any(|pattern| pattern.matches(namespace));
        self.operations.contains(subject.operation)
            && self.kind.matches(subject.gvk, subject.subresource, true)
            && (self.namespaces.is_empty()
                || is_in(subject.namespace)
                || (subject.gvk.kind == "Namespace" && is_in(subject.name)))
    }
}
