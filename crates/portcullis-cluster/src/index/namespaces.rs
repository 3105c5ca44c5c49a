//! The labels of namespaces.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::index::{Index, Published};

/// Labels of one object, sorted by key.
pub type Labels = Arc<[(Box<str>, Box<str>)]>;

/// The labels of all namespaces, by name. Snapshots share what has not changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(BTreeMap<Arc<str>, Labels>);

impl Namespaces {
    /// The labels of a namespace; `None` when it is not known, which does not mean that it has none.
    pub fn labels(&self, name: &str) -> Option<&Labels> {
        self.0.get(name)
    }

    /// These, and one more.
    pub(crate) fn with(&self, name: &str, labels: Labels) -> Self {
        let mut namespaces = self.clone();
        namespaces.0.insert(name.into(), labels);
        namespaces
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The labels of a namespace as it is sent.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Namespace {
    metadata: NamespaceMetadata,
}

#[derive(Clone, Debug, Deserialize)]
struct NamespaceMetadata {
    name: Box<str>,
    #[serde(default)]
    labels: Option<BTreeMap<Box<str>, Box<str>>>,
}

impl Namespace {
    pub(crate) fn into_labels(self) -> Labels {
        self.metadata.labels.unwrap_or_default().into_iter().collect()
    }
}

/// Follows namespaces.
#[derive(Debug)]
pub(crate) struct NamespaceIndex {
    namespaces: Namespaces,
    published: Arc<Published<Namespaces>>,
    changed: bool,
}

impl NamespaceIndex {
    pub(crate) fn new(published: Arc<Published<Namespaces>>) -> Self {
        Self { namespaces: Namespaces::default(), published, changed: true }
    }
}

impl Index for NamespaceIndex {
    type Object = Namespace;

    fn apply(&mut self, namespace: Namespace) {
        let name = namespace.metadata.name.clone();
        let labels = namespace.into_labels();
        // Most changes of a namespace are not changes of its labels.
        if self.namespaces.labels(&name) != Some(&labels) {
            self.namespaces.0.insert(name.into(), labels);
            self.changed = true;
        }
    }

    fn delete(&mut self, namespace: &Namespace) {
        self.changed |= self.namespaces.0.remove(namespace.metadata.name.as_ref()).is_some();
    }

    fn reset(&mut self, namespaces: Vec<Namespace>) {
        let named = |namespace: Namespace| (namespace.metadata.name.as_ref().into(), namespace.into_labels());
        self.namespaces = Namespaces(namespaces.into_iter().map(named).collect());
        self.changed = true;
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.published.store(self.namespaces.clone());
        }
    }
}
