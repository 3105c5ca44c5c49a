//! Writes the Secret that replicas share their certificate in.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use portcullis_cluster::{ApiError, Asked, Connection};
use serde_json::json;

use crate::arming::FIELD_MANAGER;

/// What a Secret holds.
pub type Entries = BTreeMap<String, ByteString>;

/// The Secret of this name.
pub struct CertificateSecret<'a> {
    connection: &'a Connection,
    secrets: Api<Secret>,
    name: &'a str,
}

impl fmt::Debug for CertificateSecret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateSecret").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> CertificateSecret<'a> {
    pub fn new(connection: &'a Connection, namespace: &str, name: &'a str) -> Self {
        let secrets = Api::namespaced(connection.background().clone(), namespace);
        Self { connection, secrets, name }
    }

    /// Makes the Secret. Returns `false` where somebody else was quicker.
    ///
    /// # Errors
    /// The API server cannot be asked, or refuses.
    pub async fn create(&self, entries: Entries) -> Result<bool, ApiError> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.to_owned()),
                labels: Some([("app.kubernetes.io/name".to_owned(), "portcullis".to_owned())].into()),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(entries),
            ..Secret::default()
        };
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.was_first("create", self.secrets.create(&parameters, &secret).await)
    }

    /// Changes the Secret of this resource version. Returns `false` where somebody else was quicker.
    ///
    /// # Errors
    /// The API server cannot be asked, or refuses.
    pub async fn update(&self, version: &str, entries: &Entries) -> Result<bool, ApiError> {
        // What else the Secret has is somebody else's.
        let patch = Patch::Merge(json!({ "metadata": { "resourceVersion": version }, "data": entries }));
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.was_first("patch", self.secrets.patch(self.name, &parameters, &patch).await)
    }

    fn was_first(&self, verb: &'static str, written: kube::Result<Secret>) -> Result<bool, ApiError> {
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => {
                let asked = Asked { verb, resource: "secrets".to_owned() };
                Err(ApiError::from_client(asked, self.connection.server(), &error))
            }
        }
    }
}
