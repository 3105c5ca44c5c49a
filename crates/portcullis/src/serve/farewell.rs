//! The way out: webhooks that would call nobody are removed, and only those.
//!
//! A server outside of the cluster is the only one. Of the replicas in a cluster, others go on answering, or the same one
//! is back soon: their webhooks stay, unless the whole Deployment leaves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis_cluster::{ApiError, Backoff, Connection, EventSender, Notice};
use portcullis_controllers::arming;
use portcullis_controllers::departure::{Departure, Home};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// How long the way out may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(5);

/// How often who leaves for good looks whether the Deployment is back.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// What is known of where this process runs.
pub(super) struct Farewell {
    connection: Connection,
    events: EventSender,
    /// Nothing for a server outside of the cluster.
    home: Option<Home>,
    /// Whether its Deployment was seen, once the API server was asked.
    was_there: Arc<OnceLock<bool>>,
    /// Whether webhooks were removed since Portcullis leaves.
    disarmed: Arc<AtomicBool>,
}

impl Farewell {
    /// Begins to find out whether there is a Deployment.
    pub(super) fn new(
        connection: &Connection,
        events: &EventSender,
        home: Option<Home>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let was_there = Arc::default();
        if let Some(home) = home.clone() {
            tasks.spawn(look_for(home, connection.clone(), Arc::clone(&was_there)));
        }
        let (connection, events) = (connection.clone(), events.clone());
        Self { connection, events, home, was_there, disarmed: Arc::default() }
    }

    /// Whether webhooks were removed since Portcullis leaves: for who scrapes the metrics.
    pub(super) fn disarmed(&self) -> Arc<AtomicBool> {
        self.disarmed.clone()
    }

    /// Removes the webhooks if they would call nobody, and says whether that is so. Nothing is written any more when it is
    /// called; `leads` says whether this process wrote before.
    pub(super) async fn leaves_for_good(&self, leads: bool) -> bool {
        match timeout(GOODBYE, self.disarm(leads)).await {
            Ok(Ok(leaves)) => return leaves,
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot tell whether webhooks should be removed; hint: portcullis disarm");
            }
            Err(_) => tracing::error!("the API server does not answer; hint: portcullis disarm"),
        }
        self.home.is_none()
    }

    /// Returns when the Deployment that was leaving has replicas again: they are to write the webhooks. Never for a server
    /// outside of the cluster.
    pub(super) async fn until_back(&self) {
        let Some(home) = &self.home else { return std::future::pending().await };
        loop {
            sleep_until(Instant::now() + LOOK_AFTER).await;
            // Whoever cannot be asked now can be asked a moment later.
            if let Ok(None) = home.departure(&self.connection).await {
                break;
            }
        }
        self.disarmed.store(false, Ordering::Relaxed);
        tracing::info!("the Deployment has replicas again, which write the webhooks");
    }

    async fn disarm(&self, leads: bool) -> Result<bool, ApiError> {
        let Some(home) = &self.home else {
            // What another server has written is its own.
            if leads {
                let removed = arming::disarm(&self.connection).await?;
                tracing::info!(configurations = removed.len(), "webhook configurations removed");
            }
            return Ok(true);
        };
        if self.was_there.get() != Some(&true) {
            return Ok(false);
        }
        let Some(Departure { reason, regarding }) = home.departure(&self.connection).await? else {
            return Ok(false);
        };
        let removed = arming::disarm(&self.connection).await?;
        self.disarmed.store(true, Ordering::Relaxed);
        let note =
            format!("nothing is enforced any more: Portcullis has removed its webhooks, since {reason}");
        tracing::warn!(configurations = removed.len(), "{note}");
        self.events.send(Notice {
            regarding,
            related: None,
            warning: true,
            reason: "Disarmed".to_owned(),
            action: "Webhooks Removed".to_owned(),
            note,
        });
        Ok(true)
    }
}

/// Finds out whether the Deployment is there. Waits for an API server that is away.
async fn look_for(home: Home, connection: Connection, was_there: Arc<OnceLock<bool>>) {
    let mut backoff = Backoff::standard();
    let is_there = loop {
        match home.is_there(&connection).await {
            Ok(is_there) => break is_there,
            Err(error) => {
                tracing::warn!(%error, hint = error.hint(), "cannot look for the own Deployment, trying again")
            }
        }
        backoff.wait().await;
    };
    if !is_there {
        tracing::info!(
            deployment = home.deployment,
            namespace = home.namespace,
            "no Deployment of this name: webhooks stay when this process ends; hint: --deployment NAME"
        );
    }
    // Nobody else sets it.
    let _ = was_there.set(is_there);
}
