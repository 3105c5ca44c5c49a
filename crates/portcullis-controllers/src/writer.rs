//! Writes to the cluster what the policies in force call for: webhook configurations first, then statuses.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use portcullis_cluster::{ApiError, Asked, Backoff, Clock, Connection, Leadership};
use portcullis_kyverno::status::PolicyStatus;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::arming::{Arming, Kept, LOOK_AFTER, Refused};
use crate::in_force::{InForce, PolicyInForce};
use crate::policy_status;
use crate::reconciles::Reconciles;
use crate::webhooks::{Configurations, NeverAsked, PolicyName, policy_name};

/// How many statuses are written at once.
const STATUSES: usize = 4;

/// What is to be in the cluster.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Shared by those that follow one another when statuses change alone.
    pub configurations: Arc<Configurations>,
    pub policy_configuration: ValidatingWebhookConfiguration,
    /// What the configurations leave out, by the policies that name it.
    pub never_asked: Arc<BTreeMap<PolicyName, NeverAsked>>,
    /// The `caBundle` in all of them, as PEM.
    pub ca_bundle: Vec<u8>,
    pub in_force: Arc<InForce>,
}

/// What came of the last look at the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// What the API server trusts: the `caBundle` of the webhooks, as PEM.
    pub ca_bundle: Vec<u8>,
    pub missing: Missing,
}

/// What of the webhook configurations is not in the cluster, although it was to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Webhooks by their names, each with the reason.
    pub webhooks: Refused,
    /// What stands in the way of them all.
    pub all: Option<String>,
}

impl Wanted {
    /// What the status of `policy` is to say.
    pub fn status<'p>(&self, policy: &'p PolicyInForce, missing: &Missing) -> Cow<'p, PolicyStatus> {
        let name = policy_name(&policy.compiled.needs);
        policy.status(self.unasked(&name, missing), self.never_asked.get(&name))
    }

    /// Why the API server asks nobody about what the policy of this name is for, if so.
    fn unasked(&self, name: &PolicyName, missing: &Missing) -> Option<String> {
        let webhooks = self.configurations.webhooks_of.get(name)?;
        if let Some(reason) = &missing.all {
            return Some(reason.clone());
        }
        webhooks.iter().find_map(|webhook| {
            let reason = missing.webhooks.get(&**webhook)?;
            Some(format!("the API server refuses the webhook `{webhook}`: {reason}"))
        })
    }

    /// How many rules are not enforced, though somebody wrote them.
    pub fn rules_not_enforced(&self, missing: &Missing) -> usize {
        let of = |policy: &PolicyInForce| policy.rules_not_enforced(&self.status(policy, missing));
        self.in_force.policies.iter().map(of).sum()
    }
}

/// Keeps the cluster as it is to be, for as long as this replica leads.
#[derive(Debug)]
pub struct Writer {
    pub connection: Connection,
    /// `None` until the policies were listed once: before that nobody knows what is wanted.
    pub wanted: watch::Receiver<Option<Arc<Wanted>>>,
    pub leadership: Leadership,
    /// Told what is there.
    pub written: watch::Sender<Written>,
    pub reconciles: Arc<Reconciles>,
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
                let outcome = self.write(&mut arming, &wanted).await;
                self.reconciles.count(outcome.is_ok());
                match outcome {
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
        if !self.leadership.is_leader() {
            arming.forget();
            if !self.leadership.gained().await {
                // Nobody renews the lease any more: the process ends.
                std::future::pending::<Infallible>().await;
            }
        }
    }

    async fn write(&self, arming: &mut Arming, wanted: &Wanted) -> Result<(), kube::Error> {
        let kept = arming.keep(&wanted.configurations, &wanted.policy_configuration).await;
        let all = match &kept {
            Ok(Kept::Contested) => Some(CONTESTED.to_owned()),
            Err(error) if is_refusal(error) => {
                Some(said(&self.connection, "webhook configurations", error).to_string())
            }
            // Nobody knows what is there. It is tried again, and told when that is decided.
            Err(_) => return kept.map(drop),
            Ok(Kept::Unchanged | Kept::Written | Kept::Restored) => None,
        };
        let missing = Missing { webhooks: arming.refused().clone(), all };
        match &kept {
            Ok(Kept::Written) => tracing::info!(
                policies = wanted.in_force.compiled().count(),
                "webhook configurations follow the policies in force"
            ),
            Ok(Kept::Restored) => {
                tracing::warn!("webhook configurations were changed by somebody else, and are restored")
            }
            Ok(Kept::Contested) => tracing::error!(
                "{CONTESTED}; hint: `kubectl get validatingwebhookconfiguration --show-managed-fields -o yaml` names who \
                 writes them"
            ),
            Ok(Kept::Unchanged) | Err(_) => {}
        }
        self.written.send_modify(|written| {
            written.missing = missing.clone();
            if missing.all.is_none() {
                written.ca_bundle = wanted.ca_bundle.clone();
            }
        });
        let now: Arc<str> = (self.clock)().to_string().into();
        // Owned, since what borrows cannot be sent to another thread.
        let statuses = wanted.in_force.policies.clone().into_iter().map(|policy| {
            let (connection, now) = (self.connection.clone(), now.clone());
            let status = wanted.status(&policy, &missing).into_owned();
            async move { write_status(&connection, &policy, &status, &now).await }
        });
        stream::iter(statuses).buffer_unordered(STATUSES).collect::<()>().await;
        kept.map(drop)
    }
}

/// Said where somebody else does not let the configurations be.
const CONTESTED: &str =
    "webhook configurations are changed by somebody else again and again, and are left as they are";

/// Whether the API server has looked at what it was sent and does not want it.
fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 403 | 413 | 422))
}

async fn write_status(connection: &Connection, policy: &PolicyInForce, status: &PolicyStatus, now: &str) {
    let name = &policy.document.metadata.name;
    match policy_status::write(connection, policy, status, now).await {
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
