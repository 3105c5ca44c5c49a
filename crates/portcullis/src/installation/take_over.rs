//! `install --take-over`: Kyverno is stopped once Portcullis serves, and the way back is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::wait::conditions;
use kube::{Api, Resource, ResourceExt as _};
use portcullis_cli::{Surroundings, warning};
use serde_json::json;

use super::kyverno::Kyverno;
use super::{FIELD_MANAGER, Site, if_there};

/// The label of the Deployments of Kyverno.
const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "kyverno");
/// How many replicas there were before, on a Deployment that was scaled to 0.
const REPLICAS: &str = "portcullis.dev/replicas-before-take-over";

impl Site {
    /// Stops Kyverno: its Deployments are scaled to 0, and the webhooks that would call nobody are removed. Says how to go
    /// back.
    pub(super) async fn take_over(
        &self,
        kyverno: &Kyverno,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()> {
        let namespaces: BTreeSet<_> =
            kyverno.services.iter().map(|(namespace, _)| namespace.as_str()).collect();
        let (mut is_found, mut way_back, mut pods) = (false, Vec::new(), Vec::new());
        for namespace in namespaces {
            for deployment in self.deployments_of(kyverno, namespace).await? {
                is_found = true;
                let name = deployment.name_any();
                if let Some(before) = self.scale_to_none(&deployment, namespace).await? {
                    writeln!(surroundings.stdout, "deployment/{name} of Kyverno scaled to 0")?;
                    surroundings.stdout.flush()?;
                    way_back
                        .push(format!("kubectl -n {namespace} scale deployment {name} --replicas={before}"));
                }
                pods.extend(self.pods_of(&deployment, namespace).await?);
            }
        }
        if !is_found {
            let message = "no Deployment of Kyverno is found: one that still runs puts back the webhooks that are removed here";
            warning(&mut surroundings.stderr, message);
        }
        self.remove_webhooks(kyverno, surroundings).await?;
        // Until its Pods have ended, Kyverno may put them back.
        self.until_ended(pods, surroundings).await?;
        if let Some(again) = self.kyverno().await? {
            self.remove_webhooks(&again, surroundings).await?;
        }
        if !way_back.is_empty() {
            writeln!(surroundings.stdout, "to go back: portcullis uninstall, then")?;
        }
        for command in way_back {
            writeln!(surroundings.stdout, "  {command}")?;
        }
        Ok(())
    }

    /// The Deployments of Kyverno in `namespace`: those that say so, and those whose Pods its Services lead to.
    async fn deployments_of(&self, kyverno: &Kyverno, namespace: &str) -> anyhow::Result<Vec<Deployment>> {
        let mut selectors = Vec::new();
        for (_, name) in kyverno.services.iter().filter(|(of, _)| of == namespace) {
            let service = self.in_namespace::<Service>(namespace).get_opt(name).await;
            let service = service.map_err(|error| self.told("get", &format!("service/{name}"), &error))?;
            selectors.extend(service.and_then(|service| service.spec?.selector));
        }
        let all = self.in_namespace::<Deployment>(namespace).list(&ListParams::default()).await;
        let mut all = all.map_err(|error| self.told("list", "deployments", &error))?.items;
        all.retain(|deployment| {
            let of_pods =
                deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()?.labels.as_ref());
            let is_led_to = |selector: &BTreeMap<String, String>| {
                let has = |(key, value)| of_pods.is_some_and(|labels| labels.get(key) == Some(value));
                !selector.is_empty() && selector.iter().all(has)
            };
            deployment.labels().get(PART_OF.0).is_some_and(|part_of| part_of == PART_OF.1)
                || selectors.iter().any(is_led_to)
        });
        Ok(all)
    }

    /// Scales a Deployment to 0, and returns how many replicas it had. Where a run before this one has done that and was
    /// interrupted, the Deployment says how many. Nothing where there were none.
    async fn scale_to_none(&self, deployment: &Deployment, namespace: &str) -> anyhow::Result<Option<i32>> {
        let name = deployment.name_any();
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        if replicas == 0 {
            return Ok(deployment.annotations().get(REPLICAS).and_then(|before| before.parse().ok()));
        }
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let to_none = Patch::Merge(json!({
            "metadata": { "annotations": { REPLICAS: replicas.to_string() } },
            "spec": { "replicas": 0 },
        }));
        let scaled = self.in_namespace::<Deployment>(namespace).patch(&name, &parameters, &to_none).await;
        scaled.map_err(|error| self.told("scale", &format!("deployment/{name}"), &error))?;
        Ok(Some(replicas))
    }

    /// The Pods of a Deployment.
    async fn pods_of(&self, deployment: &Deployment, namespace: &str) -> anyhow::Result<Vec<Pod>> {
        let selector = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
        let labels: Vec<_> =
            selector.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
        let listed =
            self.in_namespace::<Pod>(namespace).list(&ListParams::default().labels(&labels.join(","))).await;
        Ok(listed.map_err(|error| self.told("list", "pods", &error))?.items)
    }

    /// Waits until these Pods have ended. Where they do not in time, that is told and no more.
    async fn until_ended(&self, pods: Vec<Pod>, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        for pod in pods {
            let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
            let uid = pod.uid().unwrap_or_default();
            let ended = conditions::is_deleted(&uid);
            if !self.comes_true(self.in_namespace::<Pod>(&namespace), &name, ended).await? {
                let message = format!(
                    "`{name}` of Kyverno is still there after {} s: until it ends it may put back webhooks; \
                     `portcullis install --take-over` again removes these",
                    self.patience.as_secs()
                );
                warning(&mut surroundings.stderr, &message);
                break;
            }
        }
        Ok(())
    }

    async fn remove_webhooks(
        &self,
        kyverno: &Kyverno,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()> {
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
        Ok(surroundings.stdout.flush()?)
    }

    /// The objects of a kind in a namespace.
    fn in_namespace<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.connection.background().clone(), namespace)
    }
}
