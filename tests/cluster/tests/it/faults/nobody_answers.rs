//! No replica is up, and webhooks fail closed: the cluster comes up again by itself (threats 90, 91 and 93).

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{ClusterTest, Kubectl, Replicas, wait};
use serde_json::json;

use super::replicated::{TEAMS, everything, put_in_force, replicated, until_pod_is};

/// Starts replicas under policies that concern all that a cluster does, and that refuse what makes Pods of Portcullis.
async fn close(test: &ClusterTest, replicas: &mut Replicas<'_>) -> Result<()> {
    replicas.start(2).await?;
    let everything =
        everything("selector: {matchLabels: {refused: 'true'}}", "message: it is refused, deny: {}");
    put_in_force(test, &[&everything, TEAMS].join("---\n")).await?;
    until_pod_is(test, "a team is wanted").await
}

/// Waits until so many Pods that these arguments select run, none of which has a name in `not`.
async fn until_running(kubectl: &Kubectl, select: &[&str], count: usize, not: &str) -> Result<String> {
    let names =
        ["get", "pods", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}"];
    let get = [&names[..], select].concat();
    wait::until("Pods that run", async || {
        let running = kubectl.run(&get).await?.succeeded()?;
        let is_new = |name: &&str| !not.split_whitespace().any(|old| old == *name);
        ensure!(running.split_whitespace().filter(is_new).count() == count, "{running}");
        Ok(Some(running))
    })
    .await
}

const OWN: [&str; 2] = ["-l", "app.kubernetes.io/name=portcullis"];

#[test]
fn own_pods_start_a_node_joins_and_the_system_is_scheduled_while_nobody_answers() -> Result<()> {
    replicated(async |test, replicas| {
        close(test, replicas).await?;
        let before = until_running(&replicas.kubectl(), &OWN, 2, "").await?;
        replicas.kill_all();
        until_pod_is(test, "failed calling webhook").await?;

        replicas.kubectl().run(&[&["delete", "pods"], &OWN[..]].concat()).await?.succeeded()?;
        until_running(&replicas.kubectl(), &OWN, 2, &before).await?;

        let room = json!({ "cpu": "4", "memory": "8Gi", "pods": "110" });
        let labels = json!({ "kubernetes.io/hostname": "late" });
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": "late", "labels": labels },
            "status": { "capacity": room, "allocatable": room },
        });
        let container = json!({ "name": "main", "image": "registry.example.com/dns:1.0.0" });
        let system = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "late-dns" },
            "spec": {
                "replicas": 1, "selector": { "matchLabels": { "app": "late-dns" } },
                "template": {
                    "metadata": { "labels": { "app": "late-dns" } },
                    "spec": { "nodeSelector": labels, "containers": [container] },
                },
            },
        });
        test.apply(&node.to_string()).await?.succeeded()?;
        let kubectl = test.control_plane.kubectl("kube-system");
        kubectl.run_with(&["apply", "-f", "-"], &system.to_string()).await?.succeeded()?;
        until_running(&kubectl, &["-l", "app=late-dns"], 1, "").await?;
        let lease = ["get", "lease", "late", "-n", "kube-node-lease", "-o", "jsonpath={.spec.renewTime}"];
        wait::until("the heartbeat of the node", async || {
            Ok(test.control_plane.kubectl("kube-node-lease").run(&lease).await?.succeeded().ok())
        })
        .await?;
        until_pod_is(test, "failed calling webhook").await?;

        // The Pods of Portcullis were there all the time: now their processes are, too.
        replicas.start(2).await?;
        until_pod_is(test, "a team is wanted").await?;
        kubectl.run(&["delete", "deployment", "late-dns"]).await?.succeeded()?;
        test.kubectl(&["delete", "node", "late"]).await?.succeeded().map(drop)
    })
}

#[test]
fn a_cluster_that_was_stopped_whole_comes_up_and_enforces_again() -> Result<()> {
    replicated(async |test, replicas| {
        close(test, replicas).await?;
        replicas.kill_all();
        test.control_plane.stop();
        let gone = test.kubectl(&["get", "namespaces"]).await?;
        ensure!(gone.code != 0, "the API server answers: {gone:?}");
        test.control_plane.start_again().await?;
        until_pod_is(test, "failed calling webhook").await?;
        until_running(&replicas.kubectl(), &OWN, 2, "").await?;
        replicas.start(2).await?;
        until_pod_is(test, "a team is wanted").await
    })
}
