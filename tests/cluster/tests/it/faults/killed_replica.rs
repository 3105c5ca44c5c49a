//! Replicas are killed under load, one after the other (threat 67).

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{Replicas, wait};
use tokio::time::Instant;

use super::paced::{Outcome, Requests};
use super::replicated::{refuse_bad_names, replicated, until_bad_names_are_refused};

/// How long after a kill the next replica may take to be asked, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// The replica that the API server is connected to.
async fn busy(replicas: &Replicas<'_>) -> Result<usize> {
    wait::until("a replica with connections", async || {
        let mut running = replicas.running.iter();
        Ok(running.position(|replica| replicas.balancer.connections(replica.address).0 > 0))
    })
    .await
}

#[test]
fn a_replica_that_is_killed_loses_the_requests_that_it_has_and_none_that_comes_later() -> Result<()> {
    replicated(async |test, replicas| {
        replicas.start(2).await?;
        refuse_bad_names(test).await?;
        let mut requests = Requests::start(test.api());
        requests.more(200).await?;
        let mut kills = Vec::new();
        for _ in 0..2 {
            let busy = busy(replicas).await?;
            let before = Instant::now();
            let killed = replicas.kill(busy).await?;
            // The connection is closed, and the API server has heard of it once it is answered.
            until_bad_names_are_refused(test).await?;
            let after = Instant::now();
            ensure!(after - before < SOON, "nothing was answered for {:?}", after - before);
            ensure!(replicas.balancer.connections(killed.address).1 > 0, "it was not asked");
            kills.push((before, after));
            requests.until(after, 200).await?;
            replicas.start(1).await?;
            requests.more(200).await?;
        }
        let all = requests.stop().await?;
        let lost: Vec<_> = all.iter().filter(|request| request.outcome != Outcome::Judged).collect();
        println!("{} of {} requests were lost by {} kills", lost.len(), all.len(), kills.len());
        for request in lost {
            let at_a_kill =
                |(before, after): &(Instant, Instant)| request.start < *after && request.end > *before;
            ensure!(request.has_failed() && kills.iter().any(at_a_kill), "{request:?} with kills {kills:?}");
        }
        let last = kills.last().context("a kill")?.1;
        ensure!(all.iter().any(|request| request.start > last), "nothing was asked afterwards");
        Ok(())
    })
}
