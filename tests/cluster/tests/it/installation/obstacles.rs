//! Commands that cannot do what they are asked: each says what is in the way, and a next run goes on from there.

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{Shell, wait};

use super::{PARTS, on_clear_ground};
use crate::faults::{everything, put_in_force, replicated, until_pod_is};

#[test]
fn an_installation_that_is_killed_after_each_of_its_steps_goes_on_where_it_was() -> Result<()> {
    on_clear_ground(async |ground| {
        let (control_plane, mut steps) = (ground.test.control_plane, 0);
        // Each time it is killed as soon as it tells of something that is done.
        while let Some(step) = control_plane.portcullis_until_line(&["install"], " created").await? {
            steps += 1;
            let part = step.trim_end_matches(" created");
            ensure!(!part.contains('/') || ground.there(&[part]).await?.len() == 1, "`{step}` is not so");
        }
        // A kill that comes late lets some more be done.
        ensure!(steps >= PARTS.len() / 3, "there were {steps} steps");
        ensure!(ground.there(&PARTS).await?.len() == PARTS.len());
        Ok(())
    })
}

#[test]
fn who_lacks_a_right_is_told_which_one() -> Result<()> {
    on_clear_ground(async |ground| {
        let shell = Shell::new(ground.test.control_plane, &ground.test.namespace)?;
        let as_user = |name: &str| {
            format!(
                "kubectl create serviceaccount {name} && kubectl config set-credentials {name} \
                 --token=$(kubectl create token {name}) && kubectl config set-context {name} --cluster=cluster --user={name}"
            )
        };
        shell.run(&as_user("nobody")).await?.succeeded()?;
        for command in ["install", "uninstall", "disarm", "rearm"] {
            let refused = shell.run(&format!("portcullis {command} --context nobody")).await?;
            let told = refused.stderr.contains("not allowed to")
                && refused.stderr.contains("hint: grant it to whoever runs this");
            ensure!(refused.code == 1 && told && refused.stderr.lines().count() == 2, "{refused:?}");
        }
        // Who may write roles may grant no more than he may himself.
        shell.run(&as_user("writer")).await?.succeeded()?;
        let grant = "kubectl create clusterrole writer --verb=get,list,watch,create,patch,delete --resource='*.*' && \
            kubectl create clusterrolebinding writer --clusterrole=writer --serviceaccount=$(kubectl config view --minify -o \
            jsonpath={..namespace}):writer";
        shell.run(grant).await?.succeeded()?;
        let refused = shell.run("portcullis install --context writer").await?;
        shell.run("kubectl delete clusterrole,clusterrolebinding writer").await?.succeeded()?;
        let told =
            refused.stderr.contains("hint: who grants rights has them, or may `escalate` and `bind` roles");
        ensure!(refused.code == 1 && told, "{refused:?}");
        Ok(())
    })
}

#[test]
fn a_namespace_that_is_being_deleted_is_waited_for_by_who_installs() -> Result<()> {
    on_clear_ground(async |ground| {
        ground.kubectl(&["create", "namespace", "portcullis"]).await?;
        let held = "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, namespace: portcullis, finalizers: [example.com/held]}}";
        ground.apply(held).await?;
        ground.kubectl(&["delete", "namespace", "portcullis", "--wait=false"]).await?;
        let refused = ground.portcullis(&["install"]).await?;
        ground
            .kubectl(&[
                "patch",
                "configmap",
                "held",
                "--type=merge",
                "-p",
                "{\"metadata\": {\"finalizers\": []}}",
            ])
            .await?;
        ensure!(
            refused.code == 1 && refused.stderr.contains("the namespace `portcullis` is being deleted"),
            "{refused:?}"
        );
        ground.kubectl(&["wait", "--for=delete", "namespace/portcullis", "--timeout=60s"]).await?;
        ground.portcullis(&["install"]).await?.succeeded().map(drop)
    })
}

#[test]
fn what_keeps_the_pods_from_being_made_is_told() -> Result<()> {
    on_clear_ground(async |ground| {
        ground.kubectl(&["create", "namespace", "portcullis"]).await?;
        ground.kubectl(&["create", "quota", "none", "--hard=pods=0"]).await?;
        // Who counts Pods, and who makes them, hear of it a moment later.
        wait::until("the reason why there are no Pods", async || {
            let waited = ground.portcullis(&["install", "--timeout=1"]).await?;
            ensure!(waited.code == 1 && waited.stderr.contains("not ready after 1 s: "), "{waited:?}");
            ensure!(waited.stderr.contains("exceeded quota: none"), "{waited:?}");
            Ok(Some(()))
        })
        .await
    })
}

#[test]
fn who_installs_or_deletes_a_definition_while_nobody_answers_is_told_and_can_once_it_is_disarmed()
-> Result<()> {
    replicated(async |test, replicas| {
        replicas.start(1).await?;
        let validate = "message: a team is wanted, pattern: {metadata: {labels: {team: '?*'}}}";
        put_in_force(test, &everything("names: [probe]", validate)).await?;
        until_pod_is(test, "a team is wanted").await?;
        replicas.kill_all();
        // It leads to the test, and not to Pods.
        replicas.kubectl().run(&["delete", "service", "portcullis"]).await?.succeeded()?;
        let delete = ["delete", "crd", "jobretentions.portcullis.dev"];
        let refused = test.kubectl(&delete).await?;
        ensure!(refused.stderr.contains("failed calling webhook"), "{refused:?}");
        let refused = test.control_plane.portcullis(&["install"]).await?;
        let told = refused.stderr.contains("failed calling webhook")
            && refused.stderr.contains("hint: nobody answers for portcullis: `portcullis disarm` first");
        ensure!(refused.code == 1 && told, "{refused:?}");

        test.control_plane.portcullis(&["disarm"]).await?.succeeded()?;
        // An API server hears of that a moment later.
        wait::until("the end of the definition", async || test.kubectl(&delete).await?.succeeded().map(Some))
            .await?;
        test.control_plane.portcullis(&["install"]).await?.succeeded()?;
        test.control_plane.portcullis(&["uninstall"]).await?.succeeded().map(drop)
    })
}
