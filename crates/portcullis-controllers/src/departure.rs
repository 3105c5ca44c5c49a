//! Whether Portcullis leaves a cluster for good, or one of its Pods is merely replaced.

use std::fmt;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use portcullis_cluster::{ApiError, Asked, Connection, Regarding};

/// Why no Pod of Portcullis will be there to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    NamespaceDeleted,
    DeploymentDeleted,
    ScaledToZero,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Departure::NamespaceDeleted => "its namespace is being deleted",
            Departure::DeploymentDeleted => "its Deployment is deleted",
            Departure::ScaledToZero => "its Deployment is scaled to zero",
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

    /// Why Portcullis leaves, if it does.
    ///
    /// # Errors
    /// The API server cannot be asked, or refuses.
    pub async fn departure(&self, connection: &Connection) -> Result<Option<Departure>, ApiError> {
        // First, since the right to look at the Deployment goes with the namespace.
        let namespaces: Api<Namespace> = Api::all(connection.background().clone());
        let namespace = namespaces.get_opt(&self.namespace).await;
        let namespace = namespace.map_err(|error| failed(connection, "namespaces", &error))?;
        let is_deleted = |namespace: &Namespace| namespace.metadata.deletion_timestamp.is_some();
        if namespace.as_ref().is_none_or(is_deleted) {
            return Ok(Some(Departure::NamespaceDeleted));
        }
        let deployment = self.deployment(connection).await?;
        Ok(match deployment {
            None => Some(Departure::DeploymentDeleted),
            Some(deployment) if deployment.metadata.deletion_timestamp.is_some() => {
                Some(Departure::DeploymentDeleted)
            }
            Some(deployment) => {
                let replicas = deployment.spec.and_then(|spec| spec.replicas);
                (replicas == Some(0)).then_some(Departure::ScaledToZero)
            }
        })
    }

    /// What an Event about a departure is about. Events of a namespace go with it.
    pub fn regarding(&self, departure: Departure) -> Regarding {
        match departure {
            Departure::NamespaceDeleted => Regarding {
                api_version: "v1".to_owned(),
                kind: "Namespace".to_owned(),
                name: self.namespace.clone(),
                ..Regarding::default()
            },
            Departure::DeploymentDeleted | Departure::ScaledToZero => Regarding {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                namespace: self.namespace.clone(),
                name: self.deployment.clone(),
                ..Regarding::default()
            },
        }
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
