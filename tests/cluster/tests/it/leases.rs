//! Each controller has a Lease of its own: its work lies on the replica that holds it, and goes on when that is killed.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis_cluster_tests::{ClusterTest, Replicas, cluster_test, wait};
use serde_json::json;

use crate::faults::{refuse_bad_names, until_bad_names_are_refused};
use crate::retention::{finished, retain, until_ttl};
use crate::story::job;

const WEBHOOKS: &str = "portcullis-webhooks";
const RETENTION: &str = "portcullis-retention";
const SCAN: &str = "portcullis-scan";

/// Gives a Lease to this one of the running replicas, and waits until that does the work and nobody else.
async fn give(replicas: &Replicas<'_>, lease: &str, to: usize) -> Result<()> {
    let identity = replicas.running.get(to).context("no such replica")?.identity()?;
    let patch = json!({ "spec": { "holderIdentity": identity } }).to_string();
    replicas.kubectl().run(&["patch", "lease", lease, "--type=merge", "-p", &patch]).await?.succeeded()?;
    let label = format!("lease=\"{lease}\"");
    wait::until(&format!("the replica {to} to hold {lease} alone"), async || {
        for (index, replica) in replicas.running.iter().enumerate() {
            let holds = replica.metric("portcullis_leader", &[&label]).await?;
            ensure!(holds == if index == to { 1.0 } else { 0.0 }, "the replica {index}: {holds}");
        }
        Ok(Some(()))
    })
    .await
}

/// Waits until somebody holds a Lease.
async fn until_held(replicas: &Replicas<'_>, lease: &str) -> Result<usize> {
    wait::until(&format!("a holder of {lease}"), async || replicas.holder(lease).await).await
}

/// How often a Lease has gone from one holder to another.
async fn transitions(replicas: &Replicas<'_>, lease: &str) -> Result<String> {
    let transitions = ["get", "lease", lease, "-o", "jsonpath={.spec.leaseTransitions}"];
    replicas.kubectl().run(&transitions).await?.succeeded()
}

/// Spoils the certificate in the Secret, and waits until it is written anew.
async fn until_certificate_is_mended(replicas: &Replicas<'_>) -> Result<()> {
    let spoilt = BASE64_STANDARD.encode("spoilt");
    let patch = json!({ "data": { "tls.crt": spoilt } }).to_string();
    let kubectl = replicas.kubectl();
    kubectl.run(&["patch", "secret", "portcullis-tls", "--type=merge", "-p", &patch]).await?.succeeded()?;
    wait::until("a Secret that is mended", async || {
        let entry = ["get", "secret", "portcullis-tls", "-o", "jsonpath={.data.tls\\.crt}"];
        let entry = kubectl.run(&entry).await?.succeeded()?;
        Ok((entry != spoilt).then_some(()))
    })
    .await
}

#[test]
fn each_controller_goes_on_when_its_holder_is_killed_and_the_other_stays_where_it_is() -> Result<()> {
    let body = async |test: &ClusterTest, replicas: &mut Replicas<'_>| {
        replicas.start(2).await?;
        for lease in [WEBHOOKS, RETENTION] {
            until_held(replicas, lease).await?;
        }
        // Whoever came first holds both. They are held apart from here on.
        give(replicas, WEBHOOKS, 0).await?;
        give(replicas, RETENTION, 1).await?;
        retain(test, "all", "ttl: {succeeded: 1h}\nmode: enforce").await?;
        finished(test, &job("a", "")).await?;
        until_ttl(test, "a", 3_600).await?;

        let before = transitions(replicas, WEBHOOKS).await?;
        replicas.kill(1).await?;
        finished(test, &job("b", "")).await?;
        until_ttl(test, "b", 3_600).await?;
        ensure!(until_held(replicas, RETENTION).await? == 0, "nobody else retains");
        ensure!(transitions(replicas, WEBHOOKS).await? == before, "who writes webhooks has changed");

        replicas.start(1).await?;
        give(replicas, RETENTION, 1).await?;
        let before = transitions(replicas, RETENTION).await?;
        replicas.kill(0).await?;
        // The webhooks, the status, and the certificate that they trust.
        refuse_bad_names(test).await?;
        until_certificate_is_mended(replicas).await?;
        until_bad_names_are_refused(test).await?;
        ensure!(until_held(replicas, WEBHOOKS).await? == 0, "nobody else writes webhooks");
        ensure!(transitions(replicas, RETENTION).await? == before, "who retains has changed");
        finished(test, &job("c", "")).await?;
        until_ttl(test, "c", 3_600).await.map(drop)
    };
    cluster_test(async |test| {
        Replicas::during(test.control_plane, &["--retention"], async |replicas| body(test, replicas).await)
            .await
    })
}

/// A policy that judges one ConfigMap, and that.
const JUDGED: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: judged}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [ConfigMap], names: [probe], namespaces: [NAMESPACE]}}]}
    validate: {failureAction: Audit, message: never, deny: {}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: probe, namespace: NAMESPACE}}
";

#[test]
fn beside_kyverno_another_replica_judges_when_the_one_that_does_is_killed() -> Result<()> {
    let arguments = ["--beside-kyverno", "--background-scan-interval=1"];
    let body = async |test: &ClusterTest, replicas: &mut Replicas<'_>| {
        replicas.start(2).await?;
        test.apply(&JUDGED.replace("NAMESPACE", &test.namespace)).await?.succeeded()?;
        for _ in 0..2 {
            let holder = until_held(replicas, SCAN).await?;
            wait::until("a pass over the cluster", async || {
                let holder = replicas.running.get(holder).context("no such replica")?;
                let failed = holder.metric("portcullis_scan_results", &["policy=\"judged\""]).await?;
                Ok((failed == 1.0).then_some(()))
            })
            .await?;
            replicas.kill(holder).await?;
            if replicas.running.is_empty() {
                break;
            }
        }
        Ok(())
    };
    cluster_test(async |test| {
        Replicas::during(test.control_plane, &arguments, async |replicas| body(test, replicas).await).await
    })
}
