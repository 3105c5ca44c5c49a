//! Policies that change under load (threat 35).

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::sync::watch;

use super::client::review;
use super::load::Load;
use super::site::{Asked, try_create, while_serving};

const VERSIONS: u64 = 20;

/// A policy whose rules all say which version it is.
fn policy(namespace: &str, version: u64) -> String {
    let rule = |name: &str, names: &str, action: &str| {
        format!(
            "  - name: {name}\n    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}], names: ['{names}']}}}}]}}\n    {action}\n"
        )
    };
    let label = |name: &str| {
        let action =
            format!("mutate: {{patchStrategicMerge: {{metadata: {{labels: {{{name}: v{version}}}}}}}}}");
        rule(name, "*", &action)
    };
    let refusal = |name: &str| {
        let action =
            format!("validate: {{failureAction: Enforce, message: 'version {version}.', deny: {{}}}}");
        rule(name, "bad-*", &action)
    };
    format!(
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: versions}}\nspec:\n  rules:\n{}{}{}{}",
        label("first"),
        label("second"),
        refusal("third"),
        refusal("fourth")
    )
}

#[test]
fn every_answer_is_of_one_version_of_a_policy_while_it_changes_under_load() -> Result<()> {
    while_serving(&[], async |site| {
        let namespace = site.test.namespace.clone();
        site.put_in_force(&[&policy(&namespace, 1)]).await?;
        site.until_refused("bad-start", "version 1.").await?;
        let (seen, mut newest) = watch::channel(1);
        let direct = site.direct().await?;
        let mut load = Load::new();
        for _ in 0..2 {
            for path in ["/mutate/fail", "/validate/fail"] {
                let mut connection = direct.connect().await?;
                let (body, seen) = (review(&namespace, "bad-direct"), seen.clone());
                let mut last = 1;
                load.client(async move |turns| {
                    while turns.one_more() {
                        let version = version_of(&connection.review(path, &body).await?)?;
                        ensure!(version >= last, "version {version} after {last}");
                        last = version;
                        let is_newer =
                            |newest: &mut u64| std::mem::replace(newest, version.max(*newest)) < version;
                        seen.send_if_modified(is_newer);
                        turns.answered();
                    }
                    Ok(())
                });
            }
        }
        let maps = site.test.api();
        load.client(async move |turns| {
            while turns.one_more() {
                let asked = try_create(&maps, "good").await?;
                let Asked::Admitted(map) = asked else { bail!("{asked:?}") };
                let labels = map.metadata.labels.context("labels")?;
                ensure!(labels.len() == 2 && labels["first"] == labels["second"], "{labels:?}");
                turns.answered();
            }
            Ok(())
        });
        for version in 2..=VERSIONS {
            site.write(&policy(&namespace, version)).await?;
            let none = format!("no answer is of version {version}");
            load.until(&none, newest.wait_for(|newest| *newest == version)).await?;
        }
        load.stop().await?;
        ensure!(site.portcullis.metric("portcullis_webhook_panics_total", &[]).await? == 0.0);
        Ok(())
    })
}

/// The version that all rules of an answer are of: two labels, or two reasons of refusal.
fn version_of(response: &Value) -> Result<u64> {
    let text = match response["patch"].as_str() {
        Some(patch) => String::from_utf8(BASE64_STANDARD.decode(patch)?)?,
        None => response["status"]["message"].as_str().context("a message")?.to_owned(),
    };
    let after = |mark| text.split(mark).skip(1).filter_map(leading_number);
    let found: Vec<u64> = after("\"v").chain(after("version ")).collect();
    ensure!(found.len() == 2 && found[0] == found[1], "not of one version: {text}");
    Ok(found[0])
}

fn leading_number(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
