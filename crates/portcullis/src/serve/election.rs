//! Who writes to the cluster: of the replicas in it the one that holds the Lease, and from outside one server at a time.

use std::time::Duration;

use portcullis_cli::{ServeArguments, hinted};
use portcullis_cluster::{ApiError, Backoff, Candidate, Claim, Connection, Leadership};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::clock::timestamp;

/// The name of the Lease.
const LEASE: &str = "portcullis";
/// Where the Lease of a server from outside is when Portcullis has no namespace: every cluster has this one.
const ANY_NAMESPACE: &str = "default";

/// The part that this process takes in the election.
pub(super) struct Election {
    pub(super) leadership: Leadership,
    /// Tells the candidate to give its lease back, when it is gone.
    resign: Option<oneshot::Sender<()>>,
    candidate: JoinHandle<()>,
    /// Why this process must not serve.
    refused: Option<oneshot::Receiver<anyhow::Error>>,
}

impl Election {
    /// Stands for election, as `identity`. A server from outside is known by the address that the API server calls: what
    /// served from there before is this server, or calls nobody.
    pub(super) fn start(connection: &Connection, arguments: &ServeArguments, identity: &str) -> Self {
        let identity = arguments.external_url.as_deref().unwrap_or(identity);
        let mut candidate = Candidate::new(connection, &arguments.namespace, LEASE, identity, timestamp);
        let leadership = candidate.leadership();
        let (resign, resigned) = oneshot::channel::<()>();
        let (refuse, refused) = oneshot::channel();
        let is_external = arguments.external_url.is_some();
        let (connection, take_over) = (connection.clone(), arguments.take_over);
        let candidate = tokio::spawn(async move {
            // An error is the end of who would resign: that is a resignation too.
            let mut resigned = std::pin::pin!(async { drop(resigned.await) });
            if is_external {
                let claimed = tokio::select! {
                    claimed = claim(&connection, &mut candidate, take_over) => claimed,
                    () = &mut resigned => return,
                };
                if let Claim::HeldBy(other) = claimed {
                    // Nobody listens when the process ends.
                    let _ = refuse.send(served_by(&other));
                    return;
                }
            }
            candidate.run(resigned).await;
        });
        Self { leadership, resign: Some(resign), candidate, refused: Some(refused) }
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

    /// Begins to give the lease back: somebody else writes from now on.
    pub(super) fn resign(&mut self) {
        self.resign = None;
    }

    /// Gives the lease back, within `time`: past that it runs out by itself.
    pub(super) async fn end(mut self, time: Duration) {
        self.resign();
        let _ = timeout(time, self.candidate).await;
    }
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
                "portcullis has no namespace in this cluster: the Lease that keeps servers apart is in another one"
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
