//! Replicas give way to others under load (threats 67 and 96).

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{Replica, Replicas};
use tokio::time::Instant;

use super::paced::{Pace, Requests, ensure_all_judged, ensure_around, policy};
use super::replicated::{put_in_force, refuse_bad_names, replicated, uid_of_webhooks};

/// How many of these replicas say that they are of this version.
async fn of_version(replicas: &[Replica], version: &str) -> Result<usize> {
    let mut count = 0;
    for replica in replicas {
        let label = format!("version=\"{version}\"");
        count += usize::from(replica.metric("kyverno_info", &[&label]).await? > 0.0);
    }
    Ok(count)
}

fn had_connections(replicas: &Replicas<'_>, of: &[Replica]) -> bool {
    of.iter().any(|replica| replicas.balancer.connections(replica.address).1 > 0)
}

#[test]
fn no_request_fails_while_replicas_give_way_to_another_version_and_back() -> Result<()> {
    replicated(async |test, replicas| {
        replicas.start(2).await?;
        refuse_bad_names(test).await?;
        let uid = uid_of_webhooks(test).await?;
        let this = replicas.program().to_owned();
        let (other, version) = replicas.other_version().await?;
        let mut requests = Requests::start(test.api(), Pace::LOAD);
        requests.more(200).await?;

        let begun = Instant::now();
        replicas.run_program(&other);
        replicas.roll_oldest().await?;
        requests.more(200).await?;
        ensure!(of_version(&replicas.running, &version).await? == 1, "no replicas of two versions");
        replicas.roll_oldest().await?;
        requests.more(200).await?;
        ensure!(of_version(&replicas.running, &version).await? == 2, "the upgrade is not done");

        replicas.run_program(&this);
        replicas.roll_oldest().await?;
        replicas.roll_oldest().await?;
        ensure!(of_version(&replicas.running, &version).await? == 0, "the downgrade is not done");
        // Another replica writes, long before those that wrote have ended.
        put_in_force(test, &policy("late", &test.namespace, "Fail")).await?;
        let last = replicas.leaving_mut().last_mut().context("a replica that leaves")?;
        ensure!(last.process.ended()?.is_none(), "nothing was written before they had ended");
        ensure!(replicas.leaving().len() == 4 && had_connections(replicas, replicas.leaving()));
        replicas.until_left().await?;
        let done = Instant::now();
        requests.more(200).await?;
        ensure!(had_connections(replicas, &replicas.running), "the replicas of the end were never asked");
        let requests = requests.stop().await?;
        ensure_around(&requests, begun, done)?;
        ensure_all_judged(&requests)?;
        ensure!(uid_of_webhooks(test).await? == uid, "the webhooks were removed meanwhile");
        Ok(())
    })
}
