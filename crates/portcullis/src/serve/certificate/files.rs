//! The files that a certificate and its key are read from.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use portcullis_cli::hinted;
use portcullis_cluster::system_reason;
use portcullis_webhook::Identity;

use super::rfc3339;

/// The files, and what they held when they were looked at last.
pub(super) struct Files {
    paths: Paths,
    /// Or why they could not be used, if they could not: then they are looked at again.
    before: Result<Pair, String>,
}

#[derive(Clone)]
struct Paths {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files hold.
#[derive(Clone, PartialEq)]
struct Pair {
    certificate: String,
    key: String,
}

impl Files {
    /// Reads both for the first time. What is to be trusted is the chain in the file: who gives a certificate gives it up
    /// to what clients trust.
    ///
    /// # Errors
    /// One cannot be read, or the certificate cannot be used.
    pub(super) fn open(certificate: PathBuf, key: PathBuf) -> anyhow::Result<(Self, Identity, Vec<u8>)> {
        let paths = Paths { certificate, key };
        let pair = paths.read()?;
        let identity = paths.identity(&pair)?;
        let bundle = pair.certificate.clone().into_bytes();
        Ok((Self { paths, before: Ok(pair) }, identity, bundle))
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
        let used = read.and_then(|pair| {
            let identity = self.paths.identity(&pair)?;
            if current.is_valid_at(now) && !identity.is_valid_at(now) {
                let (begins, ends) = (rfc3339(identity.not_before()), rfc3339(identity.not_after()));
                let certificate = self.paths.certificate.display();
                anyhow::bail!("the certificate `{certificate}` is valid from {begins} to {ends}");
            }
            Ok((identity, pair))
        });
        match used {
            Ok((identity, pair)) => {
                let bundle = pair.certificate.clone().into_bytes();
                self.before = Ok(pair);
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
    fn read(&self) -> anyhow::Result<Pair> {
        Ok(Pair { certificate: read(&self.certificate, "--tls-cert")?, key: read(&self.key, "--tls-key")? })
    }

    fn identity(&self, pair: &Pair) -> anyhow::Result<Identity> {
        Identity::from_pem(&pair.certificate, &pair.key).with_context(|| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            format!("cannot serve with the certificate `{certificate}` and the key `{key}`")
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the binary reads files; the error names the path")]
fn read(path: &Path, flag: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read `{}`: {}", path.display(), system_reason(&error));
        hinted(message, Some(format!("`{flag}` takes a file that holds PEM text, which this user may read")))
    })
}
