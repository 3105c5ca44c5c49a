//! Two engines, each of which guards the other's Pods (threat 92).

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{ClusterTest, Portcullis, Process, wait};
use serde_json::json;

use super::replicated::{TEAMS, put_in_force, replicated, until_pod_is};

const OTHER: &str = "other-engine";

/// The other engine: one with other names, in another namespace, which nothing leads to.
fn start_other(test: &ClusterTest) -> Result<Process> {
    let namespace = format!("--namespace={OTHER}");
    let arguments =
        [&namespace, "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--webhook-names=kyverno"];
    Portcullis::start_beside(test.control_plane, OTHER, &arguments)
}

/// What it takes to make a Pod in a namespace of an engine.
async fn make_pod(test: &ClusterTest, namespace: &str) -> Result<String> {
    let run = ["run", "engine", "--image=registry.example.com/engine:1.0.0", "--dry-run=server"];
    Ok(test.control_plane.kubectl(namespace).run(&run).await?.stderr)
}

/// Has an engine leave the namespace of the other one out, as the guide says.
async fn leave_out(test: &ClusterTest, own: &str, other: &str) -> Result<()> {
    let expression = json!({ "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [other] });
    let webhooks = json!({ "namespaceSelector": { "matchExpressions": [expression] } }).to_string();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "portcullis" },
        "data": { "webhooks": webhooks },
    });
    let kubectl = test.control_plane.kubectl(own);
    kubectl.run_with(&["apply", "-f", "-"], &map.to_string()).await?.succeeded().map(drop)
}

#[test]
fn two_engines_that_leave_out_each_other_both_come_up_again_and_others_do_not() -> Result<()> {
    replicated(async |test, replicas| {
        test.make_namespace(OTHER).await?;
        replicas.start(1).await?;
        put_in_force(test, TEAMS).await?;
        let other = start_other(test)?;
        let names =
            ["get", "validatingwebhookconfiguration", "kyverno-resource-validating-webhook-cfg", "-o"];
        let names = [&names[..], &["jsonpath={.webhooks[*].name}"]].concat();
        wait::until("the webhooks of the other engine", async || {
            Ok((!test.kubectl(&names).await?.succeeded()?.is_empty()).then_some(()))
        })
        .await?;

        // Nothing leads to the other engine: each Pod of ours is refused.
        let refused = make_pod(test, "portcullis").await?;
        ensure!(refused.contains("failed calling webhook \"validate.kyverno.svc-fail\""), "{refused}");
        leave_out(test, OTHER, "portcullis").await?;
        leave_out(test, "portcullis", OTHER).await?;
        for namespace in ["portcullis", OTHER] {
            wait::until("Pods of both engines", async || {
                let refused = make_pod(test, namespace).await?;
                ensure!(refused.is_empty(), "{namespace}: {refused}");
                Ok(Some(()))
            })
            .await?;
        }
        replicas.kill_all();
        drop(other);
        until_pod_is(test, "failed calling webhook").await?;
        for namespace in ["portcullis", OTHER] {
            let refused = make_pod(test, namespace).await?;
            ensure!(refused.is_empty(), "{namespace}: {refused}");
        }
        test.kubectl(&["delete", "namespace", OTHER, "--wait=false"]).await?.succeeded().map(drop)
    })
}
