//! Discovery from servers old and new, and when it is asked again.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::readiness::Readiness;
use crate::scripted::{self, Scripted};

struct Refreshed {
    server: Scripted,
    discovery: Arc<Published<Discovery>>,
    readiness: Readiness,
    kinds: watch::Sender<()>,
    task: tokio::task::JoinHandle<Infallible>,
}

impl Drop for Refreshed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start() -> Refreshed {
    let (connection, server) = scripted::connection();
    let (readiness, kinds) = (Readiness::default(), watch::Sender::new(()));
    let discovery = Published::new(Discovery::default());
    let refresh = DiscoveryRefresh {
        reader: Reader::background(&connection),
        discovery: discovery.clone(),
        pending: Some(readiness.wait_for("discovery")),
        kinds: kinds.subscribe(),
    };
    Refreshed { server, discovery, readiness, kinds, task: tokio::spawn(refresh.run()) }
}

impl Refreshed {
    fn served(&self) -> Vec<String> {
        let discovery = self.discovery.load();
        let served = |served: &crate::discovery::ServedResource| {
            format!(
                "{}/{} {} {}/{}{}",
                served.group,
                served.version,
                served.kind,
                served.resource,
                served.subresource,
                if served.namespaced { "" } else { " cluster" }
            )
        };
        discovery.resources().iter().map(served).collect()
    }

    /// Answers one refresh.
    async fn answer(&mut self, api: &Value, apis: &Value) {
        let core = self.server.next().await;
        assert_eq!(core.path, "/api");
        core.reply(200, api);
        let groups = self.server.next().await;
        assert_eq!(groups.path, "/apis");
        groups.reply(200, apis);
    }
}

fn aggregated(items: &Value) -> Value {
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn core() -> Value {
    aggregated(&json!([{"versions": [{"version": "v1", "freshness": "Current", "resources": [
        {"resource": "pods", "responseKind": {"group": "", "version": "v1", "kind": "Pod"}, "scope": "Namespaced",
         "subresources": [{"subresource": "exec", "responseKind": {"kind": "PodExecOptions"}, "verbs": ["get"]}]},
        {"resource": "nodes", "responseKind": {"kind": "Node"}, "scope": "Cluster"}]}]}]))
}

fn metrics(freshness: &str, resources: &Value) -> Value {
    aggregated(&json!([{"metadata": {"name": "metrics.k8s.io"},
        "versions": [{"version": "v1beta1", "freshness": freshness, "resources": resources}]}]))
}

#[tokio::test(start_paused = true)]
async fn one_answer_for_all_groups_is_read() {
    let mut refreshed = start();
    let pods = json!([{"resource": "pods", "responseKind": {"kind": "PodMetrics"}, "scope": "Namespaced"}]);
    refreshed.answer(&core(), &metrics("Current", &pods)).await;
    refreshed.readiness.ready().await;
    let want = [
        "/v1 Node nodes/ cluster",
        "/v1 Pod pods/",
        "/v1 Pod pods/exec",
        "metrics.k8s.io/v1beta1 PodMetrics pods/",
    ];
    assert_eq!(refreshed.served(), want);
    // A group whose server is down keeps its kinds.
    refreshed.answer(&core(), &metrics("Stale", &json!([]))).await;
    refreshed.answer(&core(), &metrics("Stale", &json!([]))).await;
    assert_eq!(refreshed.served(), want);
    // A group that is gone loses them.
    refreshed.answer(&core(), &aggregated(&json!([]))).await;
    refreshed.server.next().await;
    assert_eq!(refreshed.served(), want[..3]);
}

#[tokio::test(start_paused = true)]
async fn servers_without_aggregated_discovery_are_asked_group_by_group() {
    let mut refreshed = start();
    refreshed.server.expect("/api").await.reply(
        200,
        &json!({"kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": []}),
    );
    refreshed.server.expect("/api/v1").await.reply(
        200,
        &json!({"groupVersion": "v1", "resources": [
        {"name": "pods", "kind": "Pod", "namespaced": true, "singularName": "", "verbs": []}]}),
    );
    refreshed.server.expect("/apis").await.reply(
        200,
        &json!({"kind": "APIGroupList", "groups": [
        {"name": "batch", "versions": [{"groupVersion": "batch/v1", "version": "v1"}]},
        {"name": "down", "versions": [{"groupVersion": "down/v1", "version": "v1"}]}]}),
    );
    refreshed.server.expect("/apis/batch/v1").await.reply(
        200,
        &json!({"groupVersion": "batch/v1", "resources": [
        {"name": "jobs", "kind": "Job", "namespaced": true, "singularName": "", "verbs": []},
        {"name": "jobs/status", "kind": "Job", "namespaced": true, "singularName": "", "verbs": []}]}),
    );
    refreshed.server.expect("/apis/down/v1").await.fail(503, "service unavailable");
    refreshed.readiness.ready().await;
    assert_eq!(refreshed.served(), ["/v1 Pod pods/", "batch/v1 Job jobs/", "batch/v1 Job jobs/status"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_what_was_known_and_asks_again() {
    let mut refreshed = start();
    refreshed.server.expect("/api").await.fail(500, "not yet");
    refreshed.answer(&core(), &aggregated(&json!([]))).await;
    let half = refreshed.server.expect("/api").await;
    assert_eq!(refreshed.served().len(), 3);
    half.reply(200, &aggregated(&json!([])));
    refreshed.server.expect("/apis").await.fail(500, "half an answer");
    refreshed.server.expect("/api").await;
    assert_eq!(refreshed.served().len(), 3, "half an answer is none");
}

#[tokio::test(start_paused = true)]
async fn a_changed_definition_is_asked_for_soon_and_otherwise_seldom() {
    let mut refreshed = start();
    let empty = aggregated(&json!([]));
    for _ in 0..=AFTER_CHANGE.len() {
        refreshed.answer(&empty, &empty).await;
    }
    assert!(refreshed.server.quiet_for(INTERVAL / 2).await);
    let before = refreshed.server.elapsed();
    refreshed.kinds.send_replace(());
    refreshed.answer(&empty, &core()).await;
    assert!(refreshed.server.elapsed() - before < Duration::from_secs(1));
    // The kind may have been served only after this first look.
    refreshed.answer(&empty, &core()).await;
    refreshed.answer(&empty, &core()).await;
    assert!(refreshed.server.elapsed() - before < Duration::from_secs(15));
    refreshed.answer(&empty, &core()).await;
    assert!(refreshed.server.elapsed() - before >= INTERVAL);
}
