//! An API server that does not know match conditions (threat 97).

use anyhow::{Result, ensure};
use portcullis_cluster_tests::wait;

use super::paced::policy;
use super::proxy::Proxy;
use super::site::while_serving;

#[test]
fn what_fails_closed_is_left_out_and_told_where_the_api_server_drops_match_conditions() -> Result<()> {
    while_serving(&[], async |site| {
        let config = site.test.control_plane.config().await?;
        let proxy = Proxy::without_field(config, "matchConditions").await?;
        site.portcullis.serve.connect_to(&proxy.url)?;
        site.portcullis.serve.kill();
        site.portcullis.serve.start()?;
        let namespace = &site.test.namespace;
        let policies =
            [policy("closed", namespace, "Fail"), policy("open", namespace, "Ignore")].join("---\n");
        site.test.apply(&policies).await?.succeeded()?;
        let ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}: {.status.conditions[?(@.type=='Ready')].message}";
        for (name, words) in [
            ("open", "True: "),
            ("closed", "False: "),
            ("closed", "does not know the `matchConditions` of webhooks"),
        ] {
            wait::until(words, async || {
                let said =
                    site.test.kubectl(&["get", "clusterpolicy", name, "-o", ready]).await?.succeeded()?;
                ensure!(said.contains(words), "{said}");
                Ok(Some(()))
            })
            .await?;
        }
        // What fails open is enforced all the same, and nobody fights.
        site.until_refused("bad-name", "a bad name").await?;
        let webhooks = ["get", "validatingwebhookconfiguration", "portcullis-resource-validating", "-o"];
        let webhooks = [&webhooks[..], &["jsonpath={.webhooks[*].failurePolicy}"]].concat();
        let webhooks = site.test.kubectl(&webhooks).await?.succeeded()?;
        ensure!(webhooks == "Ignore", "{webhooks}");
        ensure!(!site.portcullis.serve.log()?.contains("were changed by somebody else"));
        // It could not give its lease back when the proxy is gone.
        site.portcullis.serve.kill();
        Ok(())
    })
}
