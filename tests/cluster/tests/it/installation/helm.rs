//! `helm install` of the chart, and what the commands make of a release.

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::wait;

use super::{Ground, PARTS, definition_of_others, on_clear_ground};
use crate::crds::define;

const CHART: &str = "charts/portcullis";

impl Ground<'_> {
    async fn helm(&self, arguments: &[&str]) -> Result<String> {
        self.test.control_plane.helm(arguments).await?.succeeded()
    }
}

#[test]
fn helm_installs_the_chart_and_leaves_the_definitions_when_it_goes() -> Result<()> {
    on_clear_ground(async |ground| {
        // One definition is somebody else's.
        let kubectl = ground.test.control_plane.kubectl("default");
        let theirs = definition_of_others(|_| ())?;
        kubectl.run_with(&["apply", "--server-side", "-f", "-"], &theirs).await?.succeeded()?;
        let helm =
            async |arguments: &[&str]| ground.helm(&[arguments, &["--namespace=portcullis"]].concat()).await;
        let chart = ["portcullis", CHART, "--create-namespace", "--wait"];
        let told = helm(&[&["install"], &chart[..]].concat()).await?;
        ensure!(
            told.contains("that were there before are left as they are: clusterpolicies.kyverno.io."),
            "{told}"
        );
        ensure!(told.contains("Policies fail closed unless they say"), "{told}");
        ensure!(told.contains("pod-security.kubernetes.io/enforce=restricted"), "{told}");
        ensure!(ground.there(&PARTS).await?.len() == PARTS.len());
        let refused = ground.portcullis(&["install"]).await?;
        ensure!(
            refused.code == 1 && refused.stderr.contains("by the Helm release `portcullis`"),
            "{refused:?}"
        );

        helm(&[&["upgrade"], &chart[..], &["--set=replicas=1"]].concat()).await?;
        ensure!(ground.replicas().await? == "1");
        ensure!(ground.there(&["poddisruptionbudget/portcullis"]).await?.is_empty());

        // What it says to do in an emergency does it.
        let command =
            told.split("out of the way at once: portcullis ").nth(1).and_then(|rest| rest.lines().next());
        let command: Vec<_> = command.context("nothing is told of an emergency")?.split(' ').collect();
        ground.portcullis(&command).await?.succeeded()?;
        ensure!(ground.replicas().await? == "0", "after `portcullis {}`", command.join(" "));
        // Once it is armed again, the release is Helm's as before.
        ground.portcullis(&["rearm"]).await?.succeeded()?;
        helm(&[&["upgrade"], &chart[..], &["--set=replicas=2"]].concat()).await?;
        ensure!(ground.replicas().await? == "2");

        helm(&["uninstall", "portcullis", "--wait"]).await?;
        // Helm leaves the namespace that it has made for the release, and what the chart asks it to keep.
        let left = wait::until("an uninstalled chart", async || {
            let left = ground.there(&PARTS).await?;
            ensure!(left == ["namespace/portcullis"], "{left:?}");
            Ok(Some(left))
        });
        left.await?;
        let definitions = ["crd/clusterpolicies.kyverno.io", "crd/policies.kyverno.io"];
        ensure!(ground.there(&definitions).await?.len() == 2);
        ground.kubectl(&["delete", "crd", "clusterpolicies.kyverno.io"]).await?;
        // Other tests find the definitions by their own means.
        define(&kubectl).await.map(drop)
    })
}

#[test]
fn a_release_in_another_namespace_goes_by_the_definitions_that_one_before_has_left() -> Result<()> {
    on_clear_ground(async |ground| {
        let elsewhere = &*ground.test.namespace;
        ground.helm(&["install", "portcullis", CHART, "--namespace", elsewhere, "--wait"]).await?;
        ground.helm(&["uninstall", "portcullis", "--namespace", elsewhere, "--wait"]).await?;
        let here = ["--namespace=portcullis", "--create-namespace", "--wait"];
        let told = ground.helm(&[&["install", "portcullis", CHART], &here[..]].concat()).await?;
        ensure!(
            told.contains("that were there before are left as they are: clusterpolicies.kyverno.io, "),
            "{told}"
        );
        ensure!(ground.there(&PARTS).await?.len() == PARTS.len());
        Ok(())
    })
}

#[test]
fn what_helm_still_lists_after_a_removal_is_told_and_helm_can_end_it() -> Result<()> {
    on_clear_ground(async |ground| {
        let here = ["--namespace=portcullis", "--create-namespace", "--wait"];
        ground.helm(&[&["install", "guard", CHART], &here[..]].concat()).await?;
        let told = ground.portcullis(&["uninstall"]).await?.succeeded()?;
        let told = told.lines().find(|line| line.starts_with("Helm still lists the release `guard`: "));
        let command =
            told.and_then(|line| line.split('`').nth(3)).context("nothing is told of the release")?;
        let command: Vec<_> = command.split(' ').skip(1).collect();
        ground.helm(&command).await?;
        ensure!(ground.helm(&["list", "--namespace=portcullis", "--short"]).await?.is_empty());
        Ok(())
    })
}
