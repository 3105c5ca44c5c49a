//! A client of the webhook that writes bytes, so that it can write wrong ones.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where the webhook is, and whom to trust there.
#[derive(Clone)]
pub(crate) struct Direct {
    pub(crate) address: SocketAddr,
    /// By which the webhook is known.
    name: ServerName<'static>,
    tls: TlsConnector,
}

/// A connection to the webhook, after the handshake.
pub(crate) struct Connection {
    pub(crate) stream: TlsStream<TcpStream>,
    read: Vec<u8>,
}

/// What the webhook answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Direct {
    /// A client that trusts `authorities`, at the time that `clock` tells.
    pub(crate) fn new(
        address: SocketAddr,
        authorities: &[u8],
        clock: Arc<dyn TimeProvider>,
    ) -> Result<Direct> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(authorities) {
            roots.add(authority?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_details(provider, clock)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Direct { address, name: address.ip().into(), tls: TlsConnector::from(Arc::new(config)) })
    }

    /// The same client for a webhook that is known by this name.
    pub(crate) fn named(self, name: &str) -> Result<Direct> {
        Ok(Direct { name: ServerName::try_from(name.to_owned())?, ..self })
    }

    pub(crate) async fn connect(&self) -> Result<Connection> {
        self.greet(TcpStream::connect(self.address).await?).await
    }

    /// The same from this address.
    pub(crate) async fn connect_from(&self, source: Ipv4Addr) -> Result<Connection> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        self.greet(socket.connect(self.address).await?).await
    }

    async fn greet(&self, stream: TcpStream) -> Result<Connection> {
        let stream = self.tls.connect(self.name.clone(), stream).await?;
        Ok(Connection { stream, read: Vec::new() })
    }
}

impl Connection {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next answer, or nothing when the connection was closed instead.
    pub(crate) async fn answer(&mut self) -> Result<Option<Answer>> {
        loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = String::from_utf8(self.read[..end].to_vec())?;
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
                });
                let whole = end + 4 + length.unwrap_or(0);
                if self.read.len() >= whole {
                    let body = String::from_utf8(self.read[end + 4..whole].to_vec())?;
                    self.read.drain(..whole);
                    let status = head.split(' ').nth(1).context("a status")?.parse()?;
                    return Ok(Some(Answer { status, body }));
                }
            }
            // A reset is an end too.
            if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return Ok(None);
            }
        }
    }

    /// Posts a review and returns the `response` of the answer.
    pub(crate) async fn review(&mut self, path: &str, body: &str) -> Result<Value> {
        self.send(post(path, body)).await?;
        let answer = self.answer().await?.context("the connection was closed")?;
        ensure!(answer.status == 200, "{answer:?}");
        let mut review: Value = serde_json::from_str(&answer.body)?;
        Ok(review["response"].take())
    }
}

/// A request as the API server sends it.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An AdmissionReview for the creation of a ConfigMap.
pub(crate) fn review(namespace: &str, name: &str) -> String {
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "namespace": namespace, "name": name },
    });
    review_of(&object)
}

/// The same with this object.
pub(crate) fn review_of(object: &Value) -> String {
    let metadata = &object["metadata"];
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
            "resource": { "group": "", "version": "v1", "resource": "configmaps" },
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "operation": "CREATE",
            "userInfo": { "username": "kubernetes-admin", "groups": ["system:masters"] },
            "object": object,
            "oldObject": null,
            // These requests are nobody's: they leave no trace.
            "dryRun": true,
        },
    })
    .to_string()
}
