//! Policies with a webhook of their own, since they have match conditions of their own, and webhooks that the API server
//! does not take.

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{ClusterTest, Portcullis, wait};
use serde_json::{Value, json};

use crate::story::{create, serving, until_ready_is, until_shown};

/// Refuses ConfigMaps of the test that have no label `team`, if this condition holds.
fn policy(test: &ClusterTest, name: &str, condition: &str) -> String {
    let conditions = match condition {
        "" => String::new(),
        _ => format!(
            "webhookConfiguration: {{matchConditions: [{{name: only-some, expression: '{condition}'}}]}}"
        ),
    };
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: {name}
spec:
  {conditions}
  rules:
  - name: labels
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}]}}}}]}}
    mutate: {{patchStrategicMerge: {{metadata: {{labels: {{seen-by-{name}: \"yes\"}}}}}}}}
  - name: needs-a-team
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}]}}}}]}}
    validate: {{failureAction: Enforce, message: {name} wants a team, pattern: {{metadata: {{labels: {{team: \"?*\"}}}}}}}}
",
        namespace = test.namespace
    )
}

fn config_map(name: &str, labels: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, labels: {{{labels}}}}}}}")
}

/// The webhook of this name in the validating configuration.
async fn webhook(test: &ClusterTest, name: &str) -> Result<Option<Value>> {
    let configuration = "validatingwebhookconfiguration/portcullis-resource-validating";
    let configuration = test.kubectl(&["get", configuration, "-o", "json"]).await?.succeeded()?;
    let configuration: Value = serde_json::from_str(&configuration)?;
    let mut webhooks = configuration.pointer("/webhooks").and_then(Value::as_array).into_iter().flatten();
    Ok(webhooks.find(|webhook| webhook.pointer("/name") == Some(&name.into())).cloned())
}

#[test]
fn the_api_server_checks_the_conditions_of_a_policy_and_asks_at_its_own_path() -> Result<()> {
    serving(async |test, portcullis| {
        let own = policy(test, "own", "object.metadata.name.startsWith(\"checked-\")");
        portcullis.put_in_force(&[own, policy(test, "shared", "")].join("---\n")).await?.succeeded()?;
        until_shown(test, &config_map("checked-probe", ""), "own wants a team").await?;
        for name in ["own", "shared"] {
            let probe = config_map("checked-probe", "team: a");
            until_shown(test, &probe, &format!("seen-by-{name}")).await?;
        }
        let refused = create(test, &config_map("checked-a", ""), &[]).await?;
        let by_own = "admission webhook \"validate.portcullis.svc-fail-finegrained-own\" denied the request";
        let by_shared = "admission webhook \"validate.portcullis.svc-fail\" denied the request";
        // The API server asks all webhooks at once, and shows the first refusal.
        let stderr = &refused.stderr;
        ensure!(stderr.contains(by_own) || stderr.contains(by_shared), "{stderr}");

        let admitted = create(test, &config_map("checked-b", "team: a"), &[]).await?.succeeded()?;
        ensure!(admitted.contains("seen-by-own") && admitted.contains("seen-by-shared"), "{admitted}");
        let unchecked = create(test, &config_map("unchecked", "team: a"), &[]).await?.succeeded()?;
        ensure!(!unchecked.contains("seen-by-own") && unchecked.contains("seen-by-shared"), "{unchecked}");

        // With the other policy gone, none but the conditions' own webhook is left.
        test.kubectl(&["delete", "clusterpolicy", "shared"]).await?.succeeded()?;
        until_shown(test, &config_map("unchecked-2", ""), "name: unchecked-2").await?;
        let refused = create(test, &config_map("checked-c", ""), &[]).await?;
        ensure!(refused.code == 1 && refused.stderr.contains(by_own), "{refused:?}");
        let own = webhook(test, "validate.portcullis.svc-fail-finegrained-own").await?.unwrap_or_default();
        let url = format!("https://{}/validate/fail/finegrained/own", portcullis.address());
        ensure!(own.pointer("/clientConfig/url") == Some(&url.into()), "{own}");
        let asked = ["http_url=\"/mutate/fail/finegrained/own\""];
        let requests = portcullis.metric("kyverno_http_requests_total", &asked).await?;
        ensure!(requests >= 1.0, "{requests} requests at the path of the policy");
        Ok(())
    })
}

/// Waits until the policy is not ready since its webhook is not there, with these words in the reason, and until its two
/// rules are counted as not enforced.
async fn until_not_written(
    test: &ClusterTest,
    portcullis: &Portcullis<'_, '_>,
    name: &str,
    words: &str,
) -> Result<()> {
    wait::until(words, async || {
        let ready = until_ready_is(test, name, "False").await?;
        ensure!(ready.pointer("/reason") == Some(&"WebhookNotWritten".into()), "{ready}");
        let message = ready.pointer("/message").and_then(Value::as_str).unwrap_or_default();
        ensure!(message.contains(words), "{message}");
        Ok(Some(()))
    })
    .await?;
    portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 2.0).await
}

#[test]
fn a_policy_whose_webhook_the_api_server_refuses_is_not_ready_until_it_is_mended() -> Result<()> {
    serving(async |test, portcullis| {
        portcullis.put_in_force(&policy(test, "good", "")).await?.succeeded()?;
        test.apply(&policy(test, "broken", "no.such")).await?.succeeded()?;
        let words = "-finegrained-broken`: match condition `only-some`: Invalid value: \"no.such\": compilation failed";
        until_not_written(test, portcullis, "broken", words).await?;
        // The others do not suffer from it.
        until_ready_is(test, "good", "True").await?;
        until_shown(test, &config_map("probe", ""), "good wants a team").await?;

        test.apply(&policy(test, "broken", "true")).await?.succeeded()?;
        until_ready_is(test, "broken", "True").await?;
        until_shown(test, &config_map("probe", "team: a"), "seen-by-broken").await?;
        portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 0.0).await
    })
}

#[test]
fn policies_are_not_ready_while_the_configuration_makes_their_webhooks_impossible() -> Result<()> {
    serving(async |test, portcullis| {
        portcullis.put_in_force(&policy(test, "shared", "")).await?.succeeded()?;
        for (key, value, words) in [
            (
                "matchConditions",
                r#"[{"name": "a", "expression": "no.such"}]"#,
                "svc-fail`: match condition `a`: ",
            ),
            ("webhookLabels", r#"{"owner": "no label!"}"#, "metadata.labels"),
        ] {
            let configuration = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "portcullis" }, "data": { key: value },
            });
            let kubectl = portcullis.kubectl();
            kubectl.run_with(&["apply", "-f", "-"], &configuration.to_string()).await?.succeeded()?;
            until_not_written(test, portcullis, "shared", words).await?;
            kubectl.run(&["delete", "configmap", "portcullis"]).await?.succeeded()?;
            until_ready_is(test, "shared", "True").await?;
            until_shown(test, &config_map("probe", ""), "shared wants a team").await?;
            portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 0.0).await?;
        }
        Ok(())
    })
}
