//! What a rule is told of ConfigMaps and by calls, and what it is not told.

use std::time::Duration;

use portcullis_engine::{Facts, Need};
use portcullis_value::Value;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::cluster::tests::{answer, start, until_ready};
use crate::facts::ReviewFacts;
use crate::scripted::{Exchange, Scripted, page};

fn config_map(name: &str) -> Question {
    Question::ConfigMap { entry: "e".to_owned(), namespace: "team".to_owned(), name: name.to_owned() }
}

fn call(url_path: &str) -> Question {
    let (entry, method) = ("e".to_owned(), "GET".to_owned());
    Question::ApiCall { entry, method, url_path: url_path.to_owned(), data: String::new() }
}

/// What the API server holds, as it is listed and got.
fn stored(version: u64, value: &str) -> serde_json::Value {
    json!({"metadata": {"name": "m", "namespace": "team", "resourceVersion": version.to_string()},
        "data": {"key": value}})
}

/// The answers to `questions`, while `reply` answers what is asked for them.
async fn ask(
    cluster: &Cluster,
    server: &mut Scripted,
    questions: &[Question],
    mut reply: impl FnMut(Exchange),
) -> Vec<Option<Answer>> {
    let mut facts = cluster.facts();
    let is_open = |facts: &ReviewFacts, question: &&Question| facts.answer("", question).is_none();
    let needs: Vec<_> = questions
        .iter()
        .filter(|question| is_open(&facts, question))
        .map(|question| Need::Answer { policy_namespace: String::new(), question: question.clone() })
        .collect();
    if !needs.is_empty() {
        let asking = cluster.find_out(&mut facts, &needs, Instant::now() + Duration::from_secs(60));
        tokio::pin!(asking);
        loop {
            tokio::select! {
                () = &mut asking => break,
                exchange = server.next() => match exchange.path.contains("/team/") || exchange.path.contains("pods") {
                    true => reply(exchange),
                    false => answer(exchange, true),
                },
            }
        }
    }
    questions.iter().map(|question| facts.answer("", question)).collect()
}

/// The value of the key in an answer about a ConfigMap.
fn key(answer: &Option<Answer>) -> String {
    let arena = Arena::new();
    match answer {
        Some(Answer::Value(map)) => {
            let map = map.borrow(&arena);
            assert!(map.path(&["metadata", "name"]).is_some());
            map.path(&["data", "key"]).and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Some(Answer::Failed(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

const MISSING: &str = "failed to get configmap team/m : configmaps \"m\" not found";

#[tokio::test(start_paused = true)]
async fn a_config_map_is_asked_for_once_and_followed_from_then_on() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let question = [config_map("m")];
    let first = ask(&cluster, &mut server, &question, |exchange| {
        assert_eq!(exchange.path, "/api/v1/namespaces/team/configmaps/m");
        exchange.fail(404, "configmaps \"m\" not found");
    });
    assert_eq!(key(&first.await[0]), MISSING);
    let list = server.expect("/team/configmaps?limit=1&fieldSelector=metadata.name%3Dm").await;
    list.reply(200, &page(7, "", &[stored(6, "listed")]));
    let watch = server.expect("/team/configmaps?watch=true").await;
    assert!(watch.path.contains("&fieldSelector=metadata.name%3Dm"), "{}", watch.path);
    let events = watch.stream();
    let nothing_is_asked = |exchange: Exchange| panic!("asked for {}", exchange.path);
    assert_eq!(key(&cluster.facts().answer("", &question[0])), "listed");
    let mut changes = cluster.config_maps.changes();
    events.event("BOOKMARK", &stored(8, ""));
    for (event, version, value, want) in [
        ("MODIFIED", 9, "changed", "changed"),
        ("DELETED", 10, "changed", MISSING),
        ("ADDED", 11, "back", "back"),
    ] {
        events.event(event, &stored(version, value));
        changes.changed().await.unwrap();
        let answers = ask(&cluster, &mut server, &question, nothing_is_asked).await;
        assert_eq!(key(&answers[0]), want, "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_review_goes_on_with_what_it_has_seen() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let read = |exchange: Exchange| exchange.reply(200, &stored(5, "first"));
    assert_eq!(key(&ask(&cluster, &mut server, &[config_map("m")], read).await[0]), "first");
    server.expect("fieldSelector").await.reply(200, &page(5, "", &[stored(5, "first")]));
    let events = server.expect("watch=true").await.stream();
    let facts = cluster.facts();
    assert_eq!(key(&facts.answer("", &config_map("m"))), "first");
    let mut changes = cluster.config_maps.changes();
    events.event("MODIFIED", &stored(6, "second"));
    changes.changed().await.unwrap();
    assert_eq!(key(&facts.answer("", &config_map("m"))), "first");
    assert_eq!(key(&cluster.facts().answer("", &config_map("m"))), "second");
}

#[tokio::test(start_paused = true)]
async fn no_more_are_followed_than_there_may_be_connections() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let mut watches = Vec::new();
    for index in 0..70 {
        let read = |exchange: Exchange| exchange.reply(200, &stored(5, "read"));
        ask(&cluster, &mut server, &[config_map(&format!("m{index}"))], read).await;
        server.expect("fieldSelector").await.reply(200, &page(5, "", &[stored(5, "listed")]));
        watches.push(server.expect("watch=true").await.stream());
        // The first one is in use.
        assert_eq!(key(&cluster.facts().answer("", &config_map("m0"))), "listed", "{index}");
    }
    let known = |index: u32| cluster.facts().answer("", &config_map(&format!("m{index}"))).is_some();
    assert_eq!((0..70).filter(|index| known(*index)).count(), 64);
    assert!(known(69) && !known(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_made_once_for_all_who_ask_alike_and_its_failure_says_why() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let other_entry = match call("/api/v1/pods?limit=1") {
        Question::ApiCall { method, url_path, data, .. } => {
            Question::ApiCall { entry: "f".to_owned(), method, url_path, data }
        }
        other => other,
    };
    let questions = [call("/api/v1/pods?limit=1"), other_entry, call("/api/v1/namespaces/x/pods")];
    let mut asked = Vec::new();
    let answers = ask(&cluster, &mut server, &questions, |exchange| {
        asked.push(exchange.path.clone());
        match exchange.path.contains("limit") {
            true => exchange.reply(200, &json!({"items": [1, 2]})),
            false => exchange.fail(403, "pods is forbidden: User \"p\" cannot list resource \"pods\""),
        }
    })
    .await;
    asked.sort();
    assert_eq!(asked, ["/api/v1/namespaces/x/pods", "/api/v1/pods?limit=1"]);
    assert!(matches!(&answers[0], Some(Answer::Value(_))) && answers[0] == answers[1], "{answers:?}");
    assert_eq!(
        key(&answers[2]),
        "failed to GET resource with raw url: /api/v1/namespaces/x/pods: permission denied: pods is forbidden: User \
         \"p\" cannot list resource \"pods\""
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_or_is_too_long_is_a_failure() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let before = server.elapsed();
    let mut silent = Vec::new();
    let answers = ask(&cluster, &mut server, &[call("/api/v1/pods")], |exchange| silent.push(exchange)).await;
    assert_eq!(key(&answers[0]), "there was no answer in time");
    let waited = server.elapsed() - before;
    assert!(waited < Duration::from_secs(9), "{waited:?}");

    let pods = |name: &str| call(&format!("/api/v1/pods?fieldSelector={name}"));
    let long = json!("x".repeat(9 << 20));
    let questions = [pods("a"), pods("b")];
    let answers = ask(&cluster, &mut server, &questions, |exchange| exchange.reply(200, &long)).await;
    let failures = answers.iter().filter(|answer| matches!(answer, Some(Answer::Failed(_)))).count();
    assert_eq!(failures, 1, "the second is more than one request is told");
    let long = json!("x".repeat(11 << 20));
    let answers = ask(&cluster, &mut server, &[pods("c")], |exchange| exchange.reply(200, &long)).await;
    assert!(key(&answers[0]).contains("is longer than"), "{}", key(&answers[0]).len());
}

#[tokio::test(start_paused = true)]
async fn a_request_may_ask_for_so_many_facts_and_no_more() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let questions: Vec<_> = (0..70).map(|index| call(&format!("/api/v1/pods?limit={index}"))).collect();
    let answers = ask(&cluster, &mut server, &questions, |exchange| exchange.reply(200, &json!({}))).await;
    let told = answers.iter().filter(|answer| matches!(answer, Some(Answer::Value(_)))).count();
    assert_eq!(told, MOST_ASKED);
    assert_eq!(key(&answers[69]), "one request may ask for 64 facts");
}

#[tokio::test(start_paused = true)]
async fn a_review_is_posted() {
    let (cluster, mut server) = start();
    until_ready(&cluster, &mut server, true).await;
    let question = [Question::ApiCall {
        entry: "e".to_owned(),
        method: "POST".to_owned(),
        url_path: "/apis/authorization.k8s.io/v1/namespaces/team/localsubjectaccessreviews".to_owned(),
        data: r#"[{"key": "spec", "value": {"user": "ann"}}]"#.to_owned(),
    }];
    let answers = ask(&cluster, &mut server, &question, |exchange| {
        assert_eq!((&exchange.method, exchange.json()), (&Method::POST, json!({"spec": {"user": "ann"}})));
        exchange.reply(201, &json!({"data": {"key": "allowed"}, "metadata": {"name": null}}));
    });
    assert_eq!(key(&answers.await[0]), "allowed");
}

#[test]
fn what_is_posted_is_a_map_of_keys_and_values() {
    let data = r#"[{"key": "b", "value": {"x": 1}}, {"key": "a", "value": "y"}]"#;
    assert_eq!(body_of(data).unwrap(), br#"{"a":"y","b":{"x":1}}"#);
    assert_eq!(body_of("").unwrap(), b"{}");
}
