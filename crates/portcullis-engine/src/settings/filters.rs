//! Which requests are admitted unseen.

use portcullis_gocompat::wildcard::Wildcard;
use portcullis_model::{Gvk, KindSelector};

/// `[kind,namespace,name]`, every part with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFilter {
    kind: KindSelector,
    namespace: Wildcard,
    name: Wildcard,
}

impl ResourceFilter {
    /// Reads the text between the brackets. A part that is not written is empty, and fits what has none.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = text.split(',').map(str::trim);
        let mut part = || parts.next().unwrap_or_default();
        Self {
            kind: KindSelector::parse(part()),
            namespace: Wildcard::new(part()),
            name: Wildcard::new(part()),
        }
    }

    /// Whether the filter is for this object. A Namespace is in the namespace that it is, too.
    pub fn matches(&self, gvk: Gvk<'_>, subresource: &str, namespace: &str, name: &str) -> bool {
        let is_namespace = || gvk == Gvk { group: "", version: "v1", kind: "Namespace" };
        self.kind.matches(gvk, subresource, false)
            && self.name.matches(name)
            && (self.namespace.matches(namespace) || (is_namespace() && self.namespace.matches(name)))
    }
}

/// Names with wildcards; those that begin with `!` are exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    names: Vec<Wildcard>,
    exceptions: Vec<Wildcard>,
}

impl Names {
    /// Reads a list of names, separated by commas.
    pub(super) fn parse(text: &str) -> Self {
        let mut names = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.strip_prefix('!') {
                Some(name) => names.exceptions.push(Wildcard::new(name.trim())),
                None => names.names.push(Wildcard::new(name)),
            }
        }
        names
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether `name` is among the names.
    pub fn contain(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether `name` is an exception, which comes before everything that any list says.
    pub fn except(&self, name: &str) -> bool {
        self.exceptions.iter().any(|pattern| pattern.matches(name))
    }
}
