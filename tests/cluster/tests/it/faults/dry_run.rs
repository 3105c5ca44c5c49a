//! Dry runs (threat 89).

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use portcullis_cluster_tests::wait;

use super::site::{Site, while_serving};

/// One rule that is violated and one that is in error, by each of which a request passes with an Event.
fn policies(namespace: &str) -> [String; 2] {
    let policy = |name: &str, spec: &str, validate: &str| {
        format!(
            "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: {name}
spec:
  {spec}
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}]}}}}]}}
    validate: {validate}
"
        )
    };
    let in_error = "{failureAction: Enforce, deny: {conditions: {all: [{key: '{{ request.object.data.no }}', \
                    operator: Equals, value: a}]}}}";
    [
        policy("violated", "emitWarning: true", "{message: no colour, pattern: {data: {colour: '?*'}}}"),
        policy("in-error", "failurePolicy: Ignore", in_error),
    ]
}

/// What a request could leave: Events, a count of what passed in error, writes to policies and webhooks.
#[derive(Debug, PartialEq)]
struct Traces {
    events: Vec<String>,
    passed_in_error: f64,
    versions: String,
}

async fn traces(site: &Site<'_, '_, '_>) -> Result<Traces> {
    let events: Api<Event> = Api::all(site.test.client.clone());
    let events = events.list(&ListParams::default()).await?.items.into_iter();
    let about_policies = events.filter(|event| {
        event.regarding.as_ref().is_some_and(|one| one.kind.as_deref() == Some("ClusterPolicy"))
            && event.note.as_ref().is_some_and(|note| note.contains(&site.test.namespace))
    });
    let mut events: Vec<_> = about_policies
        .map(|event| {
            let count = event.series.map_or(1, |series| series.count);
            format!("{count} {} {}", event.reason.unwrap_or_default(), event.note.unwrap_or_default())
        })
        .collect();
    events.sort();
    let kinds = "clusterpolicies,validatingwebhookconfigurations,mutatingwebhookconfigurations";
    let versions = ["get", kinds, "-o", "jsonpath={.items[*].metadata.resourceVersion}"];
    let versions = site.test.kubectl(&versions).await?.succeeded()?;
    let passed_in_error = site.portcullis.metric("portcullis_rule_errors_ignored_total", &[]).await?;
    Ok(Traces { events, passed_in_error, versions })
}

#[test]
fn a_dry_run_is_judged_and_leaves_nothing_behind() -> Result<()> {
    while_serving(&[], async |site| {
        let policies = policies(&site.test.namespace);
        site.put_in_force(&[&policies[0], &policies[1]]).await?;
        let warns = async |arguments: &[&str]| {
            let created = site.test.kubectl(&[&["create", "configmap"], arguments].concat()).await?;
            ensure!(created.code == 0, "{created:?}");
            let warnings = ["policy violated.r: ", "policy in-error.r: "];
            Ok(warnings.iter().all(|words| created.stderr.contains(words)).then_some(()))
        };
        let dry_run = ["tried", "--dry-run=server"];
        let judged = "a dry run is judged by both policies";
        wait::until_unless_wrong(judged, async || warns(&dry_run).await).await?;
        let before = traces(site).await?;
        for _ in 0..5 {
            warns(&dry_run).await?.context("a dry run is not judged")?;
        }
        // What follows in earnest leaves its traces, later than those a dry run would have left.
        warns(&["done"]).await?.context("a request is not judged")?;
        let note = |reason: &str, text: &str| {
            format!("1 {reason} ConfigMap {}/done: [r] {text}", site.test.namespace)
        };
        let events = wait::until("Events of the request in earnest", async || {
            let events = traces(site).await?.events;
            Ok((events.len() >= 2).then_some(events))
        })
        .await?;
        ensure!(
            events.len() == 2
                && events[0].starts_with(&note("PolicyError", "error: "))
                && events[1].starts_with(&note("PolicyViolation", "fail: ")),
            "{events:?}"
        );
        let after = traces(site).await?;
        ensure!(after.passed_in_error == 1.0, "{after:?}");
        ensure!(before == Traces { events: Vec::new(), passed_in_error: 0.0, ..after }, "{before:?}");
        let missing = site.test.kubectl(&["get", "configmap", "tried"]).await?;
        ensure!(missing.code == 1, "{missing:?}");
        Ok(())
    })
}
