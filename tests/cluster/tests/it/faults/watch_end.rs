//! Watches that end, and versions that the API server has forgotten (threat 71).

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::client::review;
use super::proxy::{Proxy, Sort, Wrong};
use super::site::while_serving;

/// After so many seconds a busy API server is to be asked again.
const RETRY_AFTER: u32 = 2;

/// What goes wrong: the first watch, then what follows.
const FAULTS: [&[(Sort, Wrong)]; 7] = [
    &[(Sort::Watch, Wrong::Status(410))],
    &[(Sort::Watch, Wrong::GoneEvent)],
    &[(Sort::Watch, Wrong::Status(410)), (Sort::Page, Wrong::Status(410))],
    &[(Sort::Watch, Wrong::Status(410)), (Sort::Page, Wrong::Status(500))],
    &[(Sort::Watch, Wrong::Status(410)), (Sort::List, Wrong::Status(429))],
    &[(Sort::Watch, Wrong::Status(410)), (Sort::List, Wrong::Busy(RETRY_AFTER))],
    &[(Sort::Watch, Wrong::Status(410)), (Sort::Page, Wrong::Busy(RETRY_AFTER))],
];

#[test]
fn no_change_is_missed_and_nothing_that_is_gone_is_kept_when_the_api_server_has_forgotten_a_version()
-> Result<()> {
    while_serving(&[], async |site| {
        let config = site.test.control_plane.config().await?;
        let proxy = Proxy::before(config, "/apis/kyverno.io/v1/clusterpolicies").await?;
        site.portcullis.serve.connect_to(&proxy.url)?;
        // Two stay, so that lists have pages; of the others one comes and one goes each time.
        site.put_in_force(&[
            &site.policy_refusing("kept"),
            &site.policy_refusing("other"),
            &site.policy_refusing("round-0"),
        ])
        .await?;
        for (round, faults) in FAULTS.iter().enumerate() {
            let (old, new) = (format!("round-{round}"), format!("round-{}", round + 1));
            let mut armed: Vec<_> = faults.iter().map(|&(sort, answer)| proxy.arm(sort, answer)).collect();
            // What failed before must not make it wait longer now.
            site.portcullis.serve.kill();
            site.portcullis.serve.start()?;
            site.until_refused(&old, &format!("refused by {old}")).await?;
            let mut direct = site.direct().await?.connect().await?;
            let mut refuses = async |name: &str| -> Result<bool> {
                let answer = direct.review("/validate/fail", &review(&site.test.namespace, name)).await?;
                Ok(answer["allowed"] == false)
            };
            for (number, mut fault) in armed.drain(..).enumerate() {
                fault.reached().await?;
                if number == 0 {
                    // Nobody is told of these.
                    site.test.kubectl(&["delete", "clusterpolicy", &old]).await?.succeeded()?;
                    site.write(&site.policy_refusing(&new)).await?;
                }
                let is_old = refuses(&old).await? && refuses("kept").await? && !refuses(&new).await?;
                ensure!(is_old, "round {round}: what was known is not in force");
                let gone = Instant::now();
                // Listening starts before the answer goes out, which is what lets it be asked again.
                let (asked, ()) = tokio::join!(proxy.asked_again(), async { fault.go() });
                if let Some((_, Wrong::Busy(seconds))) = faults.get(number) {
                    let waited = asked? - gone;
                    let told = Duration::from_secs((*seconds).into());
                    ensure!(waited >= told, "round {round}: asked again after {waited:?} of {told:?}");
                }
            }
            site.until_refused(&new, &format!("refused by {new}")).await?;
            site.until_admitted(&old).await?;
            ensure!(refuses("kept").await?, "round {round}: a policy is lost");
        }
        // It could not give its lease back when the proxy is gone.
        site.portcullis.serve.kill();
        Ok(())
    })
}

#[test]
fn a_server_is_not_ready_before_every_page_of_its_policies_has_come() -> Result<()> {
    while_serving(&[], async |site| {
        let config = site.test.control_plane.config().await?;
        let proxy = Proxy::before(config, "/apis/kyverno.io/v1/clusterpolicies").await?;
        site.portcullis.serve.connect_to(&proxy.url)?;
        site.put_in_force(&[&site.policy_refusing("first"), &site.policy_refusing("second")]).await?;
        for wrong in [Wrong::Status(500), Wrong::Status(410), Wrong::Busy(1)] {
            let mut page = proxy.arm(Sort::Page, wrong);
            site.portcullis.serve.kill();
            site.portcullis.serve.start()?;
            page.reached().await?;
            let mut again = proxy.arm(Sort::Page, Wrong::Late);
            page.go();
            again.reached().await?;
            let readiness = site.portcullis.readiness().await?;
            // Others may not be known yet, either.
            let is_awaited = readiness.contains("waiting for ") && readiness.contains("clusterpolicies");
            ensure!(is_awaited, "{wrong:?}: {readiness}");
            again.go();
            site.portcullis.until_ready().await?;
            for name in ["first", "second"] {
                site.until_refused(name, &format!("refused by {name}")).await?;
            }
        }
        site.portcullis.serve.kill();
        Ok(())
    })
}
