//! `portcullis install`, `uninstall`, `disarm` and `rearm`, and `helm install` of the chart, on a real API server.
//!
//! KWOK plays the nodes, so that no Pod of the Deployment runs anything: what is shown is that every object is accepted,
//! that the level `restricted` of Pod Security admits the Pods, and what is left afterwards. What the Pods would do is
//! tested with `portcullis serve` as a process.

mod helm;
mod obstacles;
mod take_over;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{ClusterTest, CommandOutput, cluster_test};
use serde_json::{Value, json};

pub(crate) use self::take_over::KYVERNO;
use crate::crds::define;

/// What an installation consists of, without definitions.
const PARTS: [&str; 17] = [
    "priorityclass/portcullis",
    "namespace/portcullis",
    "serviceaccount/portcullis",
    "clusterrole/portcullis",
    "clusterrole/portcullis-config-maps",
    "clusterrole/portcullis-lookups",
    "clusterrole/portcullis-view-policies",
    "clusterrole/portcullis-webhooks",
    "clusterrolebinding/portcullis",
    "clusterrolebinding/portcullis-config-maps",
    "clusterrolebinding/portcullis-lookups",
    "role/portcullis",
    "rolebinding/portcullis",
    "service/portcullis",
    "networkpolicy/portcullis",
    "poddisruptionbudget/portcullis",
    "deployment/portcullis",
];

const POLICY: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: kept}
spec:
  rules:
  - name: a
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate: {message: a name is missing, pattern: {metadata: {name: \"?*\"}}}
";

/// A control plane on which no Portcullis runs, with nothing of one.
pub(crate) struct Ground<'t> {
    pub(crate) test: &'t ClusterTest,
}

/// Runs a test on a control plane where nothing is installed, and takes out what it leaves.
pub(crate) fn on_clear_ground(body: impl AsyncFnOnce(&Ground<'_>) -> Result<()>) -> Result<()> {
    cluster_test(async |test| {
        let ground = Ground { test };
        ground.clear().await?;
        let outcome = body(&ground).await;
        outcome.and(ground.clear().await)
    })
}

impl Ground<'_> {
    /// Removes everything, the policies included.
    async fn clear(&self) -> Result<()> {
        let kyverno = "webhook.kyverno.io/managed-by=kyverno";
        let configurations = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
        self.kubectl(&["delete", configurations, "-l", kyverno]).await?;
        self.portcullis(&["uninstall", "--delete-policies"]).await?.succeeded()?;
        // What other tests have made there is no installation.
        self.kubectl(&["delete", "namespace", "portcullis", "--ignore-not-found"]).await.map(drop)
    }

    async fn portcullis(&self, arguments: &[&str]) -> Result<CommandOutput> {
        self.test.control_plane.portcullis(arguments).await
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.test.control_plane.kubectl("portcullis").run(arguments).await?.succeeded()
    }

    async fn apply(&self, document: &str) -> Result<String> {
        let kubectl = self.test.control_plane.kubectl("portcullis");
        kubectl.run_with(&["apply", "-f", "-"], document).await?.succeeded()
    }

    /// Which of `names` are in the cluster.
    async fn there(&self, names: &[&str]) -> Result<Vec<String>> {
        let arguments = [&["get", "--ignore-not-found", "-o", "name"], names].concat();
        let found = self.kubectl(&arguments).await?;
        // kubectl names kinds with their groups.
        Ok(found.lines().map(|name| name.replace(".networking.k8s.io", "")).collect())
    }

    /// Something that calls Portcullis, as a replica would have written it.
    async fn arm(&self) -> Result<()> {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {
                "name": "portcullis-resource-validating",
                "labels": { "app.kubernetes.io/managed-by": "portcullis" },
            },
        });
        self.apply(&configuration.to_string()).await.map(drop)
    }

    async fn is_armed(&self) -> Result<bool> {
        let ours = ["validatingwebhookconfiguration/portcullis-resource-validating"];
        Ok(!self.there(&ours).await?.is_empty())
    }

    async fn replicas(&self) -> Result<String> {
        self.kubectl(&["get", "deployment", "portcullis", "-o", "jsonpath={.spec.replicas}"]).await
    }

    /// Checks that nothing of an installation is left.
    async fn ensure_gone(&self) -> Result<()> {
        let left = self.there(&PARTS).await?;
        ensure!(left.is_empty() && !self.is_armed().await?, "left: {left:?}");
        Ok(())
    }
}

#[test]
fn an_installation_comes_stands_still_and_goes_without_the_policies() -> Result<()> {
    on_clear_ground(async |ground| {
        let installed = ground.portcullis(&["install"]).await?;
        ensure!(installed.stderr.contains("2 of 2 Pods are ready"), "{installed:?}");
        let told = installed.succeeded()?;
        ensure!(told.contains("policies fail closed unless they say"), "{told}");
        for part in PARTS {
            ensure!(told.contains(&format!("{part} created")), "{part} in {told}");
        }
        ensure!(ground.there(&PARTS).await?.len() == PARTS.len());
        // Pod Security has admitted both.
        let level = "jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}";
        ensure!(ground.kubectl(&["get", "namespace", "portcullis", "-o", level]).await? == "restricted");
        let running = ground.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].status.phase}"]).await?;
        ensure!(running == "Running Running", "{running}");

        let again = ground.portcullis(&["install"]).await?.succeeded()?;
        let lines = again.lines().filter(|line| line.contains('/'));
        ensure!(lines.clone().count() == PARTS.len() + 4, "{again}");
        ensure!(lines.clone().all(|line| line.ends_with(" unchanged")), "{again}");

        ground.apply(POLICY).await?;
        ground.arm().await?;
        let told = ground.portcullis(&["uninstall"]).await?.succeeded()?;
        ensure!(told.contains("policies, exceptions and their definitions stay"), "{told}");
        ground.ensure_gone().await?;
        ensure!(ground.there(&["clusterpolicy/kept"]).await?.len() == 1);
        let told = ground.portcullis(&["uninstall"]).await?.succeeded()?;
        ensure!(told.contains("nothing to remove"), "{told}");

        let told = ground.portcullis(&["uninstall", "--delete-policies"]).await?.succeeded()?;
        ensure!(told.contains("1 clusterpolicies to remove"), "{told}");
        let definitions = ["crd/clusterpolicies.kyverno.io", "crd/policyexceptions.kyverno.io"];
        ensure!(ground.there(&definitions).await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_removal_ends_well_from_every_half_done_state() -> Result<()> {
    on_clear_ground(async |ground| {
        for broken in [
            &["delete", "namespace", "portcullis"][..],
            &["delete", "deployment,service,clusterrole", "-l", "app.kubernetes.io/name=portcullis"],
            &[
                "delete",
                "crd",
                "clusterpolicies.kyverno.io",
                "policies.kyverno.io",
                "policyexceptions.kyverno.io",
            ],
        ] {
            ground.portcullis(&["install", "--replicas=1"]).await?.succeeded()?;
            ground.arm().await?;
            ground.kubectl(broken).await?;
            ground.portcullis(&["uninstall"]).await?.succeeded()?;
            ground.ensure_gone().await.with_context(|| format!("after `kubectl {}`", broken.join(" ")))?;
        }
        Ok(())
    })
}

#[test]
fn a_removal_that_is_killed_after_each_of_its_steps_comes_to_the_same_end() -> Result<()> {
    on_clear_ground(async |ground| {
        ground.portcullis(&["install"]).await?.succeeded()?;
        ground.arm().await?;
        let control_plane = ground.test.control_plane;
        let mut steps = 0;
        // Each time it is killed as soon as it tells of something that is done.
        while let Some(done) = control_plane.portcullis_until_line(&["uninstall"], " removed").await? {
            steps += 1;
            let works = !ground.there(&["deployment/portcullis"]).await?.is_empty();
            ensure!(works || !ground.is_armed().await?, "after `{done}` somebody is called who is not there");
        }
        // A kill that comes late lets some more be done.
        ensure!(steps >= PARTS.len() / 3, "there were {steps} steps");
        ground.ensure_gone().await?;
        let told = ground.portcullis(&["uninstall"]).await?.succeeded()?;
        ensure!(told.contains("nothing to remove"), "{told}");
        Ok(())
    })
}

#[test]
fn a_command_with_the_wrong_namespace_says_where_portcullis_is_and_breaks_nothing() -> Result<()> {
    on_clear_ground(async |ground| {
        ground.portcullis(&["install"]).await?.succeeded()?;
        let elsewhere = "--namespace=elsewhere";
        let parts = ground.there(&PARTS).await?;
        for (verb, told, hint) in [
            ("install", "is installed in the namespace `portcullis`", "`--namespace portcullis` brings that"),
            (
                "uninstall",
                "not installed in the namespace `elsewhere` but in `portcullis`",
                "uninstall --namespace portcullis`",
            ),
            (
                "rearm",
                "is not installed in the namespace `elsewhere`",
                "rearm --namespace portcullis`: it is there",
            ),
        ] {
            let refused = ground.portcullis(&[verb, elsewhere]).await?;
            let is_told = refused.stderr.contains(told) && refused.stderr.contains(hint);
            ensure!(refused.code == 1 && is_told, "{verb}: {refused:?}");
        }
        // In an emergency what can be done is done.
        ground.arm().await?;
        let refused = ground.portcullis(&["disarm", elsewhere]).await?;
        let told = "portcullis runs in the namespace `portcullis`, and puts the webhooks back";
        ensure!(refused.code == 1 && refused.stderr.contains(told), "{refused:?}");
        ensure!(refused.stdout.contains("portcullis-resource-validating removed"), "{refused:?}");
        ensure!(ground.there(&PARTS).await? == parts && ground.replicas().await? == "2");

        // What is armed needs no arming, and who has scaled it to 0 by hand has not said how many there were.
        let told = ground.portcullis(&["rearm"]).await?.succeeded()?;
        ensure!(told == "portcullis serves\n", "{told}");
        ground.kubectl(&["scale", "deployment", "portcullis", "--replicas=0"]).await?;
        let told = ground.portcullis(&["rearm"]).await?.succeeded()?;
        ensure!(told.contains("deployment/portcullis scaled to 2"), "{told}");
        Ok(())
    })
}

#[test]
fn what_belongs_to_another_choice_goes_when_that_changes() -> Result<()> {
    on_clear_ground(async |ground| {
        let choices = ["poddisruptionbudget/portcullis", "clusterrolebinding/portcullis-beside-kyverno"];
        ground.portcullis(&["install", "--beside-kyverno"]).await?.succeeded()?;
        ensure!(ground.there(&choices).await?.len() == 2);
        let told = ground.portcullis(&["install", "--replicas=1"]).await?.succeeded()?;
        for choice in choices {
            ensure!(told.contains(&format!("{choice} removed")), "{told}");
        }
        ensure!(ground.there(&choices).await?.is_empty());
        Ok(())
    })
}

#[test]
fn another_engine_that_guards_the_pods_of_portcullis_is_warned_of() -> Result<()> {
    on_clear_ground(async |ground| {
        let other = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": "other-engine" },
            "webhooks": [{
                "name": "validate.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": { "service": { "name": "other", "namespace": "other" } },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "portcullis" } },
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"],
                }],
            }],
        });
        ground.apply(&other.to_string()).await?;
        define(&ground.test.control_plane.kubectl("default")).await?;
        let installed = ground.portcullis(&["install", "--timeout=1"]).await?;
        ground.kubectl(&["delete", "validatingwebhookconfiguration", "other-engine"]).await?;
        let told = "warning: `other-engine` fails closed on the Pods of portcullis";
        ensure!(installed.code == 1 && installed.stderr.contains(told), "{installed:?}");
        Ok(())
    })
}

#[test]
fn what_was_there_before_and_what_people_keep_is_not_removed() -> Result<()> {
    on_clear_ground(async |ground| {
        ground.kubectl(&["create", "namespace", "portcullis"]).await?;
        let told = ground.portcullis(&["install"]).await?.succeeded()?;
        ensure!(told.contains("namespace/portcullis left as it is"), "{told}");
        let told = ground.portcullis(&["uninstall"]).await?.succeeded()?;
        ensure!(told.contains("namespace/portcullis stays: it was there before"), "{told}");
        ensure!(ground.there(&PARTS).await? == ["namespace/portcullis"]);
        ground.kubectl(&["delete", "namespace", "portcullis"]).await?;

        // An exception in the namespace would go with it.
        ground.portcullis(&["install"]).await?.succeeded()?;
        let exception = "{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {name: e, namespace: portcullis}, \
            spec: {exceptions: [{policyName: kept, ruleNames: [a]}], match: {any: [{resources: {kinds: [ConfigMap]}}]}}}";
        ground.apply(exception).await?;
        let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: theirs, namespace: portcullis}, \
            spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}";
        ground.apply(claim).await?;
        let told = ground.portcullis(&["uninstall"]).await?.succeeded()?;
        let stays = "namespace/portcullis stays: it holds 1 policies or exceptions, 1 volume claims\n";
        ensure!(told.contains(stays), "{told}");
        ensure!(ground.there(&["policyexception/e", "persistentvolumeclaim/theirs"]).await?.len() == 2);
        Ok(())
    })
}

#[test]
fn disarming_stops_who_would_put_the_webhooks_back_until_it_is_armed_again() -> Result<()> {
    on_clear_ground(async |ground| {
        ground.portcullis(&["install", "--replicas=3"]).await?.succeeded()?;
        ground.arm().await?;
        let told = ground.portcullis(&["disarm"]).await?.succeeded()?;
        ensure!(told.contains("portcullis-resource-validating removed"), "{told}");
        ensure!(!ground.is_armed().await? && ground.replicas().await? == "0");
        // Once more is no harm, and does not forget how many there were.
        ground.portcullis(&["disarm"]).await?.succeeded()?;
        ground.portcullis(&["rearm"]).await?.succeeded()?;
        ensure!(ground.replicas().await? == "3");

        ground.portcullis(&["uninstall"]).await?.succeeded()?;
        let refused = ground.portcullis(&["rearm"]).await?;
        ensure!(
            refused.code == 1 && refused.stderr.contains("is not installed in the namespace"),
            "{refused:?}"
        );
        Ok(())
    })
}

/// The definition of policies as another engine would have installed it, with a change.
fn definition_of_others(change: impl Fn(&mut Value)) -> Result<String> {
    let arena = portcullis_value::Arena::new();
    let ours = portcullis_kyverno::crds(&arena).first().map(ToString::to_string);
    let mut theirs: Value = serde_json::from_str(&ours.unwrap_or_default())?;
    *theirs.pointer_mut("/metadata/labels").context("no labels")? =
        json!({ "app.kubernetes.io/part-of": "kyverno" });
    change(&mut theirs);
    Ok(theirs.to_string())
}

#[test]
fn definitions_of_others_are_left_where_they_are_compatible_and_are_never_removed() -> Result<()> {
    on_clear_ground(async |ground| {
        let kubectl = ground.test.control_plane.kubectl("default");
        let server_side = ["apply", "--server-side", "-f", "-"];
        let without_status = definition_of_others(|definition| {
            for version in
                definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut).into_iter().flatten()
            {
                version.as_object_mut().map(|version| version.remove("subresources"));
            }
        })?;
        kubectl.run_with(&server_side, &without_status).await?.succeeded()?;
        let refused = ground.portcullis(&["install"]).await?;
        ensure!(refused.code == 1 && refused.stderr.contains("has no status"), "{refused:?}");
        ensure!(ground.there(&PARTS).await?.is_empty(), "installed all the same");

        kubectl.run_with(&server_side, &definition_of_others(|_| ())?).await?.succeeded()?;
        let told = ground.portcullis(&["install"]).await?.succeeded()?;
        let left = "customresourcedefinition/clusterpolicies.kyverno.io left as it is";
        ensure!(told.contains(left), "{told}");
        ensure!(told.contains("customresourcedefinition/policies.kyverno.io created"), "{told}");
        ground.apply(POLICY).await?;
        let told = ground.portcullis(&["uninstall", "--delete-policies"]).await?.succeeded()?;
        ensure!(told.contains("clusterpolicies.kyverno.io stays: somebody else has installed it"), "{told}");
        let left = ["crd/clusterpolicies.kyverno.io", "crd/policies.kyverno.io"];
        let left = ground.there(&left).await?;
        ensure!(
            left == ["customresourcedefinition.apiextensions.k8s.io/clusterpolicies.kyverno.io"],
            "{left:?}"
        );
        ensure!(ground.kubectl(&["get", "clusterpolicies", "-o", "name"]).await?.is_empty());
        ground.kubectl(&["delete", "crd", "clusterpolicies.kyverno.io"]).await.map(drop)
    })
}
