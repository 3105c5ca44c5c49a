//! A client that posts reviews over one connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A server that says nothing for so long has stopped, which is a finding as any other.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a server, which it trusts by its certificate alone.
pub(super) struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    pub(super) fn connect(address: SocketAddr, certificate: &CertificateDer<'static>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        let connection = ClientConnection::new(config, "localhost".try_into()?)?;
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(StreamOwned::new(connection, socket))))
    }

    /// The body of the answer to `body`.
    pub(super) fn post(&mut self, path: &str, body: &str) -> Result<String> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.0.get_mut().write_all((head + body).as_bytes())?;
        self.0.get_mut().flush()?;
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            ensure!(self.0.read_line(&mut line)? > 0, "the connection ended in the answer: {head}");
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().context("no length")?;
            }
            if line.trim().is_empty() {
                break;
            }
            head += &line;
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "{head}{answer}");
        Ok(answer)
    }
}

/// The text that is in base64.
pub(super) fn decoded(text: &str) -> Option<String> {
    BASE64_STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}
