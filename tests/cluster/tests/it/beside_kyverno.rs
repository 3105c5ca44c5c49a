//! Portcullis beside Kyverno: nobody calls it, and it judges and counts what is in the cluster.

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{Shell, Workload, wait};

use crate::installation::{Ground, on_clear_ground};

/// A rule on what viewers may see, and one on what they may not.
const POLICIES: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: teams}
spec:
  rules:
  - name: needs-a-team
    match: {any: [{resources: {kinds: [ConfigMap], names: [probe-*], namespaces: [NAMESPACE]}}]}
    validate: {failureAction: Enforce, message: a team is wanted, pattern: {metadata: {labels: {team: '?*'}}}}
---
apiVersion: kyverno.io/v1
kind: Policy
metadata: {name: secrets, namespace: NAMESPACE}
spec:
  rules:
  - name: none
    match: {any: [{resources: {kinds: [Secret]}}]}
    validate: {failureAction: Audit, message: never, deny: {}}
---
{apiVersion: v1, kind: Secret, metadata: {name: hidden, namespace: NAMESPACE}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: probe-a, namespace: NAMESPACE, labels: {team: a}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: probe-b, namespace: NAMESPACE}}
";

/// Installs it, with a pass each second.
const INSTALL: &str = "helm install portcullis charts/portcullis --namespace portcullis --create-namespace --wait \
    --set=besideKyverno=true,extraArgs[0]=--background-scan-interval=1";

fn result(policy: &str, rule: &str, result: &str, times: usize) -> String {
    format!("portcullis_scan_results{{policy=\"{policy}\",rule=\"{rule}\",result=\"{result}\"}} {times}\n")
}

/// Waits until the last pass shows all of `lines`.
async fn until_counted(workload: &Workload<'_>, lines: &[String]) -> Result<String> {
    wait::until("counts of what is in the cluster", async || {
        let metrics = workload.metrics().await?;
        let missing = lines.iter().find(|line| !metrics.contains(*line));
        ensure!(missing.is_none(), "{missing:?} is not in {metrics}");
        Ok(Some(metrics))
    })
    .await
}

#[test]
fn what_is_in_the_cluster_and_what_changes_is_counted_and_nobody_calls() -> Result<()> {
    on_clear_ground(async |ground: &Ground<'_>| {
        let (control_plane, namespace) = (ground.test.control_plane, &ground.test.namespace);
        let shell = Shell::new(control_plane, namespace)?;
        let mut workload = Workload::new(control_plane)?;
        shell.run(INSTALL).await?.succeeded()?;
        ground.test.apply(&POLICIES.replace("NAMESPACE", namespace)).await?.succeeded()?;
        workload.follow().await?;
        let teams = |of: &str, times| result("teams", "needs-a-team", of, times);
        let metrics = until_counted(&workload, &[teams("pass", 1), teams("fail", 1)]).await?;
        ensure!(metrics.contains("portcullis_scan_kinds_unseen 1\n"), "Secrets are listed: {metrics}");
        let counted = metrics.lines().any(|line| {
            line.starts_with("kyverno_policy_results_total{")
                && line.contains("policy_name=\"teams\"")
                && line.contains("rule_execution_cause=\"background_scan\"")
        });
        ensure!(counted, "{metrics}");

        // What changes: an object is mended, and Secrets are granted.
        shell.run("kubectl label configmap probe-b team=b").await?.succeeded()?;
        let grant = "kubectl create clusterrole secrets --verb=list --resource=secrets && \
            kubectl label clusterrole secrets portcullis.dev/aggregate-to-lookups=true";
        shell.run(grant).await?.succeeded()?;
        let secrets = result(&format!("{namespace}/secrets"), "none", "fail", 1);
        let seen = "portcullis_scan_kinds_unseen 0\n".to_owned();
        let metrics = until_counted(&workload, &[teams("pass", 2), secrets, seen]).await?;
        ensure!(!metrics.contains(&teams("fail", 1)), "{metrics}");

        let configurations = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
        let ours = ["get", configurations, "-o", "name", "-l", "app.kubernetes.io/managed-by=portcullis"];
        ensure!(ground.kubectl(&ours).await?.is_empty(), "a webhook is registered");
        let statuses = ["get", "clusterpolicies", "-o", "jsonpath={.items[*].status}"];
        let statuses = ground.kubectl(&statuses).await?;
        ensure!(statuses.is_empty(), "a status is written: {statuses}");
        ground.kubectl(&["delete", "clusterrole", "secrets"]).await.map(drop)
    })
}
