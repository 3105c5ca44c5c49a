//! `disarm`: nothing calls Portcullis any more. `rearm`: it serves again.

use std::io::Write as _;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use portcullis_cli::{DisarmArguments, RearmArguments, Surroundings, cannot, hinted};
use portcullis_controllers::arming;
use serde_json::json;

use super::{FIELD_MANAGER, NAME, Site, at};

/// How many replicas there were before `disarm`, on the Deployment.
const REPLICAS: &str = "portcullis.dev/replicas-before-disarm";

/// Removes the webhook configurations of Portcullis, names them, and stops who would put them back.
pub(crate) fn disarm(arguments: &DisarmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    at(&arguments.cluster, &arguments.namespace.namespace, arguments.timeout, async |site| {
        // First what may hold up the cluster.
        let mut removed = site.remove_configurations(surroundings).await?;
        if site.stop(surroundings).await? {
            // One may have been written before the last Pod was told to end.
            removed += site.remove_configurations(surroundings).await?;
        } else if let Some(namespace) = site.elsewhere().await? {
            let message =
                format!("portcullis runs in the namespace `{namespace}`, and puts the webhooks back");
            let hint = format!("`portcullis disarm --namespace {namespace}` stops it as well");
            return Err(hinted(message, Some(hint)));
        }
        if removed == 0 {
            writeln!(surroundings.stdout, "nothing to remove: no webhook configuration is of portcullis")?;
        }
        Ok(())
    })
}

/// Starts what `disarm` has stopped.
pub(crate) fn rearm(arguments: &RearmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    at(&arguments.cluster, &arguments.namespace.namespace, arguments.timeout, async |site| {
        let Some(deployment) = site.deployment().await? else {
            let message = format!("portcullis is not installed in the namespace `{}`", site.namespace);
            let hint = match site.elsewhere().await? {
                Some(other) => format!("`portcullis rearm --namespace {other}`: it is there"),
                None => "`portcullis install` installs it".to_owned(),
            };
            return Err(hinted(message, Some(hint)));
        };
        let before = deployment.annotations().get(REPLICAS).and_then(|replicas| replicas.parse().ok());
        let now = replicas(&deployment);
        if now == 0 {
            // Whoever has scaled it to 0 by hand has not said how many there are to be.
            site.scale(before.unwrap_or(2), None).await?;
            writeln!(surroundings.stdout, "deployment/portcullis scaled to {}", before.unwrap_or(2))?;
        }
        site.until_ready(surroundings).await?;
        site.disown_replicas().await?;
        writeln!(surroundings.stdout, "portcullis serves")?;
        Ok(())
    })
}

impl Site {
    /// Removes the webhook configurations of Portcullis and names them. Returns how many there were.
    pub(super) async fn remove_configurations(
        &self,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<usize> {
        let removed = arming::disarm(&self.connection).await;
        let removed = removed.map_err(|error| cannot("remove webhook configurations", &error))?;
        for name in &removed {
            writeln!(surroundings.stdout, "{name} removed")?;
        }
        surroundings.stdout.flush()?;
        Ok(removed.len())
    }

    /// Scales the Deployment to 0 and waits until its Pods are told to end. Says whether there is one.
    async fn stop(&self, surroundings: &mut Surroundings<'_>) -> anyhow::Result<bool> {
        let Some(deployment) = self.deployment().await? else { return Ok(false) };
        let before = replicas(&deployment);
        if before > 0 {
            self.scale(0, Some(before)).await?;
            let back = "`portcullis rearm` starts it again";
            writeln!(surroundings.stdout, "deployment/portcullis scaled to 0: {back}")?;
        }
        self.until_stopped(surroundings).await?;
        Ok(true)
    }

    async fn deployment(&self) -> anyhow::Result<Option<Deployment>> {
        let found = self.namespaced::<Deployment>().get_opt(NAME).await;
        found.map_err(|error| self.told("get", "deployment/portcullis", &error))
    }

    /// Leaves the number of replicas to who has installed the Deployment: a `helm upgrade` that changes it would meet a conflict
    /// with who has scaled it.
    async fn disown_replicas(&self) -> anyhow::Result<()> {
        let Some(deployment) = self.deployment().await? else { return Ok(()) };
        let is_scaling = |entry: &ManagedFieldsEntry| {
            entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Update")
        };
        let mut entries = deployment.metadata.managed_fields.unwrap_or_default();
        let before = entries.len();
        entries.retain(|entry| !is_scaling(entry));
        // A list of none would be taken for one that is left out.
        if entries.is_empty() || entries.len() == before {
            return Ok(());
        }
        let patch = Patch::Merge(json!({ "metadata": { "managedFields": entries } }));
        let left = self.namespaced::<Deployment>().patch(NAME, &PatchParams::default(), &patch).await;
        left.map(drop).map_err(|error| self.told("patch", "deployment/portcullis", &error))
    }

    /// Sets the number of replicas, and notes what it was `before`.
    async fn scale(&self, replicas: i32, before: Option<i32>) -> anyhow::Result<()> {
        let annotations = json!({ REPLICAS: before.map(|before| before.to_string()) });
        let patch = json!({ "metadata": { "annotations": annotations }, "spec": { "replicas": replicas } });
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let scaled = self.namespaced::<Deployment>().patch(NAME, &parameters, &Patch::Merge(patch)).await;
        scaled.map(drop).map_err(|error| self.told("scale", "deployment/portcullis", &error))
    }
}

fn replicas(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}
