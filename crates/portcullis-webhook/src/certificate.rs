//! Certificates: an authority of our own, leaves from it or from PEM text, and the one in use.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an authority is valid.
const AUTHORITY_DAYS: u32 = 365;
/// How long a certificate of ours is valid.
const LEAF_DAYS: u32 = 150;
/// How far back a certificate of ours begins, for an API server whose clock is behind.
const BACKDATED: Duration = Duration::from_secs(60 * 60);

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
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// A certificate authority of our own, whose key is in memory alone.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    renew_at: SystemTime,
}

impl Authority {
    /// A new authority, ECDSA P-256, valid for a year.
    ///
    /// # Errors
    /// The crypto provider cannot make a key.
    pub fn new(now: SystemTime) -> Result<Self, CertificateError> {
        let mut params = valid(CertificateParams::default(), now, AUTHORITY_DAYS);
        params.distinguished_name = named("Portcullis webhook authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let renew_at = third_left(now - BACKDATED, now + DAY * AUTHORITY_DAYS);
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?, renew_at })
    }

    /// When it should be replaced: a third of its time is left.
    pub fn renew_at(&self) -> SystemTime {
        self.renew_at
    }

    /// A certificate for DNS names and IP addresses, ECDSA P-256, valid for 150 days.
    ///
    /// # Errors
    /// No name, or one that cannot stand in a certificate.
    pub fn issue(&self, names: &[String], now: SystemTime) -> Result<Identity, CertificateError> {
        let first = names.first().ok_or(CertificateError::NoName)?;
        let mut params = valid(CertificateParams::new(names)?, now, LEAF_DAYS);
        params.distinguished_name = named(first);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Identity::new(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    /// What a webhook configuration's `caBundle` holds, before base64.
    pub fn bundle_pem(&self) -> String {
        self.issuer.pem()
    }
}

impl fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.issuer.pem()).finish_non_exhaustive()
    }
}

fn valid(mut params: CertificateParams, now: SystemTime, days: u32) -> CertificateParams {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = rcgen::date_time_ymd(1970, 1, 1) + since_epoch;
    params.not_before = now - BACKDATED;
    params.not_after = now + DAY * days;
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
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
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|reason| CertificateError::Certificate(reason.to_string()))?;
        let not_before = system_time(parsed.validity().not_before.timestamp());
        let not_after = system_time(parsed.validity().not_after.timestamp());
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(
            |reason| match reason {
                rustls::Error::InconsistentKeys(_) => CertificateError::OtherKey,
                reason => CertificateError::Key(reason),
            },
        )?;
        Ok(Self { certified: Arc::new(certified), not_before, not_after })
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
}

/// When a third of the time of a certificate is left.
fn third_left(not_before: SystemTime, not_after: SystemTime) -> SystemTime {
    not_after - not_after.duration_since(not_before).unwrap_or_default() / 3
}

fn system_time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// The certificate in use. Every handshake is answered with it, whatever name the client asks for.
#[derive(Debug)]
pub struct Certificates {
    current: ArcSwap<Identity>,
}

impl Certificates {
    /// Begins with `identity`.
    pub fn new(identity: Identity) -> Arc<Self> {
        Arc::new(Self { current: ArcSwap::from_pointee(identity) })
    }

    /// Answers handshakes with `identity` from now on. Open connections go on.
    pub fn replace(&self, identity: Identity) {
        self.current.store(Arc::new(identity));
    }

    /// The certificate in use.
    pub fn current(&self) -> Arc<Identity> {
        self.current.load_full()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().certified.clone())
    }
}

#[cfg(test)]
mod tests;
