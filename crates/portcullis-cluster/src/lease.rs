//! Leader election by a Lease: of all replicas, one at a time runs the controllers.
//!
//! The rules are those of Kubernetes' own components. A holder renews its lease every few seconds, and stops leading
//! when it could not renew it within the renew deadline, which is shorter than the time after which others may take the
//! lease. Others measure that time by their own clock, from when they saw the lease change: clocks need not agree. For a
//! moment two may believe that they lead, so that writes of a leader carry preconditions.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use crate::backoff::random_part;
use crate::connection::Connection;
use crate::error::{ApiError, Asked};

/// Where the time of day comes from.
pub type Clock = fn() -> Timestamp;

/// How long what takes.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTimes {
    /// Others take the lease when it was not renewed for this long.
    pub duration: Duration,
    /// The holder stops leading when it could not renew for this long.
    pub renew_deadline: Duration,
    /// Between two attempts.
    pub retry: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// Whether we lead at this moment.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Receiver<bool>);

impl Leadership {
    pub fn is_leader(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when we lead; `false` when we never will, because the candidate is gone.
    pub async fn gained(&mut self) -> bool {
        self.0.wait_for(|leads| *leads).await.is_ok()
    }

    /// Returns when we do not lead any more: what only a leader may do stops at once.
    pub async fn lost(&mut self) {
        // When the candidate is gone, nobody renews the lease.
        let _ = self.0.wait_for(|leads| !*leads).await;
    }
}

/// Takes part in the election for one lease.
pub struct Candidate {
    leases: Api<Lease>,
    namespace: String,
    server: Box<str>,
    name: String,
    identity: String,
    times: LeaseTimes,
    clock: Clock,
    leads: watch::Sender<bool>,
    /// The lease as we wrote it last, while we hold it.
    held: Option<Lease>,
    /// What the last attempt failed with: said once, not every time.
    failure: Option<String>,
    /// The lease as somebody else wrote it last, and when we saw that.
    seen: Option<(LeaseSpec, Instant)>,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("name", &self.name)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Held,
    HeldByOther,
}

/// What came of claiming a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    Held,
    /// Somebody is there who renews it: this is the identity.
    HeldBy(String),
}

impl Candidate {
    /// A candidate for the lease `namespace`/`name`; `identity` differs from that of every other replica.
    pub fn new(connection: &Connection, namespace: &str, name: &str, identity: &str, clock: Clock) -> Self {
        Self {
            // Renewing does not queue behind background work, or the lease would be lost to a busy queue.
            leases: Api::namespaced(connection.admission().clone(), namespace),
            namespace: namespace.to_owned(),
            server: connection.server().into(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            times: LeaseTimes::default(),
            clock,
            leads: watch::Sender::new(false),
            held: None,
            failure: None,
            seen: None,
        }
    }

    pub fn with_times(self, times: LeaseTimes) -> Self {
        Self { times, ..self }
    }

    /// To ask whether we lead.
    pub fn leadership(&self) -> Leadership {
        Leadership(self.leads.subscribe())
    }

    /// Looks for the lease in another namespace from now on.
    pub fn move_to(&mut self, connection: &Connection, namespace: &str) {
        self.leases = Api::namespaced(connection.admission().clone(), namespace);
        namespace.clone_into(&mut self.namespace);
    }

    /// Takes the lease for who must be alone: from nobody, from itself before, and from somebody who does not renew it.
    /// Whoever is seen to renew it keeps it, unless it is to be taken over. [`Candidate::run`] then renews it.
    ///
    /// # Errors
    /// The API server cannot be asked, or refuses.
    pub async fn claim(&mut self, take_over: bool) -> Result<Claim, ApiError> {
        let mut first: Option<LeaseSpec> = None;
        loop {
            let found = self.leases.get_opt(&self.name).await.map_err(|error| self.failed("get", &error))?;
            let spec = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
            let is_held = !take_over && self.is_held_by_other(&spec);
            let holder = spec.holder_identity.clone().unwrap_or_default();
            if !is_held {
                let written = match found {
                    Some(lease) => self.write(lease).await,
                    None => self.create().await,
                };
                match written {
                    Ok(_) => {
                        self.set(true, "holds the lease");
                        return Ok(Claim::Held);
                    }
                    // Somebody else was quicker.
                    Err(ApiError::Refused { code: 409, .. }) => {}
                    Err(error) => return Err(error),
                }
            } else if first.as_ref().is_some_and(|first| *first != spec) {
                return Ok(Claim::HeldBy(holder));
            } else if first.is_none() {
                tracing::info!(
                    lease = self.name,
                    holder,
                    "somebody else holds the lease: waiting to see whether it is renewed"
                );
                first = Some(spec);
            }
            tokio::time::sleep_until(Instant::now() + self.times.retry).await;
        }
    }

    /// Takes part until `shutdown`, and then gives the lease back.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut renewed = Instant::now();
        loop {
            let begun = Instant::now();
            let deadline = if self.leads() { renewed } else { begun } + self.times.renew_deadline;
            let leaving = self.times.retry;
            let attempt = {
                let mut attempt = pin!(tokio::time::timeout_at(deadline, self.attempt()));
                tokio::select! {
                    attempt = &mut attempt => attempt,
                    () = &mut shutdown => {
                        // What may be written already cannot be given back before it is known how.
                        let _ = tokio::time::timeout(leaving, attempt).await;
                        break;
                    }
                }
            };
            self.tell(&attempt);
            match attempt {
                Ok(Ok(Attempt::Held)) => {
                    renewed = begun;
                    self.set(true, "holds the lease");
                }
                Ok(Ok(Attempt::HeldByOther)) => {
                    if self.leads() {
                        let holder = self.seen.as_ref().and_then(|(seen, _)| seen.holder_identity.as_deref());
                        tracing::warn!(lease = self.name, holder, "somebody else has taken the lease");
                    }
                    self.set(false, "somebody else holds the lease");
                }
                Ok(Err(_)) => {
                    if renewed.elapsed() >= self.times.renew_deadline {
                        self.set(false, "the lease could not be renewed in time");
                    }
                }
                Err(_) => self.set(false, "the lease could not be renewed in time"),
            }
            let mut next = begun + self.times.retry + random_part(self.times.retry / 10);
            if self.leads() {
                next = next.min(renewed + self.times.renew_deadline);
            }
            tokio::select! {
                () = tokio::time::sleep_until(next.max(Instant::now())) => {}
                () = &mut shutdown => break,
            }
        }
        self.release().await;
    }

    /// Says what an attempt failed with, unless the one before failed likewise.
    fn tell(&mut self, attempt: &Result<Result<Attempt, ApiError>, Elapsed>) {
        let failure = match attempt {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the API server does not answer in time".to_owned()),
        };
        let hint = match attempt {
            // Where the namespace is there, the lease is made in it.
            Ok(Err(ApiError::NotFound { .. })) => Some(format!(
                "nothing is written to the cluster meanwhile; `kubectl create namespace {}` makes the namespace",
                self.namespace
            )),
            Ok(Err(error)) => error.hint(),
            _ => None,
        };
        if let Some(error) = failure.as_deref().filter(|_| failure != self.failure) {
            tracing::warn!(lease = self.name, error, hint, "cannot renew or take the lease, trying again");
        }
        self.failure = failure;
    }

    fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    fn set(&mut self, leads: bool, reason: &str) {
        let changed = self.leads.send_if_modified(|now| std::mem::replace(now, leads) != leads);
        if changed {
            tracing::info!(lease = self.name, identity = self.identity, leads, reason, "leadership");
        }
    }

    /// Renews the lease, or takes it where nobody holds it.
    async fn attempt(&mut self) -> Result<Attempt, ApiError> {
        // What we wrote last is good to be written over; if somebody else wrote in between, that is a conflict, and the
        // next attempt reads what it was.
        if let Some(held) = self.held.take() {
            return self.write(held).await;
        }
        let found = self.leases.get_opt(&self.name).await.map_err(|error| self.failed("get", &error))?;
        let Some(lease) = found else {
            return self.create().await;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if self.is_held_by_other(&spec) {
            return Ok(Attempt::HeldByOther);
        }
        self.write(lease).await
    }

    /// Whether the lease is somebody else's and not run out, by our own clock since it last changed.
    fn is_held_by_other(&mut self, spec: &LeaseSpec) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return false;
        }
        let since = match &self.seen {
            Some((seen, since)) if seen == spec => *since,
            _ => {
                let now = Instant::now();
                self.seen = Some((spec.clone(), now));
                now
            }
        };
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        since.elapsed() < seconds.map_or(self.times.duration, Duration::from_secs)
    }

    async fn create(&mut self) -> Result<Attempt, ApiError> {
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(self.spec(&LeaseSpec::default())) };
        let created = self.leases.create(&PostParams::default(), &lease).await;
        self.held = Some(created.map_err(|error| self.failed("create", &error))?);
        Ok(Attempt::Held)
    }

    /// Writes the lease as ours. The resource version in it is the precondition.
    async fn write(&mut self, mut lease: Lease) -> Result<Attempt, ApiError> {
        lease.spec = Some(self.spec(&lease.spec.unwrap_or_default()));
        self.held = Some(self.replace(&lease).await?);
        Ok(Attempt::Held)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, ApiError> {
        let replaced = self.leases.replace(&self.name, &PostParams::default(), lease).await;
        replaced.map_err(|error| self.failed("update", &error))
    }

    /// The lease held by us from now.
    fn spec(&self, before: &LeaseSpec) -> LeaseSpec {
        let now = Some(MicroTime((self.clock)()));
        let ours = before.holder_identity.as_deref() == Some(self.identity.as_str());
        let transitions = before.lease_transitions.unwrap_or_default();
        // Counts how often the lease went from one holder to another.
        let given_over = !ours && before.holder_identity.is_some();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.times.duration.as_secs()).ok(),
            acquire_time: if ours { before.acquire_time.clone() } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(transitions.saturating_add(i32::from(given_over))),
            ..before.clone()
        }
    }

    /// Gives the lease back, so that the next leader need not wait until it runs out.
    async fn release(mut self) {
        let led = self.leads();
        self.set(false, "shutting down");
        let Some(mut lease) = self.held.take() else {
            if led {
                tracing::warn!(lease = self.name, "cannot give the lease back: it runs out");
            }
            return;
        };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime((self.clock)()));
        }
        match tokio::time::timeout(self.times.retry, self.replace(&lease)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(lease = self.name, %error, "cannot give the lease back"),
            Err(_) => tracing::warn!(lease = self.name, "no time to give the lease back"),
        }
    }

    fn failed(&self, verb: &'static str, error: &kube::Error) -> ApiError {
        let asked = Asked { verb, resource: "leases.coordination.k8s.io".to_owned() };
        ApiError::from_client(asked, &self.server, error)
    }
}

#[cfg(test)]
mod tests;
