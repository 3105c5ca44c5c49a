//! Webhook configurations at work: what is never asked, and what becomes of edits by hand.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::jiff::SignedDuration;
use portcullis_cluster_tests::{ClusterTest, wait};
use serde_json::Value;

use crate::story::{founding_policy, job, serving, until_ready_is, until_shown};

const MUTATING: &str = "mutatingwebhookconfiguration/portcullis-resource-mutating";
const VALIDATING: &str = "validatingwebhookconfiguration/portcullis-resource-validating";

#[test]
fn a_configuration_that_is_edited_or_deleted_by_hand_is_restored() -> Result<()> {
    serving(async |test, portcullis| {
        let webhooks = ["get", MUTATING, "-o", "jsonpath={.webhooks}"];
        let empty =
            wait::until("a configuration", async || Ok(Some(test.kubectl(&webhooks).await?.succeeded()?)));
        ensure!(empty.await?.is_empty(), "there is a webhook without a policy");
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        let good = test.kubectl(&webhooks).await?.succeeded()?;
        let narrowed =
            r#"[{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["UPDATE"]}]"#;
        for edit in [&["patch", MUTATING, "--type=json", "--patch", narrowed][..], &["delete", MUTATING]] {
            test.kubectl(edit).await?.succeeded()?;
            wait::until("a configuration as it was", async || {
                Ok((test.kubectl(&webhooks).await?.stdout == good).then_some(()))
            })
            .await?;
            restored_in_time(test).await.with_context(|| format!("after `kubectl {}`", edit.join(" ")))?;
        }
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        portcullis.serve.until_logged("were changed by somebody else, and are restored").await?;

        test.kubectl(&["delete", "clusterpolicy", "--all"]).await?.succeeded()?;
        wait::until("a configuration without webhooks", async || {
            Ok(test.kubectl(&webhooks).await?.succeeded()?.is_empty().then_some(()))
        })
        .await
    })
}

/// Checks by the clock of the API server how long the last change by hand has lasted.
async fn restored_in_time(test: &ClusterTest) -> Result<()> {
    let name = MUTATING.rsplit('/').next().unwrap_or_default();
    let is_by_hand = |user: &str| user == "kubernetes-admin";
    let (edited, restored) = wait::until("both in the audit log", async || {
        let writes = test.control_plane.writes_of_webhooks(name)?;
        let Some(place) = writes.iter().rposition(|(user, _)| is_by_hand(user)) else { return Ok(None) };
        let time = |place: usize| writes.get(place).map(|(_, time)| *time);
        Ok(time(place).zip(time(place + 1)))
    })
    .await?;
    let lasted = restored.duration_since(edited);
    ensure!(lasted <= SignedDuration::from_secs(10), "the change lasted {lasted:?}");
    Ok(())
}

#[test]
fn a_policy_is_not_ready_while_somebody_else_changes_its_webhook_again_and_again() -> Result<()> {
    serving(async |test, portcullis| {
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        let operations = ["get", MUTATING, "-o", "jsonpath={.webhooks[0].rules[0].operations[*]}"];
        let good = test.kubectl(&operations).await?.succeeded()?;
        let narrowed =
            r#"[{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["UPDATE"]}]"#;
        let narrow = ["patch", MUTATING, "--type=json", "--patch", narrowed];
        for _ in 0..3 {
            test.kubectl(&narrow).await?.succeeded()?;
            wait::until("a configuration as it was", async || {
                Ok((test.kubectl(&operations).await?.stdout == good).then_some(()))
            })
            .await?;
        }
        test.kubectl(&narrow).await?.succeeded()?;
        let name = "add-ttl-to-dangling-job";
        wait::until("a word of who changes it", async || {
            let ready = until_ready_is(test, name, "False").await?;
            let message = ready.pointer("/message").and_then(Value::as_str).unwrap_or_default();
            ensure!(message.contains("changed by somebody else again and again"), "{message}");
            Ok(Some(()))
        })
        .await?;
        portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 1.0).await?;
        // News is written, whoever it was.
        test.apply(CLOSED).await?.succeeded()?;
        until_ready_is(test, name, "True").await?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await
    })
}

/// Refuses what has the label `refused`, and fails closed.
const CLOSED: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: closed
spec:
  failurePolicy: Fail
  rules:
  - name: nothing-refused
    match:
      any:
      - resources:
          kinds: [ConfigMap, Node, Lease]
          selector:
            matchLabels:
              refused: \"true\"
    validate:
      failureAction: Enforce
      message: it is refused
      deny: {}
";

#[test]
fn the_control_plane_does_not_wait_for_a_policy_that_fails_closed() -> Result<()> {
    serving(async |test, portcullis| {
        let applied = portcullis.put_in_force(CLOSED).await?;
        ensure!(applied.stderr.contains("Warning: never asked about `Lease`, `Node`"), "{applied:?}");
        // It is in force for what it is asked about, and says what that does not include.
        let ready = until_ready_is(test, "closed", "True").await?;
        let message = ready.pointer("/message").and_then(Value::as_str).unwrap_or_default();
        ensure!(message.starts_with("Ready; never asked about `Lease`, `Node`, which"), "{ready}");
        portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 0.0).await?;
        let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: refused, labels: {refused: \"true\"}}}";
        until_shown(test, map, "it is refused").await?;
        let webhooks = test.kubectl(&["get", VALIDATING, "-o", "jsonpath={.webhooks}"]).await?.succeeded()?;
        let webhooks: Value = serde_json::from_str(&webhooks)?;
        let conditions = webhooks.pointer("/0/matchConditions").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(
            conditions == 7 && webhooks.pointer("/0/failurePolicy") == Some(&"Fail".into()),
            "{webhooks}"
        );

        let in_system = ["create", "configmap", "--namespace=kube-system", "--dry-run=server"];
        let lease = "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l, labels: {refused: \"true\"}}}";
        for is_dead in [false, true] {
            if is_dead {
                portcullis.serve.kill();
                let refused = test.kubectl(&["create", "configmap", "while-dead"]).await?;
                ensure!(
                    refused.code == 1 && refused.stderr.contains("failed calling webhook"),
                    "{refused:?}"
                );
            }
            test.kubectl(&["label", "node", "node-2", "--overwrite", "refused=true"]).await?.succeeded()?;
            test.kubectl(&["label", "node", "node-2", "refused-"]).await?.succeeded()?;
            test.kubectl(&[&in_system[..], &["pass"]].concat()).await?.succeeded()?;
            test.control_plane
                .kubectl(&test.namespace)
                .run_with(&["create", "--dry-run=server", "-f", "-"], lease)
                .await?
                .succeeded()?;
        }
        // In an emergency.
        let disarmed = portcullis.command(&["disarm"]).await?;
        ensure!(disarmed.lines().count() == 3, "{disarmed}");
        // An API server hears of that a moment later.
        wait::until("a creation while it is disarmed", async || {
            test.kubectl(&["create", "configmap", "while-disarmed"]).await?.succeeded().map(Some)
        })
        .await
        .map(drop)
    })
}

#[test]
fn a_rule_about_nothing_but_nodes_is_not_enforced_where_it_fails_closed_and_says_so() -> Result<()> {
    serving(async |test, portcullis| {
        let nodes = CLOSED.replace("[ConfigMap, Node, Lease]", "[Node]");
        let applied = test.apply(&nodes).await?;
        ensure!(applied.stderr.contains("Warning: never asked about `Node`"), "{applied:?}");
        let ready = until_ready_is(test, "closed", "False").await?;
        ensure!(ready.pointer("/reason") == Some(&"RulesNotEnforced".into()), "{ready}");
        let message = ready.pointer("/message").and_then(Value::as_str).unwrap_or_default();
        let told = "not enforced: rule `nothing-refused` (never asked); never asked about `Node`, which";
        ensure!(message.starts_with(told), "{message}");
        portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 1.0).await?;
        let label = ["label", "node", "node-2", "refused=true", "--dry-run=server"];
        test.kubectl(&label).await?.succeeded()?;

        // As it does not stand in the way of Nodes any more, it is asked about them.
        test.apply(&nodes.replace("failurePolicy: Fail", "failurePolicy: Ignore")).await?.succeeded()?;
        let ready = until_ready_is(test, "closed", "True").await?;
        ensure!(ready.pointer("/message") == Some(&"Ready".into()), "{ready}");
        portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 0.0).await?;
        wait::until("a Node that is refused", async || {
            let refused = test.kubectl(&label).await?;
            ensure!(refused.stderr.contains("it is refused"), "{refused:?}");
            Ok(Some(()))
        })
        .await
    })
}
