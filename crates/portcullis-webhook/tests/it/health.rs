//! Probes and the scrape.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use portcullis_webhook::health::Health;
use portcullis_webhook::{Limits, Verdict};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Answer, Client, LOCAL, Site, post, review};

struct Probed {
    client: Client<TcpStream>,
}

impl Probed {
    async fn new(site: &Site, ready: Arc<AtomicBool>) -> Self {
        let ready = move || if ready.load(Relaxed) { Ok(()) } else { Err("no policies yet".to_owned()) };
        let health = Health::new(ready, site.lifecycle.clone(), site.metrics.clone());
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(health.serve(listener));
        Self { client: Client::new(TcpStream::connect(address).await.unwrap()) }
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.client.ask(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await
    }
}

#[tokio::test]
async fn a_process_is_alive_always_and_ready_when_it_says_so_and_serves() {
    let site = Site::admitting(Limits::default());
    let ready = Arc::new(AtomicBool::new(false));
    let mut probed = Probed::new(&site, ready.clone()).await;
    assert_eq!(probed.get("/healthz").await.status, 200);
    let not_ready = probed.get("/readyz").await;
    assert_eq!((not_ready.status, &*not_ready.body), (503, "no policies yet\n"));
    ready.store(true, Relaxed);
    assert_eq!(probed.get("/readyz").await.status, 200);
    assert_eq!(probed.get("/other").await.status, 404);
    assert_eq!(probed.client.ask(post("/readyz", "")).await.status, 405);

    let lifecycle = site.lifecycle.clone();
    let stopping = tokio::spawn(async move {
        lifecycle.drain(&Limits { drain_accept: Duration::from_secs(99), ..Limits::default() }).await;
    });
    while probed.get("/readyz").await.status == 200 {}
    assert_eq!(probed.get("/readyz").await.body, "shutting down\n");
    assert_eq!(probed.get("/healthz").await.status, 200);
    let mut webhook = site.client().await;
    let on_webhook = webhook.ask("GET /health/readiness HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(on_webhook.status, 500);
    assert_eq!(webhook.ask("GET /health/liveness HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 200);
    stopping.abort();
}

#[tokio::test]
async fn the_scrape_is_open_metrics_with_the_names_of_the_reference() {
    let site = Site::judging(Limits::default(), |_, _, _| Verdict::denied("no"));
    let mut probed = Probed::new(&site, Arc::new(AtomicBool::new(true))).await;
    let mut client = site.client().await;
    for _ in 0..3 {
        client.ask(post("/mutate/fail", &review("u"))).await;
    }
    client.ask(post("/nowhere", "")).await;
    let answer = probed.get("/metrics").await;
    assert!(answer.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer:?}");
    assert!(answer.body.ends_with("# EOF\n"));
    let reviewed = "resource_kind=\"Job\",resource_namespace=\"team\",resource_request_operation=\"create\",\
                    request_allowed=\"false\",request_webhook=\"MutatingWebhookConfiguration\"";
    let called =
        "http_method=\"POST\",http_url=\"/mutate/fail\",request_webhook=\"MutatingWebhookConfiguration\"";
    for line in [
        "# TYPE kyverno_admission_requests counter".to_owned(),
        format!("kyverno_admission_requests_total{{{reviewed}}} 3"),
        "# TYPE kyverno_admission_review_duration_seconds histogram".to_owned(),
        format!("kyverno_admission_review_duration_seconds_count{{{reviewed}}} 3"),
        format!("kyverno_admission_review_duration_seconds_bucket{{le=\"30.0\",{reviewed}}} 3"),
        format!("kyverno_http_requests_total{{{called}}} 3"),
        format!("kyverno_http_requests_duration_seconds_count{{{called}}} 3"),
        "kyverno_info{version=\"0.0.0\"} 1".to_owned(),
        "portcullis_webhook_refusals_total{code=\"404\"} 1".to_owned(),
    ] {
        assert!(answer.body.lines().any(|have| have == line), "{line}\n{}", answer.body);
    }
}
