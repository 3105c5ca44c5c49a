//! What is no review is refused by a status code, and its connection closed.

use portcullis_webhook::{Limits, Verdict};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Site, post, review};

/// Sends `request` to a fresh connection; the answer must have this status, and the connection must end after it.
async fn check(site: &Site, request: impl AsRef<[u8]>, want: u16, reason: &str) {
    let mut client = site.client().await;
    let answer = client.ask(request).await;
    assert_eq!(answer.status, want, "{answer:?}");
    assert!(answer.body.contains(reason), "{answer:?}");
    assert!(answer.closes(), "{answer:?}");
    client.closed().await;
}

fn with_headers(headers: &str, body: &str) -> String {
    format!("POST /validate HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}")
}

fn site() -> Site {
    Site::admitting(Limits { body_bytes: 4096, ..Limits::default() })
}

#[tokio::test]
async fn bodies_that_are_no_review_are_bad_requests() {
    let site = site();
    let good = review("u");
    for (body, reason) in [
        (String::new(), "not an AdmissionReview"),
        ("[1]".to_owned(), "not an AdmissionReview"),
        (format!("\u{feff}{good}"), "not an AdmissionReview"),
        (format!("{good}{good}"), "trailing characters"),
        (format!("{good}x"), "trailing characters"),
        (good.replace("/v1\"", "/v1beta1\""), "expected `admission.k8s.io/v1`"),
        (good.replace("CREATE", "PATCH"), "unknown operation"),
        (good.replace("\"request\"", "\"Request\""), "no request"),
        (review(&"u".repeat(1025)), "the uid has more than 1024 bytes"),
    ] {
        check(&site, post("/validate", &body), 400, reason).await;
    }
    let mut invalid = post("/validate", &good.replace("team", "te__m")).into_bytes();
    let at = invalid.windows(2).position(|window| window == b"__").unwrap();
    invalid[at..at + 2].copy_from_slice(&[0xC3, 0x28]);
    check(&site, invalid, 400, "not UTF-8").await;
    assert_eq!(site.metric("portcullis_webhook_refusals_total{code=\"400\"}"), 10);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_as_soon_as_it_is_known() {
    let site = site();
    // Announced: nothing of the body needs to come.
    check(&site, with_headers("Content-Type: application/json\r\nContent-Length: 4097", ""), 413, "larger")
        .await;
    // With `Expect`, the client never sends it.
    let expecting = "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 4097";
    check(&site, with_headers(expecting, ""), 413, "larger").await;
    // Not announced: the chunk that goes over it. The request does not even end.
    let chunk = format!("{:x}\r\n{}\r\n", 2048, "x".repeat(2048));
    let chunked = with_headers("Content-Type: application/json\r\nTransfer-Encoding: chunked", "");
    check(&site, format!("{chunked}{chunk}{chunk}{:x}\r\n1", 1), 413, "larger").await;
}

#[tokio::test]
async fn a_body_whose_values_take_more_memory_than_there_is_is_refused() {
    let limits = Limits { long_review_bytes: 4096, bodies_in_flight: 64 << 10, ..Limits::default() };
    let site = Site::admitting(limits);
    let body = |spec: &str| review("u").replace(r#"{"kind":"Job"}"#, spec);
    let numbers = format!(r#"{{"kind":"Job","spec":[{}0]}}"#, "0,".repeat(4000));
    check(&site, post("/validate", &body(&numbers)), 413, "more values").await;
    let text = format!(r#"{{"kind":"Job","spec":"{}"}}"#, "0,".repeat(4000));
    let answer = site.client().await.ask(post("/validate", &body(&text))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_chunked_body_within_the_limit_is_read() {
    let (first, second) = (&review("u")[..100], &review("u")[100..]);
    let body = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let mut client = site().client().await;
    let answer =
        client.ask(with_headers("Content-Type: application/json\r\nTransfer-Encoding: chunked", &body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn lengths_that_lie_and_garbage_between_chunks_are_bad_requests() {
    let site = site();
    let json = "Content-Type: application/json";
    let chunked = format!("{json}\r\nTransfer-Encoding: chunked");
    let both = format!("{chunked}\r\nContent-Length: 5");
    let both_reversed = format!("{json}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked");
    let smuggled = format!("0\r\n\r\n{}", post("/validate", &review("smuggled")));
    check(&site, with_headers(&format!("{chunked}\r\nX: y"), "zz\r\n"), 400, "does not end").await;
    check(&site, with_headers(&both, &smuggled), 400, "").await;
    check(&site, with_headers(&both_reversed, &smuggled), 400, "").await;
    // Behind a request that is not answered yet, the headers cannot be told.
    let mut client = site.client().await;
    client.send(post("/validate", &review("u")) + &with_headers(&both, &smuggled)).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(client.answer().await.unwrap().status, 400);
    client.closed().await;
    check(&site, with_headers(&format!("{json}\r\nContent-Length: 1\r\nContent-Length: 2"), "{}"), 400, "")
        .await;
    check(&site, with_headers(&format!("{json}\r\nContent-Length: -1"), "{}"), 400, "").await;
    // Too short a length: the rest is not taken for a request, even where it looks like one.
    let short =
        with_headers(&format!("{json}\r\nContent-Length: 2"), &format!("[]{}", post("/validate", "{}")));
    check(&site, short, 400, "is not an AdmissionReview").await;
}

#[tokio::test]
async fn a_body_that_ends_before_its_length_is_never_judged() {
    let site = Site::judging(Limits::default(), |_, _, _| panic!("judged"));
    let mut client = site.client().await;
    let body = review("u");
    client
        .send(with_headers(
            &format!("Content-Type: application/json\r\nContent-Length: {}", body.len() + 1),
            &body,
        ))
        .await;
    client.stream.shutdown().await.unwrap();
    while client.answer().await.is_some_and(|answer| answer.status == 400) {}
    client.closed().await;
    assert_eq!(site.metric("portcullis_webhook_panics_total"), 0);
}

#[tokio::test]
async fn only_json_that_is_not_encoded_is_accepted() {
    let site = site();
    let body = review("u");
    let sized = |headers: &str| with_headers(&format!("{headers}Content-Length: {}", body.len()), &body);
    check(&site, sized(""), 415, "application/json").await;
    check(&site, sized("Content-Type: application/yaml\r\n"), 415, "application/json").await;
    check(&site, sized("Content-Type: application/json\r\nContent-Encoding: gzip\r\n"), 415, "encoded").await;
    let mut client = site.client().await;
    for accepted in [
        "Content-Type: application/json; charset=utf-8\r\n",
        "content-type: Application/JSON\r\nContent-Encoding: identity\r\n",
    ] {
        assert_eq!(client.ask(sized(accepted)).await.status, 200);
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let site = site();
    check(&site, "GET /validate HTTP/1.1\r\nHost: x\r\n\r\n", 405, "only POST").await;
    check(&site, "PUT /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, "only POST").await;
    check(&site, post("/unknown", &review("u")), 404, "nothing is served").await;
    check(&site, post(&format!("/validate?{}", "x".repeat(9000)), &review("u")), 414, "longer").await;
    let mut client = site.client().await;
    client.send("HEAD /validate HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut answer = String::new();
    client.stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_a_bad_request() {
    let site = site();
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for garbage in ["\0\0\0\0\r\n\r\n", "hello\r\n\r\n", "POST /validate HTTP/1.1\r\nHost x\r\n\r\n", preface]
    {
        let mut client = site.client().await;
        client.send(garbage).await;
        if let Some(answer) = client.answer().await {
            assert_eq!(answer.status, 400, "{garbage:?} {answer:?}");
        }
        client.closed().await;
    }
    let mut client = site.client().await;
    client.send(format!("POST /validate HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(17 << 10))).await;
    assert_eq!(client.answer().await.unwrap().status, 431);
    client.closed().await;
}

#[tokio::test]
async fn a_deeply_nested_object_is_passed_on_in_constant_stack() {
    let site = Site::judging(Limits::default(), |_, review, _| {
        let arena = portcullis_value::Arena::new();
        Verdict::denied(review.request.object(&arena).unwrap_err().to_string())
    });
    let bomb = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = review("u").replace(r#"{"kind":"Job"}"#, &bomb);
    let answer = site.client().await.ask(post("/validate", &body)).await;
    let message = answer.json()["response"]["status"]["message"].to_string();
    assert!(message.contains("256"), "{message}");
    // The same where no object is expected.
    let unknown = review("u").replace("\"name\":", &format!("\"unknown\":{bomb},\"name\":"));
    assert_eq!(site.client().await.ask(post("/validate", &unknown)).await.status, 200);
}
