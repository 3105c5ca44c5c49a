//! Which roles are bound to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use crate::index::{Index, Published, fields};

/// A role that is bound, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BoundRole {
    /// Of the binding; empty when it binds in the whole cluster.
    namespace: Box<str>,
    cluster_role: bool,
    name: Box<str>,
}

/// Whom a role is bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    User(Box<str>),
    Group(Box<str>),
}

/// The bound roles by subject: those of RoleBindings, or those of ClusterRoleBindings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings(BTreeMap<Subject, BTreeSet<Arc<BoundRole>>>);

impl Bindings {
    /// The roles bound to the user or to one of the groups.
    fn of<'s>(&'s self, username: &str, groups: &[&str]) -> impl Iterator<Item = &'s BoundRole> {
        let user = Subject::User(username.into());
        let groups = groups.iter().map(|group| Subject::Group((*group).into()));
        std::iter::once(user)
            .chain(groups)
            .filter_map(|subject| self.0.get(&subject))
            .flatten()
            .map(Arc::as_ref)
    }
}

/// The roles of a user, each list sorted and without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRoles {
    /// `namespace:name` of each Role.
    pub roles: Vec<String>,
    pub cluster_roles: Vec<String>,
}

impl UserRoles {
    /// The roles of a user whose request is about `namespace`.
    ///
    /// Roles count wherever they are bound; a ClusterRole that a RoleBinding binds counts only in the namespace of the
    /// binding.
    pub fn of(
        role_bindings: &Bindings,
        cluster_role_bindings: &Bindings,
        username: &str,
        groups: &[&str],
        namespace: &str,
    ) -> Self {
        let (mut roles, mut cluster_roles) = (BTreeSet::new(), BTreeSet::new());
        for role in role_bindings.of(username, groups) {
            if !role.cluster_role {
                roles.insert(format!("{}:{}", role.namespace, role.name));
            } else if role.namespace.as_ref() == namespace {
                cluster_roles.insert(role.name.to_string());
            }
        }
        for role in cluster_role_bindings.of(username, groups) {
            cluster_roles.insert(role.name.to_string());
        }
        Self { roles: roles.into_iter().collect(), cluster_roles: cluster_roles.into_iter().collect() }
    }
}

/// A RoleBinding or ClusterRoleBinding as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Binding {
    metadata: BindingMetadata,
    role_ref: RoleRef,
    #[serde(default)]
    subjects: Option<Vec<SentSubject>>,
}

#[derive(Clone, Debug, Deserialize)]
struct BindingMetadata {
    name: Box<str>,
    #[serde(default)]
    namespace: Box<str>,
}

#[derive(Clone, Debug, Deserialize)]
struct RoleRef {
    kind: Box<str>,
    name: Box<str>,
}

#[derive(Clone, Debug, Deserialize)]
struct SentSubject {
    kind: Box<str>,
    name: Box<str>,
    #[serde(default)]
    namespace: Box<str>,
}

/// One binding as it is kept.
type Kept = (Arc<BoundRole>, Vec<Subject>);

/// Follows RoleBindings, or ClusterRoleBindings.
#[derive(Debug)]
pub(crate) struct BindingIndex {
    /// By namespace and name of the binding.
    bindings: BTreeMap<(Box<str>, Box<str>), Kept>,
    published: Arc<Published<Option<Bindings>>>,
    changed: bool,
}

impl BindingIndex {
    pub(crate) fn new(published: Arc<Published<Option<Bindings>>>) -> Self {
        Self { bindings: BTreeMap::new(), published, changed: true }
    }
}

impl Binding {
    fn key(&self) -> (Box<str>, Box<str>) {
        (self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    fn into_kept(self) -> Kept {
        let namespace = self.metadata.namespace;
        let subject = |subject: SentSubject| match subject.kind.as_ref() {
            "User" => Some(Subject::User(subject.name)),
            "Group" => Some(Subject::Group(subject.name)),
            "ServiceAccount" => {
                let place = if subject.namespace.is_empty() { &namespace } else { &subject.namespace };
                Some(Subject::User(format!("system:serviceaccount:{place}:{}", subject.name).into()))
            }
            _ => None,
        };
        let subjects = self.subjects.unwrap_or_default().into_iter().filter_map(subject).collect();
        let cluster_role = self.role_ref.kind.as_ref() == "ClusterRole";
        (Arc::new(BoundRole { namespace, cluster_role, name: self.role_ref.name }), subjects)
    }
}

impl Index for BindingIndex {
    type Object = Binding;

    fn read(&self, text: &str) -> Result<Binding, String> {
        fields(text)
    }

    fn apply(&mut self, binding: Binding) {
        let (key, kept) = (binding.key(), binding.into_kept());
        if self.bindings.get(&key) != Some(&kept) {
            self.bindings.insert(key, kept);
            self.changed = true;
        }
    }

    fn delete(&mut self, binding: &Binding) {
        self.changed |= self.bindings.remove(&binding.key()).is_some();
    }

    fn reset(&mut self, bindings: Vec<Binding>) {
        self.bindings = bindings.into_iter().map(|binding| (binding.key(), binding.into_kept())).collect();
        self.changed = true;
    }

    fn publish(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let mut bindings = Bindings::default();
        for (role, subjects) in self.bindings.values() {
            for subject in subjects {
                bindings.0.entry(subject.clone()).or_default().insert(role.clone());
            }
        }
        self.published.store(Some(bindings));
    }
}
