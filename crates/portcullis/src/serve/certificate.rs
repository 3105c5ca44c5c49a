//! The certificate to serve with, and what clients are to trust.

mod exchange;
mod files;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use portcullis_cli::{ServeArguments, hinted};
use portcullis_webhook::{Authority, CertificateError, Certificates, Identity, Metrics};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::exchange::Exchange;
pub(crate) use self::exchange::Trust;
use self::files::Files;
use super::clock::now;

/// How often it is seen to whether another certificate is due. A mounted Secret changes by a swap of links, which no watch
/// of the files would see.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often while the API server is to hear of the next one.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// The certificate in use.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) certificates: Arc<Certificates>,
    /// What a webhook configuration's `caBundle` holds, before base64.
    pub(crate) ca_bundle: watch::Sender<Vec<u8>>,
}

/// Sees to it that the certificate in use is replaced in time.
pub(crate) struct Renewal {
    served: Served,
    source: Source,
    exchange: Exchange,
    /// The end of the certificate that people were told to replace.
    told: Option<SystemTime>,
}

/// Where the next certificate comes from.
enum Source {
    Files(Files),
    /// An authority whose key is in memory alone, and the names to issue for.
    Own(Authority, Vec<String>),
}

impl Renewal {
    /// With the certificate of the files that `arguments` name, or one that is made now and forgotten with the process.
    ///
    /// # Errors
    /// A file cannot be read, or the certificate in it cannot be used.
    pub(crate) fn new(arguments: &ServeArguments) -> anyhow::Result<Self> {
        if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
            let (files, identity, bundle) = Files::open(certificate.clone(), key.clone())?;
            return Ok(Self::of(Source::Files(files), identity, bundle));
        }
        Ok(Self::own(names(arguments)?, now())?)
    }

    /// With a certificate of an authority of our own, for these names.
    fn own(names: Vec<String>, now: SystemTime) -> Result<Self, CertificateError> {
        let authority = Authority::new(now)?;
        let identity = authority.issue(&names, now)?;
        let bundle = authority.bundle_pem().into_bytes();
        Ok(Self::of(Source::Own(authority, names), identity, bundle))
    }

    fn of(source: Source, identity: Identity, bundle: Vec<u8>) -> Self {
        let served = Served {
            certificates: Certificates::new(identity),
            ca_bundle: watch::Sender::new(bundle.clone()),
        };
        Self { served, source, exchange: Exchange::new(bundle), told: None }
    }

    pub(crate) fn served(&self) -> Served {
        self.served.clone()
    }

    /// Looks every 30 s and on SIGHUP, and serves with the next certificate when there is one and clients trust it. Runs
    /// for ever.
    ///
    /// # Errors
    /// The system takes no handler of SIGHUP.
    pub(crate) fn run(
        mut self,
        metrics: Arc<Metrics>,
        trust: impl Fn() -> Trust + Send + 'static,
    ) -> anyhow::Result<impl Future<Output = ()> + Send> {
        let mut hung_up = signal(SignalKind::hangup())?;
        Ok(async move {
            loop {
                if self.step(now(), &trust()).await {
                    metrics.certificate_expires(self.served.certificates.current().not_after());
                }
                let pause = if self.exchange.is_under_way() { UNDER_WAY } else { INTERVAL };
                tokio::select! {
                    () = sleep_until(Instant::now() + pause) => {}
                    _ = hung_up.recv() => {}
                }
            }
        })
    }

    /// Does what is due at `now`. Says whether another certificate is served from now on.
    async fn step(&mut self, now: SystemTime, trust: &Trust) -> bool {
        if let Some((identity, bundle)) = self.next(now).await {
            self.exchange.begin(identity, bundle, now);
        }
        let next = self.exchange.step(now, trust);
        let is_new = next.is_some();
        if let Some(identity) = next {
            tracing::info!(expires = rfc3339(identity.not_after()), "serving with a new certificate");
            self.served.certificates.replace(identity);
        }
        let bundle = self.exchange.bundle();
        self.served.ca_bundle.send_if_modified(|known| {
            let is_other = *known != bundle;
            *known = bundle;
            is_other
        });
        is_new
    }

    /// The next certificate and what it is trusted by, when it is due.
    async fn next(&mut self, now: SystemTime) -> Option<(Identity, Vec<u8>)> {
        let current = self.served.certificates.current();
        let is_due = now >= current.renew_at();
        match &mut self.source {
            Source::Files(files) => {
                let changed = files.changed().await;
                if changed.is_none() && is_due && self.told != Some(current.not_after()) {
                    self.told = Some(current.not_after());
                    let expires = rfc3339(current.not_after());
                    tracing::warn!(expires, "the certificate is in the last third of its time: replace it");
                }
                changed
            }
            Source::Own(..) if self.exchange.is_under_way() => None,
            Source::Own(authority, names) => {
                let issued = renewed(authority, names, is_due, now);
                issued.inspect_err(|error| tracing::error!(%error, "cannot renew the certificate")).ok()?
            }
        }
    }
}

/// The next certificate of `authority`, which is replaced when its time comes.
fn renewed(
    authority: &mut Authority,
    names: &[String],
    is_due: bool,
    now: SystemTime,
) -> Result<Option<(Identity, Vec<u8>)>, CertificateError> {
    if now >= authority.renew_at() {
        *authority = Authority::new(now)?;
    } else if !is_due {
        return Ok(None);
    }
    Ok(Some((authority.issue(names, now)?, authority.bundle_pem().into_bytes())))
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
