//! `helm install` of the chart, and what the commands make of a release.

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{Shell, wait};
use serde_json::Value;

use super::take_over::CONFIGURATION;
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

/// The commands that stand in what is told, one a line.
fn commands(told: &str) -> Vec<&str> {
    told.lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with("kubectl "))
        .collect()
}

#[test]
fn beside_a_kyverno_that_serves_helm_installs_nothing_unless_it_is_said_how() -> Result<()> {
    on_clear_ground(async |ground| {
        let kubectl = ground.test.control_plane.kubectl("default");
        let theirs = definition_of_others(|definition| {
            definition
                .pointer_mut("/metadata")
                .and_then(Value::as_object_mut)
                .map(|it| it.remove("annotations"));
        })?;
        kubectl.run_with(&["apply", "--server-side", "-f", "-"], &theirs).await?.succeeded()?;
        let way_back = ground.kyverno().await?;
        let helm = async |verb: &str, value: &str| {
            let here = ["portcullis", CHART, "--namespace=portcullis", "--create-namespace", "--wait", value];
            ground.test.control_plane.helm(&[&[verb], &here[..]].concat()).await
        };
        let told = "Kyverno serves this cluster: it is called by `kyverno-resource-validating-webhook-cfg`\nhint: `--set besideKyverno=true`";
        let refused = helm("install", "--set=replicas=1").await?;
        ensure!(refused.code != 0 && refused.stderr.contains(told), "{refused:?}");
        ensure!(ground.there(&PARTS).await?.is_empty(), "installed all the same");
        let refused = helm("install", "--set=besideKyverno=true,takeOver=true").await?;
        ensure!(refused.code != 0 && refused.stderr.contains("exclude each other"), "{refused:?}");

        let shell = Shell::new(ground.test.control_plane, &ground.test.namespace)?;
        let told = helm("install", "--set=besideKyverno=true").await?.succeeded()?;
        ensure!(told.contains("It runs beside Kyverno"), "{told}");
        ensure!(ground.there(&[CONFIGURATION]).await?.len() == 1);
        // Of the definitions that are there one is not guarded: those of the chart are.
        let guard =
            "kubectl annotate crd clusterpolicies.kyverno.io helm.sh/resource-policy=keep --overwrite";
        ensure!(commands(&told).contains(&guard), "{told}");
        shell.run(guard).await?.succeeded()?;

        let told = helm("upgrade", "--set=takeOver=true").await?.succeeded()?;
        ensure!(!told.contains("Guard them first"), "{told}");
        let (_, stop) = told.split_once("Kyverno serves as well").context("nothing is told of Kyverno")?;
        let (stop, back) = stop.split_once("To go back: helm uninstall").context("no way back is told")?;
        for command in commands(stop) {
            shell.run(command).await?.succeeded()?;
        }
        ensure!(ground.replicas_of_kyverno().await? == "0 0", "{told}");
        ensure!(ground.there(&[CONFIGURATION]).await?.is_empty(), "{told}");
        let mut way_back = way_back.lines().skip(1).map(str::trim);
        ensure!(way_back.all(|command| commands(back).contains(&command)), "{back}");

        // Where nobody is called any more, nothing need be said.
        let told = helm("upgrade", "--set=replicas=2").await?.succeeded()?;
        ensure!(!told.contains("Kyverno"), "{told}");
        ground.kubectl(&["delete", "crd", "clusterpolicies.kyverno.io"]).await?;
        define(&kubectl).await.map(drop)
    })
}
