//! A Kubernetes object, read as one.

use std::fmt;

use portcullis_value::{Object, Value};

use crate::Gvk;

/// A document seen as a Kubernetes object. What is missing or of a wrong type reads as empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resource<'a>(pub Value<'a>);

impl<'a> Resource<'a> {
    pub fn gvk(self) -> Gvk<'a> {
        Gvk::of(self.0)
    }

    pub fn kind(self) -> &'a str {
        self.gvk().kind
    }

    /// `metadata.<key>` as text.
    fn metadata_text(self, key: &str) -> &'a str {
        self.0.path(&["metadata", key]).and_then(Value::as_str).unwrap_or_default()
    }

    fn metadata_map(self, key: &str) -> Object<'a> {
        self.0.path(&["metadata", key]).and_then(Value::as_object).unwrap_or_default()
    }

    pub fn name(self) -> &'a str {
        self.metadata_text("name")
    }

    pub fn uid(self) -> &'a str {
        self.metadata_text("uid")
    }

    pub fn generate_name(self) -> &'a str {
        self.metadata_text("generateName")
    }

    /// Empty for cluster-scoped objects.
    pub fn namespace(self) -> &'a str {
        self.metadata_text("namespace")
    }

    pub fn labels(self) -> Object<'a> {
        self.metadata_map("labels")
    }

    pub fn annotations(self) -> Object<'a> {
        self.metadata_map("annotations")
    }

    /// `namespace/Kind/name`, as result lines name a resource; the namespace is empty when there is none.
    pub fn key(self) -> impl fmt::Display {
        struct Key<'a>(Resource<'a>);
        impl fmt::Display for Key<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}/{}", self.0.namespace(), self.0.kind(), self.0.name())
            }
        }
        Key(self)
    }
}
