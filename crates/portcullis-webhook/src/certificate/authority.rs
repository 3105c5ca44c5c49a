//! An authority of our own, and what it issues.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{CertificateError, Identity, parsed, third_left, validity};

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an authority is valid.
const AUTHORITY_DAYS: u32 = 365;
/// How long a certificate of ours is valid.
pub(super) const LEAF_DAYS: u32 = 150;
/// How far back a certificate of ours begins, for an API server whose clock is behind.
pub const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// A certificate authority of our own.
pub struct Authority {
    /// As PEM.
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    renew_at: SystemTime,
}

/// A certificate that an [`Authority`] has issued, and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
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
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        let renew_at = third_left(now - BACKDATED, now + DAY * AUTHORITY_DAYS);
        Ok(Self { certificate, issuer: Issuer::new(params, key), renew_at })
    }

    /// The authority of this certificate and its key, both as PEM.
    ///
    /// # Errors
    /// A text is not PEM or holds nothing of the kind, the certificate cannot be read, or the key is another's.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|reason| CertificateError::Pem { what: "certificate", reason })?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|reason| CertificateError::Pem { what: "key", reason })?;
        let key = KeyPair::try_from(&key).map_err(CertificateError::Authority)?;
        let parsed = parsed(&der)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(CertificateError::OtherKey);
        }
        let (not_before, not_after) = validity(&parsed);
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(CertificateError::Authority)?;
        let renew_at = third_left(not_before, not_after);
        Ok(Self { certificate: certificate.to_owned(), issuer, renew_at })
    }

    /// When it should be replaced: a third of its time is left.
    pub fn renew_at(&self) -> SystemTime {
        self.renew_at
    }

    /// A certificate for DNS names and IP addresses, ECDSA P-256, valid for 150 days, ready to answer handshakes.
    ///
    /// # Errors
    /// No name, or one that cannot stand in a certificate.
    pub fn issue(&self, names: &[String], now: SystemTime) -> Result<Identity, CertificateError> {
        let Issued { certificate, key } = self.issue_pem(names, now)?;
        Identity::from_pem(&certificate, &key)
    }

    /// The same certificate as text.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn issue_pem(&self, names: &[String], now: SystemTime) -> Result<Issued, CertificateError> {
        let first = names.first().ok_or(CertificateError::NoName)?;
        let mut params = valid(CertificateParams::new(names)?, now, LEAF_DAYS);
        params.distinguished_name = named(first);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }

    /// Its certificate as PEM: what a webhook configuration's `caBundle` holds, before base64.
    pub fn bundle_pem(&self) -> &str {
        &self.certificate
    }

    /// Its key as PEM. Whoever has it is believed by all who trust the authority.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }
}

impl fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl fmt::Debug for Issued {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).finish_non_exhaustive()
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
