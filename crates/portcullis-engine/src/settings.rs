//! The configuration: what a ConfigMap of strings says about requests, users, webhooks and limits.

mod filters;
mod read;

use portcullis_model::{Gvk, Roles, User};
use portcullis_value::OwnedValue;

pub use filters::{Names, ResourceFilter};
pub use read::Problem;

/// What is configured for all policies. What is not configured, or wrongly, has its default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Requests for these are admitted unseen.
    pub resource_filters: Vec<ResourceFilter>,
    /// Requests by these are admitted unseen.
    pub exclude_usernames: Names,
    pub exclude_groups: Names,
    /// `namespace:name`.
    pub exclude_roles: Names,
    pub exclude_cluster_roles: Names,
    /// Selectors of the resource webhooks; null where there is none.
    pub namespace_selector: OwnedValue,
    pub object_selector: OwnedValue,
    /// Match conditions of the resource webhooks.
    pub match_conditions: Vec<OwnedValue>,
    pub webhook_annotations: Vec<(String, String)>,
    pub webhook_labels: Vec<(String, String)>,
}

/// Kinds that the reference's controllers write without end; they are admitted unseen, whatever is configured.
const ITS_OWN: [&str; 5] = [
    "AdmissionReport",
    "ClusterAdmissionReport",
    "BackgroundScanReport",
    "ClusterBackgroundScanReport",
    "UpdateRequest",
];

/// The annotation by which Azure's API servers leave a webhook configuration as it is written. They would add a selector, which
/// would be taken back, and added again.
const KEEP_AS_WRITTEN: [&str; 2] = ["admissions.enforcer/disabled", "true"];

impl Settings {
    /// Whether requests for this object are admitted unseen.
    pub fn filters(&self, gvk: Gvk<'_>, subresource: &str, namespace: &str, name: &str) -> bool {
        (gvk.group == "kyverno.io" && ITS_OWN.contains(&gvk.kind))
            || self.resource_filters.iter().any(|filter| filter.matches(gvk, subresource, namespace, name))
    }

    /// Whether requests by `user` are admitted unseen. Roles that are not known exclude nobody.
    pub fn exclude(&self, user: &User<'_>) -> bool {
        let Roles { roles, cluster_roles } = user.roles.unwrap_or_default();
        let username = [user.username];
        let lists = [
            (&self.exclude_usernames, &username[..]),
            (&self.exclude_groups, user.groups),
            (&self.exclude_roles, roles),
            (&self.exclude_cluster_roles, cluster_roles),
        ];
        let is_exception = lists.iter().any(|(names, held)| held.iter().any(|name| names.except(name)));
        !is_exception && lists.iter().any(|(names, held)| held.iter().any(|name| names.contain(name)))
    }

    /// Whether it matters who asks.
    pub(crate) fn ask_for_user(&self) -> bool {
        !self.exclude_usernames.is_empty() || !self.exclude_groups.is_empty() || self.ask_for_roles()
    }

    /// Whether it matters which roles are bound to the user.
    pub(crate) fn ask_for_roles(&self) -> bool {
        !self.exclude_roles.is_empty() || !self.exclude_cluster_roles.is_empty()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            resource_filters: Vec::new(),
            exclude_usernames: Names::default(),
            exclude_groups: Names::default(),
            exclude_roles: Names::default(),
            exclude_cluster_roles: Names::default(),
            namespace_selector: OwnedValue::Null,
            object_selector: OwnedValue::Null,
            match_conditions: Vec::new(),
            webhook_annotations: vec![KEEP_AS_WRITTEN.map(str::to_owned).into()],
            webhook_labels: Vec::new(),
        }
    }
}
