//! A webhook server in this process, whose reviewer a test chooses, for the real API server to ask.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis_webhook::{Authority, Certificates, Lifecycle, Limits, Metrics, Reviewer, Server};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A server that is about to serve.
pub(crate) struct InProcess<R> {
    server: Server<R>,
    listener: TcpListener,
    authority: Authority,
    pub(crate) metrics: Arc<Metrics>,
}

impl<R: Reviewer> InProcess<R> {
    pub(crate) async fn new(reviewer: R) -> Result<Self> {
        let authority = Authority::new(now())?;
        let identity = authority.issue(&["127.0.0.1".to_owned()], now())?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let metrics = Metrics::new("in-process");
        let certificates = Certificates::new(identity);
        let (limits, lifecycle) = (Limits::default(), Lifecycle::new());
        let server = Server::new(reviewer, certificates, None, limits, metrics.clone(), lifecycle)?;
        Ok(Self { server, listener, authority, metrics })
    }

    /// How an API server reaches this path of it.
    pub(crate) fn client_config(&self, path: &str) -> Result<Value> {
        Ok(json!({
            "url": format!("https://{}{path}", self.listener.local_addr()?),
            "caBundle": BASE64_STANDARD.encode(self.authority.bundle_pem()),
        }))
    }

    /// Serves while `body` runs.
    pub(crate) async fn serve_during<T>(self, body: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            () = self.server.serve(self.listener) => bail!("the server has ended"),
            outcome = body => outcome,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid from now")]
fn now() -> SystemTime {
    SystemTime::now()
}
