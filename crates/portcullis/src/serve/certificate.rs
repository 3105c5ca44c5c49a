//! The certificate to serve with, and what clients are to trust.
//!
//! It comes from files, from the Secret that replicas share, or from memory where there is one server alone.

mod exchange;
mod files;
mod key_material;
mod names;
mod secret;
#[cfg(test)]
mod tests;
mod trust;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use portcullis_cli::ServeArguments;
use portcullis_cluster::{Backoff, Cluster, Leadership};
use portcullis_controllers::writer::Written;
use portcullis_webhook::{Certificates, Identity, Metrics};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::exchange::Exchange;
use self::files::{Files, Paths};
use self::key_material::{KeyMaterial, Usable};
use self::names::names;
pub(crate) use self::secret::SECRET;
use self::secret::SharedKeys;
use self::trust::{Settling, Trust};
use super::clock::now;

/// How often it is seen to whether another certificate is due. A mounted Secret changes by a swap of links, which no watch
/// of the files would see.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often while the API server is to hear of the next one, or nothing can be served yet.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// The certificate in use.
#[derive(Clone)]
pub(crate) struct Served {
    /// Empty until there is one.
    pub(crate) certificates: Arc<Certificates>,
    /// What a webhook configuration's `caBundle` holds, before base64. Empty until it is known.
    pub(crate) ca_bundle: watch::Sender<Vec<u8>>,
}

impl Served {
    /// Serves with this certificate from now on, which is trusted by `bundle`. Says whether it is another one.
    fn show(&self, identity: &Identity, bundle: &[u8]) -> bool {
        let current = self.certificates.current();
        let is_new = current.as_ref().is_none_or(|current| current.chain() != identity.chain());
        if is_new {
            self.certificates.replace(identity.clone());
            // Said once it is so.
            let expires = rfc3339(identity.not_after());
            match current {
                Some(_) => tracing::info!(expires, "serving with a new certificate"),
                None => tracing::info!(expires, "serving with a certificate"),
            }
        }
        self.ca_bundle.send_if_modified(|known| {
            let is_other = known != bundle;
            if is_other {
                bundle.clone_into(known);
            }
            is_other
        });
        is_new
    }

    /// Whether there is a certificate that clients still accept.
    pub(crate) fn is_usable(&self) -> Result<(), String> {
        let Some(current) = self.certificates.current() else {
            return Err(format!("waiting for a certificate in the Secret `{SECRET}`"));
        };
        match now() <= current.not_after() {
            true => Ok(()),
            false => Err(format!("the certificate expired at {}", rfc3339(current.not_after()))),
        }
    }
}

/// Whether replicas share the certificate: those that a Service leads to, unless they are given one.
pub(crate) fn is_shared(arguments: &ServeArguments) -> bool {
    arguments.policies.is_empty() && arguments.external_url.is_none() && arguments.tls_cert.is_none()
}

/// What a certificate has to do with in a cluster.
pub(crate) struct InCluster {
    pub(crate) cluster: Arc<Cluster>,
    /// Where the Secret is.
    pub(crate) namespace: String,
    pub(crate) leadership: Leadership,
    pub(crate) written: watch::Receiver<Written>,
}

impl InCluster {
    /// Whom the API server trusts, as far as this replica knows.
    fn trust(&self) -> Trust {
        match self.leadership.is_leader() {
            true => Trust::Written(self.written.borrow().ca_bundle.clone()),
            false => Trust::ByOther,
        }
    }
}

/// Sees to it that the certificate in use is replaced in time.
pub(crate) struct Renewal {
    served: Served,
    source: Source,
}

/// Where the next certificate comes from.
enum Source {
    Files {
        files: Files,
        exchange: Exchange,
        /// The end of the certificate that people were told to replace.
        told: Option<SystemTime>,
    },
    /// An authority whose key is in memory alone, and the names to issue for.
    Memory {
        keys: Usable,
        names: Vec<String>,
        settling: Settling,
    },
    Shared(SharedKeys),
}

impl Renewal {
    /// With the certificate of the files that `arguments` name, with that of the Secret, or with one that is made now and
    /// forgotten with the process.
    ///
    /// # Errors
    /// A file cannot be read, or the certificate in it cannot be used.
    pub(crate) fn new(arguments: &ServeArguments) -> anyhow::Result<Self> {
        if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
            let authority = arguments.tls_ca.clone();
            let paths = Paths { certificate: certificate.clone(), key: key.clone(), authority };
            let (files, identity, bundle) = Files::open(paths)?;
            return Ok(Self::of(Source::Files {
                files,
                exchange: Exchange::new(identity, bundle),
                told: None,
            }));
        }
        let names = names(arguments)?;
        match is_shared(arguments) {
            true => Ok(Self::of(Source::Shared(SharedKeys::new(names)))),
            false => Self::in_memory(names, now()),
        }
    }

    /// With a certificate of an authority of our own, for these names.
    fn in_memory(names: Vec<String>, now: SystemTime) -> anyhow::Result<Self> {
        let keys = Usable::new(KeyMaterial::new(&names, now)?)?;
        Ok(Self::of(Source::Memory { keys, names, settling: Settling::default() }))
    }

    fn of(source: Source) -> Self {
        let served = Served { certificates: Arc::default(), ca_bundle: watch::Sender::default() };
        let renewal = Self { served, source };
        renewal.show();
        renewal
    }

    pub(crate) fn served(&self) -> Served {
        self.served.clone()
    }

    /// Looks every 30 s, on SIGHUP and when the Secret changes, and serves with the next certificate when there is one and
    /// clients trust it. Runs for ever.
    ///
    /// # Errors
    /// The system takes no handler of SIGHUP.
    pub(crate) fn run(
        mut self,
        metrics: Arc<Metrics>,
        cluster: Option<InCluster>,
    ) -> anyhow::Result<impl Future<Output = ()> + Send> {
        let mut hung_up = signal(SignalKind::hangup())?;
        Ok(async move {
            let mut changes = cluster.as_ref().map(|cluster| cluster.cluster.secret.subscribe());
            let mut backoff = Backoff::standard();
            let tell = |served: &Served| {
                if let Some(current) = served.certificates.current() {
                    metrics.certificate_expires(current.not_after());
                }
            };
            tell(&self.served);
            loop {
                let trust = cluster.as_ref().map_or(Trust::Unmanaged, InCluster::trust);
                let stepped = self.step(now(), &trust, cluster.as_ref()).await;
                if self.show() {
                    tell(&self.served);
                }
                let pause = match stepped {
                    Ok(()) => {
                        backoff.reset();
                        if self.is_under_way() { UNDER_WAY } else { INTERVAL }
                    }
                    Err(error) => {
                        tracing::warn!(
                            error = format!("{error:#}"),
                            "cannot renew the certificate, trying again"
                        );
                        backoff.next_delay()
                    }
                };
                let changed = async {
                    match &mut changes {
                        Some(changes) => changes.changed().await.is_ok(),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = sleep_until(Instant::now() + pause) => {}
                    _ = hung_up.recv() => {}
                    // The sender is gone when the process ends.
                    true = changed => {}
                }
            }
        })
    }

    /// Does what is due at `now`.
    async fn step(
        &mut self,
        now: SystemTime,
        trust: &Trust,
        cluster: Option<&InCluster>,
    ) -> anyhow::Result<()> {
        match &mut self.source {
            Source::Files { files, exchange, told } => {
                match files.changed(exchange.identity(), now).await {
                    Some((identity, bundle)) => exchange.begin(identity, bundle, now),
                    None => warn_of_end(exchange.identity(), told, now),
                }
                exchange.step(now, trust);
            }
            Source::Memory { keys, names, settling } => {
                let is_trusted = settling.is_trusted(keys.bundle(), trust, now);
                if let Some(next) = keys.due(names, now, is_trusted)? {
                    *keys = Usable::new(next)?;
                }
            }
            Source::Shared(keys) => {
                let Some(cluster) = cluster else { return Ok(()) };
                let Some(write) = keys.follow(&cluster.cluster.secret.load(), trust, now)? else {
                    return Ok(());
                };
                let written = write.carry_out(cluster.cluster.connection(), &cluster.namespace).await;
                written.inspect_err(|_| keys.not_written())?;
            }
        }
        Ok(())
    }

    /// Serves with what the source says. Says whether that is another certificate.
    fn show(&self) -> bool {
        match &self.source {
            Source::Files { exchange, .. } => self.served.show(exchange.identity(), &exchange.bundle()),
            Source::Memory { keys, .. } => self.served.show(&keys.identity, keys.bundle()),
            Source::Shared(keys) => {
                keys.good().is_some_and(|keys| self.served.show(&keys.identity, keys.bundle()))
            }
        }
    }

    /// Whether something is awaited that nobody tells.
    fn is_under_way(&self) -> bool {
        match &self.source {
            Source::Files { exchange, .. } => exchange.is_under_way(),
            Source::Memory { keys, .. } => keys.is_under_way(),
            Source::Shared(keys) => keys.good().is_none_or(Usable::is_under_way),
        }
    }
}

/// Warns once of a certificate in the last third of its time.
fn warn_of_end(current: &Identity, told: &mut Option<SystemTime>, now: SystemTime) {
    if now >= current.renew_at() && *told != Some(current.not_after()) {
        *told = Some(current.not_after());
        let expires = rfc3339(current.not_after());
        tracing::warn!(expires, "the certificate is in the last third of its time: replace it");
    }
}

fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().to_string()
}
