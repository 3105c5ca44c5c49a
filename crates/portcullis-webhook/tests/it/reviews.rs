//! Reviews reach the reviewer as they came and are answered as it says.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_webhook::{Failure, Limits, Verdict, Webhook};
use serde_json::json;

use crate::harness::{LOCAL, NAME, Site, handshake, post, review};

#[tokio::test]
async fn a_review_is_answered_with_the_verdict_of_its_route() {
    let site = Site::judging(Limits::default(), |route, review, _| {
        assert_eq!((route.webhook, route.failure), (Webhook::Validate, Failure::Fail));
        let policy = route.policy.unwrap();
        Verdict::denied(format!("{} by {}/{}", review.request.name, policy.namespace.unwrap(), policy.name))
    });
    let mut client = site.client().await;
    let answer = client.ask(post("/validate/fail/finegrained/ns/p?timeout=5s", &review("u-1"))).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/json"));
    let want =
        json!({"uid": "u-1", "allowed": false, "status": {"status": "Failure", "message": "pi by ns/p"}});
    assert_eq!(answer.json()["response"], want);
    let series = "kyverno_admission_requests_total{resource_kind=\"Job\",resource_namespace=\"team\",\
                  resource_request_operation=\"create\",request_allowed=\"false\",\
                  request_webhook=\"ValidatingWebhookConfiguration\"}";
    assert_eq!(site.metric(series), 1);
}

#[tokio::test]
async fn one_connection_serves_many_reviews_and_pipelined_ones_in_order() {
    let site = Site::admitting(Limits::default());
    let mut client = site.client().await;
    let uids: Vec<String> = (0..20).map(|index| format!("u-{index}")).collect();
    client.send(uids.iter().map(|uid| post("/validate", &review(uid))).collect::<String>()).await;
    for uid in &uids {
        assert_eq!(client.answer().await.unwrap().json()["response"]["uid"], **uid);
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let site = Site::admitting(Limits::default());
    let mut client = site.client().await;
    let body = review("u");
    let head = post("/validate", &body).replace("Host: x", "Host: x\r\nExpect: 100-continue");
    client.send(head.strip_suffix(&body).unwrap()).await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    assert_eq!(client.ask(body).await.status, 200);
}

#[tokio::test]
async fn a_reviewer_that_panics_is_answered_by_the_failure_policy() {
    let site = Site::judging(Limits::default(), |_, _, _| panic!("a fault"));
    let mut client = site.client().await;
    let reason = "the policies could not be evaluated: internal error";
    for path in ["/validate/fail", "/mutate"] {
        let answer = client.ask(post(path, &review("u"))).await.json();
        assert_eq!(answer["response"]["allowed"], false, "{path}");
        assert_eq!(answer["response"]["status"]["message"], reason, "{path}");
    }
    let ignored = client.ask(post("/validate/ignore", &review("u"))).await.json();
    assert_eq!(ignored["response"], json!({"uid": "u", "allowed": true, "warnings": [reason]}));
    assert_eq!(site.metric("portcullis_webhook_panics_total"), 3);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_what_the_api_server_waits_less_a_tenth() {
    let site = Site::judging(Limits::default(), |_, _, deadline| {
        let left = deadline.instant() - tokio::time::Instant::now();
        Verdict::denied(left.as_millis().to_string())
    });
    let answer = site.client().await.ask(post("/validate?timeout=2s", &review("u"))).await;
    assert_eq!(answer.json()["response"]["status"]["message"], "1800");
}

#[tokio::test]
async fn http2_is_served_to_who_asks_for_it() {
    let site = Site::admitting(Limits::default());
    let mut config = site.trusting().with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = handshake(config, NAME, site.open(LOCAL)).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let ask = |path: &str, uid: String| {
        let request = http::Request::post(format!("https://x{path}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(review(&uid))))
            .unwrap();
        let mut sender = sender.clone();
        async move { sender.send_request(request).await.unwrap() }
    };
    let asked: Vec<_> = (0..50).map(|index| tokio::spawn(ask("/validate", format!("u-{index}")))).collect();
    for (index, answer) in asked.into_iter().enumerate() {
        let body = answer.await.unwrap().into_body().collect().await.unwrap().to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["response"]["uid"], format!("u-{index}"));
    }
    assert_eq!(ask("/unknown", "u".to_owned()).await.status(), 404);
    // A refused stream leaves the others alone.
    assert_eq!(ask("/validate", "u".to_owned()).await.status(), 200);
}
