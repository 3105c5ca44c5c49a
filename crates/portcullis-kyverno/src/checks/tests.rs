//! Policies with mistakes, and what is said of them.

mod accepted;
mod beside;
mod properties;
mod refused;

use portcullis_value::Arena;

use super::*;

/// A ClusterPolicy with `spec`, whose lines are indented by two.
fn policy(spec: &str) -> String {
    format!("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata:\n  name: p\nspec:\n{spec}")
}

/// A ClusterPolicy with a rule of these lines, for Pods unless it says otherwise, not for background scans.
fn rule(lines: &str) -> String {
    let matching =
        if lines.contains("match:") { "" } else { "match: {any: [{resources: {kinds: [Pod]}}]}\n" };
    let lines: String = format!("{matching}{lines}").lines().map(|line| format!("      {line}\n")).collect();
    policy(&format!("  background: false\n  rules:\n    - name: r\n{lines}"))
}

fn findings(policy: &str, kinds: Option<&dyn Kinds>) -> Findings {
    let arena = Arena::new();
    Findings::of(portcullis_yaml::read(&arena, policy).unwrap(), kinds)
}

/// One line for each finding: severity, place, message, hint.
fn lines(findings: Findings) -> Vec<String> {
    let line = |found: Diagnostic| {
        let severity = if found.is_error() { "error" } else { "warning" };
        let hint = found.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{severity} {}: {}{hint}", found.path, found.message)
    };
    findings.into_diagnostics().into_iter().map(line).collect()
}

/// The cluster of these tests: Pods, Deployments, Nodes and `exec` of Pods.
struct Cluster;

impl Kinds for Cluster {
    fn find(&self, kind: &str) -> Served {
        match kind {
            "Pod" | "v1/Pod" | "Deployment" | "apps/v1/Deployment" | "Node" | "*" => Served::Resource,
            "Pod/exec" => Served::Subresource,
            _ => Served::Unknown,
        }
    }

    fn is_cluster_scoped(&self, kind: &str) -> bool {
        kind == "Node"
    }
}
