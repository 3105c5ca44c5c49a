//! Reviews reach the reviewer as they came and are answered as it says.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_engine::Selection;
use portcullis_webhook::{Limits, Route, Verdict};
use serde_json::json;
use tokio::time::{Instant, advance};

use crate::harness::{LOCAL, NAME, Site, handshake, jump_to, post, review};

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
    http2_client_that_takes(site, 1 << 20).await
}

/// One that takes so many bytes of an answer without being asked for them.
async fn http2_client_that_takes(site: &Site, window: u32) -> SendRequest<BoxBody> {
    let mut config = site.trusting().with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = handshake(config, NAME, site.open(LOCAL)).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Asks over HTTP/2: the answer, whose body is still to be taken.
async fn begin(sender: &mut SendRequest<BoxBody>, path: &str, body: BoxBody) -> Response<Incoming> {
    let request = Request::post(format!("https://x{path}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    sender.send_request(request).await.unwrap()
}

/// Asks over HTTP/2: status and body of the answer.
async fn ask(mut sender: SendRequest<BoxBody>, path: &str, body: BoxBody) -> (u16, Bytes) {
    let answer = begin(&mut sender, path, body).await;
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

#[tokio::test]
async fn the_answer_to_a_head_has_no_body_in_http2_either() {
    let site = Site::admitting(Limits::default());
    let mut sender = http2_client(&site).await;
    let request = Request::head("https://x/validate").body(whole(String::new())).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "");
    assert_eq!(ask(sender, "/validate", whole(review("u"))).await.0, 200);
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
async fn an_answer_that_an_http2_client_does_not_take_has_ten_seconds_and_one_given_up_has_no_end() {
    let site = Site::admitting(Limits::default());
    let mut sender = http2_client_that_takes(&site, 0).await;
    // A stream that the client resets leaves the connection as it was.
    drop(begin(&mut sender, "/validate", whole(review("u"))).await);
    jump_to(Instant::now() + Duration::from_secs(60)).await;
    assert!(!sender.is_closed());
    let start = Instant::now();
    let untaken = begin(&mut sender, "/validate", whole(review("u"))).await;
    assert_eq!(untaken.status(), 200);
    assert!(untaken.into_body().collect().await.is_err(), "it never comes");
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(site.metric("portcullis_webhook_connections_closed_total{reason=\"response_timeout\"}"), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_taken_have_no_more_room_than_bodies() {
    let limits = Limits { bodies_in_flight_per_source: 3 << 20, ..Limits::default() };
    let site =
        Site::judging(limits, |_, _, _| Verdict { patch: Some(vec![b' '; 1 << 20]), ..Verdict::allowed() });
    let mut sender = http2_client_that_takes(&site, 0).await;
    let first = begin(&mut sender, "/mutate", whole(review("1"))).await;
    let second = begin(&mut sender, "/mutate", whole(review("2"))).await;
    assert_eq!([first.status(), second.status()], [200; 2]);
    assert_eq!(begin(&mut sender, "/mutate", whole(review("3"))).await.status(), 429);
    drop((first, second));
    while begin(&mut sender, "/mutate", whole(review("4"))).await.status() != 200 {}
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
