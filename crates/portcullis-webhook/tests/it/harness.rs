//! A server with a reviewer made of a closure, a client that writes bytes, and a clock that jumps.
//!
//! Paced because a clock that is paused jumps to the next timer when all tasks wait for one: no time passes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use portcullis_model::Review;
use portcullis_webhook::{
    Authority, Certificates, Deadline, Lifecycle, Limits, Metrics, Reviewer, Route, Server, Verdict,
};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const NAME: &str = "portcullis.portcullis.svc";

type Judge = dyn Fn(&Route<'_>, &Review<'_>, &Deadline<'_>) -> Verdict + Send + Sync;

/// A reviewer that is a closure.
pub(crate) struct Judging(Box<Judge>);

impl Reviewer for Judging {
    fn review(&self, route: &Route<'_>, review: &Review<'_>, deadline: &Deadline<'_>) -> Verdict {
        (self.0)(route, review, deadline)
    }
}

/// A server and what a test needs of it.
pub(crate) struct Site {
    pub(crate) server: Arc<Server<Judging>>,
    pub(crate) authority: Authority,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lifecycle: Lifecycle,
}

impl Site {
    /// A server that admits everything.
    pub(crate) fn admitting(limits: Limits) -> Self {
        Self::judging(limits, |_, _, _| Verdict::allowed())
    }

    pub(crate) fn judging(
        limits: Limits,
        judge: impl Fn(&Route<'_>, &Review<'_>, &Deadline<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self::guarded(limits, None, judge)
    }

    pub(crate) fn guarded(
        limits: Limits,
        client_authorities: Option<&str>,
        judge: impl Fn(&Route<'_>, &Review<'_>, &Deadline<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let authority = Authority::new(now()).unwrap();
        let certificates = Certificates::new(authority.issue(&[NAME.to_owned()], now()).unwrap());
        let (metrics, lifecycle) = (Metrics::new("0.0.0"), Lifecycle::new());
        let reviewer = Judging(Box::new(judge));
        let server = Server::new(
            reviewer,
            certificates.clone(),
            client_authorities,
            limits,
            metrics.clone(),
            lifecycle.clone(),
        );
        Self { server: Arc::new(server.unwrap()), authority, certificates, metrics, lifecycle }
    }

    /// Serves on a free port.
    pub(crate) async fn listen(&self) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = self.server.clone();
        (address, tokio::spawn(async move { server.serve(listener).await }))
    }

    /// A stream in memory that the server holds the other end of.
    pub(crate) fn open(&self, peer: IpAddr) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let server = self.server.clone();
        tokio::spawn(async move { server.serve_stream(theirs, peer).await });
        ours
    }

    /// A client over a stream in memory, after the handshake.
    pub(crate) async fn client(&self) -> Client<TlsStream<DuplexStream>> {
        self.secure(self.open(LOCAL)).await
    }

    /// A client over a socket, after the handshake.
    pub(crate) async fn connect(&self, address: SocketAddr) -> Client<TlsStream<TcpStream>> {
        self.secure(TcpStream::connect(address).await.unwrap()).await
    }

    pub(crate) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Client<TlsStream<S>> {
        self.try_secure(stream).await.unwrap()
    }

    pub(crate) async fn try_secure<S>(&self, stream: S) -> io::Result<Client<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.trusting().with_no_client_auth();
        Ok(Client::new(handshake(config, NAME, stream).await?))
    }

    /// The configuration of a client that trusts this server's authority, but for its own certificate.
    pub(crate) fn trusting(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        self.trusting_by(rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn trusting_by(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.authority.bundle_pem().as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
    }

    /// The value of the metric whose line begins so; 0 where there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

/// The client's side of a handshake.
pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    config: ClientConfig,
    name: &'static str,
    stream: S,
) -> io::Result<TlsStream<S>> {
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), stream).await
}

/// Has the clock, which is paused, jump to this time, with a stop at each timer before it.
pub(crate) async fn jump_to(time: Instant) {
    sleep_until(time).await;
}

#[expect(clippy::disallowed_methods, reason = "clients verify certificates by the clock of the system")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// What a client reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn closes(&self) -> bool {
        self.head.to_ascii_lowercase().contains("connection: close")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A client that writes bytes and reads answers.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next answer, or `None` when the connection was closed instead.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                });
                let length: usize = length.unwrap_or(0);
                if self.read.len() >= end + 4 + length {
                    let body = String::from_utf8(self.read[end + 4..end + 4 + length].to_vec()).unwrap();
                    self.read.drain(..end + 4 + length);
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return Some(Answer { status, head, body });
                }
            }
            if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await.expect("an answer")
    }

    /// Waits until the server closes; fails when it sends anything more.
    pub(crate) async fn closed(&mut self) {
        let mut rest = std::mem::take(&mut self.read);
        let _ = self.stream.read_to_end(&mut rest).await;
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// An AdmissionReview of a Job.
pub(crate) fn review(uid: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"{uid}",
        "kind":{{"group":"batch","version":"v1","kind":"Job"}},"namespace":"team","name":"pi",
        "operation":"CREATE","userInfo":{{"username":"u"}},"object":{{"kind":"Job"}},"oldObject":null}}}}"#
    )
}

/// A request as the API server sends it.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
