//! How soon a policy is in force after it was written.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::Request;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::wait::{PATIENCE, until_object};

/// What has webhooks while there are policies that validate.
const CONFIGURATION: &str = "portcullis-resource-validating";

/// The path of cluster-wide policies.
const POLICIES: &str = "/apis/kyverno.io/v1/clusterpolicies";

/// What the measured policy refuses, and with which words.
const PROBE: &str = "propagation";
const WORDS: &str = "the policy is in force";

/// How long things took from the moment in which a policy was sent to the API server.
#[derive(Clone, Copy, Debug)]
pub struct Propagation {
    /// Until the webhook configuration was seen to call Portcullis.
    pub configured: Duration,
    /// Until the answer to the first request that was judged by the policy.
    pub judged: Duration,
}

impl Propagation {
    /// Writes a policy and takes the times. There must be no other policy that validates, so that this one calls for
    /// the webhook configuration; it is gone afterwards.
    ///
    /// # Errors
    /// The API server refuses the policy, or it does not come into force.
    pub async fn measure(client: &Client) -> Result<Propagation> {
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
        let until_called = async |wanted: bool| {
            let calls = |configuration: Option<&ValidatingWebhookConfiguration>| {
                let webhooks = configuration.and_then(|configuration| configuration.webhooks.as_ref());
                webhooks.is_some_and(|webhooks| !webhooks.is_empty()) == wanted
            };
            until_object(&configurations, CONFIGURATION, "the webhook of the policy", calls).await
        };
        until_called(false).await?;
        ensure!(!is_judged(client).await?, "a policy of the same kind is in force already");

        let write = Request::post(POLICIES).header("content-type", "application/json");
        let write = write.body(policy().to_string().into_bytes())?;
        let sent = Instant::now();
        let written = async { anyhow::Ok(client.request::<Value>(write).await?) };
        let configured = async {
            until_called(true).await?;
            anyhow::Ok(sent.elapsed())
        };
        let judged = async {
            while !is_judged(client).await? {}
            anyhow::Ok(sent.elapsed())
        };
        let all = async { tokio::try_join!(written, configured, judged) };
        let outcome = timeout(PATIENCE, all).await.context("waited in vain for the policy to be in force");
        client.request::<Value>(Request::delete(format!("{POLICIES}/{PROBE}")).body(Vec::new())?).await?;
        let (_, configured, judged) = outcome??;
        Ok(Propagation { configured, judged })
    }
}

fn policy() -> Value {
    let resources = json!({ "kinds": ["ConfigMap"], "namespaces": ["default"], "names": [PROBE] });
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": { "name": PROBE },
        "spec": { "rules": [{
            "name": "r",
            "match": { "any": [{ "resources": resources }] },
            "validate": { "failureAction": "Enforce", "message": WORDS, "deny": {} },
        }] },
    })
}

/// Whether a request is refused by the policy at this moment.
async fn is_judged(client: &Client) -> Result<bool> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let map = serde_json::from_value(json!({ "metadata": { "name": PROBE } }))?;
    match maps.create(&PostParams { dry_run: true, ..PostParams::default() }, &map).await {
        Ok(_) => Ok(false),
        Err(kube::Error::Api(status)) if status.message.contains(WORDS) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
