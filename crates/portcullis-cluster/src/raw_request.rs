//! A request that is sent once, as it is, for who decides himself what an answer means and when the next one is sent.

use std::time::Duration;

use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use kube::core::Status;

use crate::answer::date;
use crate::connection::Connection;
use crate::error::{ApiError, Asked, TimedOut};
use crate::limiter::{ANSWER_TIME, retry_after};

/// The longest answer that is read: an object of etcd's largest size, several times over.
const LONGEST_ANSWER: usize = 16 << 20;

/// What is sent.
#[derive(Clone, Debug)]
pub struct RawRequest {
    pub method: Method,
    /// With the query string.
    pub path: String,
    /// Of the body; empty where there is none.
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// What the API server said, whatever it was.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub code: u16,
    pub body: Vec<u8>,
    /// When it was given, by the API server's clock, in seconds since 1970-01-01 UTC.
    pub date: Option<i64>,
    /// When to ask again, where that was said.
    pub retry_after: Option<Duration>,
}

impl Reply {
    /// Why it is no success, in the API server's words.
    pub fn message(&self) -> String {
        match serde_json::from_slice::<Status>(&self.body) {
            Ok(status) if !status.message.is_empty() => status.message,
            _ => format!("status {}", self.code),
        }
    }
}

impl Connection {
    /// Sends `request`, past all limits.
    ///
    /// # Errors
    /// No answer came, or none that can be read. Whether the request was carried out is then not known.
    pub async fn send_once(&self, request: RawRequest) -> Result<Reply, ApiError> {
        let asked = Asked { verb: verb(&request.method), resource: request.path.clone() };
        let failed = |error: &kube::Error| ApiError::from_client(asked.clone(), self.server(), error);
        let RawRequest { method, path, content_type, body } = request;
        let mut request =
            Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request
            .body(if body.is_empty() { Body::empty() } else { Body::from(body) })
            .map_err(|error| ApiError::Unreadable { asked: asked.clone(), reason: error.to_string() })?;
        self.queries().count(request.method(), request.uri());
        let exchange = async {
            let response = self.unlimited().send(request).await.map_err(|error| failed(&error))?;
            let (parts, body) = response.into_parts();
            let whole = Limited::new(body, LONGEST_ANSWER).collect().await;
            let body = whole
                .map_err(|error| ApiError::Unreadable { asked: asked.clone(), reason: error.to_string() })?;
            Ok(Reply {
                code: parts.status.as_u16(),
                body: body.to_bytes().to_vec(),
                date: date(&parts.headers),
                retry_after: retry_after(&parts.headers),
            })
        };
        let timed_out = || failed(&kube::Error::Service(Box::new(TimedOut(ANSWER_TIME))));
        tokio::time::timeout(ANSWER_TIME, exchange).await.map_err(|_| timed_out())?
    }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::DELETE => "delete",
        Method::PATCH => "patch",
        Method::POST => "create",
        _ => "get",
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use serde_json::json;

    use super::*;
    use crate::scripted::{connection, failure};

    fn delete() -> RawRequest {
        let body = br#"{"propagationPolicy":"Background"}"#.to_vec();
        RawRequest {
            method: Method::DELETE,
            path: "/apis/batch/v1/namespaces/a/jobs/b".to_owned(),
            content_type: "application/json",
            body,
        }
    }

    #[tokio::test]
    async fn an_api_server_that_is_busy_is_not_asked_again() {
        let (connection, mut server) = connection();
        let asking = connection.send_once(delete());
        let answering = async {
            let request = server.expect("/jobs/b").await;
            assert_eq!(request.json(), json!({"propagationPolicy": "Background"}));
            let headers = [("retry-after", "7"), ("date", "Thu, 01 Oct 2026 00:00:00 GMT")];
            request.reply_with(429, &headers, &failure(429, "slow down"));
        };
        let (reply, ()) = tokio::join!(asking, answering);
        let reply = reply.unwrap();
        assert_eq!(
            (reply.code, reply.retry_after, reply.date),
            (429, Some(Duration::from_secs(7)), Some(1_790_812_800))
        );
        assert_eq!(reply.message(), "slow down");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_an_error() {
        let (connection, mut server) = connection();
        let answering = async { server.next().await.break_off(ErrorKind::ConnectionReset) };
        let (reply, ()) = tokio::join!(connection.send_once(delete()), answering);
        assert!(matches!(reply, Err(ApiError::Unreachable { .. })), "{reply:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_too_long_is_an_error() {
        let (connection, mut server) = connection();
        let waiting = async {
            let _request = server.next().await;
            server.quiet_for(ANSWER_TIME * 2).await;
        };
        let (reply, ()) = tokio::join!(connection.send_once(delete()), waiting);
        assert!(matches!(reply, Err(ApiError::TimedOut { .. })), "{reply:?}");
    }
}
