//! The definitions of policies on a real API server: what it refuses by them, stores and shows.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use http::Request;
use jiff::Timestamp;
use kube::Client;
use portcullis_cluster_tests::{ClusterTest, Kubectl, cluster_test, wait};
use portcullis_value::Arena;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

/// Runs a test on an API server that serves policies, as `portcullis crds | kubectl apply --server-side -f -` has it do,
/// and that asks nobody about them. The test is given the definitions.
fn defined_test(test: impl AsyncFnOnce(&ClusterTest, String) -> Result<()>) -> Result<()> {
    cluster_test(async |prepared| {
        let definitions = define(&prepared.control_plane.kubectl(&prepared.namespace)).await?;
        test(prepared, definitions).await?;
        prepared.kubectl(&["delete", "policies", "--all"]).await?.succeeded().map(drop)
    })
}

/// Has the API server serve policies, by this kubectl.
pub(crate) async fn define(kubectl: &Kubectl) -> Result<String> {
    let documents = {
        let arena = Arena::new();
        let documents = portcullis_cli::definitions(&arena).into_iter().map(portcullis_yaml::to_string);
        documents.collect::<Vec<_>>().join("---\n")
    };
    kubectl.run_with(&["apply", "--server-side", "-f", "-"], &documents).await?.succeeded()?;
    let established = ["wait", "--for=condition=Established", "--timeout=60s", "crd"];
    let established = [&established[..], &DEFINITIONS].concat();
    // kubectl gives up on a definition that has no conditions yet.
    let wait = async || kubectl.run(&established).await?.succeeded().map(Some);
    wait::until("definitions that are established", wait).await?;
    Ok(documents)
}

/// Has the API server serve no policies.
pub(crate) async fn undefine(kubectl: &Kubectl) -> Result<()> {
    remove(kubectl, &DEFINITIONS).await
}

/// Removes definitions with all objects of their kinds.
pub(crate) async fn remove(kubectl: &Kubectl, definitions: &[&str]) -> Result<()> {
    let of_all = |arguments: &[&'static str]| [arguments, definitions].concat();
    let delete = of_all(&["delete", "--ignore-not-found", "--wait=false", "crd"]);
    kubectl.run(&delete).await?.succeeded()?;
    let columns =
        "custom-columns=NAME:.metadata.name,WHY:.status.conditions[?(@.type=='Terminating')].message";
    let list = of_all(&["get", "--ignore-not-found", "--no-headers", "-o", columns, "crd"]);
    let mut touched = Instant::now();
    wait::until("the end of definitions", async || {
        let left = kubectl.run(&list).await?.succeeded()?;
        if left.is_empty() {
            return Ok(Some(()));
        }
        if touched.elapsed() > BETWEEN_TOUCHES {
            let names = left.lines().filter_map(|line| line.split_whitespace().next());
            let time = format!("touched={}", Timestamp::now());
            let touch = ["annotate", "--overwrite", "crd"].into_iter().chain(names).chain([&*time]);
            kubectl.run(&touch.collect::<Vec<_>>()).await?.succeeded()?;
            touched = Instant::now();
        }
        bail!("left: {left}")
    })
    .await
}

/// An API server that has just started may find the objects of a definition out of reach, and may then not look again
/// before the definition changes. A change while it looks has it begin anew, so they are apart.
const BETWEEN_TOUCHES: Duration = Duration::from_secs(2);

const DEFINITIONS: [&str; 4] = [
    "clusterpolicies.kyverno.io",
    "policies.kyverno.io",
    "policyexceptions.kyverno.io",
    "jobretentions.portcullis.dev",
];

const POLICY: &str = "\
apiVersion: kyverno.io/v1
kind: Policy
metadata:
  name: team-label
spec:
  rules:
  - name: needs-a-team
    match:
      any:
      - resources:
          kinds: [ConfigMap]
    context:
    - name: answer
      apiCall:
        urlPath: /version
    validate:
      message: a team is missing
      pattern:
        metadata:
          labels:
            team: \"?*\"
";

#[test]
fn a_policy_is_stored_as_it_was_written() -> Result<()> {
    defined_test(async |test, _| {
        let kubectl = test.control_plane.kubectl(&test.namespace);
        kubectl.run_with(&["apply", "--server-side", "-f", "-"], POLICY).await?.succeeded()?;
        let stored = test.kubectl(&["get", "pol", "team-label", "-o", "json"]).await?.succeeded()?;
        let stored: Value = serde_json::from_str(&stored)?;
        let arena = Arena::new();
        let written = portcullis_yaml::read(&arena, POLICY)?;
        let written: Value = serde_json::from_str(&written.get("spec").unwrap_or_default().to_string())?;
        ensure!(stored.get("spec") == Some(&written), "{stored}");
        Ok(())
    })
}

#[test]
fn kubectl_lists_policies_in_the_columns_of_the_reference() -> Result<()> {
    defined_test(async |test, _| {
        let kubectl = test.control_plane.kubectl(&test.namespace);
        kubectl.run_with(&["apply", "--server-side", "-f", "-"], POLICY).await?.succeeded()?;
        let table = test.kubectl(&["get", "pol", "-o", "wide"]).await?.succeeded()?;
        let head: Vec<_> = table.lines().next().unwrap_or_default().split_whitespace().collect();
        let columns = "NAME ADMISSION BACKGROUND READY AGE FAILURE POLICY VALIDATE MUTATE GENERATE VERIFY IMAGES MESSAGE";
        ensure!(head.join(" ") == columns, "{table}");
        Ok(())
    })
}

#[test]
fn kubectl_sees_no_change_in_definitions_that_are_installed_and_explains_them() -> Result<()> {
    defined_test(async |test, documents| {
        let kubectl = test.control_plane.kubectl(&test.namespace);
        let difference = kubectl.run_with(&["diff", "--server-side", "-f", "-"], &documents).await?;
        ensure!(difference.code == 0 && difference.stdout.is_empty(), "{difference:?}");
        let text = "The objects and requests that the rule is for.";
        test.until_explained("clusterpolicies.spec.rules.match", text).await?;
        Ok(())
    })
}

#[test]
fn what_the_schema_forbids_is_refused_in_the_words_of_the_api_server() -> Result<()> {
    defined_test(async |test, _| {
        let kubectl = test.control_plane.kubectl(&test.namespace);
        let refused = async |from: &str, to: &str| {
            let policy = POLICY.replace(from, to);
            kubectl.run_with(&["apply", "--server-side", "--dry-run=server", "-f", "-"], &policy).await
        };
        let long = "n".repeat(64);
        for (from, to, words) in [
            ("needs-a-team", long.as_str(), "spec.rules[0].name: Too long: may not be more than 63 bytes"),
            ("validate:", "validate:\n      failureAction: Warn", "supported values: \"Audit\", \"Enforce\""),
            ("any:", "all: []\n      any:", "\"spec.rules[0].match\" must not validate the schema (not)"),
            ("    match:", "    exclude:", "spec.rules[0].match: Required value"),
        ] {
            let refused = refused(from, to).await?;
            ensure!(refused.code == 1 && refused.stderr.contains(words), "want {words}, got {refused:?}");
        }
        Ok(())
    })
}

/// A policy, mostly with a mistake, and what the API server said of it with the definitions of the reference.
#[derive(Deserialize)]
struct Recorded {
    id: String,
    policy: Value,
    expect: Expected,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Expected {
    code: u16,
    #[serde(default)]
    message: String,
}

/// The code of a refusal by the schema.
const INVALID: u16 = 422;

#[test]
fn the_api_server_refuses_what_it_refuses_with_the_definitions_of_the_reference() -> Result<()> {
    let cases = recorded()?;
    defined_test(async |test, _| {
        let mut differences = Vec::new();
        for Recorded { id, policy, expect } in cases {
            let got = create(&test.client, policy, &test.namespace).await?;
            // What the reference itself refuses is good for the schema.
            let as_recorded = if expect.code == INVALID { got == expect } else { got.code == 201 };
            if !as_recorded {
                differences.push(format!("{id}: want {expect:?}, got {got:?}"));
            }
        }
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        Ok(())
    })
}

/// Asks for a policy to be created, without a trace.
async fn create(client: &Client, mut policy: Value, namespace: &str) -> Result<Expected> {
    let version = text(&policy, "/apiVersion").unwrap_or("kyverno.io/v1").to_owned();
    let path = if text(&policy, "/kind") == Some("Policy") {
        if let Some(metadata) = policy.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        format!("/apis/{version}/namespaces/{namespace}/policies?dryRun=All")
    } else {
        format!("/apis/{version}/clusterpolicies?dryRun=All")
    };
    let request =
        Request::post(path).header("content-type", "application/json").body(serde_json::to_vec(&policy)?)?;
    match client.request::<Value>(request).await {
        Ok(_) => Ok(Expected { code: 201, message: String::new() }),
        Err(kube::Error::Api(status)) => Ok(Expected { code: status.code, message: status.message }),
        Err(error) => Err(error.into()),
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// Two of the recorded cases, shortened, in the form of the corpus.
const SHORTENED: &str = r#"
{"id": "unchanged", "expect": {"code": 201}, "policy": {"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "shortened"}, "spec": {"rules": [{"name": "host-namespaces", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}, "validate": {"podSecurity": {"level": "baseline", "version": "latest"}}}]}}}
{"id": "podsecurity-level", "expect": {"code": 422, "message": "ClusterPolicy.kyverno.io \"shortened\" is invalid: spec.rules[0].validate.podSecurity.level: Unsupported value: \"strict\": supported values: \"privileged\", \"baseline\", \"restricted\""}, "policy": {"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "shortened"}, "spec": {"rules": [{"name": "host-namespaces", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}, "validate": {"podSecurity": {"level": "strict", "version": "latest"}}}]}}}
"#;

/// The recorded cases; where the corpora are not there, which is said, those that are here.
#[expect(clippy::disallowed_methods, reason = "a test that reads recorded answers, where there are any")]
fn recorded() -> Result<Vec<Recorded>> {
    let root = match std::env::var_os("PORTCULLIS_CONFORMANCE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let path = root.join("policy-validation/cases.jsonl");
    if !path.is_file() {
        let _ = writeln!(io::stderr(), "skipped: there are no recorded answers at `{}`", path.display());
        return cases(SHORTENED);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok([cases(SHORTENED)?, cases(&text)?].into_iter().flatten().collect())
}

/// Cases, one on a line.
fn cases(text: &str) -> Result<Vec<Recorded>> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("the case `{line}`"))).collect()
}
