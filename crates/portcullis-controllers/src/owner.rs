//! What the webhook configurations go with when it is deleted, whether anybody of Portcullis is there to remove them or not.
//!
//! A removal takes either the namespace or the objects one by one, as Helm does, and with the roles the right to remove
//! configurations. An owner is gone only once all of an object's owners are, so that two would not do. So configurations
//! belong to a ClusterRole of the installation, and that to the namespace.

use std::time::Duration;

use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Api;
use kube::api::{Patch, PatchParams};
use portcullis_cluster::{ApiError, Asked, Connection};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::arming::FIELD_MANAGER;

/// The name of the ClusterRole. It grants nothing.
const ROLE: &str = "portcullis-webhooks";

/// How often it is looked at: who deletes it and makes it anew would have the configurations go.
const LOOK_AFTER: Duration = Duration::from_secs(10);

/// The owner of the configurations.
#[derive(Debug)]
pub struct Owner {
    roles: Api<ClusterRole>,
    server: Box<str>,
    found: Option<OwnerReference>,
    /// What the last look failed with: said once, not every time.
    failure: Option<String>,
}

impl Owner {
    pub fn new(connection: &Connection) -> Self {
        let roles = Api::all(connection.background().clone());
        Self { roles, server: connection.server().into(), found: None, failure: None }
    }

    /// What is written into the configurations.
    pub fn reference(&self) -> Option<&OwnerReference> {
        self.found.as_ref()
    }

    /// Looks for the owner, and has it go with this namespace. Where there is no such ClusterRole, the owner is the namespace
    /// itself; where there was one, it stays the owner: configurations go with it.
    pub async fn look(&mut self, namespace: &OwnerReference) {
        let (found, failure) = match self.role_in(namespace).await {
            Ok(role) => (role, None),
            Err(error) => (None, Some(error.to_string())),
        };
        if let Some(error) = failure.as_deref().filter(|_| failure != self.failure) {
            tracing::warn!(error, "cannot look for the ClusterRole `{ROLE}`, with which webhooks are to go");
        }
        self.failure = failure;
        let was_role = self.found.as_ref().is_some_and(|found| found.kind != namespace.kind);
        match found {
            Some(role) => self.found = Some(role),
            None if was_role => {}
            None => self.found = Some(namespace.clone()),
        }
    }

    /// Returns when the owner in this namespace has become another one.
    pub async fn changed(&mut self, namespace: Option<&OwnerReference>) {
        let Some(namespace) = namespace else { return std::future::pending().await };
        let before = self.found.clone();
        while self.found == before {
            sleep_until(Instant::now() + LOOK_AFTER).await;
            self.look(namespace).await;
        }
    }

    /// The ClusterRole, which belongs to this namespace from now on.
    async fn role_in(&self, namespace: &OwnerReference) -> Result<Option<OwnerReference>, ApiError> {
        let found = self.roles.get_metadata_opt(ROLE).await.map_err(|error| self.failed("get", &error))?;
        let Some(role) = found else { return Ok(None) };
        let owners = role.metadata.owner_references.unwrap_or_default();
        if !owners.iter().any(|owner| owner.uid == namespace.uid) {
            let patch = json!({ "metadata": { "ownerReferences": [namespace] } });
            let parameters =
                PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            let patched = self.roles.patch_metadata(ROLE, &parameters, &Patch::Merge(patch)).await;
            patched.map_err(|error| self.failed("patch", &error))?;
        }
        Ok(role.metadata.uid.map(|uid| OwnerReference {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: ROLE.to_owned(),
            uid,
            ..OwnerReference::default()
        }))
    }

    fn failed(&self, verb: &'static str, error: &kube::Error) -> ApiError {
        let asked = Asked { verb, resource: "clusterroles.rbac.authorization.k8s.io".to_owned() };
        ApiError::from_client(asked, &self.server, error)
    }
}

/// The namespace of Portcullis as an owner.
pub fn namespace(name: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    }
}
