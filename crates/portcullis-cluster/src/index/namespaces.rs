//! The labels of namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::index::{Index, Published, fields};

/// Labels of one object, sorted by key.
pub type Labels = Arc<[(Box<str>, Box<str>)]>;

/// The labels of all namespaces, by name. Snapshots share what has not changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    labels: BTreeMap<Arc<str>, Labels>,
    terminating: BTreeSet<Arc<str>>,
    own_uid: Option<Box<str>>,
}

impl Namespaces {
    /// The labels of a namespace; `None` when it is not known, which does not mean that it has none.
    pub fn labels(&self, name: &str) -> Option<&Labels> {
        self.labels.get(name)
    }

    /// Whether a namespace is being deleted.
    pub fn is_terminating(&self, name: &str) -> bool {
        self.terminating.contains(name)
    }

    /// The UID of our own namespace, while it is there.
    pub fn own_uid(&self) -> Option<&str> {
        self.own_uid.as_deref()
    }

    /// These, and one more.
    pub(crate) fn with(&self, name: &str, labels: Labels) -> Self {
        let mut namespaces = self.clone();
        namespaces.labels.insert(name.into(), labels);
        namespaces
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// The labels of a namespace as it is sent.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Namespace {
    metadata: NamespaceMetadata,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceMetadata {
    name: Box<str>,
    #[serde(default)]
    uid: Box<str>,
    #[serde(default)]
    deletion_timestamp: Option<IgnoredAny>,
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
    /// The name of our own namespace.
    own: String,
    published: Arc<Published<Namespaces>>,
    changed: bool,
}

impl NamespaceIndex {
    /// `own` is the name of our own namespace.
    pub(crate) fn new(own: &str, published: Arc<Published<Namespaces>>) -> Self {
        Self { namespaces: Namespaces::default(), own: own.to_owned(), published, changed: true }
    }

    /// Keeps of `namespace` that it is being deleted, and its UID if it is our own.
    fn keep(&mut self, namespace: &NamespaceMetadata) {
        if namespace.deletion_timestamp.is_some() {
            self.changed |= self.namespaces.terminating.insert((&*namespace.name).into());
        }
        if *self.own == *namespace.name {
            let uid = (!namespace.uid.is_empty()).then(|| namespace.uid.clone());
            self.changed |= self.namespaces.own_uid != uid;
            self.namespaces.own_uid = uid;
        }
    }
}

impl Index for NamespaceIndex {
    type Object = Namespace;

    fn read(&self, text: &str) -> Result<Namespace, String> {
        fields(text)
    }

    fn apply(&mut self, namespace: Namespace) {
        self.keep(&namespace.metadata);
        let name = namespace.metadata.name.clone();
        let labels = namespace.into_labels();
        // Most changes of a namespace are not changes of its labels.
        if self.namespaces.labels(&name) != Some(&labels) {
            self.namespaces.labels.insert(name.into(), labels);
            self.changed = true;
        }
    }

    fn delete(&mut self, namespace: &Namespace) {
        if *self.own == *namespace.metadata.name {
            self.namespaces.own_uid = None;
        }
        self.namespaces.terminating.remove(namespace.metadata.name.as_ref());
        self.changed |= self.namespaces.labels.remove(namespace.metadata.name.as_ref()).is_some();
    }

    fn reset(&mut self, namespaces: Vec<Namespace>) {
        self.namespaces = Namespaces::default();
        for namespace in &namespaces {
            self.keep(&namespace.metadata);
        }
        let named = |namespace: Namespace| (namespace.metadata.name.as_ref().into(), namespace.into_labels());
        self.namespaces.labels = namespaces.into_iter().map(named).collect();
        self.changed = true;
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.published.store(self.namespaces.clone());
        }
    }
}
