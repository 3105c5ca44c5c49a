//! Portcullis leaves a cluster, and comes back: its webhooks with it (threats 90 and 95).

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{ClusterTest, Kubectl, Replica, Replicas, wait};

use super::replicated::{
    TEAMS, VALIDATING, ensure_pod_is, everything, put_in_force, replicated, uid_of_webhooks, until_pod_is,
};

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
            ensure_pod_is(test, "a team is wanted").await?;
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

        // Whatever ends it: the configurations belong to what belongs to the namespace.
        let told = async |object: &str, path: &str| {
            test.kubectl(&["get", object, "-o", &format!("jsonpath={{.metadata.{path}}}")]).await?.succeeded()
        };
        let role = "clusterrole/portcullis-webhooks";
        let owner = "ownerReferences[*].uid";
        ensure!(told(VALIDATING, owner).await? == told(role, "uid").await?);
        ensure!(told(role, owner).await? == told("namespace/portcullis", "uid").await?);
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

/// When a replica first said this: what a line of its log begins with. Times of different logs compare as texts.
fn time_of(replica: &Replica, words: &str) -> Result<String> {
    let log = replica.process.log()?;
    let line = log.lines().find(|line| line.contains(words));
    let line = line.with_context(|| format!("no `{words}` in {log}"))?;
    Ok(line.split_whitespace().next().unwrap_or_default().to_owned())
}

#[test]
fn replicas_that_come_while_others_still_leave_enforce_at_once() -> Result<()> {
    replicated(async |test, replicas| {
        replicas.start(2).await?;
        put_in_force(test, TEAMS).await?;
        until_pod_is(test, "a team is wanted").await?;
        let kubectl = replicas.kubectl();
        let scale = async |count: &str| {
            kubectl.run(&["scale", "deployment/portcullis", "--replicas", count]).await?.succeeded()
        };
        scale("0").await?;
        // They are there before they are wanted, so that no time goes by afterwards in which those that leave have left.
        replicas.start(2).await?;
        replicas.terminate_oldest()?;
        replicas.terminate_oldest()?;
        wait::until("webhooks that are removed", async || {
            let logs = replicas.leaving().iter().map(|replica| replica.process.log());
            let logs = logs.collect::<Result<Vec<_>>>()?;
            ensure!(logs.iter().all(|log| log.contains("nothing is enforced any more")), "{logs:?}");
            Ok(Some(()))
        })
        .await?;
        // Nobody has put them back: the Lease is not given to who might be about to leave, too.
        until_disarmed(test).await?;
        scale("2").await?;
        until_pod_is(test, "a team is wanted").await?;

        let took = replicas.running.iter().find_map(|replica| time_of(replica, "leads=true").ok());
        let took = took.context("nobody has taken the Lease")?;
        let gone: Vec<_> = replicas.leaving().iter().map(|replica| replica.address).collect();
        for address in gone {
            wait::until("the end of a replica", async || {
                let leaving = replicas.leaving().iter().find(|replica| replica.address == address);
                let ended = time_of(leaving.context("a replica")?, "portcullis::serve: ended")?;
                ensure!(took < ended, "the Lease was taken at {took}, and the replica had left at {ended}");
                Ok(Some(()))
            })
            .await?;
        }
        replicas.until_left().await?;
        until_pod_is(test, "a team is wanted").await
    })
}

/// Removes the objects of an installation in the order in which Helm does it.
async fn remove_one_by_one(kubectl: &Kubectl) -> Result<()> {
    for kind in [
        "service",
        "deployment",
        "serviceaccount",
        "rolebinding",
        "role",
        "clusterrolebinding",
        "clusterrole",
    ] {
        let named = kubectl.run(&["get", kind, "-o", "name"]).await?.succeeded()?;
        let is_ours =
            |name: &&str| name.rsplit('/').next().is_some_and(|name| name.starts_with("portcullis"));
        let ours: Vec<_> = named.lines().filter(is_ours).collect();
        ensure!(!ours.is_empty(), "no {kind} of Portcullis in {named}");
        kubectl.run(&[&["delete"], &*ours].concat()).await?.succeeded()?;
    }
    Ok(())
}

#[test]
fn webhooks_go_with_the_objects_of_an_installation_although_nobody_is_left_who_may_remove_them() -> Result<()>
{
    replicated(async |test, replicas| {
        replicas.start(2).await?;
        put_in_force(test, TEAMS).await?;
        until_pod_is(test, "a team is wanted").await?;
        // The Pods are told to end when the rights are gone, if they are there at all.
        replicas.expect_all_refused()?;
        remove_one_by_one(&replicas.kubectl()).await?;
        replicas.kill(0).await?;
        replicas.terminate_oldest()?;
        until_disarmed(test).await?;
        until_pod_is(test, "pod/probe created").await?;
        replicas.until_left().await
    })
}

/// Checks that webhooks that ask about everything go when Portcullis is removed so, although nobody answers any more.
fn goes_while_nobody_answers(
    remove: impl AsyncFnOnce(&ClusterTest, &Replicas<'_>) -> Result<()>,
) -> Result<()> {
    replicated(async |test, replicas| {
        replicas.start(1).await?;
        let validate = "message: a team is wanted, pattern: {metadata: {labels: {team: '?*'}}}";
        put_in_force(test, &everything("names: [probe]", validate)).await?;
        until_pod_is(test, "a team is wanted").await?;
        for made in [
            &["create", "priorityclass", "portcullis", "--value=1"][..],
            &["create", "clusterrole", "theirs", "--verb=get", "--resource=pods"],
        ] {
            test.kubectl(made).await?.succeeded()?;
        }
        replicas.kill_all();
        let refused = test.kubectl(&["delete", "clusterrole", "theirs"]).await?;
        ensure!(refused.stderr.contains("failed calling webhook"), "{refused:?}");
        test.kubectl(&["delete", "priorityclass", "portcullis"]).await?.succeeded()?;

        remove(test, replicas).await?;
        until_disarmed(test).await?;
        until_pod_is(test, "pod/probe created").await?;
        test.kubectl(&["delete", "clusterrole", "theirs"]).await?.succeeded().map(drop)
    })
}

#[test]
fn webhooks_that_ask_about_everything_go_with_the_namespace() -> Result<()> {
    goes_while_nobody_answers(async |test, replicas| {
        replicas.kubectl().run(&["delete", "service", "portcullis"]).await?.succeeded()?;
        test.kubectl(&["delete", "namespace", "portcullis"]).await?.succeeded().map(drop)
    })
}

#[test]
fn webhooks_that_ask_about_everything_go_with_the_objects_of_an_installation() -> Result<()> {
    goes_while_nobody_answers(async |_, replicas| remove_one_by_one(&replicas.kubectl()).await)
}

#[test]
fn an_installation_that_asks_about_everything_is_uninstalled() -> Result<()> {
    goes_while_nobody_answers(async |test, _| {
        test.control_plane.portcullis(&["uninstall"]).await?.succeeded().map(drop)
    })
}
