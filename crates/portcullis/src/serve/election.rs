//! Who writes to the cluster: of the replicas in it the one that holds the Lease of a controller, and from outside one server
//! at a time.
//!
//! Each controller has a Lease of its own, so that they may run on different replicas. What must be done in one order is one
//! controller: webhook configurations are written before the statuses that tell of them, and trust a certificate before that
//! is served.

use std::time::Duration;

use portcullis_cli::{ServeArguments, hinted};
use portcullis_cluster::{ApiError, Backoff, Candidate, Claim, Connection, Leadership};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::clock::timestamp;

/// The Lease of who writes webhook configurations, statuses of policies and the certificate that is shared.
const WEBHOOKS: &str = "portcullis-webhooks";
/// The Lease of who sets the TTL of Jobs.
const RETENTION: &str = "portcullis-retention";
/// The Lease of who judges what is in the cluster, beside Kyverno.
const SCAN: &str = "portcullis-scan";
/// All of them.
pub(crate) const LEASES: [&str; 3] = [WEBHOOKS, RETENTION, SCAN];
/// Where the Leases of a server from outside are when Portcullis has no namespace: every cluster has this one.
const ANY_NAMESPACE: &str = "default";

/// The part that this process takes in the elections.
pub(super) struct Election {
    pub(super) webhooks: Leadership,
    /// Nothing where Jobs are not retained.
    pub(super) retention: Option<Leadership>,
    /// Nothing unless Kyverno serves.
    pub(super) scan: Option<Leadership>,
    /// Tells the candidates to give their leases back, when it is gone.
    resign: Option<watch::Sender<()>>,
    candidates: JoinSet<()>,
    /// Why this process must not serve.
    refused: Option<oneshot::Receiver<anyhow::Error>>,
}

impl Election {
    /// Stands for election, as `identity`. A server from outside is known by the address that the API server calls: what
    /// served from there before is this server, or calls nobody.
    pub(super) fn start(connection: &Connection, arguments: &ServeArguments, identity: &str) -> Self {
        let identity = arguments.external_url.as_deref().unwrap_or(identity);
        let (resign, resigned) = watch::channel(());
        let (refuse, refused) = oneshot::channel();
        // Who writes webhooks is the one server: until that is decided, one from outside stands for nothing else.
        let is_external = arguments.external_url.is_some();
        let (admit, admitted) = watch::channel(!is_external);
        let mut first = is_external.then_some((admit, refuse));
        let mut candidates = JoinSet::new();
        let mut stand = |lease| {
            let candidate = Candidate::new(connection, &arguments.namespace, lease, identity, timestamp);
            let leadership = candidate.leadership();
            let (connection, first) = (connection.clone(), first.take());
            let (admitted, mut resigned) = (admitted.clone(), resigned.clone());
            let claim = is_external.then_some(arguments.take_over);
            candidates.spawn(async move {
                // An error is the end of who would resign: that is a resignation.
                let mut resigned = std::pin::pin!(async { while resigned.changed().await.is_ok() {} });
                let candidate = tokio::select! {
                    candidate = admission(&connection, candidate, claim, first, admitted) => candidate,
                    () = &mut resigned => return,
                };
                if let Some(candidate) = candidate {
                    candidate.run(resigned).await;
                }
            });
            leadership
        };
        Self {
            webhooks: stand(WEBHOOKS),
            retention: arguments.retention.then(|| stand(RETENTION)),
            scan: arguments.beside_kyverno.then(|| stand(SCAN)),
            resign: Some(resign),
            candidates,
            refused: Some(refused),
        }
    }

    /// The Leases that this process stands for, and whether it holds them.
    pub(super) fn leases(&self) -> Vec<(&'static str, Leadership)> {
        let further = [(RETENTION, &self.retention), (SCAN, &self.scan)];
        let further = further.into_iter().filter_map(|(lease, held)| Some((lease, held.clone()?)));
        [(WEBHOOKS, self.webhooks.clone())].into_iter().chain(further).collect()
    }

    /// Returns why this process must not serve, should that be so.
    pub(super) fn refused(&mut self) -> impl Future<Output = anyhow::Error> + use<> {
        let refused = self.refused.take();
        async move {
            match refused {
                Some(refused) => match refused.await {
                    Ok(error) => error,
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        }
    }

    /// Begins to give the leases back: somebody else writes from now on.
    pub(super) fn resign(&mut self) {
        self.resign = None;
    }

    /// Gives the leases back, within `time`: past that they run out by themselves.
    pub(super) async fn end(mut self, time: Duration) {
        self.resign();
        let _ = timeout(time, async { while self.candidates.join_next().await.is_some() {} }).await;
    }
}

/// What the first candidate of a server from outside tells: the others that they may stand, or the process why it must not serve.
type First = (watch::Sender<bool>, oneshot::Sender<anyhow::Error>);

/// Returns the candidate once it may take part; nothing where this process must not serve. A server from outside claims its
/// leases, taking them over where `claims` says so.
async fn admission(
    connection: &Connection,
    mut candidate: Candidate,
    claims: Option<bool>,
    first: Option<First>,
    mut admitted: watch::Receiver<bool>,
) -> Option<Candidate> {
    let Some(take_over) = claims else { return Some(candidate) };
    if first.is_none() {
        // An error is the end of the first one, which was not admitted.
        admitted.wait_for(|admitted| *admitted).await.ok()?;
    }
    let claimed = claim(connection, &mut candidate, take_over).await;
    match (claimed, first) {
        (Claim::HeldBy(other), Some((_, refuse))) => {
            // Nobody listens when the process ends.
            let _ = refuse.send(served_by(&other));
            return None;
        }
        (Claim::Held, Some((admit, _))) => drop(admit.send(true)),
        // A replica that has yet to end may hold it.
        (_, None) => {}
    }
    Some(candidate)
}

/// Claims the lease. Waits for an API server that is away.
async fn claim(connection: &Connection, candidate: &mut Candidate, take_over: bool) -> Claim {
    let mut backoff = Backoff::standard();
    // Said once, not every time.
    let mut failure = None;
    loop {
        let error = match candidate.claim(take_over).await {
            Ok(claim) => return claim,
            Err(error) => error,
        };
        if matches!(error, ApiError::NotFound { .. }) {
            tracing::info!(
                namespace = ANY_NAMESPACE,
                "portcullis has no namespace in this cluster: the Leases that keep servers apart are in another one"
            );
            candidate.move_to(connection, ANY_NAMESPACE);
            continue;
        }
        let (said, hint) = (error.to_string(), error.hint());
        if failure.as_ref() != Some(&said) {
            tracing::warn!(error = said, hint, "cannot tell whether another server is at work, trying again");
        }
        failure = Some(said);
        backoff.wait().await;
    }
}

fn served_by(other: &str) -> anyhow::Error {
    let hint = "end it, or write --take-over to serve in its place";
    hinted(format!("this cluster is served by another portcullis, `{other}`"), Some(hint))
}
