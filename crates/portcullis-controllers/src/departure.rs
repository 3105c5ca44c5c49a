//! Whether Portcullis leaves a cluster for good, or one of its Pods is merely replaced.

use std::fmt;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use portcullis_cluster::{ApiError, Asked, Connection, Regarding};

/// That no Pod of Portcullis will be there to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    pub reason: Reason,
    /// What an Event about it is about. Events of a namespace go with it.
    pub regarding: Regarding,
}

/// Why nobody will be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    NamespaceDeleted,
    DeploymentDeleted,
    ScaledToZero,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NamespaceDeleted => "its namespace is being deleted",
            Reason::DeploymentDeleted => "its Deployment is deleted",
            Reason::ScaledToZero => "its Deployment is scaled to zero",
        })
    }
}

/// The Deployment that Portcullis runs as.
#[derive(Clone, Debug)]
pub struct Home {
    pub namespace: String,
    pub deployment: String,
}

impl Home {
    /// Whether the Deployment is there. Where it never was, nothing can be told from its absence.
    ///
    /// # Errors
    /// The API server cannot be asked, or refuses.
    pub async fn is_there(&self, connection: &Connection) -> Result<bool, ApiError> {
        Ok(self.deployment(connection).await?.is_some())
    }

    /// Whether Portcullis leaves, and why.
    ///
    /// # Errors
    /// The API server cannot be asked, or refuses.
    pub async fn departure(&self, connection: &Connection) -> Result<Option<Departure>, ApiError> {
        // First, since the right to look at the Deployment goes with the namespace.
        let namespaces: Api<Namespace> = Api::all(connection.background().clone());
        let namespace = namespaces.get_opt(&self.namespace).await;
        let namespace = namespace.map_err(|error| failed(connection, "namespaces", &error))?;
        let is_there = |namespace: &Namespace| namespace.metadata.deletion_timestamp.is_none();
        if !namespace.as_ref().is_some_and(is_there) {
            let regarding = Regarding {
                api_version: "v1".to_owned(),
                kind: "Namespace".to_owned(),
                namespace: String::new(),
                name: self.namespace.clone(),
                uid: namespace.and_then(|namespace| namespace.metadata.uid).unwrap_or_default(),
            };
            return Ok(Some(Departure { reason: Reason::NamespaceDeleted, regarding }));
        }
        let deployment = self.deployment(connection).await?;
        let reason = match &deployment {
            None => Reason::DeploymentDeleted,
            Some(deployment) if deployment.metadata.deletion_timestamp.is_some() => Reason::DeploymentDeleted,
            Some(deployment) => match deployment.spec.as_ref().and_then(|spec| spec.replicas) {
                Some(0) => Reason::ScaledToZero,
                _ => return Ok(None),
            },
        };
        let regarding = Regarding {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: self.namespace.clone(),
            name: self.deployment.clone(),
            uid: deployment.and_then(|deployment| deployment.metadata.uid).unwrap_or_default(),
        };
        Ok(Some(Departure { reason, regarding }))
    }

    async fn deployment(&self, connection: &Connection) -> Result<Option<Deployment>, ApiError> {
        let deployments: Api<Deployment> = Api::namespaced(connection.background().clone(), &self.namespace);
        let found = deployments.get_opt(&self.deployment).await;
        found.map_err(|error| failed(connection, "deployments.apps", &error))
    }
}

fn failed(connection: &Connection, resource: &str, error: &kube::Error) -> ApiError {
    let asked = Asked { verb: "get", resource: resource.to_owned() };
    ApiError::from_client(asked, connection.server(), error)
}
