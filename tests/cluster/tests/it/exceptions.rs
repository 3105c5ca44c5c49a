//! PolicyExceptions: whose count, how soon, and what their writers are told.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use http::Request;
use portcullis_cluster_tests::{ClusterTest, Portcullis, cluster_test, wait};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::story::{create, serving, until_shown};

/// How long an exception may take until it counts.
const SOON: Duration = Duration::from_secs(1);
/// How often one is written at most, until the machine is not busy for a moment.
const TIMES: usize = 20;

/// Refuses Pods without a team in the namespace of the test.
fn policy(test: &ClusterTest) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: teams
spec:
  rules:
  - name: needs-a-team
    match: {{any: [{{resources: {{kinds: [Pod], namespaces: [{}]}}}}]}}
    validate: {{failureAction: Enforce, message: a team is missing, pattern: {{metadata: {{labels: {{team: \"?*\"}}}}}}}}
",
        test.namespace
    )
}

/// Lets Pods of this name through, from the namespace of the test.
fn exception(name: &str, pod: &str) -> Value {
    json!({
        "apiVersion": "kyverno.io/v2", "kind": "PolicyException", "metadata": { "name": name },
        "spec": {
            "exceptions": [{ "policyName": "teams", "ruleNames": ["needs-a-team"] }],
            "match": { "any": [{ "resources": { "kinds": ["Pod"], "names": [pod] } }] },
        },
    })
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "main", "image": "registry.example.com/main:1.0.0" }] },
    })
}

/// How long it takes from now until a Pod of this name is admitted, or refused.
async fn until_admitted(test: &ClusterTest, name: &str, wanted: bool) -> Result<Duration> {
    let asked = Instant::now();
    while asked.elapsed() < wait::PATIENCE {
        let path = format!("/api/v1/namespaces/{}/pods?dryRun=All", test.namespace);
        let request = Request::post(path).header("content-type", "application/json");
        let created = test.client.request::<Value>(request.body(pod(name).to_string().into_bytes())?).await;
        if created.is_ok() == wanted {
            return Ok(asked.elapsed());
        }
    }
    bail!("waited in vain for the Pod `{name}` to be {}", if wanted { "admitted" } else { "refused" })
}

#[test]
fn an_exception_in_the_namespace_that_is_named_counts_within_a_second_until_it_is_removed() -> Result<()> {
    cluster_named(
        |namespace| format!("--exception-namespace={namespace}"),
        async |test| {
            let mut least = [wait::PATIENCE; 2];
            for _ in 0..TIMES {
                let written = test.apply(&exception("let-through", "special").to_string()).await?;
                ensure!(written.code == 0 && written.stderr.is_empty(), "{written:?}");
                let counts = until_admitted(test, "special", true).await?;
                // It is about this Pod alone.
                ensure!(create(test, &pod("other").to_string(), &["--dry-run=server"]).await?.code == 1);
                test.kubectl(&["delete", "policyexception", "let-through"]).await?.succeeded()?;
                let removed = until_admitted(test, "special", false).await?;
                least = [least[0].min(counts), least[1].min(removed)];
                if least.iter().all(|time| *time < SOON) {
                    break;
                }
            }
            println!("from the write to the exception counting, and from its removal: {least:?} at least");
            ensure!(least.iter().all(|time| *time < SOON), "{least:?}");
            Ok(())
        },
    )
}

#[test]
fn an_exception_counts_for_whatever_has_the_name_of_its_policy() -> Result<()> {
    cluster_named(
        |namespace| format!("--exception-namespace={namespace}"),
        async |test| {
            test.apply(&exception("let-through", "special").to_string()).await?.succeeded()?;
            until_admitted(test, "special", true).await?;
            let recreate = async |message: &str| {
                test.apply(&policy(test).replace("a team is missing", message)).await?.succeeded()?;
                until_shown(test, &pod("probe").to_string(), message).await
            };
            let gone = async || {
                test.kubectl(&["delete", "clusterpolicy", "teams"]).await?.succeeded()?;
                until_admitted(test, "probe", true).await
            };
            gone().await?;
            recreate("there is no team").await?;
            create(test, &pod("special").to_string(), &["--dry-run=server"]).await?.succeeded()?;
            // One that was removed meanwhile does not come back with the policy.
            gone().await?;
            test.kubectl(&["delete", "policyexception", "let-through"]).await?.succeeded()?;
            recreate("no team is named").await?;
            until_admitted(test, "special", false).await.map(drop)
        },
    )
}

#[test]
fn an_exception_that_has_ended_by_its_label_does_not_count_until_the_label_is_taken_away() -> Result<()> {
    cluster_named(
        |namespace| format!("--exception-namespace={namespace}"),
        async |test| {
            let mut ended = exception("let-through", "special");
            ended["metadata"]["labels"] = json!({ "cleanup.kyverno.io/ttl": "2020-01-01" });
            let written = test.apply(&ended.to_string()).await?;
            ensure!(written.code == 0 && written.stderr.is_empty(), "{written:?}");
            is_refused_once_all_counts(test).await?;
            let label = ["label", "policyexception", "let-through", "cleanup.kyverno.io/ttl-"];
            test.kubectl(&label).await?.succeeded()?;
            // That has no exception.
            test.kubectl(&["delete", "clusterpolicy", "later"]).await?.succeeded()?;
            until_admitted(test, "special", true).await.map(drop)
        },
    )
}

#[test]
fn an_exception_elsewhere_does_not_count_and_its_writer_is_told() -> Result<()> {
    cluster_named(
        |_| "--exception-namespace=elsewhere".to_owned(),
        async |test| {
            let warning = "Warning: PolicyException resource namespace must match the defined namespace.";
            without_effect(test, warning).await
        },
    )
}

#[test]
fn no_exception_counts_where_no_namespace_is_named() -> Result<()> {
    serving(async |test, portcullis| {
        portcullis.put_in_force(&policy(test)).await?.succeeded()?;
        until_shown(test, &pod("probe").to_string(), "a team is missing").await?;
        let warning = "Warning: PolicyException resources would not be processed until it is enabled.";
        without_effect(test, warning).await
    })
}

#[test]
fn an_exception_with_a_mistake_is_refused_in_the_references_words() -> Result<()> {
    cluster_named(
        |_| "--exception-namespace=*".to_owned(),
        async |test| {
            let mut mistaken = exception("mistaken", "special");
            mistaken["spec"]["match"]["any"][0]["subjects"] = json!([{ "kind": "User", "name": "ann" }]);
            let refused = test.apply(&mistaken.to_string()).await?;
            let words = "\"validate-exception.portcullis.svc\" denied the request: spec.match.any[0].subjects: Forbidden: \
                     Usage of user info is forbidden";
            ensure!(refused.code == 1 && refused.stderr.contains(words), "{refused:?}");
            // All namespaces count.
            test.apply(&exception("good", "special").to_string()).await?.succeeded()?;
            until_admitted(test, "special", true).await.map(drop)
        },
    )
}

/// Writes an exception, which has this warning and no effect.
async fn without_effect(test: &ClusterTest, warning: &str) -> Result<()> {
    let written = test.apply(&exception("no-effect", "special").to_string()).await?;
    ensure!(written.code == 0 && written.stderr.contains(warning), "{written:?}");
    is_refused_once_all_counts(test).await
}

/// Waits until what has been written is in force, and sees the Pod refused that an exception is about.
async fn is_refused_once_all_counts(test: &ClusterTest) -> Result<()> {
    // What was written later is in force, so that it would be.
    let later = policy(test).replace("name: teams", "name: later").replace("is missing", "is not there");
    test.apply(&later).await?.succeeded()?;
    until_shown(test, &pod("probe").to_string(), "a team is not there").await?;
    let refused = create(test, &pod("special").to_string(), &["--dry-run=server"]).await?;
    ensure!(refused.code == 1 && refused.stderr.contains("a team is missing"), "{refused:?}");
    Ok(())
}

/// Runs a test with Portcullis at work under a flag that may name the namespace of the test, and the policy in force.
fn cluster_named(
    flag: impl Fn(&str) -> String,
    body: impl AsyncFnOnce(&ClusterTest) -> Result<()>,
) -> Result<()> {
    cluster_test(async |test| {
        let flag = flag(&test.namespace);
        Portcullis::during(test.control_plane, &[&flag], async |portcullis| {
            portcullis.put_in_force(&policy(test)).await?.succeeded()?;
            until_shown(test, &pod("probe").to_string(), "a team is missing").await?;
            body(test).await
        })
        .await
    })
}
