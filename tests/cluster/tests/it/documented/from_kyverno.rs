//! The way from Kyverno, by the definitions that Kyverno itself installs.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::wait;
use portcullis_model::Resource;
use portcullis_value::Arena;
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

/// The definitions as Kyverno installs them: as they are recorded, or where that is not there, which is said, what stands in for
/// them.
#[expect(clippy::disallowed_methods, reason = "a test that reads recorded definitions, where there are any")]
fn definitions() -> Result<Vec<Value>> {
    let root = match std::env::var_os("PORTCULLIS_CONFORMANCE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let folder = root.join("crds");
    let is_recorded = folder.is_dir();
    if !is_recorded {
        let _ = writeln!(io::stderr(), "ours stand in: there are no definitions at `{}`", folder.display());
    }
    let spec = |name: &str| {
        if !is_recorded {
            return stand_in(name);
        }
        let path = folder.join(format!("{name}.json"));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let recorded: Value = serde_json::from_str(&text)?;
        recorded.get("spec").cloned().with_context(|| format!("no spec in `{}`", path.display()))
    };
    let definition = |name: &&str| {
        Ok(json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": name, "labels": { "app.kubernetes.io/part-of": "kyverno" } },
            "spec": spec(name)?,
        }))
    };
    DEFINITIONS.iter().map(definition).collect()
}

/// The specification of what stands in for a definition of Kyverno: ours of that name, or that of a report of any form.
fn stand_in(name: &str) -> Result<Value> {
    let (plural, group) = name.split_once('.').context("a definition without a group")?;
    let arena = Arena::new();
    let ours = portcullis_cli::definitions(&arena);
    if let Some(ours) = ours.into_iter().find(|ours| Resource(*ours).name() == name) {
        return Ok(serde_json::from_str(&ours.get("spec").unwrap_or_default().to_string())?);
    }
    let (kind, scope) = match plural {
        "policyreports" => ("PolicyReport", "Namespaced"),
        _ => ("ClusterPolicyReport", "Cluster"),
    };
    Ok(json!({
        "group": group,
        "names": { "kind": kind, "plural": plural },
        "scope": scope,
        "versions": [{
            "name": "v1alpha2",
            "served": true,
            "storage": true,
            "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
        }],
    }))
}

#[test]
fn the_guide_leads_from_kyverno_to_portcullis_and_back() -> Result<()> {
    let definitions = definitions()?;
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
