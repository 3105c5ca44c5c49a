//! Probes and the scrape: plain HTTP on a port of its own.
//!
//! What tells of requests, and not of the process alone, is for who asks from the host or the Pod itself: there is no password
//! to this port, and a Pod on the network of its node has it open to all that reach the node.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};

use crate::slots::{Slot, Slots};
use crate::{Lifecycle, Limits, Metrics, Stage};

/// Connections at once, and from one source address: a kubelet, some scrapers, some people. One more is closed at once, so
/// that a probe never waits for what others leave open.
const CONNECTIONS: usize = 256;
const CONNECTIONS_PER_SOURCE: usize = 16;
/// A connection lasts no longer, whatever its client does or leaves undone.
const LIFETIME: Duration = Duration::from_secs(60);
/// What is being asked at the end of that is answered within this time.
const LEAVE: Duration = Duration::from_secs(5);
/// How long nothing is accepted after the system could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The type of what `/metrics` answers.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What somebody is told who asks from another machine for what is kept to this one.
const FROM_ELSEWHERE: &str =
    "this page is served to the loopback address alone; `kubectl port-forward` leads there\n";

/// Says whether the process is ready, and if not, why.
pub type Ready = dyn Fn() -> Result<(), String> + Send + Sync;

/// What the probes and the scrape ask.
#[derive(Clone)]
pub struct Health {
    ready: Arc<Ready>,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    pages: Vec<Page>,
}

/// What a page says for a query, the part of an URL behind `?`, or what is wrong with that.
pub type Text = dyn Fn(&str) -> Result<String, String> + Send + Sync;

/// Something else to look at.
#[derive(Clone)]
struct Page {
    path: &'static str,
    content_type: &'static str,
    text: Arc<Text>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("lifecycle", &self.lifecycle).finish_non_exhaustive()
    }
}

impl Health {
    /// Ready is what `ready` says, while `lifecycle` is serving.
    pub fn new(
        ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { ready: Arc::new(ready), lifecycle, metrics, pages: Vec::new() }
    }

    /// Serves at `path` what `text` says to the query when it is asked, to who asks by the loopback address.
    #[must_use]
    pub fn with_page(
        mut self,
        path: &'static str,
        content_type: &'static str,
        text: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        self.pages.push(Page { path, content_type, text: Arc::new(text) });
        self
    }

    /// Serves `/healthz`, `/readyz`, `/metrics` and what was added until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let slots = Slots::new(&Limits {
            connections: CONNECTIONS,
            connections_per_source: CONNECTIONS_PER_SOURCE,
            ..Limits::default()
        });
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                sleep_until(Instant::now() + ACCEPT_PAUSE).await;
                continue;
            };
            match slots.take(peer.ip()) {
                Ok(slot) => drop(tokio::spawn(self.clone().converse(stream, peer.ip(), slot))),
                Err(full) => tracing::debug!(reason = full.reason(), "connection not taken"),
            }
        }
    }

    /// Serves one connection to its end.
    async fn converse(self, stream: TcpStream, peer: IpAddr, _slot: Slot) {
        let service = service_fn(move |request: Request<Incoming>| {
            std::future::ready(Ok::<_, Infallible>(self.answer(&request, peer).map(Full::new)))
        });
        let connection =
            http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut end = timeout(LIFETIME, connection.as_mut()).await;
        if end.is_err() {
            connection.as_mut().graceful_shutdown();
            end = timeout(LEAVE, connection).await;
        }
        if let Ok(Err(reason)) = end {
            tracing::debug!(%reason, "connection failed");
        }
    }

    fn answer<B>(&self, request: &Request<B>, peer: IpAddr) -> Response<Bytes> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match self.ready() {
                Ok(()) => text(StatusCode::OK, "ok\n"),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            },
            "/metrics" => typed(OPEN_METRICS, self.metrics.encode()),
            path => match self.pages.iter().find(|page| page.path == path) {
                Some(_) if !peer.to_canonical().is_loopback() => text(StatusCode::FORBIDDEN, FROM_ELSEWHERE),
                Some(page) => match (page.text)(request.uri().query().unwrap_or_default()) {
                    Ok(body) => typed(page.content_type, body),
                    Err(reason) => text(StatusCode::BAD_REQUEST, format!("{reason}\n")),
                },
                None => text(StatusCode::NOT_FOUND, "nothing is served at this path\n"),
            },
        }
    }

    fn ready(&self) -> Result<(), String> {
        match self.lifecycle.stage() {
            Stage::Serving => (self.ready)(),
            _ => Err("shutting down".to_owned()),
        }
    }
}

/// COMPAT(kyverno): the probes on the webhook's own port, for manifests written for it. Readiness there is that of the
/// server.
pub(crate) fn on_webhook_port(path: &str, lifecycle: &Lifecycle) -> Option<Response<Bytes>> {
    match path {
        "/health/liveness" => Some(text(StatusCode::OK, "")),
        "/health/readiness" if lifecycle.stage() == Stage::Serving => Some(text(StatusCode::OK, "")),
        "/health/readiness" => Some(text(StatusCode::INTERNAL_SERVER_ERROR, "")),
        _ => None,
    }
}

fn typed(content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_tells_of_requests_is_for_who_asks_from_here() {
        let metrics = Metrics::new("0");
        let health =
            Health::new(|| Ok(()), Lifecycle::new(), metrics)
                .with_page("/page", "text/plain", |_| Ok("told".to_owned()));
        let status = |path: &str, peer: &str| {
            let request = Request::get(path).body(()).unwrap();
            health.answer(&request, peer.parse().unwrap()).status()
        };
        for here in ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(status("/page", here), StatusCode::OK, "{here}");
        }
        for elsewhere in ["10.0.0.7", "::ffff:10.0.0.7", "fe80::1", "2001:db8::1"] {
            assert_eq!(status("/page", elsewhere), StatusCode::FORBIDDEN, "{elsewhere}");
            assert_eq!(status("/metrics", elsewhere), StatusCode::OK, "{elsewhere}");
            assert_eq!(status("/readyz", elsewhere), StatusCode::OK, "{elsewhere}");
        }
    }
}
