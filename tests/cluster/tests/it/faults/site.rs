//! `portcullis serve`, called by the API server and by the tests themselves.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use http::Request;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use portcullis_cluster_tests::{ClusterTest, Portcullis, cluster_test, wait};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use serde_json::{Value, json};

use super::client::Direct;

/// A server and what a test needs of it.
pub(crate) struct Site<'a, 'p, 's> {
    pub(crate) test: &'a ClusterTest,
    pub(crate) portcullis: &'a mut Portcullis<'p, 's>,
}

/// Runs a test while Portcullis serves the cluster from outside of it, with webhooks that fail as policies say, and
/// without any policy. It is given these further arguments.
pub(crate) fn while_serving(
    further: &[&str],
    test: impl AsyncFnOnce(&mut Site<'_, '_, '_>) -> Result<()>,
) -> Result<()> {
    cluster_test(async |cluster| {
        Portcullis::during(cluster.control_plane, further, async |portcullis| {
            test(&mut Site { test: cluster, portcullis }).await
        })
        .await
    })
}

impl Site<'_, '_, '_> {
    /// A client that calls the webhook as the API server does, and trusts what the API server is told to trust.
    pub(crate) async fn direct(&self) -> Result<Direct> {
        self.direct_by(Arc::new(DefaultTimeProvider)).await
    }

    /// The same client with a clock of its own.
    pub(crate) async fn direct_by(&self, clock: Arc<dyn TimeProvider>) -> Result<Direct> {
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(self.test.client.clone());
        let name = "portcullis-policy-validating";
        let configuration =
            wait::until("the webhook for policies", async || Ok(configurations.get_opt(name).await?)).await?;
        let webhook = configuration.webhooks.into_iter().flatten().next().context("a webhook")?;
        let bundle = webhook.client_config.ca_bundle.context("a CA bundle")?.0;
        Direct::new(self.portcullis.address(), &bundle, clock)
    }

    /// A policy by which ConfigMaps of this name are refused.
    pub(crate) fn policy_refusing(&self, refused: &str) -> String {
        format!(
            "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: {refused}
spec:
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{}], names: [{refused}]}}}}]}}
    validate: {{failureAction: Enforce, message: refused by {refused}, deny: {{}}}}
",
            self.test.namespace
        )
    }

    /// Writes a policy, whether it is there or not.
    pub(crate) async fn write(&self, policy: &str) -> Result<()> {
        let arena = portcullis_value::Arena::new();
        let document: Value = serde_json::from_str(&portcullis_yaml::read(&arena, policy)?.to_string())?;
        let name = document.pointer("/metadata/name").and_then(Value::as_str).context("a name")?;
        let path = format!("/apis/kyverno.io/v1/clusterpolicies/{name}?fieldManager=tests&force=true");
        let request = Request::patch(path)
            .header("content-type", "application/apply-patch+yaml")
            .body(serde_json::to_vec(&document)?)?;
        self.test.client.request::<Value>(request).await?;
        Ok(())
    }

    /// Writes policies and waits until their statuses say that they are in force.
    pub(crate) async fn put_in_force(&self, policies: &[&str]) -> Result<()> {
        for policy in policies {
            self.write(policy).await?;
        }
        self.test.control_plane.until_policies_are_ready().await
    }

    /// Asks the API server to create a ConfigMap, without a trace.
    pub(crate) async fn try_create(&self, name: &str) -> Result<Asked> {
        try_create(&self.test.api(), name).await
    }

    /// Waits until the API server admits a ConfigMap of this name.
    pub(crate) async fn until_admitted(&self, name: &str) -> Result<()> {
        wait::until(&format!("`{name}` is admitted"), async || match self.try_create(name).await? {
            Asked::Admitted(_) => Ok(Some(())),
            Asked::Refused(message) => bail!("{message}"),
        })
        .await
    }

    /// Waits until the API server refuses a ConfigMap of this name with these words.
    pub(crate) async fn until_refused(&self, name: &str, words: &str) -> Result<()> {
        wait::until(&format!("`{name}` is refused with `{words}`"), async || {
            match self.try_create(name).await? {
                Asked::Refused(message) if message.contains(words) => Ok(Some(())),
                other => bail!("{other:?}"),
            }
        })
        .await
    }
}

/// What came of asking the API server.
#[derive(Debug)]
pub(crate) enum Asked {
    Admitted(Box<ConfigMap>),
    /// With the message.
    Refused(String),
}

/// Asks the API server to create a ConfigMap, without a trace.
pub(crate) async fn try_create(maps: &Api<ConfigMap>, name: &str) -> Result<Asked> {
    let map = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    outcome(maps.create(&dry_run, &map).await)
}

/// What came of an answer of the API server.
///
/// # Errors
/// There was no answer.
pub(crate) fn outcome(created: kube::Result<ConfigMap>) -> Result<Asked> {
    match created {
        Ok(map) => Ok(Asked::Admitted(Box::new(map))),
        Err(kube::Error::Api(status)) => Ok(Asked::Refused(status.message.clone())),
        Err(error) => Err(error.into()),
    }
}
