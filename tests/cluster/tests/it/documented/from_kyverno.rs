//! The way from Kyverno, by the definitions that Kyverno itself installs.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::wait;
use serde_json::{Value, json};

use super::{Reader, reading};
use crate::installation::KYVERNO;

/// The definitions that the way leads past.
const DEFINITIONS: [&str; 5] = [
    "clusterpolicies.kyverno.io",
    "policies.kyverno.io",
    "policyexceptions.kyverno.io",
    "policyreports.wgpolicyk8s.io",
    "clusterpolicyreports.wgpolicyk8s.io",
];

/// What asks a Pod for its metrics. Pods run nothing here.
const PROXIED: &str =
    "kubectl get --raw /api/v1/namespaces/portcullis/services/portcullis:metrics/proxy/metrics";

/// A policy that audits what is there, and one whose results stand in no report.
const POLICIES: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: teams}
spec:
  rules:
  - name: needs a team
    match: {any: [{resources: {kinds: [ConfigMap], names: [probe-*], namespaces: [NAMESPACE]}}]}
    validate: {failureAction: Audit, message: a team is wanted, pattern: {metadata: {labels: {team: '?*'}}}}
  - name: not-in-secret
    match: {any: [{resources: {kinds: [ConfigMap], names: [probe-*], namespaces: [NAMESPACE]}}]}
    preconditions: {all: [{key: '{{ request.object.metadata.name }}', operator: Equals, value: probe-b}]}
    validate: {failureAction: Audit, message: never, deny: {conditions: {any: [{key: a, operator: Equals, value: b}]}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: of-requests}
spec:
  background: false
  rules:
  - name: nobody
    match: {any: [{resources: {kinds: [ConfigMap], names: [probe-*], namespaces: [NAMESPACE]}}]}
    validate: {failureAction: Audit, message: never, deny: {}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: probe-a, labels: {team: a}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: probe-b, labels: {team: b}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: probe-c}}
";

/// What Kyverno reports of them: the results of both rules on each ConfigMap.
const REPORTED: [(&str, &str, &str); 3] =
    [("probe-a", "pass", "skip"), ("probe-b", "pass", "pass"), ("probe-c", "fail", "skip")];

/// The reference's definitions, if they are there, which is said.
#[expect(clippy::disallowed_methods, reason = "a test that reads recorded definitions, where there are any")]
fn definitions() -> Result<Option<Vec<Value>>> {
    let root = match std::env::var_os("PORTCULLIS_CONFORMANCE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let folder = root.join("crds");
    if !folder.is_dir() {
        let _ = writeln!(io::stderr(), "skipped: there are no definitions at `{}`", folder.display());
        return Ok(None);
    }
    let read = |name: &&str| {
        let path = folder.join(format!("{name}.json"));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let recorded: Value = serde_json::from_str(&text)?;
        Ok(json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": name, "labels": { "app.kubernetes.io/part-of": "kyverno" } },
            "spec": recorded.get("spec"),
        }))
    };
    DEFINITIONS.iter().map(read).collect::<Result<Vec<_>>>().map(Some)
}

#[test]
fn the_guide_leads_from_kyverno_to_portcullis_and_back() -> Result<()> {
    let Some(definitions) = definitions()? else { return Ok(()) };
    reading(async |reader| {
        let outcome = walk(reader, &definitions).await;
        // An API server takes minutes to let go of definitions that it has only just begun to serve.
        let delete = ["delete", "--ignore-not-found", "--wait=false", "namespace/kyverno"];
        let names = DEFINITIONS.map(|name| format!("crd/{name}"));
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let cleaned = reader.ground.kubectl(&[&delete[..], &names].concat()).await;
        let of_policies = ["wait", "--for=delete", "--timeout=60s"];
        let gone = reader.ground.kubectl(&[&of_policies[..], &names[..3]].concat()).await;
        outcome.and(cleaned).and(gone).map(drop)
    })
}

async fn walk(reader: &mut Reader<'_>, definitions: &[Value]) -> Result<String> {
    let kubectl = reader.ground.test.control_plane.kubectl(&reader.ground.test.namespace);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": definitions }).to_string();
    kubectl
        .run_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &list)
        .await?
        .succeeded()?;
    let established = ["wait", "--for=condition=Established", "--timeout=60s", "crd"];
    let established = [&established[..], &DEFINITIONS].concat();
    // kubectl gives up on a definition that has no conditions yet.
    let wait = async || kubectl.run(&established).await?.succeeded().map(Some);
    wait::until("definitions that are established", wait).await?;
    kubectl.run(&["create", "namespace", "kyverno"]).await?.succeeded()?;
    let theirs = reader.ground.test.control_plane.kubectl("kyverno");
    theirs.run_with(&["apply", "-f", "-"], &KYVERNO.replace("NAMESPACE", "kyverno")).await?.succeeded()?;
    let policies = POLICIES.replace("NAMESPACE", &reader.ground.test.namespace);
    kubectl.run_with(&["apply", "-f", "-"], &policies).await?.succeeded()?;
    let reports = REPORTED.map(|(name, of_team, of_secret)| {
        let result = |rule: &str, result: &str| {
            json!({ "source": "kyverno", "policy": "teams", "rule": rule, "result": result, "scored": true })
        };
        json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2",
            "kind": "PolicyReport",
            "metadata": { "name": name },
            "results": [result("needs a team", of_team), result("not-in-secret", of_secret)],
        })
    });
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": reports }).to_string();
    kubectl.run_with(&["apply", "-f", "-"], &list).await?.succeeded()?;

    reader.follow(include_str!("../../../../../docs/guides/from-kyverno.md")).await?;
    // As it was, but for Kyverno, which the last step has printed how to start.
    let kept = kubectl.run(&["get", "clusterpolicies", "-o", "name"]).await?.succeeded()?;
    ensure!(kept.lines().count() == 2, "{kept}");
    Ok(kept)
}

impl Reader<'_> {
    /// The command with what it asks of a Pod from the process that stands for it.
    pub(super) async fn prepared(&self, command: &str) -> Result<String> {
        if !command.contains(PROXIED) {
            return Ok(command.to_owned());
        }
        let metrics = wait::until("a pass over the cluster", async || {
            let metrics = self.workload.metrics().await?;
            Ok(metrics.contains("portcullis_scan_ended_seconds ").then_some(metrics))
        })
        .await?;
        self.shell.write("metrics", &metrics)?;
        Ok(command.replace(PROXIED, "cat metrics"))
    }
}
