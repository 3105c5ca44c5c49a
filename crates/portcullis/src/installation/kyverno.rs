//! A Kyverno in the same cluster.

use std::fmt;
use std::io::Write as _;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt as _};
use portcullis_cli::{Surroundings, hinted};
use portcullis_controllers::webhooks::MANAGED_BY;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::{FIELD_MANAGER, Site, if_there};

/// The label of the webhook configurations that Kyverno writes.
const KYVERNO: &str = "webhook.kyverno.io/managed-by";
/// The label of its Deployments.
const PART_OF: &str = "app.kubernetes.io/part-of=kyverno";

/// A Kyverno that serves the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Kyverno {
    /// The names of the webhook configurations that call it.
    pub(super) configurations: Vec<String>,
    /// Where it runs, if a Service leads to it.
    namespace: Option<String>,
}

impl Site {
    /// The Kyverno that serves the cluster, if there is one: its webhooks are what counts, not its Pods.
    pub(super) async fn kyverno(&self) -> anyhow::Result<Option<Kyverno>> {
        let mut kyverno = Kyverno::default();
        self.find_webhooks::<MutatingWebhookConfiguration>(&mut kyverno).await?;
        self.find_webhooks::<ValidatingWebhookConfiguration>(&mut kyverno).await?;
        Ok((!kyverno.configurations.is_empty()).then_some(kyverno))
    }

    async fn find_webhooks<K>(&self, kyverno: &mut Kyverno) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + serde::Serialize + fmt::Debug,
    {
        // Ours have the label as well where they have Kyverno's names.
        let theirs = ListParams::default().labels(&format!("{KYVERNO},{}!={}", MANAGED_BY.0, MANAGED_BY.1));
        let listed = self.all::<K>().list(&theirs).await;
        for configuration in listed.map_err(|error| self.told("list", &K::plural(&()), &error))? {
            let json = serde_json::to_value(&configuration).unwrap_or_default();
            // Those without a webhook call nobody.
            let Some(webhook) = json.pointer("/webhooks/0") else { continue };
            kyverno.configurations.push(configuration.name_any());
            let namespace = webhook.pointer("/clientConfig/service/namespace").and_then(Json::as_str);
            kyverno.namespace = kyverno.namespace.take().or_else(|| namespace.map(str::to_owned));
        }
        Ok(())
    }

    /// Stops Kyverno: its Deployments are scaled to 0, and the webhooks that would call nobody are removed. Says how to go
    /// back.
    pub(super) async fn take_over(
        &self,
        kyverno: &Kyverno,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()> {
        let mut way_back = Vec::new();
        if let Some(namespace) = &kyverno.namespace {
            let deployments: Api<Deployment> =
                Api::namespaced(self.connection.background().clone(), namespace);
            let theirs = deployments.list(&ListParams::default().labels(PART_OF)).await;
            for deployment in theirs.map_err(|error| self.told("list", "deployments", &error))? {
                let name = deployment.name_any();
                let replicas = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
                if replicas == 0 {
                    continue;
                }
                let parameters =
                    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
                let to_none = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
                let scaled = deployments.patch(&name, &parameters, &to_none).await;
                scaled.map_err(|error| self.told("scale", &format!("deployment/{name}"), &error))?;
                writeln!(surroundings.stdout, "deployment/{name} of Kyverno scaled to 0")?;
                way_back
                    .push(format!("kubectl -n {namespace} scale deployment {name} --replicas={replicas}"));
            }
        }
        for name in &kyverno.configurations {
            // Kyverno removes them itself when it ends in order; those of one that was killed would call nobody.
            let none = DeleteParams::default();
            let mutating = if_there(self.all::<MutatingWebhookConfiguration>().delete(name, &none).await);
            let validating = if_there(self.all::<ValidatingWebhookConfiguration>().delete(name, &none).await);
            for removed in [mutating.map(|found| found.is_some()), validating.map(|found| found.is_some())] {
                if removed.map_err(|error| self.told("delete", name, &error))? {
                    writeln!(surroundings.stdout, "{name} of Kyverno removed")?;
                }
            }
        }
        if !way_back.is_empty() {
            writeln!(surroundings.stdout, "to go back: portcullis uninstall, then")?;
        }
        for command in way_back {
            writeln!(surroundings.stdout, "  {command}")?;
        }
        Ok(())
    }
}

impl Kyverno {
    /// Why nothing is installed beside it.
    pub(super) fn in_the_way(&self) -> anyhow::Error {
        hinted(
            format!("Kyverno serves this cluster: it is called by `{}`", self.configurations.join("`, `")),
            Some(
                "`--beside-kyverno` installs without being called, `--take-over` installs in its place; \
                 docs/guides/from-kyverno.md is the way from one to the other",
            ),
        )
    }
}
