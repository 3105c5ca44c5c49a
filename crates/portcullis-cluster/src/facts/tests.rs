//! What a review learns, and what it stays without.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::cluster::tests::{answer, start, until_ready};
use crate::scripted::{Exchange, Scripted, namespace};

fn need(namespace: &str) -> Need {
    Need::NamespaceLabels { namespace: namespace.to_owned() }
}

fn crontabs() -> (Gvr<'static>, Need) {
    let resource = Gvr { group: "stable.example.com", version: "v1", resource: "crontabs" };
    let need = Need::Kind {
        group: resource.group.to_owned(),
        version: resource.version.to_owned(),
        resource: resource.resource.to_owned(),
    };
    (resource, need)
}

/// Finds out what is needed while `reply` answers what is asked for it.
async fn find_out(
    cluster: &Cluster,
    server: &mut Scripted,
    needs: &[Need],
    mut reply: impl FnMut(Exchange),
) -> ReviewFacts {
    let mut facts = cluster.facts();
    let deadline = Instant::now() + Duration::from_secs(2);
    {
        let asking = cluster.find_out(&mut facts, needs, deadline);
        tokio::pin!(asking);
        loop {
            tokio::select! {
                () = &mut asking => break,
                exchange = server.next() => match exchange.path.contains("/new") || exchange.path.contains("example.com") {
                    true => reply(exchange),
                    false => answer(exchange, true),
                },
            }
        }
    }
    facts
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_said_at_once() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let (arena, facts) = (Arena::new(), cluster.facts());
    let labels = facts.namespace_labels(&arena, "one").unwrap();
    assert_eq!(labels.get("team"), Some(Value::String("red")));
    let user = User { username: "ann", ..User::default() };
    assert_eq!(facts.roles(&arena, &user, "one").unwrap().cluster_roles, ["admin"]);
    let pods = Gvr { group: "", version: "v1", resource: "pods" };
    assert_eq!(facts.kind(&arena, pods).unwrap().kind, "Pod");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_asked_for_and_then_known() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let (arena, facts) = (Arena::new(), cluster.facts());
    let (resource, kind) = crontabs();
    assert_eq!(facts.namespace_labels(&arena, "new"), Err(Missing::NotYet));
    assert_eq!(facts.kind(&arena, resource), Err(Missing::NotYet));
    let list = json!({"groupVersion": "stable.example.com/v1", "resources": [
        {"name": "crontabs", "kind": "CronTab", "namespaced": true, "singularName": "", "verbs": []}]});
    let needs = [need("new"), kind];
    let facts = find_out(&cluster, &mut server, &needs, |exchange| match exchange.path.as_str() {
        "/apis/stable.example.com/v1" => exchange.reply(200, &list),
        _ => exchange.reply(200, &namespace("new", 9, "blue")),
    });
    let facts = facts.await;
    let labels = facts.namespace_labels(&arena, "new").unwrap();
    assert_eq!(labels.get("team"), Some(Value::String("blue")));
    assert_eq!(facts.kind(&arena, resource).unwrap().kind, "CronTab");
}

/// CVE-2025-46342.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_found_is_unknown_and_not_asked_for_again() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let (resource, kind) = crontabs();
    let needs = [need("new"), need("new-and-silent"), kind, Need::Roles];
    let before = server.elapsed();
    let mut silent = Vec::new();
    let facts = find_out(&cluster, &mut server, &needs, |exchange| match exchange.path.contains("silent") {
        true => silent.push(exchange),
        false => exchange.fail(404, "not found"),
    });
    let facts = facts.await;
    let waited = server.elapsed() - before;
    assert!(waited <= Duration::from_secs(3), "{waited:?}");
    let arena = Arena::new();
    assert_eq!(facts.namespace_labels(&arena, "new"), Err(Missing::Unknown));
    assert_eq!(facts.namespace_labels(&arena, "new-and-silent"), Err(Missing::Unknown));
    assert_eq!(facts.kind(&arena, resource), Err(Missing::Unknown));
}

#[tokio::test(start_paused = true)]
async fn roles_that_are_not_listed_yet_are_not_taken_for_none() {
    let (cluster, mut server) = start();
    let (arena, user) = (Arena::new(), User { username: "ann", ..User::default() });
    assert_eq!(cluster.facts().roles(&arena, &user, "one"), Err(Missing::NotYet));
    let facts = find_out(&cluster, &mut server, &[Need::Roles], drop).await;
    assert_eq!(facts.roles(&arena, &user, "one"), Err(Missing::Unknown));
}
