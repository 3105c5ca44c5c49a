//! Policies on a control plane, and their definitions.

use anyhow::{Context as _, Result, bail, ensure};
use http::Request;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{ControlPlane, objects, wait};

/// Where an API server keeps definitions.
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// And cluster-wide policies.
const POLICIES: &str = "/apis/kyverno.io/v1/clusterpolicies";

/// A definition that was applied: its name, and what changes when somebody makes another one of it.
pub(crate) type Applied = (String, Value, Value);

impl ControlPlane {
    /// What `portcullis crds` prints.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) async fn definitions(&self) -> Result<&'static str> {
        static PRINTED: OnceCell<String> = OnceCell::const_new();
        let print = async || self.portcullis(&["crds"]).await?.succeeded();
        Ok(PRINTED.get_or_try_init(print).await?)
    }

    /// Has the API server serve what these definitions define. Those that are as they were left are not applied again: they are
    /// long.
    pub(crate) async fn define(&self, client: &Client, definitions: &str) -> Result<()> {
        let mut defined = self.defined.lock().await;
        let mut is_unchanged = !defined.is_empty();
        for (name, uid, generation) in &*defined {
            let found =
                objects::metadata(client, &format!("{DEFINITIONS}/{name}")).await?.unwrap_or_default();
            is_unchanged &= found.pointer("/metadata/uid") == Some(uid)
                && found.pointer("/metadata/generation") == Some(generation)
                && found.pointer("/metadata/deletionTimestamp").is_none();
        }
        if is_unchanged {
            return Ok(());
        }
        defined.clear();
        let applied = objects::apply(client, "", &objects::documents(definitions)?).await?;
        for definition in applied {
            let name = objects::name(&definition)?.to_owned();
            let path = format!("{DEFINITIONS}/{name}");
            wait::until("a definition that is established", async || {
                let found = objects::get(client, &path).await?.context("it is gone")?;
                let conditions = found.pointer("/status/conditions").and_then(Value::as_array);
                let is_so = conditions.is_some_and(|all| all.iter().any(|one| is_true(one, "Established")));
                ensure!(is_so, "{conditions:?}");
                Ok(Some(()))
            })
            .await?;
            let metadata = |key| definition.pointer(key).cloned().unwrap_or_default();
            defined.push((name, metadata("/metadata/uid"), metadata("/metadata/generation")));
        }
        Ok(())
    }

    /// Waits until the API server asks Portcullis about policies, which it hears of a moment after Portcullis is ready.
    pub(crate) async fn until_mistaken_policies_are_refused(&self) -> Result<()> {
        let client = self.client().await?;
        let key = json!({ "key": "{{ (a }}", "operator": "Equals", "value": "b" });
        let policy = json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": { "name": "mistaken" },
            "spec": { "rules": [{
                "name": "r",
                "match": { "any": [{ "resources": { "kinds": ["ConfigMap"] } }] },
                "preconditions": { "all": [key] },
                "validate": { "message": "m", "deny": {} },
            }] },
        });
        wait::until("a policy with a mistake to be refused", async || {
            let create = Request::post(format!("{POLICIES}?dryRun=All"))
                .header("content-type", "application/json")
                .body(policy.to_string().into_bytes())?;
            match client.request::<Value>(create).await {
                Err(kube::Error::Api(status)) if status.message.contains("denied the request") => {
                    Ok(Some(()))
                }
                outcome => bail!("{outcome:?}"),
            }
        })
        .await
    }

    /// Waits until all cluster-wide policies are ready.
    ///
    /// # Errors
    /// One does not become so.
    pub async fn until_policies_are_ready(&self) -> Result<()> {
        let client = self.client().await?;
        wait::until("policies that are ready", async || {
            let all = objects::get(&client, POLICIES).await?.unwrap_or_default();
            for policy in all.pointer("/items").and_then(Value::as_array).into_iter().flatten() {
                let conditions = policy.pointer("/status/conditions").and_then(Value::as_array);
                let is_ready = conditions.is_some_and(|all| all.iter().any(|one| is_true(one, "Ready")));
                ensure!(is_ready, "`{}`: {conditions:?}", objects::name(policy)?);
            }
            Ok(Some(()))
        })
        .await
    }
}

/// Whether a condition is this one, and holds.
fn is_true(condition: &Value, kind: &str) -> bool {
    condition.pointer("/type") == Some(&kind.into()) && condition.pointer("/status") == Some(&"True".into())
}
