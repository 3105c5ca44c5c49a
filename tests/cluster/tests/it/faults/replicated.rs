//! What tests of several replicas have in common.

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use portcullis_cluster_tests::{ClusterTest, Replicas, cluster_test, wait};

use super::paced::policy;
use super::site::{Asked, try_create};

/// The configuration that refuses requests.
pub(crate) const VALIDATING: &str = "validatingwebhookconfiguration/portcullis-resource-validating";

/// Runs a test while Portcullis is installed, with webhooks that fail as policies say. No replica runs yet.
pub(crate) fn replicated(
    test: impl AsyncFnOnce(&ClusterTest, &mut Replicas<'_>) -> Result<()>,
) -> Result<()> {
    cluster_test(async |cluster| {
        let body = async |replicas: &mut Replicas<'_>| test(cluster, replicas).await;
        Replicas::during(cluster.control_plane, &[], body).await
    })
}

/// A policy that fails closed and is asked about everything there is: its rule is about the resources that `which` says, and
/// `validate` what it wants of them.
pub(crate) fn everything(which: &str, validate: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: everything
spec:
  background: false
  failurePolicy: Fail
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: ['*'], {which}}}}}]}}
    validate: {{failureAction: Enforce, {validate}}}
"
    )
}

/// Writes policies, and waits until they are in force.
pub(crate) async fn put_in_force(test: &ClusterTest, policies: &str) -> Result<()> {
    test.apply(policies).await?.succeeded()?;
    test.control_plane.until_policies_are_ready().await
}

/// Puts the policy in force by which ConfigMaps of a bad name are refused, and waits until the API server refuses them.
pub(crate) async fn refuse_bad_names(test: &ClusterTest) -> Result<()> {
    put_in_force(test, &policy("closed", &test.namespace, "Fail")).await?;
    until_bad_names_are_refused(test).await
}

/// Waits until the API server has a ConfigMap of a bad name refused by that policy.
pub(crate) async fn until_bad_names_are_refused(test: &ClusterTest) -> Result<()> {
    let maps: Api<ConfigMap> = test.api();
    wait::until("bad names are refused", async || match try_create(&maps, "bad-probe").await? {
        Asked::Refused(message) if message.contains("a bad name") => Ok(Some(())),
        asked => bail!("{asked:?}"),
    })
    .await
}

/// A policy by which Pods without a team are refused, those of Portcullis as well.
pub(crate) const TEAMS: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: teams
spec:
  failurePolicy: Fail
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Pod, ReplicaSet, Deployment]}}]}
    validate: {failureAction: Enforce, message: a team is wanted, pattern: {metadata: {labels: {team: '?*'}}}}
";

/// Fails unless the creation of a Pod without a team, in the namespace of the test, ends with these words.
pub(crate) async fn ensure_pod_is(test: &ClusterTest, words: &str) -> Result<()> {
    let run = ["run", "probe", "--image=registry.example.com/probe:1.0.0", "--dry-run=server"];
    let created = test.kubectl(&run).await?;
    let said = format!("{}{}", created.stdout, created.stderr);
    ensure!(said.contains(words), "{said}");
    Ok(())
}

/// Waits until it does.
pub(crate) async fn until_pod_is(test: &ClusterTest, words: &str) -> Result<()> {
    wait::until(&format!("`{words}` when a Pod is created"), async || {
        ensure_pod_is(test, words).await.map(Some)
    })
    .await
}

/// The UID of the configuration that refuses requests.
pub(crate) async fn uid_of_webhooks(test: &ClusterTest) -> Result<String> {
    test.kubectl(&["get", VALIDATING, "-o", "jsonpath={.metadata.uid}"]).await?.succeeded()
}
