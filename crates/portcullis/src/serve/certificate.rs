//! The certificate to serve with, and what clients are to trust.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use k8s_openapi::jiff::Timestamp;
use portcullis_cli::{ServeArguments, system_reason};
use portcullis_webhook::{Authority, Certificates, Identity, Metrics};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::interval;

use super::clock::now;
use crate::told::hinted;

/// How often the files of a certificate are read again. A mounted Secret changes by a swap of links, which no watch of
/// the files would see.
const INTERVAL: Duration = Duration::from_secs(30);

/// The certificate in use.
pub(crate) struct Served {
    pub(crate) certificates: Arc<Certificates>,
    /// What a webhook configuration's `caBundle` holds, before base64.
    pub(crate) ca_bundle: watch::Sender<Vec<u8>>,
    files: Option<Files>,
}

/// The files that a certificate and its key are read from.
#[derive(Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files hold.
#[derive(PartialEq)]
struct Pair {
    certificate: String,
    key: String,
}

impl Served {
    /// The certificate of the files that `arguments` name, or one that is made now and forgotten with the process.
    ///
    /// # Errors
    /// A file cannot be read, or the certificate in it cannot be used.
    pub(crate) fn new(arguments: &ServeArguments) -> anyhow::Result<Self> {
        if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
            let files = Files { certificate: certificate.clone(), key: key.clone() };
            let pair = files.read()?;
            let identity = files.identity(&pair)?;
            return Ok(Self {
                certificates: Certificates::new(identity),
                ca_bundle: watch::Sender::new(pair.certificate.into_bytes()),
                files: Some(files),
            });
        }
        let now = now();
        let authority = Authority::new(now)?;
        let identity = authority.issue(&names(arguments)?, now)?;
        Ok(Self {
            certificates: Certificates::new(identity),
            ca_bundle: watch::Sender::new(authority.bundle_pem().into_bytes()),
            files: None,
        })
    }

    /// Reads the files again every 30 s and on SIGHUP, and serves with what they hold then; says when the certificate
    /// has to be replaced. Runs for ever.
    ///
    /// # Errors
    /// The system takes no handler of SIGHUP.
    pub(crate) fn follow(
        &self,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
        let mut told = signal(SignalKind::hangup())?;
        let (certificates, ca_bundle) = (self.certificates.clone(), self.ca_bundle.clone());
        let files = self.files.clone();
        Ok(async move {
            let mut ticks = interval(INTERVAL);
            let (mut before, mut due) = (None, None);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = told.recv() => {}
                }
                if let Some(files) = files.clone()
                    && let Some(identity) = files.changed(&mut before, &ca_bundle).await
                {
                    metrics.certificate_expires(identity.not_after());
                    certificates.replace(identity);
                }
                let current = certificates.current();
                if now() >= current.renew_at() && due != Some(current.not_after()) {
                    due = Some(current.not_after());
                    let expires = rfc3339(current.not_after());
                    tracing::warn!(expires, "the certificate is in the last third of its time: replace it");
                }
            }
        })
    }
}

impl Files {
    fn read(&self) -> anyhow::Result<Pair> {
        let certificate = read(&self.certificate, "--tls-cert")?;
        // Who gives a certificate of its own gives the chain that leads to what clients trust.
        Ok(Pair { certificate, key: read(&self.key, "--tls-key")? })
    }

    fn identity(&self, pair: &Pair) -> anyhow::Result<Identity> {
        Identity::from_pem(&pair.certificate, &pair.key).with_context(|| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            format!("cannot serve with the certificate `{certificate}` and the key `{key}`")
        })
    }

    /// What to serve with, if the files hold something else than `before`. What cannot be used is told once; the
    /// certificate in use stays then.
    async fn changed(
        self,
        before: &mut Option<Result<Pair, String>>,
        ca_bundle: &watch::Sender<Vec<u8>>,
    ) -> Option<Identity> {
        let files = self.clone();
        // Reading may wait for a disk.
        let read = tokio::task::spawn_blocking(move || files.read()).await.ok()?;
        let read = read.map_err(|error| format!("{error:#}"));
        if before.as_ref() == Some(&read) {
            return None;
        }
        let used = match &read {
            Ok(pair) => self.identity(pair).map_err(|error| format!("{error:#}")),
            Err(error) => Err(error.clone()),
        };
        // The first time it is what was read at start, unless it has changed since.
        let is_first = before.is_none();
        *before = Some(read);
        match used {
            Ok(identity) => {
                if let Some(Ok(pair)) = before {
                    ca_bundle.send_if_modified(|bundle| {
                        let is_new = bundle != pair.certificate.as_bytes();
                        if is_new {
                            *bundle = pair.certificate.clone().into_bytes();
                        }
                        is_new
                    });
                }
                if !is_first {
                    let expires = rfc3339(identity.not_after());
                    tracing::info!(expires, "serving with a new certificate");
                }
                Some(identity)
            }
            Err(error) => {
                tracing::warn!(error, "the certificate in use stays");
                None
            }
        }
    }
}

/// Whether clients still accept the certificate in use.
pub(crate) fn not_expired(certificates: &Certificates) -> Result<(), String> {
    let not_after = certificates.current().not_after();
    match now() <= not_after {
        true => Ok(()),
        false => Err(format!("the certificate expired at {}", rfc3339(not_after))),
    }
}

fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().to_string()
}

/// The names by which clients call this process.
fn names(arguments: &ServeArguments) -> anyhow::Result<Vec<String>> {
    if let Some(url) = &arguments.external_url {
        return Ok(vec![host(url)?.to_owned()]);
    }
    if arguments.policies.is_empty() {
        let (service, namespace) = (&arguments.service, &arguments.namespace);
        return Ok(vec![
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
        ]);
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let listen: IpAddr = arguments.listen.ip();
    if !listen.is_unspecified() && !listen.is_loopback() {
        names.push(listen.to_string());
    }
    Ok(names)
}

/// How an address is written.
const FORM: &str = "write https://HOST:PORT";

/// The host of `https://HOST:PORT`.
fn host(url: &str) -> anyhow::Result<&str> {
    let Some(authority) = url.strip_prefix("https://") else {
        return Err(hinted(format!("`--external-url {url}` is no HTTPS address"), Some(FORM)));
    };
    let authority = authority.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
        return Err(hinted(format!("`--external-url {url}` is more than an address"), Some(FORM)));
    }
    Ok(match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    })
}

#[expect(clippy::disallowed_methods, reason = "the binary reads files; the error names the path")]
fn read(path: &Path, flag: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read `{}`: {}", path.display(), system_reason(&error));
        hinted(message, Some(format!("`{flag}` takes a file that holds PEM text, which this user may read")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_external_url_stands_in_the_certificate() {
        assert_eq!(host("https://127.0.0.1:9443").unwrap(), "127.0.0.1");
        assert_eq!(host("https://laptop.example/").unwrap(), "laptop.example");
        assert_eq!(host("https://[::1]:9443").unwrap(), "::1");
        assert!(host("http://127.0.0.1:9443").unwrap_err().to_string().contains("no HTTPS address"));
        assert!(host("https://a/b").unwrap_err().to_string().contains("more than an address"));
    }
}
