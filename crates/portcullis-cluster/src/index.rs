//! What watches feed: plain structs without async, and the snapshots they publish.

mod configuration;
mod documents;
mod jobs;
mod kept;
mod kinds;
mod namespaces;
mod roles;
mod secret;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

pub use configuration::Configuration;
pub(crate) use configuration::ConfigurationIndex;
pub(crate) use documents::DocumentIndex;
pub use documents::{Document, Documents};
pub(crate) use jobs::JobIndex;
pub(crate) use kept::KeptIndex;
pub use kept::{Keeper, Kept, Read};
pub(crate) use kinds::KindIndex;
pub use namespaces::{Labels, Namespaces};
pub(crate) use namespaces::{Namespace, NamespaceIndex};
pub(crate) use roles::BindingIndex;
pub use roles::{Bindings, UserRoles};
pub(crate) use secret::SecretIndex;
pub use secret::{KnownSecret, SharedSecret};

/// A plain struct that follows the objects of one kind.
///
/// The watch calls it in the order of the events; `publish` comes after each batch, and makes visible what came
/// before it.
pub(crate) trait Index: Send + 'static {
    /// The few fields of an object that are kept.
    type Object: Send;

    /// Those fields, from the object as JSON.
    ///
    /// # Errors
    /// The object lacks a field, or cannot be read.
    fn read(&self, text: &str) -> Result<Self::Object, String>;

    /// The object is new or has changed.
    fn apply(&mut self, object: Self::Object);

    /// The object is new. Who counts has to know.
    fn add(&mut self, object: Self::Object) {
        self.apply(object);
    }

    /// The object is gone.
    fn delete(&mut self, object: &Self::Object);

    /// These are all the objects there are.
    fn reset(&mut self, objects: Vec<Self::Object>);

    /// Shows readers what the index holds now.
    fn publish(&mut self);
}

/// Reads the fields of an object whose type says which those are.
pub(crate) fn fields<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A snapshot that is replaced whole: readers take the current one without a lock, subscribers hear of a new one.
pub struct Published<T> {
    current: ArcSwap<T>,
    changes: watch::Sender<()>,
}

impl<T> Published<T> {
    pub(crate) fn new(first: T) -> Arc<Self> {
        Arc::new(Self { current: ArcSwap::from_pointee(first), changes: watch::Sender::new(()) })
    }

    /// The snapshot of this moment; what is done with it sees no later change.
    pub fn load(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Hears of every snapshot that comes after this call; several in a row may be heard of once.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) fn store(&self, next: T) {
        self.current.store(Arc::new(next));
        self.changes.send_replace(());
    }
}

impl<T: fmt::Debug> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Published").field(&self.current.load()).finish()
    }
}

/// The fields of an object's metadata that the indexes look at.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: Box<str>,
    /// Empty for cluster-scoped objects.
    pub namespace: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    /// Zero where the kind does not count its changes.
    pub generation: i64,
}

/// An object of which only the metadata matters.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct Identified {
    pub(crate) metadata: Metadata,
}

#[cfg(test)]
mod tests;
