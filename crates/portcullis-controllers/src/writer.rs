//! Writes to the cluster what the policies in force call for: webhook configurations first, then statuses.

use std::convert::Infallible;
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use portcullis_cluster::{ApiError, Asked, Backoff, Clock, Connection, Leadership};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::arming::{Arming, Kept, LOOK_AFTER};
use crate::in_force::{InForce, PolicyInForce};
use crate::policy_status;
use crate::webhooks::Configurations;

/// How many statuses are written at once.
const STATUSES: usize = 4;

/// What is to be in the cluster.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub configurations: Configurations,
    pub policy_configuration: ValidatingWebhookConfiguration,
    pub in_force: Arc<InForce>,
}

/// Keeps the cluster as it is to be, for as long as this replica leads.
#[derive(Debug)]
pub struct Writer {
    pub connection: Connection,
    /// `None` until the policies were listed once: before that nobody knows what is wanted.
    pub wanted: watch::Receiver<Option<Arc<Wanted>>>,
    /// `None` where nobody else could write.
    pub leadership: Option<Leadership>,
    pub clock: Clock,
}

impl Writer {
    /// Writes for ever; dropping the future ends it.
    pub async fn run(mut self) -> Infallible {
        let mut arming = Arming::new(self.connection.clone());
        let mut backoff = Backoff::standard();
        loop {
            self.lead(&mut arming).await;
            let wanted = self.wanted.borrow_and_update().clone();
            let mut again = Instant::now() + LOOK_AFTER;
            if let Some(wanted) = wanted {
                match self.write(&mut arming, &wanted).await {
                    Ok(()) => backoff.reset(),
                    Err(error) => {
                        let error = said(&self.connection, "webhook configurations", &error);
                        tracing::warn!(%error, "cannot write what the policies in force call for");
                        again = Instant::now() + backoff.next_delay();
                    }
                }
            }
            tokio::select! {
                () = sleep_until(again) => {}
                changed = self.wanted.changed() => {
                    // The sender is gone when the process ends, and this task with it.
                    if changed.is_err() {
                        std::future::pending::<Infallible>().await;
                    }
                }
            }
        }
    }

    /// Returns when this replica leads. Whoever led before may have written something else.
    async fn lead(&mut self, arming: &mut Arming) {
        let Some(leadership) = &mut self.leadership else { return };
        if !leadership.is_leader() {
            arming.forget();
            if !leadership.gained().await {
                // Nobody renews the lease any more: the process ends.
                std::future::pending::<Infallible>().await;
            }
        }
    }

    async fn write(&self, arming: &mut Arming, wanted: &Wanted) -> Result<(), kube::Error> {
        match arming.keep(&wanted.configurations, &wanted.policy_configuration).await? {
            Kept::Unchanged => {}
            Kept::Written => tracing::info!(
                policies = wanted.in_force.compiled().count(),
                "webhook configurations follow the policies in force"
            ),
            Kept::Restored => {
                tracing::warn!("webhook configurations were changed by somebody else, and are restored")
            }
            Kept::Contested => tracing::error!(
                "webhook configurations are changed by somebody else again and again, and are left as they are; hint: \
                 `kubectl get validatingwebhookconfiguration --show-managed-fields -o yaml` names who writes them"
            ),
        }
        let now: Arc<str> = (self.clock)().to_string().into();
        // Owned, since what borrows cannot be sent to another thread.
        let statuses = wanted.in_force.policies.clone().into_iter().map(|policy| {
            let (connection, now) = (self.connection.clone(), now.clone());
            async move { write_status(&connection, &policy, &now).await }
        });
        stream::iter(statuses).buffer_unordered(STATUSES).collect::<()>().await;
        Ok(())
    }
}

async fn write_status(connection: &Connection, policy: &PolicyInForce, now: &str) {
    let name = &policy.document.metadata.name;
    match policy_status::write(connection, policy, now).await {
        Ok(true) => tracing::debug!(policy = %name, "status written"),
        Ok(false) => {}
        Err(error) => {
            let error = said(connection, "the status of a policy", &error);
            tracing::warn!(policy = %name, %error, "cannot write the status of a policy");
        }
    }
}

/// An error of writing, for people.
fn said(connection: &Connection, resource: &str, error: &kube::Error) -> ApiError {
    let asked = Asked { verb: "write", resource: resource.to_owned() };
    ApiError::from_client(asked, connection.server(), error)
}
