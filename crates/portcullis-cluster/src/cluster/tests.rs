//! The whole: readiness, views, and looking up what a view does not know.

use std::time::Duration;

use super::*;
use crate::scripted::{self, Exchange, Scripted, namespace, page};
use crate::watch::WatchState;
use serde_json::{Value, json};

pub(crate) fn start() -> (Cluster, Scripted) {
    let (connection, server) = scripted::connection();
    let options = Options {
        configuration: ("portcullis".to_owned(), "portcullis".to_owned()),
        secret: None,
        jobs: true,
        retention: false,
        services: Vec::new(),
        api_servers: Vec::new(),
    };
    (Cluster::start(connection, &options), server)
}

/// Answers as an API server with little in it does; `kyverno` tells whether it serves the kinds of policies.
pub(crate) fn answer(exchange: Exchange, kyverno: bool) {
    let path = exchange.path.split('?').next().unwrap_or_default().to_owned();
    if exchange.path.contains("watch=true") {
        // The stream stays open for as long as the test runs.
        return std::mem::forget(exchange.stream());
    }
    let pods = json!({"resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced"});
    let core = json!({"kind": "APIGroupDiscoveryList", "items": [{"versions": [{"version": "v1", "resources": [pods]}]}]});
    let items: Vec<Value> = match path.as_str() {
        "/api" => return exchange.reply(200, &core),
        "/apis" => return exchange.reply(200, &json!({"kind": "APIGroupDiscoveryList", "items": []})),
        _ if path.contains("kyverno.io") && !kyverno => return exchange.fail(404, "no such kind"),
        "/apis/kyverno.io/v1/clusterpolicies" => {
            vec![json!({"kind": "ClusterPolicy", "metadata": {"name": "p"}})]
        }
        "/api/v1/namespaces" => vec![namespace("one", 3, "red")],
        "/api/v1/namespaces/portcullis/configmaps" => {
            assert!(exchange.path.contains("fieldSelector=metadata.name%3Dportcullis"), "{}", exchange.path);
            vec![json!({"metadata": {"name": "portcullis"}, "data": {"excludeGroups": "g"}})]
        }
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings" => vec![json!({"metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "admin"}, "subjects": [{"kind": "User", "name": "ann"}]})],
        _ => vec![],
    };
    exchange.reply(200, &page(5, "", &items));
}

pub(crate) async fn until_ready(cluster: &Cluster, server: &mut Scripted, kyverno: bool) {
    while !cluster.readiness().is_ready() {
        let exchange = server.next().await;
        answer(exchange, kyverno);
    }
}

#[tokio::test(start_paused = true)]
async fn ready_is_who_has_listed_everything_once() {
    let (cluster, mut server) = start();
    assert_eq!(cluster.view().roles_of("ann", &[], ""), None, "not known is not none");
    let mut policies = None;
    // Everything is answered but the list of policies.
    while cluster.readiness().pending() != ["clusterpolicies"] {
        let exchange = server.next().await;
        if exchange.path.starts_with("/apis/kyverno.io/v1/clusterpolicies") {
            policies = Some(exchange);
        } else {
            answer(exchange, true);
        }
    }
    assert!(cluster.cluster_policies.load().is_empty());
    answer(policies.unwrap(), true);
    until_ready(&cluster, &mut server, true).await;
    assert!(cluster.cluster_policies.load().get("", "p").is_some());
    assert_eq!(cluster.configuration.load().as_ref().as_ref().unwrap()["excludeGroups"], "g");
    assert_eq!(cluster.view().roles_of("ann", &[], "one").unwrap().cluster_roles, ["admin"]);
    assert_eq!(cluster.view().namespace_labels("one").unwrap()[0].1.as_ref(), "red");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_ready_before_the_kinds_of_policies_are_there() {
    let (cluster, mut server) = start();
    let is_absent = |name: &str| cluster.watches().all().get(name) == Some(&WatchState::Absent);
    // Exceptions may be absent.
    while !(is_absent("policies")
        && is_absent("policyexceptions")
        && cluster.readiness().pending() == ["clusterpolicies", "policies"])
    {
        let exchange = server.next().await;
        answer(exchange, false);
    }
    assert_eq!(cluster.watches().all()["namespaces"], WatchState::Live);
    // They come, and nothing is to be started again.
    until_ready(&cluster, &mut server, true).await;
    assert!(cluster.cluster_policies.load().get("", "p").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_was_just_created_is_looked_up() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    assert_eq!(cluster.view().namespace_labels("new"), None);
    let (labels, ()) = tokio::join!(cluster.look_up_namespace("new"), async {
        loop {
            let exchange = server.next().await;
            if exchange.path.starts_with("/api/v1/namespaces/new") {
                return exchange.reply(200, &namespace("new", 9, "blue"));
            }
            answer(exchange, true);
        }
    });
    let view = cluster.view().with_namespace("new", labels.unwrap());
    assert_eq!(view.namespace_labels("new").unwrap()[0].1.as_ref(), "blue");
    assert!(cluster.look_up_namespace("one").await.is_ok(), "what is known needs no question");
    assert!(server.quiet_for(Duration::from_secs(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_nowhere_is_an_error() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let (labels, ()) = tokio::join!(cluster.look_up_namespace("../x"), async {
        loop {
            let exchange = server.next().await;
            if exchange.path.starts_with("/api/v1/namespaces/..%2Fx") {
                return exchange.fail(404, "namespaces \"../x\" not found");
            }
            answer(exchange, true);
        }
    });
    let error = labels.unwrap_err();
    assert!(matches!(error, ApiError::NotFound { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_cluster_ends_its_watches() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    drop(cluster);
    tokio::time::timeout(Duration::from_secs(1), server.hung_up()).await.expect("nobody is left to ask");
}
