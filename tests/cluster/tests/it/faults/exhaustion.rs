//! Reviews that run out of time or steps (threat 69).

use std::time::Duration;

use anyhow::{Result, ensure};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use portcullis_cluster_tests::wait;
use serde_json::json;
use tokio::time::Instant;

use super::site::{Site, while_serving};

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
        wait::until_unless_wrong("answers of Portcullis before the API server gives up", async || {
            attempt += 1;
            let ignored_before = site.portcullis.metric("portcullis_rule_errors_ignored_total", &[]).await?;
            let ignored = format!("ignore-much-{attempt}");
            let (refused, admitted) = tokio::join!(create(site, "fail-much"), create(site, &ignored));
            let (refused, admitted) = (refused?, admitted?);
            let reason = format!("evaluation {what}");
            // On a machine that is busy enough, the API server may give up first, or time may end before steps do.
            let is_late = |said: &str| {
                said.contains("failed calling webhook")
                    || said.contains("evaluation ran out of time") && !reason.contains("out of time")
            };
            if is_late(&refused.said)
                || admitted.warnings.iter().any(|warning| is_late(warning))
                || admitted.is_unseen_after(timeout)
            {
                return Ok(None);
            }
            let is_refused = refused.status == StatusCode::BAD_REQUEST
                && refused.said.contains("\nfail-")
                && refused.said.contains(&reason);
            ensure!(is_refused, "{refused:?}");
            let is_admitted = admitted.status == StatusCode::CREATED
                && admitted.warnings.iter().any(|warning| warning.contains("policy ignore-"))
                && admitted.warnings.iter().any(|warning| warning.contains(&reason));
            ensure!(is_admitted, "{admitted:?}");
            let ignored = site.portcullis.metric("portcullis_rule_errors_ignored_total", &[]).await?;
            ensure!(ignored > ignored_before, "no error was counted as ignored");
            Ok(Some(()))
        })
        .await
    })
}

/// What came of the creation of a ConfigMap.
#[derive(Debug)]
struct Created {
    status: StatusCode,
    /// Why it was refused.
    said: String,
    warnings: Vec<String>,
    took: Duration,
}

impl Created {
    /// Whether it was admitted without a word of Portcullis, so many seconds after it was asked for.
    fn is_unseen_after(&self, seconds: u64) -> bool {
        self.status == StatusCode::CREATED
            && self.warnings.is_empty()
            && self.took >= Duration::from_secs(seconds)
    }
}

/// Creates a ConfigMap with much text.
async fn create(site: &Site<'_, '_, '_>, name: &str) -> Result<Created> {
    let map = json!({ "metadata": { "name": name }, "data": { "text": "a,".repeat(400_000) } });
    let path = format!("/api/v1/namespaces/{}/configmaps", site.test.namespace);
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let start = Instant::now();
    let answer = site.test.client.send(request.body(Body::from(map.to_string().into_bytes()))?).await?;
    let took = start.elapsed();
    let warnings = answer.headers().get_all(header::WARNING).iter();
    let warnings = warnings.map(|warning| String::from_utf8_lossy(warning.as_bytes()).into_owned()).collect();
    let status = answer.status();
    let said = answer.into_body().collect().await?.to_bytes();
    let said = serde_json::from_slice::<serde_json::Value>(&said)?;
    let said = said["message"].as_str().unwrap_or_default().to_owned();
    Ok(Created { status, said, warnings, took })
}

#[test]
fn a_review_that_runs_out_of_steps_is_answered_by_the_failure_policy() -> Result<()> {
    check(FOR_STEPS, 1, 40, "takes more steps than allowed")
}

#[test]
fn a_review_that_runs_out_of_time_is_answered_by_the_failure_policy() -> Result<()> {
    check(FOR_TIME, 60, 19, "ran out of time")
}
