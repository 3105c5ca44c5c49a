//! Policies and exceptions, as the documents they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_value::{Arena, Value, json};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::index::{Index, Metadata, Published, fields};

/// One policy or exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub metadata: Metadata,
    /// The object as JSON, without `status`, `metadata.managedFields`, `metadata.resourceVersion` and what kubectl notes
    /// of it in an annotation: what its author wrote. While it stays the same, snapshots share it, so that
    /// `Arc::ptr_eq` tells what to compile anew.
    pub text: Arc<str>,
    /// The `status` as JSON; empty when there is none. The rules in its `autogen`, which are longer than the policy, are
    /// a [fingerprint](Value::fingerprint) in hexadecimal digits.
    pub status: Arc<str>,
}

/// All documents of one kind, by namespace and name; the namespace is empty for cluster-wide ones.
///
/// Snapshots share the documents: with thousands of them, a new one still costs little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    by_key: BTreeMap<Key, Arc<Document>>,
    revision: u64,
}

type Key = Arc<(Box<str>, Box<str>)>;

impl Documents {
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Document> {
        self.by_key.get(&(Box::from(namespace), Box::from(name))).map(Arc::as_ref)
    }

    /// In the order of namespace and name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Document>> {
        self.by_key.values()
    }

    /// Grows when a document comes, goes or says something else. A status that is written is none of these: whoever
    /// compiles documents has nothing to do while the revision stays.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

/// Fields by name, each still text.
type Fields<'a> = BTreeMap<std::borrow::Cow<'a, str>, &'a RawValue>;

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        let error = |error: serde_json::Error| serde::de::Error::custom(error);
        let status = fields.remove("status").map_or_else(Arc::default, |status| shortened(status.get()));
        let written = fields.get("metadata").map_or("{}", |metadata| metadata.get());
        let metadata = serde_json::from_str(written).map_err(error)?;
        let mut kept: Fields<'_> = serde_json::from_str(written).map_err(error)?;
        kept.remove("managedFields");
        kept.remove("resourceVersion");
        let annotations = kept.get("annotations").and_then(|annotations| without_last_applied(annotations));
        if let Some(annotations) = &annotations {
            kept.insert("annotations".into(), annotations);
        }
        let kept = serde_json::value::to_raw_value(&kept).map_err(error)?;
        fields.insert("metadata".into(), &kept);
        let text = serde_json::to_string(&fields).map_err(error)?.into();
        Ok(Self { metadata, text, status })
    }
}

/// The annotation in which `kubectl apply` keeps the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Annotations without that of `kubectl apply`, where they have it.
fn without_last_applied(annotations: &RawValue) -> Option<Box<RawValue>> {
    let mut annotations: Fields<'_> = serde_json::from_str(annotations.get()).ok()?;
    annotations.remove(LAST_APPLIED)?;
    serde_json::value::to_raw_value(&annotations).ok()
}

/// A status with a fingerprint in place of its `autogen`.
fn shortened(status: &str) -> Arc<str> {
    let arena = Arena::new();
    let read = json::read(&arena, status).unwrap_or_default();
    match read.get("autogen") {
        Some(autogen) => {
            let fingerprint = arena.format(format_args!("{:x}", autogen.fingerprint()));
            read.with(&arena, &["autogen"], Value::String(fingerprint)).to_string().into()
        }
        None => status.into(),
    }
}

/// Whether a document stands for what stood there before; texts that are the same are shared by now.
fn says_the_same(before: Option<&Arc<Document>>, document: &Document) -> bool {
    before.is_some_and(|before| {
        Arc::ptr_eq(&before.text, &document.text) && before.metadata.uid == document.metadata.uid
    })
}

/// Follows the documents of one kind.
#[derive(Debug)]
pub(crate) struct DocumentIndex {
    documents: Documents,
    published: Arc<Published<Documents>>,
    changed: bool,
}

impl DocumentIndex {
    pub(crate) fn new(published: Arc<Published<Documents>>) -> Self {
        Self { documents: Documents::default(), published, changed: true }
    }
}

impl Document {
    fn key(&self) -> Key {
        Arc::new((self.metadata.namespace.clone(), self.metadata.name.clone()))
    }

    /// The same, sharing the text with the document it replaces where that says the same.
    fn sharing(mut self, before: Option<&Arc<Document>>) -> Arc<Self> {
        if let Some(before) = before
            && before.text == self.text
        {
            self.text = before.text.clone();
        }
        Arc::new(self)
    }
}

impl Index for DocumentIndex {
    type Object = Document;

    fn read(&self, text: &str) -> Result<Document, String> {
        fields(text)
    }

    fn apply(&mut self, document: Document) {
        let key = document.key();
        let before = self.documents.by_key.get(&key);
        let document = document.sharing(before);
        if !says_the_same(before, &document) {
            self.documents.revision += 1;
        }
        self.documents.by_key.insert(key, document);
        self.changed = true;
    }

    fn delete(&mut self, document: &Document) {
        if self.documents.by_key.remove(&document.key()).is_some() {
            self.documents.revision += 1;
            self.changed = true;
        }
    }

    fn reset(&mut self, documents: Vec<Document>) {
        let before = std::mem::take(&mut self.documents.by_key);
        let mut same = before.len() == documents.len();
        for document in documents {
            let key = document.key();
            let known = before.get(&key);
            let document = document.sharing(known);
            same &= says_the_same(known, &document);
            self.documents.by_key.insert(key, document);
        }
        if !same {
            self.documents.revision += 1;
        }
        self.changed = true;
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.published.store(self.documents.clone());
        }
    }
}
