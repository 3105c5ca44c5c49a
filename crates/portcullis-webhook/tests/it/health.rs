//! Probes and the scrape.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use portcullis_webhook::health::Health;
use portcullis_webhook::{Cause, Limits, Metrics, PolicyLabels, RuleLabels, Verdict};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::harness::{Answer, Client, LOCAL, Site, post, review};

struct Probed {
    address: SocketAddr,
    client: Client<TcpStream>,
}

impl Probed {
    async fn new(site: &Site, ready: Arc<AtomicBool>) -> Self {
        let ready = move || if ready.load(Relaxed) { Ok(()) } else { Err("no policies yet".to_owned()) };
        let health = Health::new(ready, site.lifecycle.clone(), site.metrics.clone()).with_page(
            "/page",
            "application/json",
            |query: &str| if query.is_empty() { Ok("{}".to_owned()) } else { Err(format!("`{query}`?")) },
        );
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(health.serve(listener));
        Self { address, client: Client::new(TcpStream::connect(address).await.unwrap()) }
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.client.ask(asks(path)).await
    }

    /// A connection more, from this address.
    async fn connect(&self, source: [u8; 4]) -> Client<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Client::new(socket.connect(self.address).await.unwrap())
    }
}

fn asks(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
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
    let page = probed.get("/page").await;
    assert!(page.head.contains("content-type: application/json"), "{page:?}");
    assert_eq!(page.body, "{}");
    let asked_wrongly = probed.get("/page?a=b").await;
    assert_eq!((asked_wrongly.status, &*asked_wrongly.body), (400, "`a=b`?\n"));
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

#[tokio::test(start_paused = true)]
async fn who_leaves_connections_open_keeps_no_one_else_from_asking() {
    let site = Site::admitting(Limits::default());
    let probed = Probed::new(&site, Arc::new(AtomicBool::new(true))).await;
    let start = Instant::now();
    let mut open = Vec::new();
    for _ in 0..15 {
        open.push(probed.connect([127, 0, 0, 1]).await);
    }
    probed.connect([127, 0, 0, 1]).await.closed().await;
    assert_eq!(probed.connect([127, 0, 0, 2]).await.ask(asks("/healthz")).await.status, 200);
    assert_eq!(open.pop().unwrap().ask(asks("/healthz")).await.status, 200);
    assert_eq!(start.elapsed().as_secs(), 0, "nobody waits");
}

#[tokio::test(start_paused = true)]
async fn a_connection_lasts_a_minute_whatever_its_client_does() {
    let site = Site::admitting(Limits::default());
    let mut probed = Probed::new(&site, Arc::new(AtomicBool::new(true))).await;
    let (mut silent, mut begun) =
        (probed.connect([127, 0, 0, 1]).await, probed.connect([127, 0, 0, 1]).await);
    begun.send("GET /healthz HTTP/1.1\r\n").await;
    let start = Instant::now();
    // It takes no answer, so that the server stops reading what it asks.
    let asking = probed.client.stream.write_all(asks("/metrics").repeat(1 << 20).as_bytes()).await;
    assert!(asking.is_err());
    let took = start.elapsed().as_secs();
    assert!((60..70).contains(&took), "{took}");
    silent.closed().await;
    begun.closed().await;
    assert_eq!(start.elapsed().as_secs(), took);
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
        "portcullis_webhook_refusals_total{code=\"429\"} 0".to_owned(),
        format!("kyverno_admission_review_duration_seconds_bucket{{le=\"+Inf\",{reviewed}}} 3"),
    ] {
        assert!(answer.body.lines().any(|have| have == line), "{line}\n{}", answer.body);
    }
}

#[tokio::test]
async fn results_of_rules_are_counted_with_the_labels_of_the_reference_until_the_policy_is_gone() {
    let labels = RuleLabels {
        policy: PolicyLabels {
            policy_validation_mode: "enforce",
            policy_type: "cluster",
            policy_background_mode: true,
            policy_namespace: "-".into(),
            policy_name: "ttl".into(),
        },
        rule_name: "add-ttl".into(),
        rule_type: "mutate",
    };
    let metrics = Metrics::new("0.0.0");
    let (of_reviewer, of_policy) = (metrics.clone(), labels.clone());
    let site = Site::judging(Limits::default(), move |_, review, _| {
        // Loaded anew each time: the same labels are the same rule.
        let rule = of_reviewer.rule(of_policy.clone());
        let target = of_reviewer.target(review, Cause::AdmissionRequest);
        of_reviewer.rule_result(&rule, &target, "pass", Duration::from_millis(3));
        Verdict::allowed()
    });
    let mut client = site.client().await;
    for _ in 0..2 {
        client.ask(post("/mutate", &review("u"))).await;
    }
    let labels = "policy_validation_mode=\"enforce\",policy_type=\"cluster\",policy_background_mode=\"true\",\
                  policy_namespace=\"-\",policy_name=\"ttl\",rule_name=\"add-ttl\",rule_type=\"mutate\",\
                  resource_kind=\"Job\",resource_namespace=\"team\",resource_request_operation=\"create\",\
                  rule_execution_cause=\"admission_request\",dry_run=\"false\",rule_result=\"pass\"";
    let text = metrics.encode();
    for line in [
        format!("kyverno_policy_results_total{{{labels}}} 2\n"),
        format!("kyverno_policy_execution_duration_seconds_bucket{{le=\"0.005\",{labels}}} 2\n"),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    metrics.retain_policies(|namespace, name| (namespace, name) != ("-", "ttl"));
    assert!(!metrics.encode().contains("add-ttl"));
}

#[tokio::test]
async fn names_longer_than_any_are_no_labels() {
    let site = Site::admitting(Limits::default());
    let long = "n".repeat(2000);
    let path = format!("/validate/fail/finegrained/{long}");
    let body = review("u")
        .replace("\"team\"", &format!("\"{long}\""))
        .replace("\"Job\",\"", &format!("\"{long}\",\""));
    let mut client = site.client().await;
    assert_eq!(client.ask(post(&path, &body)).await.status, 200);
    let text = site.metrics.encode();
    assert!(text.contains("resource_namespace=\"other\"") && text.contains("http_url=\"other\""), "{text}");
    assert!(!text.contains(&long));
}
