//! Applying objects as the API server does it, and removing them.

use std::io::Write as _;

use kube::api::{DeleteParams, Patch, PatchParams, PropagationPolicy};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use kube::{Api, ResourceExt as _};

use portcullis_cli::Surroundings;

use super::objects::{kind, title};
use super::{FIELD_MANAGER, Site, if_there};

/// The annotation by which Helm knows the objects of a release.
const RELEASE: &str = "meta.helm.sh/release-name";

/// What applying an object led to, as kubectl says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Created,
    Configured,
    Unchanged,
}

impl Applied {
    pub(super) fn word(self) -> &'static str {
        match self {
            Applied::Created => "created",
            Applied::Configured => "configured",
            Applied::Unchanged => "unchanged",
        }
    }
}

impl Site {
    /// The objects of the kind and the namespace of `object`.
    pub(super) fn like(&self, object: &DynamicObject) -> anyhow::Result<Api<DynamicObject>> {
        let types =
            object.types.clone().unwrap_or(TypeMeta { api_version: String::new(), kind: String::new() });
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
        let client = self.connection.background().clone();
        Ok(match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        })
    }

    /// The object as it is in the cluster.
    pub(super) async fn find(&self, object: &DynamicObject) -> anyhow::Result<Option<DynamicObject>> {
        let found = self.like(object)?.get_opt(name(object)).await;
        found.map_err(|error| self.told("get", &title(object), &error))
    }

    /// The Helm release that the installation is of, by the first of its `objects` that is there.
    pub(super) async fn release(&self, objects: &[DynamicObject]) -> anyhow::Result<Option<String>> {
        // The namespace may have been there before.
        for object in objects.iter().rev().filter(|object| kind(object) != "Namespace") {
            if let Some(found) = self.find(object).await? {
                return Ok(found.annotations().get(RELEASE).cloned());
            }
        }
        Ok(None)
    }

    /// Makes the object what it is to be, and tells what that led to.
    pub(super) async fn apply_and_tell(
        &self,
        object: &DynamicObject,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()> {
        let applied = self.apply(object).await?;
        writeln!(surroundings.stdout, "{} {}", title(object), applied.word())?;
        // Where it is interrupted, what was told is what was done.
        Ok(surroundings.stdout.flush()?)
    }

    /// Makes the object what it is to be: fields that we own and do not name any more go, those of others stay.
    async fn apply(&self, object: &DynamicObject) -> anyhow::Result<Applied> {
        let before = self.find(object).await?;
        // A field that somebody else has set to something else is ours: it is what makes the installation work.
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let after = self.like(object)?.patch(name(object), &parameters, &Patch::Apply(object)).await;
        let after = after.map_err(|error| self.told("apply", &title(object), &error))?;
        Ok(match before.map(says) {
            None => Applied::Created,
            Some(before) if before == says(after) => Applied::Unchanged,
            Some(_) => Applied::Configured,
        })
    }

    /// Removes the object and what belongs to it. Says whether it was there.
    pub(super) async fn remove(&self, object: &DynamicObject) -> anyhow::Result<bool> {
        let propagation = match kind(object) {
            // It stays, marked as being deleted, until its Pods are gone.
            "Deployment" => PropagationPolicy::Foreground,
            _ => PropagationPolicy::Background,
        };
        let parameters = DeleteParams { propagation_policy: Some(propagation), ..DeleteParams::default() };
        let removed = if_there(self.like(object)?.delete(name(object), &parameters).await);
        let removed = removed.map_err(|error| self.told("delete", &title(object), &error))?;
        Ok(removed.is_some())
    }

    /// The same, and tells of an object that was there. Returns how many there were.
    pub(super) async fn remove_and_tell(
        &self,
        object: &DynamicObject,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<usize> {
        let removed = self.remove(object).await?;
        if removed {
            writeln!(surroundings.stdout, "{} removed", title(object))?;
            surroundings.stdout.flush()?;
        }
        Ok(usize::from(removed))
    }
}

/// What an object says apart from its status, which controllers write at any time, and with it the version of the object.
fn says(mut object: DynamicObject) -> DynamicObject {
    object.metadata.resource_version = None;
    object.metadata.managed_fields = None;
    if let Some(data) = object.data.as_object_mut() {
        data.remove("status");
    }
    object
}

fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}
