//! A cluster that is served from a laptop: nothing waits for one that is closed, and nothing is left of it.

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{ClusterTest, Portcullis, cluster_test, wait};
use serde_json::Value;

use crate::story::{create, until_ready_is, until_shown};

const KINDS: &str = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
const OURS: &str = "app.kubernetes.io/managed-by=portcullis";

/// Wants to fail closed, and to be waited for as long as there is.
const CLOSED: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: closed
spec:
  webhookConfiguration: {failurePolicy: Fail, timeoutSeconds: 30}
  rules:
  - name: labels
    match: {any: [{resources: {kinds: [ConfigMap, Node], selector: {matchLabels: {at: laptop}}}}]}
    mutate: {patchStrategicMerge: {metadata: {labels: {seen: \"yes\"}}}}
  - name: nothing-refused
    match: {any: [{resources: {kinds: [ConfigMap, Node], selector: {matchLabels: {at: laptop, refused: \"yes\"}}}}]}
    validate: {failureAction: Enforce, message: the laptop refuses it, deny: {}}
";

fn config_map(name: &str, refused: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, labels: {{at: laptop, refused: \"{refused}\"}}}}}}"
    )
}

/// The webhook configurations of Portcullis.
async fn configurations(test: &ClusterTest) -> Result<Vec<Value>> {
    let list = test.kubectl(&["get", KINDS, "-l", OURS, "-o", "json"]).await?.succeeded()?;
    let list: Value = serde_json::from_str(&list)?;
    Ok(list.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default())
}

fn uids(configurations: &[Value]) -> Vec<&Value> {
    configurations.iter().filter_map(|configuration| configuration.pointer("/metadata/uid")).collect()
}

fn on_laptop(test: impl AsyncFnOnce(&ClusterTest, &mut Portcullis<'_, '_>) -> Result<()>) -> Result<()> {
    cluster_test(async |prepared| {
        Portcullis::from_laptop(prepared.control_plane, &[], async |portcullis| {
            let applied = portcullis.put_in_force(CLOSED).await?;
            // Where no webhook fails closed, nothing is left out of any.
            ensure!(applied.code == 0 && !applied.stderr.contains("never asked"), "{applied:?}");
            until_shown(prepared, &config_map("probe", "yes"), "the laptop refuses it").await?;
            until_shown(prepared, &config_map("probe", "no"), "seen: \"yes\"").await?;
            test(prepared, portcullis).await
        })
        .await
    })
}

#[test]
fn a_laptop_fails_open_soon_whatever_policies_say_and_takes_its_webhooks_along() -> Result<()> {
    on_laptop(async |test, portcullis| {
        let there = configurations(test).await?;
        ensure!(there.len() == 3, "{there:?}");
        let webhooks = there.iter().filter_map(|one| one.pointer("/webhooks")?.as_array()).flatten();
        let webhooks: Vec<_> = webhooks.collect();
        ensure!(webhooks.len() == 4, "two for policies and exceptions, and one of each kind: {webhooks:?}");
        for webhook in webhooks {
            ensure!(webhook.pointer("/failurePolicy") == Some(&"Ignore".into()), "{webhook}");
            ensure!(webhook.pointer("/timeoutSeconds") == Some(&3.into()), "{webhook}");
        }
        // Of Nodes, too, since they do not wait for it.
        let ready = until_ready_is(test, "closed", "True").await?;
        ensure!(ready.pointer("/message") == Some(&"Ready".into()), "{ready}");
        let label = ["label", "node", "node-1", "at=laptop", "refused=yes", "--dry-run=server"];
        let refused = test.kubectl(&label).await?;
        ensure!(refused.code == 1 && refused.stderr.contains("the laptop refuses it"), "{refused:?}");

        portcullis.serve.stop().await?;
        let left = configurations(test).await?;
        ensure!(left.is_empty(), "{left:?}");
        create(test, &config_map("after", "yes"), &[]).await?.succeeded().map(drop)
    })
}

#[test]
fn what_a_laptop_leaves_when_it_crashes_stops_nothing_and_is_removed_by_the_next_start_or_disarm()
-> Result<()> {
    on_laptop(async |test, portcullis| {
        let before = configurations(test).await?;
        portcullis.serve.kill();
        ensure!(uids(&configurations(test).await?) == uids(&before), "somebody has written");
        create(test, &config_map("crashed", "yes"), &[]).await?.succeeded()?;

        portcullis.serve.start()?;
        portcullis.until_ready().await?;
        portcullis.serve.until_logged("removed a webhook configuration that an earlier run left").await?;
        let after = wait::until("its own configurations", async || {
            let after = configurations(test).await?;
            Ok((after.len() == 3).then_some(after))
        })
        .await?;
        let is_new = |uid: &&Value| !uids(&before).contains(uid);
        ensure!(uids(&after).iter().all(is_new), "one was kept: {:?} {:?}", uids(&before), uids(&after));
        until_shown(test, &config_map("probe", "yes"), "the laptop refuses it").await?;

        portcullis.serve.kill();
        let disarmed = portcullis.command(&["disarm"]).await?;
        ensure!(disarmed.lines().count() == 3, "{disarmed}");
        let left = configurations(test).await?;
        ensure!(left.is_empty(), "{left:?}");
        create(test, &config_map("disarmed", "yes"), &[]).await?.succeeded().map(drop)
    })
}
