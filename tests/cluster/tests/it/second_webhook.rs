//! A second mutating webhook, asked before and after ours: nothing is recorded twice, and nobody's change is lost.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use portcullis_cluster_tests::ClusterTest;
use portcullis_model::Review;
use portcullis_webhook::{Deadline, Reviewer, Route, Verdict};
use serde_json::{Value, json};

use crate::in_process::InProcess;
use crate::story::{RECORDED_TTL, create, founded, get_job, job, record, ttl, until_shown};

/// What the second webhook does to a Job, by the name of the Job.
fn operation(owner: &str, name: &str) -> Value {
    let add = |path: &str, value: Value| json!([{ "op": "add", "path": path, "value": value }]);
    match name {
        "owned" => {
            let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner });
            add("/metadata/ownerReferences", json!([owner]))
        }
        "with-a-ttl" => add("/spec/ttlSecondsAfterFinished", json!(60)),
        "suspended" => add("/spec/suspend", json!(true)),
        "with-a-sidecar" => add(
            "/spec/template/spec/containers/-",
            json!({ "name": "sidecar", "image": "registry.example.com/sidecar:1.0.0" }),
        ),
        _ => json!([]),
    }
}

/// Answers with [`operation`].
struct Second {
    owner: String,
}

impl Reviewer for Second {
    fn review(&self, _: &Route<'_>, review: &Review<'_>, _: &Deadline<'_>) -> Verdict {
        let patch = operation(&self.owner, &review.request.name).to_string();
        Verdict { patch: Some(patch.into_bytes()), ..Verdict::allowed() }
    }
}

#[test]
fn a_webhook_that_is_asked_before_ours_is_seen() -> Result<()> {
    founded(async |test, _| {
        beside_a_second(test, "a-second", async || {
            let owned = created(test, "owned").await?;
            ensure!(ttl(&owned).is_none() && record(&owned).is_none(), "{owned:?}");
            ensure!(owned.metadata.owner_references.is_some_and(|owners| owners.len() == 1));
            let own_ttl = created(test, "with-a-ttl").await?;
            ensure!(ttl(&own_ttl) == Some(60) && record(&own_ttl).is_none(), "{own_ttl:?}");
            keeps_both_changes(test).await
        })
        .await
    })
}

#[test]
fn a_webhook_that_is_asked_after_ours_has_ours_asked_again() -> Result<()> {
    founded(async |test, portcullis| {
        let namespace = format!("resource_namespace=\"{}\"", test.namespace);
        let labels = [&*namespace, "resource_request_operation=\"create\""];
        let reviews = async || portcullis.metric("kyverno_admission_requests_total", &labels).await;
        beside_a_second(test, "z-second", async || {
            let before = reviews().await?;
            let owned = created(test, "owned").await?;
            ensure!(reviews().await? == before + 2.0, "ours was not asked a second time");
            // The TTL came first: nobody takes it back.
            ensure!(ttl(&owned) == Some(900) && record(&owned) == Some(RECORDED_TTL), "{owned:?}");
            ensure!(owned.metadata.owner_references.is_some_and(|owners| owners.len() == 1));
            let own_ttl = created(test, "with-a-ttl").await?;
            ensure!(ttl(&own_ttl) == Some(60), "{own_ttl:?}");
            keeps_both_changes(test).await
        })
        .await
    })
}

/// What concerns another field than ours is there, and so is ours, recorded once.
async fn keeps_both_changes(test: &ClusterTest) -> Result<()> {
    let suspended = created(test, "suspended").await?;
    ensure!(ttl(&suspended) == Some(900) && record(&suspended) == Some(RECORDED_TTL), "{suspended:?}");
    ensure!(suspended.spec.and_then(|spec| spec.suspend) == Some(true));
    let sidecar = created(test, "with-a-sidecar").await?;
    ensure!(ttl(&sidecar) == Some(900) && record(&sidecar) == Some(RECORDED_TTL), "{sidecar:?}");
    let containers = sidecar.spec.and_then(|spec| Some(spec.template.spec?.containers.len()));
    ensure!(containers == Some(2), "{containers:?} containers");
    Ok(())
}

async fn created(test: &ClusterTest, name: &str) -> Result<Job> {
    create(test, &job(name, ""), &[]).await?.succeeded()?;
    get_job(test, name).await
}

/// Runs `body` while the second webhook is at work. `name` decides who is asked first: an API server asks in the order of
/// the names of configurations.
async fn beside_a_second(
    test: &ClusterTest,
    name: &str,
    body: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    test.kubectl(&["create", "configmap", "owner"]).await?.succeeded()?;
    let owner = ["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"];
    let owner = test.kubectl(&owner).await?.succeeded()?;
    let server = InProcess::new(Second { owner }).await?;
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": name },
        "webhooks": [{
            "name": "second.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": server.client_config("/mutate")?,
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": test.namespace } },
            "rules": [{
                "apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["jobs"], "operations": ["CREATE"],
            }],
        }],
    });
    test.apply(&configuration.to_string()).await?.succeeded()?;
    let outcome = server.serve_during(async {
        until_shown(test, &job("suspended", ""), "suspend: true").await?;
        body().await
    });
    let outcome = outcome.await;
    test.kubectl(&["delete", "mutatingwebhookconfiguration", name]).await?.succeeded()?;
    outcome
}
