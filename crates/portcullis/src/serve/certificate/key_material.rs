//! An authority of our own and the certificate in use, as text that replicas share, and what is due of them.
//!
//! The text says all there is to know, so that any replica goes on where another stopped:
//!
//! 1. The authority is in the last third of its time: the next one is added to what clients trust. The certificate stays.
//! 2. Clients trust both: a certificate of the next authority is served.
//! 3. Everybody serves with it: the authority before is trusted no longer.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use k8s_openapi::ByteString;
use portcullis_controllers::certificate_secret::Entries;
use portcullis_webhook::{Authority, BACKDATED, CertificateError, Identity, Issued};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::rfc3339;

/// How long the authority before is trusted: as long as a replica that has lost the API server may serve with a
/// certificate of it, and an API server may go by older webhook configurations.
const KEPT: Duration = Duration::from_secs(600);

/// The texts, each of which is PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KeyMaterial {
    /// What clients trust: the newest authority, and before it those that it follows.
    pub(super) authorities: String,
    /// The key of the newest authority.
    pub(super) authority_key: String,
    /// The certificate in use.
    pub(super) certificate: String,
    pub(super) key: String,
}

/// The entries of a Secret of type `kubernetes.io/tls` in the order of the fields.
const ENTRIES: [&str; 4] = ["ca.crt", "ca.key", "tls.crt", "tls.key"];

impl KeyMaterial {
    /// A new authority and a certificate of it for these names.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub(super) fn new(names: &[String], now: SystemTime) -> Result<Self, CertificateError> {
        let authority = Authority::new(now)?;
        let Issued { certificate, key } = authority.issue_pem(names, now)?;
        let (authorities, authority_key) = (authority.bundle_pem().to_owned(), authority.key_pem());
        Ok(Self { authorities, authority_key, certificate, key })
    }

    /// What the entries of a Secret say.
    ///
    /// # Errors
    /// One is missing or no text.
    pub(super) fn from_entries(entries: &Entries) -> anyhow::Result<Self> {
        let text = |name: &'static str| {
            let entry = entries.get(name).and_then(|entry| std::str::from_utf8(&entry.0).ok());
            entry.map(str::to_owned).with_context(|| format!("it has no text `{name}`"))
        };
        let [authorities, authority_key, certificate, key] = ENTRIES;
        Ok(Self {
            authorities: text(authorities)?,
            authority_key: text(authority_key)?,
            certificate: text(certificate)?,
            key: text(key)?,
        })
    }

    /// The entries of a Secret.
    pub(super) fn entries(&self) -> Entries {
        let texts = [&self.authorities, &self.authority_key, &self.certificate, &self.key];
        let bytes = texts.map(|text| ByteString(text.clone().into_bytes()));
        ENTRIES.iter().map(|name| (*name).to_owned()).zip(bytes).collect()
    }
}

impl fmt::Debug for KeyMaterial {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaterial").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Texts that fit each other, and can be served with.
#[derive(Debug)]
pub(super) struct Usable {
    pub(super) material: KeyMaterial,
    pub(super) identity: Identity,
    newest: Authority,
    /// How many authorities clients trust.
    authorities: usize,
    /// What issued the certificate in use, as PEM.
    issuer: String,
}

impl Usable {
    /// Looks whether keys belong to their certificates, and the certificate to an authority.
    ///
    /// # Errors
    /// They do not.
    pub(super) fn new(material: KeyMaterial) -> anyhow::Result<Self> {
        let texts = certificates(&material.authorities);
        let newest = texts.last().copied().unwrap_or_default();
        let newest = Authority::from_pem(newest, &material.authority_key)
            .context("`ca.crt` and `ca.key` are no authority")?;
        let identity = Identity::from_pem(&material.certificate, &material.key)
            .context("`tls.crt` and `tls.key` cannot be served with")?;
        // The newest one first: an authority may have been renewed under the same key.
        let issuer = texts.iter().rev().find(|text| {
            CertificateDer::from_pem_slice(text.as_bytes()).is_ok_and(|der| identity.is_issued_by(&der))
        });
        let issuer = (*issuer.context("`tls.crt` was issued by no authority in `ca.crt`")?).to_owned();
        let authorities = texts.len();
        Ok(Self { material, identity, newest, authorities, issuer })
    }

    /// This, unless its certificate has expired and that of `before`, which is in use, has not.
    ///
    /// # Errors
    /// That is so.
    pub(super) fn unless_expired(self, before: Option<&Usable>, now: SystemTime) -> anyhow::Result<Self> {
        let is_over = |usable: &Usable| usable.identity.not_after() < now;
        let is_worse = is_over(&self) && before.is_some_and(|before| !is_over(before));
        anyhow::ensure!(!is_worse, "`tls.crt` expired at {}", rfc3339(self.identity.not_after()));
        Ok(self)
    }

    /// What clients are to trust, as PEM.
    pub(super) fn bundle(&self) -> &[u8] {
        self.material.authorities.as_bytes()
    }

    /// Whether one authority is about to follow another.
    pub(super) fn is_under_way(&self) -> bool {
        self.authorities > 1
    }

    /// What is to take the place of these texts at `now`, if anything is. `is_trusted` says whether all clients trust
    /// [`Usable::bundle`] by now, `names` are those of the server.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub(super) fn due(
        &self,
        names: &[String],
        now: SystemTime,
        is_trusted: bool,
    ) -> Result<Option<KeyMaterial>, CertificateError> {
        let is_of_newest = self.issuer.trim() == self.newest.bundle_pem().trim();
        if now >= self.newest.renew_at() {
            let next = Authority::new(now)?;
            return Ok(Some(KeyMaterial {
                // One that was announced and never served with is forgotten.
                authorities: format!("{}\n{}", self.issuer.trim_end(), next.bundle_pem()),
                authority_key: next.key_pem(),
                ..self.material.clone()
            }));
        }
        let is_due = now >= self.identity.renew_at() || !self.is_for(names);
        let issues = if is_of_newest { is_due } else { is_trusted };
        if issues {
            let Issued { certificate, key } = self.newest.issue_pem(names, now)?;
            return Ok(Some(KeyMaterial { certificate, key, ..self.material.clone() }));
        }
        let served_since = self.identity.not_before() + BACKDATED;
        if self.authorities > 1 && is_of_newest && now >= served_since + KEPT {
            let authorities = self.newest.bundle_pem().to_owned();
            return Ok(Some(KeyMaterial { authorities, ..self.material.clone() }));
        }
        Ok(None)
    }

    fn is_for(&self, names: &[String]) -> bool {
        let has: BTreeSet<String> = self.identity.names().into_iter().collect();
        has == names.iter().cloned().collect()
    }
}

/// The end of a certificate in PEM.
const END: &str = "-----END CERTIFICATE-----";

/// The texts of the certificates in `pem`.
fn certificates(pem: &str) -> Vec<&str> {
    pem.split_inclusive(END).map(str::trim).filter(|text| text.ends_with(END)).collect()
}

#[cfg(test)]
mod tests;
