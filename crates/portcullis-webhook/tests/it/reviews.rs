//! Reviews reach the reviewer as they came and are answered as it says.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_engine::Selection;
use portcullis_webhook::{Limits, Route, Verdict};
use serde_json::json;
use tokio::time::{Instant, advance};

use crate::harness::{LOCAL, NAME, Site, handshake, post, review};

type BoxBody = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// A body that never comes.
struct Never;

impl Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_review_is_answered_with_the_verdict_of_its_route() {
    let site = Site::judging(Limits::default(), |route, review, _| {
        let Route::Resource(route) = route else { panic!("{route:?}") };
        let Selection::One { namespace, name, .. } = route.policies else { panic!("{route:?}") };
        Verdict::denied(format!("{} by {namespace}/{name}", review.request.name))
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

/// An HTTP/2 client over a stream in memory.
async fn http2_client(site: &Site) -> SendRequest<BoxBody> {
    let mut config = site.trusting().with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = handshake(config, NAME, site.open(LOCAL)).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Asks over HTTP/2: status and body of the answer.
async fn ask(mut sender: SendRequest<BoxBody>, path: &str, body: BoxBody) -> (u16, Bytes) {
    let request = Request::post(format!("https://x{path}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    (answer.status().as_u16(), answer.into_body().collect().await.unwrap().to_bytes())
}

fn whole(body: String) -> BoxBody {
    Full::from(body).boxed()
}

#[tokio::test]
async fn http2_is_served_to_who_asks_for_it() {
    let site = Site::admitting(Limits::default());
    let sender = http2_client(&site).await;
    let asked: Vec<_> = (0..50)
        .map(|index| tokio::spawn(ask(sender.clone(), "/validate", whole(review(&format!("u-{index}"))))))
        .collect();
    for (index, answer) in asked.into_iter().enumerate() {
        let (status, body) = answer.await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &answer["response"]["uid"]), (200, &json!(format!("u-{index}"))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_or_late_leaves_the_others_alone() {
    let site = Site::admitting(Limits { body_bytes: 4096, ..Limits::default() });
    let sender = http2_client(&site).await;
    assert_eq!(ask(sender.clone(), "/unknown", whole(review("u"))).await.0, 404);
    assert_eq!(ask(sender.clone(), "/validate", whole("x".repeat(4097))).await.0, 413);
    let start = Instant::now();
    let late = tokio::spawn(ask(sender.clone(), "/validate", Never.boxed()));
    assert_eq!(ask(sender.clone(), "/validate", whole(review("u"))).await.0, 200);
    assert_eq!(late.await.unwrap().0, 408);
    assert_eq!(start.elapsed().as_secs(), 9);
    assert_eq!(ask(sender, "/validate", whole(review("u"))).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_without_requests_is_closed_in_its_time() {
    let site = Site::admitting(Limits::default());
    let sender = http2_client(&site).await;
    assert_eq!(ask(sender.clone(), "/validate", whole(review("u"))).await.0, 200);
    let start = Instant::now();
    while !sender.is_closed() {
        advance(Duration::from_secs(1)).await;
    }
    let took = start.elapsed().as_secs();
    assert!((180..185).contains(&took), "{took}");
}
