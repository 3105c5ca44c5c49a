//! JobRetention on a real API server: what its definition refuses, stores and shows, and how a Job is explained by an object.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use portcullis_cluster_tests::{ClusterTest, cluster_test, wait};
use serde_json::{Value, json};

use crate::crds::define;
use crate::story::{founding_policy, is_finished, job, serving};

/// Runs a test on an API server that serves JobRetention, and that asks nobody.
fn defined_test(test: impl AsyncFnOnce(&ClusterTest) -> Result<()>) -> Result<()> {
    cluster_test(async |prepared| {
        define(&prepared.control_plane.kubectl(&prepared.namespace)).await?;
        test(prepared).await?;
        prepared.kubectl(&["delete", "jobretentions", "--all"]).await?.succeeded().map(drop)
    })
}

/// An object with this spec, which is JSON.
fn object(spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"portcullis.dev/v1alpha1","kind":"JobRetention","metadata":{{"name":"tried"}},"spec":{spec}}}"#
    )
}

#[test]
fn a_job_retention_is_stored_as_it_was_written_and_listed_by_its_short_name() -> Result<()> {
    defined_test(async |test| {
        let kubectl = test.control_plane.kubectl(&test.namespace);
        let spec = r#"{"keepLast":3,"selector":{},"ttl":{"failed":"7d","succeeded":"15m"}}"#;
        kubectl.run_with(&["apply", "--server-side", "-f", "-"], &object(spec)).await?.succeeded()?;
        let stored = test.kubectl(&["get", "jr", "tried", "-o", "json"]).await?.succeeded()?;
        let stored: Value = serde_json::from_str(&stored)?;
        ensure!(stored.get("spec").map(Value::to_string).as_deref() == Some(spec), "{stored}");
        let table = test.kubectl(&["get", "jr"]).await?.succeeded()?;
        let words: Vec<_> = table.split_whitespace().collect();
        let head = [
            "NAME",
            "MODE",
            "SUCCEEDED",
            "FAILED",
            "KEEP",
            "JOBS",
            "READY",
            "AGE",
            "tried",
            "15m",
            "7d",
            "3",
        ];
        ensure!(words.starts_with(&head), "{table}");
        test.until_explained("jobretentions.spec.keepLast", "How many Jobs of each group never expire").await
    })
}

#[test]
fn a_job_retention_with_a_mistake_is_refused_with_the_reason() -> Result<()> {
    defined_test(async |test| {
        let kubectl = test.control_plane.kubectl(&test.namespace);
        let apply = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
        for (spec, words) in [
            (r#"{"ttl":{"failed":"7d"}}"#, "spec.selector: Required value"),
            (r#"{"selector":{},"ttl":{"failed":"7 days"}}"#, "spec.ttl.failed: Invalid value"),
            (r#"{"selector":{},"ttl":{"failed":"24856d"}}"#, "a TTL is 24855 days at most"),
            (r#"{"selector":{},"mode":"Enforce"}"#, r#"supported values: "audit", "enforce""#),
            (r#"{"selector":{},"keepLast":-1}"#, "should be greater than or equal to 0"),
            (
                r#"{"selector":{"matchExpressions":[{"key":"app","operator":"In"}]}}"#,
                "`In` and `NotIn` need values",
            ),
            (r#"{"selector":{},"keeplast":3}"#, "field not declared in schema"),
        ] {
            let refused = kubectl.run_with(&apply, &object(spec)).await?;
            ensure!(refused.code == 1 && refused.stderr.contains(words), "want {words}, got {refused:?}");
        }
        for good in ["24855d", "596523h", "35791394m", "2147483647s", "0s"] {
            let spec = json!({ "selector": {}, "ttl": { "succeeded": good } }).to_string();
            kubectl.run_with(&apply, &object(&spec)).await?.succeeded()?;
        }
        Ok(())
    })
}

#[test]
fn the_ttl_that_the_founding_policy_gives_belongs_to_nobody_until_a_user_sets_it() -> Result<()> {
    serving(async |test, portcullis| {
        let kubectl = test.control_plane.kubectl(&test.namespace);
        let enforced = object(r#"{"selector":{},"ttl":{"succeeded":"1h"},"mode":"enforce"}"#);
        kubectl.run_with(&["apply", "--server-side", "-f", "-"], &enforced).await?.succeeded()?;
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        test.apply(&job("pi", "")).await?.succeeded()?;
        wait::until_object(&test.api::<Job>(), "pi", "the end of the Job", is_finished).await?;

        let explain = async || {
            let arguments = ["jobs", "explain", "pi", "-n", &test.namespace, "--format", "json"];
            let explained = test.control_plane.portcullis(&arguments).await?;
            ensure!(explained.stderr.is_empty(), "{}", explained.stderr);
            Ok::<Value, anyhow::Error>(serde_json::from_str(&explained.succeeded()?)?)
        };
        let explained = explain().await?;
        ensure!(explained["ttl"] == json!({"owner": "admission", "seconds": 900}), "{explained:#}");
        ensure!(explained["policies"][0]["ttlSeconds"] == 900, "{explained:#}");
        let says = explained["says"].as_str().unwrap_or_default();
        let why = "JobRetention `tried` lets Jobs that succeeded stay 1h; its TTL of 15m, which came from admission, is still to be replaced";
        ensure!(says.ends_with(why), "{explained:#}");

        let patch = r#"{"spec":{"ttlSecondsAfterFinished":7200}}"#;
        test.kubectl(&["patch", "job", "pi", "--patch", patch]).await?.succeeded()?;
        let explained = explain().await?;
        ensure!(explained["ttl"] == json!({"owner": "kubectl-patch", "seconds": 7200}), "{explained:#}");
        let says = explained["says"].as_str().unwrap_or_default();
        ensure!(
            says.ends_with("which `kubectl-patch` has set, and no JobRetention replaces it"),
            "{explained:#}"
        );
        Ok(())
    })
}
