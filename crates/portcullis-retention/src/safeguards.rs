//! What protects Jobs beside what their manifests say.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::retention::KUBERNETES_NAMESPACES;
use crate::{ByOutcome, KeepPolicy};

/// What leaves Jobs alone by their age, their place and the label of a tool. A plan says which held when it was made, so
/// that they hold when it is carried out as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Safeguards {
    /// The age in seconds below which no Job is touched.
    pub floor: i64,
    /// Namespaces that would be left alone, and are not.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub include_namespaces: BTreeSet<String>,
    /// The label by which Argo CD knows what is its own; `None` where there is no Argo CD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_label: Option<String>,
    /// The namespace of Portcullis.
    pub portcullis_namespace: String,
}

impl Safeguards {
    /// The policy that protects by them alone: any other finished Job expires. Namespaces that are `terminating` take their
    /// Jobs along anyway.
    pub fn policy(&self, terminating: BTreeSet<Box<str>>) -> KeepPolicy {
        let namespaces = KUBERNETES_NAMESPACES.into_iter().chain([&*self.portcullis_namespace]);
        KeepPolicy {
            expire_after: ByOutcome { succeeded: Some(0), failed: Some(0) },
            keep_last: 0,
            keep_failed: 0,
            floor: self.floor,
            protected_namespaces: namespaces
                .filter(|name| !self.include_namespaces.contains(*name))
                .map(Box::from)
                .collect(),
            terminating_namespaces: terminating,
        }
    }
}
