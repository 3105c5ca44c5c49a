//! The files that a certificate and its key are read from.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use portcullis_cli::hinted;
use portcullis_cluster::system_reason;
use portcullis_webhook::{CertificateError, Identity};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::rfc3339;

/// Where a certificate lies.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// The authority that clients trust; without it they trust the chain of the certificate.
    pub(super) authority: Option<PathBuf>,
}

/// The files, and what they held when they were looked at last.
pub(super) struct Files {
    paths: Paths,
    /// Or why they could not be used, if they could not: then they are looked at again.
    before: Result<Held, String>,
}

/// What the files hold.
#[derive(Clone, PartialEq)]
struct Held {
    certificate: String,
    key: String,
    authority: Option<String>,
}

impl Held {
    /// What is to be trusted. Who gives a certificate and no authority gives its chain up to what clients trust.
    fn bundle(&self) -> Vec<u8> {
        self.authority.as_ref().unwrap_or(&self.certificate).clone().into_bytes()
    }
}

impl Files {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// One cannot be read, or the certificate cannot be used.
    pub(super) fn open(paths: Paths) -> anyhow::Result<(Self, Identity, Vec<u8>)> {
        let held = paths.read()?;
        let identity = paths.identity(&held)?;
        let bundle = held.bundle();
        Ok((Self { paths, before: Ok(held) }, identity, bundle))
    }

    /// What to serve with and what is to be trusted, if the files hold something else than when they were looked at last.
    /// What cannot be used is told once: a half-written pair, or a certificate out of its time where `current` is in it.
    pub(super) async fn changed(
        &mut self,
        current: &Identity,
        now: SystemTime,
    ) -> Option<(Identity, Vec<u8>)> {
        let paths = self.paths.clone();
        // Reading may wait for a disk.
        let read = tokio::task::spawn_blocking(move || paths.read()).await.ok()?;
        if let (Ok(read), Ok(before)) = (&read, &self.before)
            && read == before
        {
            return None;
        }
        let used = read.and_then(|held| {
            let identity = self.paths.identity(&held)?;
            if current.is_valid_at(now) && !identity.is_valid_at(now) {
                let (begins, ends) = (rfc3339(identity.not_before()), rfc3339(identity.not_after()));
                let certificate = self.paths.certificate.display();
                anyhow::bail!("the certificate `{certificate}` is valid from {begins} to {ends}");
            }
            Ok((identity, held))
        });
        match used {
            Ok((identity, held)) => {
                let bundle = held.bundle();
                self.before = Ok(held);
                Some((identity, bundle))
            }
            Err(error) => {
                let error = Err(format!("{error:#}"));
                if self.before != error {
                    tracing::warn!(error = error.as_ref().err(), "the certificate in use stays");
                    self.before = error;
                }
                None
            }
        }
    }
}

impl Paths {
    fn read(&self) -> anyhow::Result<Held> {
        Ok(Held {
            certificate: read(&self.certificate, "--tls-cert")?,
            key: read(&self.key, "--tls-key")?,
            authority: self.authority.as_deref().map(|path| read(path, "--tls-ca")).transpose()?,
        })
    }

    /// The certificate, which clients that trust the authority accept: files that are changed one after the other may be of
    /// two certificates for a moment.
    fn identity(&self, held: &Held) -> anyhow::Result<Identity> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let identity = Identity::from_pem(&held.certificate, &held.key).map_err(|error| {
            let message =
                format!("cannot serve with the certificate `{certificate}` and the key `{key}`: {error}");
            hinted(message, mended(&error))
        })?;
        if let (Some(path), Some(authority)) = (&self.authority, &held.authority) {
            let mut authorities = CertificateDer::pem_slice_iter(authority.as_bytes());
            // A certificate that has signed itself is its own authority.
            let is_trusted =
                |it: &CertificateDer<'_>| identity.chain().contains(it) || identity.is_issued_by(it);
            if !authorities.any(|authority| authority.is_ok_and(|it| is_trusted(&it))) {
                let hint = "`--tls-ca` takes the certificate of who has issued that of `--tls-cert`, as PEM";
                let message =
                    format!("the certificate `{certificate}` is not issued by `{}`", path.display());
                return Err(hinted(message, Some(hint)));
            }
        }
        Ok(identity)
    }
}

/// What is to be done about files that are no certificate and its key.
fn mended(error: &CertificateError) -> Option<&'static str> {
    match error {
        CertificateError::NoCertificate | CertificateError::Certificate(_) => Some(
            "`--tls-cert` takes a file with `-----BEGIN CERTIFICATE-----`, as `tls.crt` of a Secret of type kubernetes.io/tls",
        ),
        CertificateError::NoKey | CertificateError::Key(_) => Some(
            "`--tls-key` takes a file with `-----BEGIN PRIVATE KEY-----`, as `tls.key` of a Secret of type kubernetes.io/tls",
        ),
        CertificateError::Pem { .. } => {
            Some("the file was changed or cut off: copy it again from where it was made")
        }
        CertificateError::OtherKey => {
            Some("`--tls-key` takes the key that the certificate of `--tls-cert` was made with")
        }
        _ => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "the binary reads files; the error names the path")]
fn read(path: &Path, flag: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read `{}`: {}", path.display(), system_reason(&error));
        hinted(message, Some(format!("`{flag}` takes a file that holds PEM text, which this user may read")))
    })
}
