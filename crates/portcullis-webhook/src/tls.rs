//! How TLS is spoken: 1.2 and 1.3, AEAD suites, one certificate for every name.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use crate::Certificates;

/// The name of HTTP/2 in the negotiation of the protocol (RFC 7301).
pub(crate) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the client authorities are not valid PEM: {0}")]
    Pem(pem::Error),
    #[error("a client authority cannot be used: {0}")]
    Authority(rustls::Error),
    #[error("the client authorities cannot be used: {0}")]
    Verifier(#[from] VerifierBuilderError),
    #[error("TLS cannot be set up: {0}")]
    Config(#[from] rustls::Error),
}

/// The configuration of the server. With `client_authorities` (PEM) a client must show a certificate of theirs.
pub(crate) fn config(
    certificates: Arc<Certificates>,
    client_authorities: Option<&str>,
) -> Result<Arc<ServerConfig>, TlsError> {
    // Every suite of the provider is an AEAD with an ephemeral key exchange: rustls has no others.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13, &TLS12])?;
    let builder = match client_authorities {
        None => builder.with_no_client_auth(),
        Some(text) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(text)?), provider);
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let mut config = builder.with_cert_resolver(certificates);
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    // The API server keeps its connections open and resumes no session: tickets would be work for nothing.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn roots(text: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(text.as_bytes()) {
        roots.add(authority.map_err(TlsError::Pem)?).map_err(TlsError::Authority)?;
    }
    Ok(roots)
}
