//! Reviews that panic (threat 69). No policy is known to make one: the server of Portcullis serves from this process, with a
//! reviewer that panics.

use std::panic::resume_unwind;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, Client};
use portcullis_cluster_tests::{ClusterTest, CommandOutput, cluster_test, wait};
use portcullis_model::Review;
use portcullis_webhook::{Deadline, Reviewer, Route, Verdict};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::site::{Asked, outcome};
use crate::in_process::InProcess;

const CONFIGURATION: &str = "a-reviewer-that-panics";
/// What is answered when a review has panicked.
const REASON: &str = "the policies could not be evaluated: internal error";
/// Reviews that panic at once.
const AT_ONCE: usize = 20;

/// Refuses everything, and panics over some names.
struct Panicking;

impl Reviewer for Panicking {
    fn review(&self, _: &Route<'_>, review: &Review<'_>, _: &Deadline<'_>) -> Verdict {
        if review.request.name.starts_with("panic-") {
            // A panic that is not told on the terminal.
            resume_unwind(Box::new("a fault"));
        }
        Verdict::denied("it is judged".to_owned())
    }
}

/// Two webhooks, each of which is asked about the ConfigMaps whose label names its failure policy.
fn configuration(test: &ClusterTest, server: &InProcess<Panicking>) -> Result<Value> {
    let webhook = |failure_policy: &str| {
        let label = failure_policy.to_lowercase();
        anyhow::Ok(json!({
            "name": format!("{label}.example.com"),
            "admissionReviewVersions": ["v1"],
            "clientConfig": server.client_config(&format!("/validate/{label}"))?,
            "sideEffects": "None",
            "failurePolicy": failure_policy,
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": test.namespace } },
            "objectSelector": { "matchLabels": { "asks": label } },
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"],
            }],
        }))
    };
    Ok(json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": CONFIGURATION },
        "webhooks": [webhook("Fail")?, webhook("Ignore")?],
    }))
}

/// Has the API server ask the webhook of this label about a ConfigMap.
async fn create(test: &ClusterTest, label: &str, name: &str) -> Result<CommandOutput> {
    let metadata = json!({ "name": name, "labels": { "asks": label } });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata }).to_string();
    let arguments = ["create", "-f", "-", "--dry-run=server"];
    test.control_plane.kubectl(&test.namespace).run_with(&arguments, &map).await
}

fn ensure_judged(created: &CommandOutput) -> Result<()> {
    ensure!(created.code == 1 && created.stderr.contains("denied the request: it is judged"), "{created:?}");
    Ok(())
}

#[test]
fn a_review_that_panics_is_answered_by_its_failure_policy_and_the_next_one_is_judged() -> Result<()> {
    cluster_test(async |test| {
        let server = InProcess::new(Panicking).await?;
        let metrics = server.metrics.clone();
        test.apply(&configuration(test, &server)?.to_string()).await?.succeeded()?;
        let judging = server.serve_during(async {
            for label in ["fail", "ignore"] {
                wait::until("a webhook that is asked", async || {
                    let created = create(test, label, "probe").await?;
                    Ok((created.code != 0).then_some(()))
                })
                .await?;
            }
            for label in ["fail", "ignore"] {
                ensure_judged(&create(test, label, "before").await?)?;
                let refused = create(test, label, "panic-now").await?;
                let denied = format!("admission webhook \"fail.example.com\" denied the request: {REASON}");
                let is_right = match label {
                    "fail" => refused.code == 1 && refused.stderr.contains(&denied),
                    _ => refused.code == 0 && refused.stderr.trim() == format!("Warning: {REASON}"),
                };
                ensure!(is_right, "{label}: {refused:?}");
                ensure_judged(&create(test, label, "after").await?)?;
            }
            // Many at once take nothing from the others, either.
            let maps = (0..AT_ONCE).map(|number| {
                let (client, namespace) = (test.client.clone(), test.namespace.clone());
                async move { ask_directly(client, &namespace, &format!("panic-{number}")).await }
            });
            for asked in maps.collect::<JoinSet<_>>().join_all().await {
                let asked = asked?;
                ensure!(asked.ends_with(REASON), "{asked}");
            }
            ensure_judged(&create(test, "fail", "after").await?)?;
            let counted = metrics.encode();
            let line = format!("portcullis_webhook_panics_total {}", 2 + AT_ONCE);
            ensure!(counted.lines().any(|counted| counted == line), "not `{line}`: {counted}");
            Ok(())
        });
        let judged = judging.await;
        test.kubectl(&["delete", "validatingwebhookconfiguration", CONFIGURATION]).await?.succeeded()?;
        judged
    })
}

/// Has the API server ask the webhook that fails closed, by a client of this process: its words.
async fn ask_directly(client: Client, namespace: &str, name: &str) -> Result<String> {
    let maps: Api<ConfigMap> = Api::namespaced(client, namespace);
    let map = serde_json::from_value(json!({ "metadata": { "name": name, "labels": { "asks": "fail" } } }))?;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match outcome(maps.create(&dry_run, &map).await)? {
        Asked::Refused(message) => Ok(message),
        Asked::Admitted(_) => Ok("admitted".to_owned()),
    }
}
