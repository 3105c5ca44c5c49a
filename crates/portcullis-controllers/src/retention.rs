//! Retention: the replica that holds the Lease sets the TTL of Jobs that have finished, as JobRetentions say, so that
//! Kubernetes deletes them.
//!
//! - What becomes of a Job is decided by `portcullis_retention::retention`; here is what that takes: the Jobs, the objects,
//!   the writes.
//! - Of each Job that an object selects a few words are kept, by the leader alone and only while there are objects.
//! - A Job that owns a volume claim or another workload is left alone, and none is made to go sooner while it is not known
//!   which Jobs do.
//! - A write counts before it is made: first the status says how many there were in the hour, then the Jobs are written
//!   to. Whoever leads next goes on from there.
//! - A write names the one Job that was looked at, by its uid and resource version. A Job that has changed is looked at
//!   again when the watch tells of it.

mod carry_out;
mod dependents;
mod held_back;
mod kept_job;
mod objects;
mod round;
mod term;
mod write;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_cluster::{Clock, Cluster, EventSender, Leadership};

use self::term::Term;
use crate::reconciles::Reconciles;

/// What became of the writes so far.
#[derive(Debug, Default)]
pub struct RetentionCounts {
    written: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
}

impl RetentionCounts {
    /// TTLs that were set.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Jobs that were gone or had changed, or whose TTL was somebody else's.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Jobs that the API server refused to change, or said nothing about.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Sets the TTL of Jobs for as long as this replica leads.
#[derive(Debug)]
pub struct Retention {
    pub cluster: Arc<Cluster>,
    /// The namespace of Portcullis, whose Jobs are left alone.
    pub own_namespace: String,
    pub leadership: Leadership,
    pub events: EventSender,
    pub counts: Arc<RetentionCounts>,
    pub reconciles: Arc<Reconciles>,
    pub clock: Clock,
}

impl Retention {
    /// Goes on for ever; dropping the future ends it.
    pub async fn run(self) -> Infallible {
        let mut leadership = self.leadership.clone();
        loop {
            if !leadership.gained().await {
                // Nobody renews the lease any more: the process ends.
                std::future::pending::<Infallible>().await;
            }
            tokio::select! {
                never = Term::new(&self).run() => match never {},
                () = leadership.lost() => {}
            }
        }
    }
}
