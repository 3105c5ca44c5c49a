//! The client by which the API server is asked: what kube makes of a configuration, over connections that are read in large
//! pieces.
//!
//! It retries nothing: the limiter does, for all clients together. How long an answer may take is for who asks to say.

use std::io;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use tokio::time::timeout;
use tower::{BoxError, Layer as _, ServiceExt as _};

use super::bulk::Bulk;

/// How long a connection may take to be there, encryption included.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Builds the client.
///
/// # Errors
/// Credentials or certificates of `config` cannot be used, or it asks for a proxy.
pub(super) fn client(config: Config) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        // kube says what it has no support for.
        return ClientBuilder::try_from(config).map(ClientBuilder::build);
    }
    // The provider of the binary has to be chosen once; a second time changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let tcp = tcp.map_response(|stream| TokioIo::new(Bulk::new(stream.into_inner())));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let connector = tower::service_fn(move |uri: Uri| {
        let connected = timeout(CONNECT_TIME, tls.clone().oneshot(uri));
        Box::pin(async {
            connected.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    });
    let client = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let client = config.extra_headers_layer()?.layer(client.map_err(BoxError::from));
    let client = tower::util::option_layer(config.auth_layer()?).layer(client);
    let client = config.base_uri_layer().layer(client);
    Ok(ClientBuilder::new(client, config.default_namespace).build())
}
