//! Reviews that run out of time or steps (threat 69). A rule that panics is a test of the engine and of the server:
//! no policy is known to make one.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use portcullis_cluster_tests::wait;
use serde_json::json;
use tokio::time::Instant;

use super::site::{Asked, Site, outcome, while_serving};

/// How long the API server waits, in seconds, for a review that is to run out of steps, and of time. A tenth of it remains for
/// the way.
const FOR_STEPS: u64 = 30;
const FOR_TIME: u64 = 5;

/// Policies with rules that ask for a checksum of all that a ConfigMap can hold, again and again. No two are alike, of which
/// one would speak for the other.
fn policies(site: &Site<'_, '_, '_>, failure_policy: &str, count: usize, rules: usize) -> Vec<String> {
    let namespace = &site.test.namespace;
    let lower = failure_policy.to_lowercase();
    let rule = |policy: usize, number: usize| {
        format!(
            "  - name: r{number}
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}], names: [{lower}-*]}}}}]}}
    validate:
      failureAction: Enforce
      message: never
      deny: {{conditions: {{all: [{{key: '{{{{ sha256(request.object.data.text) }}}}', operator: Equals, value: a{policy}}}]}}}}
"
        )
    };
    let policy = |number: usize| {
        let rules: String = (0..rules).map(|index| rule(number, index)).collect();
        format!(
            "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: {lower}-{number}
spec:
  failurePolicy: {failure_policy}
  emitWarning: true
  rules:
{rules}"
        )
    };
    (0..count).map(policy).collect()
}

/// Runs Portcullis with this timeout and as many policies for each failure policy, and asks for a ConfigMap that they take
/// `what` for too much: where they fail closed it is refused, else admitted with a warning, both by Portcullis.
fn check(timeout: u64, count: usize, rules: usize, what: &str) -> Result<()> {
    while_serving(&[&format!("--webhook-timeout={timeout}")], async |site| {
        let (fail, ignore) = (policies(site, "Fail", count, rules), policies(site, "Ignore", count, rules));
        site.put_in_force(&fail.iter().chain(&ignore).map(String::as_str).collect::<Vec<_>>()).await?;
        site.until_refused("fail-probe", "fail-0").await?;
        let mut attempt = 0;
        // On a machine that is busy enough, the API server may give up first.
        wait::until("answers of Portcullis before the API server gives up", async || {
            attempt += 1;
            let ignored_before = site.portcullis.metric("portcullis_rule_errors_ignored_total", &[]).await?;
            let ignored = format!("ignore-much-{attempt}");
            let (refused, admitted) = tokio::join!(create(site, "fail-much"), create(site, &ignored));
            let (refused, took) = refused?;
            let Asked::Refused(message) = refused else { anyhow::bail!("{refused:?}") };
            let reason = format!("evaluation {what}");
            ensure!(message.contains("\nfail-") && message.contains(&reason), "{message}");
            ensure!(!message.contains("failed calling webhook"), "the API server has answered: {message}");
            ensure!(took < timeout, "{took} s");
            let (admitted, took) = admitted?;
            ensure!(matches!(admitted, Asked::Admitted(_)), "{admitted:?}");
            ensure!(took < timeout, "{took} s");
            let ignored = site.portcullis.metric("portcullis_rule_errors_ignored_total", &[]).await?;
            ensure!(ignored > ignored_before, "no error was counted as ignored");
            Ok(Some(()))
        })
        .await
    })
}

/// Creates a ConfigMap with much text, and says how many whole seconds that took.
async fn create(site: &Site<'_, '_, '_>, name: &str) -> Result<(Asked, u64)> {
    let text = "a,".repeat(400_000);
    let map: ConfigMap =
        serde_json::from_value(json!({ "metadata": { "name": name }, "data": { "text": text } }))?;
    let start = Instant::now();
    let created = site.test.api().create(&PostParams::default(), &map).await;
    Ok((outcome(created)?, start.elapsed().as_secs()))
}

#[test]
fn a_review_that_runs_out_of_steps_is_answered_by_the_failure_policy() -> Result<()> {
    check(FOR_STEPS, 1, 40, "takes more steps than allowed")
}

#[test]
fn a_review_that_runs_out_of_time_is_answered_by_the_failure_policy() -> Result<()> {
    check(FOR_TIME, 60, 19, "ran out of time")
}
