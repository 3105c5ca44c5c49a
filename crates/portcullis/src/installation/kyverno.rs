//! A Kyverno in the same cluster.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::ListParams;
use kube::{Resource, ResourceExt as _};
use portcullis_cli::hinted;
use portcullis_controllers::webhooks::MANAGED_BY;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::Site;

/// The label of the webhook configurations that Kyverno writes.
const KYVERNO: &str = "webhook.kyverno.io/managed-by";

/// A Kyverno that serves the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Kyverno {
    /// The names of the webhook configurations that call it.
    pub(super) configurations: Vec<String>,
    /// The Services that these lead to, by namespace and name.
    pub(super) services: BTreeSet<(String, String)>,
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
            let of_service = |field: &str| {
                webhook
                    .pointer(&format!("/clientConfig/service/{field}"))
                    .and_then(Json::as_str)
                    .map(str::to_owned)
            };
            kyverno.services.extend(of_service("namespace").zip(of_service("name")));
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
