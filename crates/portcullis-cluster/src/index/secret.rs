//! The one Secret that replicas share their certificate in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::ByteString;
use serde::Deserialize;

use crate::index::{Index, Metadata, Published, fields};

/// A Secret as it is sent: what is in it, and its version.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SharedSecret {
    pub metadata: Metadata,
    pub data: BTreeMap<String, ByteString>,
}

impl fmt::Debug for SharedSecret {
    /// Without what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecret").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// What is known of the Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KnownSecret {
    /// It was not listed yet.
    #[default]
    Unknown,
    Absent,
    Present(SharedSecret),
}

/// Follows one Secret, which the watch selects by name.
#[derive(Debug)]
pub(crate) struct SecretIndex {
    secret: KnownSecret,
    published: Arc<Published<KnownSecret>>,
    changed: bool,
}

impl SecretIndex {
    pub(crate) fn new(published: Arc<Published<KnownSecret>>) -> Self {
        Self { secret: KnownSecret::Unknown, published, changed: false }
    }
}

impl Index for SecretIndex {
    type Object = SharedSecret;

    fn read(&self, text: &str) -> Result<SharedSecret, String> {
        fields(text)
    }

    fn apply(&mut self, secret: SharedSecret) {
        self.secret = KnownSecret::Present(secret);
        self.changed = true;
    }

    fn delete(&mut self, _: &SharedSecret) {
        self.secret = KnownSecret::Absent;
        self.changed = true;
    }

    fn reset(&mut self, secrets: Vec<SharedSecret>) {
        self.secret = secrets.into_iter().next().map_or(KnownSecret::Absent, KnownSecret::Present);
        self.changed = true;
    }

    fn publish(&mut self) {
        // Also where it is as it was: who has written hears that there was something in between.
        if std::mem::take(&mut self.changed) {
            self.published.store(self.secret.clone());
        }
    }
}
