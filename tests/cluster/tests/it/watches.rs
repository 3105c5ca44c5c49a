//! What Portcullis knows of a real cluster: it follows what changes, and keeps what it knows while the API server is away.

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use kube::config::AuthInfo;
use portcullis_cluster::{
    Access, Candidate, Cluster, Connection, Notice, Options, Regarding, WatchState, events,
};
use portcullis_cluster_tests::{ClusterTest, cluster_test, wait};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::crds;

const POLICY: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: followed
  annotations:
    about: first
spec:
  rules:
  - name: r
    match:
      any:
      - resources:
          kinds: [ConfigMap]
    validate:
      message: m
      pattern:
        metadata:
          name: \"?*\"
";

/// What the documentation of `portcullis-cluster` says must be granted, and no more.
const RIGHTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: follower
rules:
- apiGroups: [kyverno.io]
  resources: [clusterpolicies, policies, policyexceptions]
  verbs: [list, watch]
- apiGroups: [\"\"]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings, clusterrolebindings]
  verbs: [list, watch]
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [list, watch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: follower
rules:
- apiGroups: [\"\"]
  resources: [configmaps]
  resourceNames: [portcullis]
  verbs: [list, watch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
";

/// A connection as a service account that has these rights alone.
async fn with_least_rights(test: &ClusterTest) -> Result<Connection> {
    test.apply(RIGHTS).await?.succeeded()?;
    test.kubectl(&["create", "serviceaccount", "follower"]).await?.succeeded()?;
    let account = format!("--serviceaccount={}:follower", test.namespace);
    let bind = ["create", "clusterrolebinding", &*test.namespace, "--clusterrole=follower", &*account];
    test.kubectl(&bind).await?.succeeded()?;
    test.kubectl(&["create", "rolebinding", "follower", "--role=follower", &*account]).await?.succeeded()?;
    let token = test.kubectl(&["create", "token", "follower"]).await?.succeeded()?;
    let mut config = test.control_plane.config().await?;
    config.auth_info = AuthInfo { token: Some(token.trim().to_owned().into()), ..AuthInfo::default() };
    Ok(Connection::from_config(config)?)
}

/// Runs a test where policies are not defined yet, with a connection as somebody with the rights it needs.
fn undefined(body: impl AsyncFnOnce(&ClusterTest, Connection) -> Result<()>) -> Result<()> {
    cluster_test(async |test| {
        crds::undefine(&test.control_plane.kubectl("default")).await?;
        let connection = with_least_rights(test).await?;
        body(test, connection).await?;
        // The policies go with them.
        crds::undefine(&test.control_plane.kubectl("default")).await
    })
}

fn follow(test: &ClusterTest, connection: Connection) -> Cluster {
    let options = Options {
        configuration: (test.namespace.clone(), "portcullis".to_owned()),
        secret: None,
        jobs: true,
        retention: false,
        services: Vec::new(),
        api_servers: Vec::new(),
    };
    Cluster::start(connection, &options)
}

async fn until(what: &str, condition: impl Fn() -> bool) -> Result<()> {
    wait::until(what, async || Ok(condition().then_some(()))).await
}

#[test]
fn policies_are_followed_through_a_crash_of_the_api_server_and_the_loss_of_their_kinds() -> Result<()> {
    undefined(async |test, connection| {
        let control_plane = test.control_plane;
        let kubectl = control_plane.kubectl("default");
        let cluster = follow(test, connection);
        let state = |name: &str| cluster.watches().all().get(name).cloned();
        let kinds = ["clusterpolicies", "policies"];
        until("all but policies is listed", || cluster.readiness().pending() == kinds).await?;
        until("policies are absent", || {
            kinds.map(state).map(|state| state == Some(WatchState::Absent)) == [true; 2]
        })
        .await?;
        let policy = || cluster.cluster_policies.load().get("", "followed").cloned();
        ensure!(policy().is_none());

        // The kinds come.
        crds::define(&kubectl).await?;
        until("policies are followed", || state("clusterpolicies") == Some(WatchState::Live)).await?;
        timeout(wait::PATIENCE, cluster.readiness().ready()).await.context("everything is listed")?;
        until("policies are discovered", || {
            cluster.view().kind("kyverno.io", "v1", "clusterpolicies") == Some("ClusterPolicy")
        })
        .await?;

        // A policy comes, and changes.
        kubectl.run_with(&["apply", "-f", "-"], POLICY).await?.succeeded()?;
        until("the policy is known", || policy().is_some()).await?;
        let first = policy().context("the policy is known")?;
        ensure!(!first.text.contains("managedFields"), "{}", first.text);
        let mut changes = cluster.cluster_policies.subscribe();
        kubectl.run(&["annotate", "cpol", "followed", "about=second", "--overwrite"]).await?.succeeded()?;
        timeout(wait::PATIENCE, changes.changed()).await.context("the change is heard of")??;
        ensure!(policy().is_some_and(|policy| policy.text.contains("second")), "{:?}", policy());

        // The API server goes, and what is known stays.
        control_plane.stop_api_server();
        until("the loss is noticed", || matches!(state("clusterpolicies"), Some(WatchState::Failing(_))))
            .await?;
        ensure!(policy().is_some() && cluster.readiness().is_ready());
        let error = cluster.look_up_namespace("nowhere").await.map(|_| ()).expect_err("nobody answers");
        ensure!(error.to_string().contains("connection refused"), "{error}");

        // It comes back, and what happens is followed again.
        control_plane.start_api_server().await?;
        kubectl.run(&["delete", "cpol", "followed"]).await?.succeeded()?;
        until("the policy is forgotten", || policy().is_none()).await?;

        // The kinds go, and come back.
        crds::remove(&kubectl, &["clusterpolicies.kyverno.io"]).await?;
        until("policies are off", || state("clusterpolicies") == Some(WatchState::Absent)).await?;
        crds::define(&kubectl).await?;
        kubectl.run_with(&["apply", "-f", "-"], POLICY).await?.succeeded()?;
        until("policies are on again", || policy().is_some()).await
    })
}

#[test]
fn what_a_review_needs_to_know_is_known_and_what_is_done_is_told() -> Result<()> {
    undefined(async |test, connection| {
        let kubectl = test.control_plane.kubectl("default");
        let access = Access::Kubeconfig { file: Some(test.control_plane.kubeconfig()), context: None };
        Connection::open(&access).await?.background().apiserver_version().await?;
        crds::define(&kubectl).await?;
        let cluster = follow(test, connection.clone());
        timeout(wait::PATIENCE, cluster.readiness().ready()).await.context("everything is listed")?;

        // Namespaces, the roles of their users, the configuration.
        kubectl.run(&["create", "namespace", "team"]).await?.succeeded()?;
        kubectl.run(&["label", "namespace", "team", "colour=red"]).await?.succeeded()?;
        let red = ("colour".into(), "red".into());
        until("the label is known", || {
            cluster.view().namespace_labels("team").is_some_and(|labels| labels.contains(&red))
        })
        .await?;
        ensure!(cluster.look_up_namespace("team").await?.contains(&red));
        let bind = ["create", "rolebinding", "b", "--clusterrole=view", "--serviceaccount=default:robot"];
        kubectl.run(&bind).await?.succeeded()?;
        let robot = "system:serviceaccount:default:robot";
        until("the role is known", || {
            let roles = cluster.view().roles_of(robot, &[], "default");
            roles.is_some_and(|roles| roles.cluster_roles == ["view"])
        })
        .await?;
        let admin =
            cluster.view().roles_of("admin", &["system:masters"], "").context("bindings are known")?;
        ensure!(admin.cluster_roles.contains(&"cluster-admin".to_owned()), "{admin:?}");
        test.kubectl(&["create", "configmap", "portcullis", "--from-literal=excludeGroups=g"])
            .await?
            .succeeded()?;
        until("the configuration is known", || cluster.configuration.load().is_some()).await?;

        // An Event that repeats is one Event.
        let (sender, writer) = events(&connection, "portcullis", "portcullis-0", Timestamp::now);
        let regarding = Regarding {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: String::new(),
            name: "team".to_owned(),
            uid: String::new(),
        };
        let notice = Notice {
            regarding,
            related: None,
            warning: true,
            reason: "PolicyViolation".to_owned(),
            action: "Resource Passed".to_owned(),
            note: "no TTL".to_owned(),
        };
        sender.send(notice.clone());
        sender.send(notice);
        drop(sender);
        timeout(wait::PATIENCE, writer.run()).await.context("the writer ends when nobody sends")?;
        let ours = "--field-selector=reason=PolicyViolation,regarding.name=team";
        let fields = "jsonpath={.items[*]['note','series.count','type']}";
        let told = kubectl.run(&["get", "events.events.k8s.io", ours, "-o", fields]).await?.succeeded()?;
        ensure!(told == "no TTL 2 Warning", "{told}");

        // One leads, and when it is shut down, the other.
        let candidate =
            |identity| Candidate::new(&connection, &test.namespace, "leader", identity, Timestamp::now);
        let (first, second) = (candidate("first"), candidate("second"));
        let (mut first_leads, mut second_leads) = (first.leadership(), second.leadership());
        let (shutdown, asked) = oneshot::channel::<()>();
        let first = tokio::spawn(first.run(async move {
            let _ = asked.await;
        }));
        ensure!(timeout(wait::PATIENCE, first_leads.gained()).await?);
        let second = tokio::spawn(second.run(std::future::pending()));
        drop(shutdown);
        first.await?;
        let free = Instant::now();
        ensure!(timeout(wait::PATIENCE, second_leads.gained()).await?);
        ensure!(free.elapsed().as_secs() < 15, "the lease was not given back, but ran out");
        second.abort();
        Ok(())
    })
}
