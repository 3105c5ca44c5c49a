//! Certificates: leaves from PEM text, what they say, and the one in use.

mod authority;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

pub use authority::{Authority, BACKDATED, Issued};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("no `CERTIFICATE` block in the certificate's PEM text")]
    NoCertificate,
    #[error("no private key in the key's PEM text")]
    NoKey,
    #[error("the {what} is not valid PEM: {reason}")]
    Pem { what: &'static str, reason: pem::Error },
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    #[error("the key does not belong to the certificate")]
    OtherKey,
    #[error("the key cannot be used: {0}")]
    Key(rustls::Error),
    #[error("no name to issue a certificate for")]
    NoName,
    #[error("the certificate of the authority cannot issue others: {0}")]
    Authority(rcgen::Error),
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// A certificate with its chain and its key, ready to answer handshakes.
#[derive(Clone, Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Identity {
    /// Reads a certificate, followed by its chain, and its key (PKCS#8, PKCS#1 or SEC1).
    ///
    /// # Errors
    /// A text is not PEM or holds nothing of the kind, the certificate cannot be read, or the key is another's. A half
    /// written pair ends here, so that the one in use stays in use.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|reason| CertificateError::Pem { what: "certificate", reason })?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|reason| match reason {
            pem::Error::NoItemsFound => CertificateError::NoKey,
            reason => CertificateError::Pem { what: "key", reason },
        })?;
        Self::new(chain, key)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let parsed = parsed(chain.first().ok_or(CertificateError::NoCertificate)?)?;
        let (not_before, not_after) = validity(&parsed);
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(
            |reason| match reason {
                rustls::Error::InconsistentKeys(_) => CertificateError::OtherKey,
                reason => CertificateError::Key(reason),
            },
        )?;
        Ok(Self { certified: Arc::new(certified), not_before, not_after })
    }

    /// The first second it is valid in. What an [`Authority`] has issued begins [`BACKDATED`] before that.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last second it is valid in.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether a client whose clock shows `now` accepts it.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// When it should be replaced: a third of its time is left.
    pub fn renew_at(&self) -> SystemTime {
        third_left(self.not_before, self.not_after)
    }

    /// The certificate and its chain, in DER.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// Whether clients that trust this authority accept it, in its time.
    pub fn is_issued_by(&self, authority: &CertificateDer<'_>) -> bool {
        let mut roots = RootCertStore::empty();
        let Some((leaf, chain)) = self.chain().split_first() else { return false };
        if roots.add(authority.clone().into_owned()).is_err() {
            return false;
        }
        let time = self.not_before.duration_since(UNIX_EPOCH).unwrap_or_default();
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        ParsedCertificate::try_from(leaf).is_ok_and(|leaf| {
            let time = UnixTime::since_unix_epoch(time);
            verify_server_cert_signed_by_trust_anchor(&leaf, &roots, chain, time, algorithms.all).is_ok()
        })
    }

    /// The DNS names and IP addresses of its server.
    pub fn names(&self) -> Vec<String> {
        let Some(Ok(leaf)) = self.chain().first().map(parsed) else { return Vec::new() };
        let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
        let names = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        });
        names.collect()
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateError> {
    let parsed = X509Certificate::from_der(certificate);
    parsed
        .map(|(_, certificate)| certificate)
        .map_err(|reason| CertificateError::Certificate(reason.to_string()))
}

/// The first and the last second in which a certificate is valid.
fn validity(certificate: &X509Certificate<'_>) -> (SystemTime, SystemTime) {
    let validity = certificate.validity();
    (system_time(validity.not_before.timestamp()), system_time(validity.not_after.timestamp()))
}

/// When a third of the time of a certificate is left.
fn third_left(not_before: SystemTime, not_after: SystemTime) -> SystemTime {
    not_after - not_after.duration_since(not_before).unwrap_or_default() / 3
}

fn system_time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// The certificate in use. Every handshake is answered with it, whatever name the client asks for. While there is none,
/// handshakes fail.
#[derive(Debug, Default)]
pub struct Certificates {
    current: ArcSwapOption<Identity>,
}

impl Certificates {
    /// Begins with `identity`.
    pub fn new(identity: Identity) -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::from_pointee(identity) })
    }

    /// Answers handshakes with `identity` from now on. Open connections go on.
    pub fn replace(&self, identity: Identity) {
        self.current.store(Some(Arc::new(identity)));
    }

    /// The certificate in use, if there is one.
    pub fn current(&self) -> Option<Arc<Identity>> {
        self.current.load_full()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().as_ref()?.certified.clone())
    }
}

#[cfg(test)]
mod tests;
