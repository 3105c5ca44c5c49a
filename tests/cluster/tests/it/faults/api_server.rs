//! The API server restarts, or is away when Portcullis starts (threat 70).

use anyhow::{Result, bail, ensure};
use portcullis_cluster_tests::wait;

use super::client::review;
use super::load::Load;
use super::site::{Site, while_serving};

/// A policy by which ConfigMaps of a bad name are refused with this message.
fn policy(site: &Site<'_, '_, '_>, message: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: names
spec:
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{}], names: [bad-*]}}}}]}}
    validate: {{failureAction: Enforce, message: {message}, deny: {{}}}}
",
        site.test.namespace
    )
}

#[test]
fn reviews_are_answered_from_memory_while_the_api_server_restarts_and_news_are_followed_afterwards()
-> Result<()> {
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy(site, "first")]).await?;
        site.until_refused("bad-probe", "first").await?;
        let direct = site.direct().await?;
        let mut load = Load::new();
        for name in ["good-name", "bad-name"] {
            let mut connection = direct.connect().await?;
            let body = review(&site.test.namespace, name);
            let is_good = name == "good-name";
            load.client(async move |turns| {
                while turns.one_more() {
                    let response = connection.review("/validate/fail", &body).await?;
                    ensure!(response["allowed"] == is_good, "{name}: {response}");
                    turns.answered();
                }
                Ok(())
            });
        }
        load.until_answered(100).await?;
        site.test.control_plane.stop_api_server();
        let Err(error) = site.try_create("good-name").await else { bail!("the API server answers") };
        site.portcullis.serve.until_logged("watch fails, serving from memory").await?;
        load.until_answered(1000).await?;
        ensure!(site.portcullis.is_ready().await?, "not ready while the API server is away: {error:#}");
        site.test.control_plane.start_api_server().await?;
        load.until_answered(100).await?;
        load.stop().await?;
        // The webhooks are still there, and what is written now is followed.
        site.until_refused("bad-probe", "first").await?;
        site.write(&policy(site, "second")).await?;
        site.until_refused("bad-probe", "second").await?;
        site.portcullis.serve.forgive()
    })
}

#[test]
fn a_server_that_starts_before_its_api_server_says_so_and_is_ready_when_that_comes() -> Result<()> {
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy(site, "first")]).await?;
        site.until_refused("bad-probe", "first").await?;
        site.portcullis.serve.kill();
        site.test.control_plane.stop_api_server();
        let Err(_) = site.try_create("good-name").await else { bail!("the API server answers") };
        let before = site.portcullis.serve.log()?.len();
        site.portcullis.serve.start()?;
        let url = site.test.control_plane.config().await?.cluster_url.to_string();
        let said = format!("cannot reach the API server at `{}`", url.trim_end_matches('/'));
        let said = wait::until("a word of the API server", async || {
            let log = site.portcullis.serve.log()?;
            let log = log.get(before..).unwrap_or_default();
            Ok((log.contains("cannot list, trying again") && log.contains(&said)).then(|| log.to_owned()))
        })
        .await?;
        ensure!(said.contains("connection refused") && !said.contains("ERROR"), "{said}");
        let readiness = site.portcullis.readiness().await?;
        ensure!(readiness.contains("waiting for ") && readiness.contains("clusterpolicies"), "{readiness}");
        site.test.control_plane.start_api_server().await?;
        site.portcullis.until_ready().await?;
        site.until_refused("bad-probe", "first").await?;
        site.portcullis.serve.forgive()
    })
}
