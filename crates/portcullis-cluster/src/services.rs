//! Calls to other services than the API server, which rules make: only to hosts that the operator allows, and only to
//! addresses that are no way into the machine or the cluster.

mod address;
mod allowed;
mod api_servers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis_model::{ServiceHost, ServiceUrl};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

pub use self::allowed::AllowedService;
use self::api_servers::{ApiServers, is_same};
use crate::connection::Connection;

/// How long one call may take, from the look-up of the name to the end of the answer.
const CALL_TIME: Duration = Duration::from_secs(8);
/// The most bytes of one answer.
const LONGEST_ANSWER: usize = 10 << 20;
/// How many calls are made at once: a service that is slow does not hold up what is asked of the API server.
const CALLS: usize = 16;

/// Headers that belong to the connection, and are not for policies to set.
const OF_CONNECTION: [HeaderName; 10] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A call, as a rule makes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceRequest<'q> {
    pub(crate) method: &'q str,
    pub(crate) url: &'q str,
    pub(crate) headers: &'q [(String, String)],
    /// The authorities in PEM; those of the system where it is empty.
    pub(crate) ca_bundle: &'q str,
    /// JSON; empty for none.
    pub(crate) body: &'q [u8],
}

/// Makes the calls.
#[derive(Debug)]
pub(crate) struct Services {
    allowed: Vec<AllowedService>,
    api_servers: ApiServers,
    system_roots: Arc<RootCertStore>,
    calls: Semaphore,
}

impl Services {
    /// Calls to `allowed` alone; never to the API servers that `connection` leads to, which are at `known` addresses too.
    pub(crate) fn new(allowed: Vec<AllowedService>, connection: &Connection, known: Vec<SocketAddr>) -> Self {
        let mut roots = RootCertStore::empty();
        if !allowed.is_empty() {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        Self {
            allowed,
            api_servers: ApiServers::of(connection, known),
            system_roots: Arc::new(roots),
            calls: Semaphore::new(CALLS),
        }
    }

    /// The body of the answer.
    ///
    /// # Errors
    /// The call is not allowed or failed: a class of error for whoever sent the request. Details are in our log alone.
    pub(crate) async fn call(&self, request: &ServiceRequest<'_>) -> Result<Vec<u8>, String> {
        // Never closed, so that a permit always comes.
        let _permit = self.calls.acquire().await.ok();
        match tokio::time::timeout(CALL_TIME, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("there was no answer within {} s", CALL_TIME.as_secs())),
        }
    }

    async fn exchange(&self, request: &ServiceRequest<'_>) -> Result<Vec<u8>, String> {
        let url = ServiceUrl::parse(request.url)?;
        let Some(allowed) = self.allowed.iter().find(|allowed| allowed.covers(&url)) else {
            return Err("its host is none that `--allow-service` names".to_owned());
        };
        let message = message(&url, request)?;
        let failed = |what: &'static str| {
            let host = url.host.to_string();
            move |error: &dyn std::fmt::Display| {
                tracing::info!(host, %error, "a call of a rule failed: {what}");
                what.to_owned()
            }
        };
        let address = self.address_of(&url, allowed).await?;
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| failed("it cannot be connected to")(&error))?;
        if !url.is_encrypted {
            return converse(stream, message, &failed).await;
        }
        let name = match &url.host {
            ServiceHost::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|_| "it has no valid name")?
            }
            ServiceHost::Address(address) => ServerName::from(*address),
        };
        let connector = TlsConnector::from(Arc::new(self.tls(request.ca_bundle)?));
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| failed("no trusted connection comes about")(&error))?;
        converse(stream, message, &failed).await
    }

    /// The address to connect to: what is checked is what is connected to, whatever the name means a moment later.
    async fn address_of(&self, url: &ServiceUrl, allowed: &AllowedService) -> Result<SocketAddr, String> {
        let found: Vec<SocketAddr> = match &url.host {
            ServiceHost::Address(address) => vec![(*address, url.port).into()],
            ServiceHost::Name(name) => match tokio::net::lookup_host((name.as_str(), url.port)).await {
                Ok(found) => found.collect(),
                Err(error) => {
                    tracing::info!(host = name, %error, "a call of a rule failed: its name is not known");
                    return Err("its name is not known".to_owned());
                }
            },
        };
        let api_servers = self.api_servers.addresses().await?;
        let is_open = |address: &&SocketAddr| {
            !address::is_never_called(address.ip())
                && (allowed.names_address() || !address::is_local(address.ip()))
                && !api_servers.iter().any(|api_server| is_same(api_server, address))
        };
        found.iter().find(is_open).copied().ok_or_else(|| {
            tracing::warn!(host = %url.host, ?found, "a rule calls an address that is never called");
            "its address is none that may be called".to_owned()
        })
    }

    fn tls(&self, ca_bundle: &str) -> Result<ClientConfig, String> {
        let roots = if ca_bundle.is_empty() {
            self.system_roots.clone()
        } else {
            let mut roots = RootCertStore::empty();
            let certificates: Result<Vec<_>, _> =
                CertificateDer::pem_slice_iter(ca_bundle.as_bytes()).collect();
            let certificates = certificates.map_err(|_| "its `caBundle` cannot be read")?;
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err("its `caBundle` holds no certificate".to_owned());
            }
            Arc::new(roots)
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = versions.map_err(|_| "TLS cannot be set up")?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// The message that is sent. It holds no credentials but those that the policy writes.
fn message(url: &ServiceUrl, request: &ServiceRequest<'_>) -> Result<Request<Full<Bytes>>, String> {
    let method = if request.method == "POST" { Method::POST } else { Method::GET };
    let default_port = if url.is_encrypted { 443 } else { 80 };
    let host = match url.port {
        port if port == default_port => url.host.to_string(),
        port => format!("{}:{port}", url.host),
    };
    let mut builder = Request::builder().method(method).uri(&url.path_and_query).header(header::HOST, host);
    if !request.body.is_empty() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    for (key, value) in request.headers {
        let name =
            HeaderName::try_from(key.as_str()).map_err(|_| format!("`{key}` is no name of a header"))?;
        if OF_CONNECTION.contains(&name) {
            return Err(format!("the header `{key}` is not for a policy to set"));
        }
        // Refuses line breaks, and with them whatever else they would begin.
        let value = HeaderValue::try_from(value.as_str())
            .map_err(|_| format!("the value of the header `{key}` cannot be sent"))?;
        builder = builder.header(name, value);
    }
    builder
        .body(Full::new(Bytes::copy_from_slice(request.body)))
        .map_err(|_| "the URL cannot be sent".to_owned())
}

/// Sends `message` and reads the answer. Nothing is followed, and nothing unpacked.
async fn converse<S, F>(
    stream: S,
    message: Request<Full<Bytes>>,
    failed: &impl Fn(&'static str) -> F,
) -> Result<Vec<u8>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: FnOnce(&dyn std::fmt::Display) -> String,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed("it does not speak HTTP")(&error))?;
    let exchange = async {
        let answer =
            sender.send_request(message).await.map_err(|error| failed("it does not answer")(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("HTTP {}", status.as_u16()));
        }
        if answer.headers().contains_key(header::CONTENT_ENCODING) {
            return Err("its answer is packed, which was not asked for".to_owned());
        }
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
            true => {
                format!("response length must be less than max allowed response length of {LONGEST_ANSWER}")
            }
            false => failed("its answer ends too soon")(&error),
        })?;
        Ok(body.to_bytes().to_vec())
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    // The connection moves the bytes, for as long as the exchange lasts.
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // What has been answered in full counts, however the connection ended.
        _ = &mut connection => exchange.await,
    }
}

#[cfg(test)]
mod tests;
