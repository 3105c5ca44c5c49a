//! An API server that does what a test tells it: every request waits until the test has answered it.
//!
//! With paused time, waiting for the next request lets the clock run up to the moment when it is sent.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connection::Connection;

type Chunk = Result<Frame<Bytes>, std::io::Error>;
type Answer =
    Result<Response<http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>>, std::io::Error>;

/// The test's end of the connection.
pub(crate) struct Scripted {
    requests: mpsc::UnboundedReceiver<Exchange>,
    started: Instant,
}

/// A request that waits for its answer.
pub(crate) struct Exchange {
    pub(crate) method: http::Method,
    /// With the query string.
    pub(crate) path: String,
    pub(crate) body: Bytes,
    answer: oneshot::Sender<Answer>,
}

/// The lines of a watch; dropping it ends the watch.
pub(crate) struct Stream(mpsc::UnboundedSender<Chunk>);

/// A connection, and who answers it.
pub(crate) fn connection() -> (Connection, Scripted) {
    let (sender, requests) = mpsc::unbounded();
    let service = tower::service_fn(move |request: Request<Body>| {
        let sender = sender.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap_or_default();
            let (answer, answered) = oneshot::channel();
            let path = parts.uri.to_string();
            let exchange = Exchange { method: parts.method, path, body, answer };
            // A test that has seen enough hangs up: then the server is gone.
            let _ = sender.unbounded_send(exchange);
            answered.await.unwrap_or_else(|_| Err(std::io::ErrorKind::ConnectionReset.into()))
        }
    });
    let client = kube::Client::new(service, "default");
    let scripted = Scripted { requests, started: Instant::now() };
    (Connection::over(&client, "https://scripted:6443"), scripted)
}

impl Scripted {
    /// The next request, whenever it comes.
    pub(crate) async fn next(&mut self) -> Exchange {
        self.requests.next().await.expect("the client is alive")
    }

    /// The next request, whose path contains `part`.
    pub(crate) async fn expect(&mut self, part: &str) -> Exchange {
        let exchange = self.next().await;
        assert!(exchange.path.contains(part), "expected `{part}` in `{}`", exchange.path);
        exchange
    }

    /// Returns when the client is gone, whatever it asked before.
    pub(crate) async fn hung_up(&mut self) {
        while self.requests.next().await.is_some() {}
    }

    /// Whether nothing is asked within `time`.
    pub(crate) async fn quiet_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.requests.next()).await.is_err()
    }

    /// The time since the start, by the clock of the test.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Exchange {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// Answers with a status and a body.
    pub(crate) fn reply(self, code: u16, body: &Value) {
        self.reply_with(code, &[], body);
    }

    pub(crate) fn reply_with(self, code: u16, headers: &[(&str, &str)], body: &Value) {
        let mut response = Response::builder().status(code);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
        // Who asked may have given up.
        let _ = self.answer.send(Ok(response.body(body.boxed_unsync()).unwrap()));
    }

    /// Answers with a status of failure.
    pub(crate) fn fail(self, code: u16, message: &str) {
        self.reply(code, &failure(code, message));
    }

    /// The connection breaks before an answer comes.
    pub(crate) fn break_off(self, kind: std::io::ErrorKind) {
        let _ = self.answer.send(Err(kind.into()));
    }

    /// Answers with a stream of lines.
    pub(crate) fn stream(self) -> Stream {
        let (sender, chunks) = mpsc::unbounded();
        let body = StreamBody::new(chunks).boxed_unsync();
        let _ = self.answer.send(Ok(Response::new(body)));
        Stream(sender)
    }
}

impl Stream {
    /// One event.
    pub(crate) fn event(&self, kind: &str, object: &Value) {
        self.text(&format!("{}\n", json!({"type": kind, "object": object})));
    }

    /// Some bytes of the stream, which need not be a line.
    pub(crate) fn text(&self, text: &str) {
        let chunk = Frame::data(Bytes::copy_from_slice(text.as_bytes()));
        let _ = self.0.unbounded_send(Ok(chunk));
    }

    /// The connection breaks.
    pub(crate) fn break_off(self) {
        let _ = self.0.unbounded_send(Err(std::io::ErrorKind::ConnectionReset.into()));
    }
}

/// A `Status` as an API server sends it.
pub(crate) fn failure(code: u16, message: &str) -> Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        _ => "",
    };
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message})
}

/// A page of a list.
pub(crate) fn page(version: u64, token: &str, items: &[Value]) -> Value {
    json!({"metadata": {"resourceVersion": version.to_string(), "continue": token}, "items": items})
}

/// A namespace with one label.
pub(crate) fn namespace(name: &str, version: u64, team: &str) -> Value {
    json!({"metadata": {"name": name, "resourceVersion": version.to_string(), "labels": {"team": team}}})
}
