//! etcd forgets old versions while a watch, or a page of a list, is on its way (threat 71).

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::wait;
use serde_json::Value;

use super::client::review;
use super::proxy::{Proxy, Sort, Wrong};
use super::site::{Site, while_serving};

const POLICIES: &str = "/apis/kyverno.io/v1/clusterpolicies";

/// What the API server says of the policies as they were at a version.
async fn policies_at(site: &Site<'_, '_, '_>, version: &str) -> Result<String> {
    let path = format!("{POLICIES}?resourceVersion={version}&resourceVersionMatch=Exact&limit=1");
    Ok(site.test.kubectl(&["get", "--raw", &path]).await?.stderr)
}

#[test]
fn what_etcd_has_forgotten_while_a_watch_was_away_is_listed_anew_and_nothing_is_lost() -> Result<()> {
    while_serving(&[], async |site| {
        let proxy = Proxy::before(site.test.control_plane.config().await?, POLICIES).await?;
        site.portcullis.serve.connect_to(&proxy.url)?;
        site.put_in_force(&[
            &site.policy_refusing("kept"),
            &site.policy_refusing("other"),
            &site.policy_refusing("gone"),
        ])
        .await?;
        let mut away = proxy.arm(Sort::Watch, Wrong::Late);
        site.portcullis.serve.kill();
        site.portcullis.serve.start()?;
        site.until_refused("gone", "refused by gone").await?;
        away.reached().await?;
        let mut direct = site.direct().await?.connect().await?;
        let mut refuses = async |name: &str| -> Result<bool> {
            let answer = direct.review("/validate/fail", &review(&site.test.namespace, name)).await?;
            Ok(answer["allowed"] == false)
        };

        // Nobody is told of these, and then they cannot be told of any more: etcd forgets them, and the API server,
        // which remembers them a while longer, starts anew.
        let list = site.test.kubectl(&["get", "--raw", POLICIES]).await?.succeeded()?;
        let list: Value = serde_json::from_str(&list)?;
        let version =
            list.pointer("/metadata/resourceVersion").and_then(Value::as_str).context("a version")?;
        site.test.kubectl(&["delete", "clusterpolicy", "gone"]).await?.succeeded()?;
        site.write(&site.policy_refusing("come")).await?;
        let said = policies_at(site, version).await?;
        ensure!(said.is_empty(), "the version is forgotten already: {said}");
        site.test.control_plane.compact_etcd().await?;
        site.test.control_plane.stop_api_server();
        site.test.control_plane.start_api_server().await?;
        let said = policies_at(site, version).await?;
        ensure!(said.contains("too old") || said.contains("compacted"), "etcd has forgotten nothing: {said}");
        ensure!(
            refuses("gone").await? && refuses("kept").await? && !refuses("come").await?,
            "what was known is not in force"
        );

        let before = site.portcullis.serve.log()?.len();
        away.go();
        site.until_refused("come", "refused by come").await?;
        site.until_admitted("gone").await?;
        ensure!(refuses("kept").await? && refuses("other").await?, "a policy is lost");
        let log = site.portcullis.serve.log()?;
        let log = log.get(before..).context("the log is cut")?;
        let relisted = "the version is too old to watch from";
        ensure!(log.contains("listing anew") && log.contains(relisted), "the watch went on: {log}");
        // It could not give its lease back when the proxy is gone.
        site.portcullis.serve.kill();
        Ok(())
    })
}

#[test]
fn a_list_whose_next_page_etcd_has_forgotten_is_begun_anew() -> Result<()> {
    while_serving(&[], async |site| {
        let proxy = Proxy::before(site.test.control_plane.config().await?, POLICIES).await?;
        site.portcullis.serve.connect_to(&proxy.url)?;
        site.put_in_force(&[&site.policy_refusing("kept"), &site.policy_refusing("gone")]).await?;
        let mut page = proxy.arm(Sort::Page, Wrong::Late);
        site.portcullis.serve.kill();
        site.portcullis.serve.start()?;
        page.reached().await?;
        site.test.kubectl(&["delete", "clusterpolicy", "gone"]).await?.succeeded()?;
        site.write(&site.policy_refusing("come")).await?;
        site.test.control_plane.compact_etcd().await?;
        site.test.control_plane.stop_api_server();
        site.test.control_plane.start_api_server().await?;
        let before = site.portcullis.serve.log()?.len();
        page.go();
        wait::until("a word of the version", async || {
            let log = site.portcullis.serve.log()?;
            let said = "the API server has forgotten this version of `clusterpolicies.kyverno.io`";
            Ok(log.get(before..).unwrap_or_default().contains(said).then_some(()))
        })
        .await?;
        site.portcullis.until_ready().await?;
        for name in ["kept", "come"] {
            site.until_refused(name, &format!("refused by {name}")).await?;
        }
        site.until_admitted("gone").await?;
        // It could not give its lease back when the proxy is gone.
        site.portcullis.serve.kill();
        Ok(())
    })
}
