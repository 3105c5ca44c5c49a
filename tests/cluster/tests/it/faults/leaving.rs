//! Portcullis leaves a cluster, and comes back: its webhooks with it (threats 90 and 95).

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{ClusterTest, wait};

use super::replicated::{TEAMS, VALIDATING, put_in_force, replicated, uid_of_webhooks, until_pod_is};

/// Waits until no webhook configuration is there.
async fn until_disarmed(test: &ClusterTest) -> Result<()> {
    let kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
    wait::until("no webhook configuration", async || {
        let ours = ["get", kinds, "-o", "name", "-l", "app.kubernetes.io/managed-by=portcullis"];
        let left = test.kubectl(&ours).await?.succeeded()?;
        ensure!(left.is_empty(), "{left}");
        Ok(Some(()))
    })
    .await
}

#[test]
fn webhooks_stay_when_a_replica_ends_go_when_all_leave_and_are_back_with_them() -> Result<()> {
    replicated(async |test, replicas| {
        replicas.start(2).await?;
        put_in_force(test, TEAMS).await?;
        until_pod_is(test, "a team is wanted").await?;
        let uid = uid_of_webhooks(test).await?;

        // One that is replaced, the one that writes among them.
        for _ in 0..2 {
            let oldest = replicas.running[0].address;
            replicas.roll_oldest().await?;
            // By then it has looked whether it should remove them.
            replicas.balancer.until_ready_is(oldest, false).await?;
            ensure!(uid_of_webhooks(test).await? == uid, "a restart has removed the webhooks");
        }

        let kubectl = replicas.kubectl();
        let scale = async |count: &str| {
            kubectl.run(&["scale", "deployment/portcullis", "--replicas", count]).await?.succeeded()
        };
        scale("0").await?;
        replicas.terminate_oldest()?;
        replicas.terminate_oldest()?;
        until_disarmed(test).await?;
        until_pod_is(test, "pod/probe created").await?;
        let last = &replicas.leaving()[replicas.leaving().len() - 1];
        wait::until("a metric and a line that tell", async || {
            ensure!(last.metric("portcullis_disarmed", &[]).await? == 1.0);
            let log = last.process.log()?;
            ensure!(log.contains("nothing is enforced any more"), "{log}");
            Ok(Some(()))
        })
        .await?;
        let events = ["get", "events", "-o", "jsonpath={.items[?(@.reason=='Disarmed')].message}"];
        wait::until("an Event that tells", async || {
            let told = replicas.kubectl().run(&events).await?.succeeded()?;
            ensure!(told.contains("its Deployment is scaled to zero"), "{told}");
            Ok(Some(()))
        })
        .await?;

        scale("2").await?;
        replicas.start(2).await?;
        until_pod_is(test, "a team is wanted").await?;

        // Whatever ends it: the configurations belong to the namespace.
        let owner = ["get", VALIDATING, "-o", "jsonpath={.metadata.ownerReferences[0].uid}"];
        let namespace = ["get", "namespace", "portcullis", "-o", "jsonpath={.metadata.uid}"];
        let uids = [test.kubectl(&owner).await?.succeeded()?, test.kubectl(&namespace).await?.succeeded()?];
        ensure!(uids[0] == uids[1], "{uids:?}");
        replicas.kill_all();
        test.kubectl(&["delete", "namespace", "portcullis"]).await?.succeeded()?;
        until_disarmed(test).await?;
        until_pod_is(test, "pod/probe created").await
    })
}

#[test]
fn webhooks_go_with_a_deployment_that_is_deleted() -> Result<()> {
    replicated(async |test, replicas| {
        replicas.start(1).await?;
        put_in_force(test, TEAMS).await?;
        until_pod_is(test, "a team is wanted").await?;
        replicas.kubectl().run(&["delete", "deployment", "portcullis"]).await?.succeeded()?;
        replicas.terminate_oldest()?;
        until_disarmed(test).await?;
        wait::until("a line that tells", async || {
            let log = replicas.leaving()[0].process.log()?;
            ensure!(log.contains("its Deployment is deleted"), "{log}");
            Ok(Some(()))
        })
        .await
    })
}
