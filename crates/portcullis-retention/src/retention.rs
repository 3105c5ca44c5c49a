//! `JobRetention`: how long the Jobs of a cluster stay once they have finished, said by objects in it.
//!
//! [`JobRetention::read`] reads an object, [`Retentions`] are all of them, a [`Scene`] is the Jobs that there are, and a
//! [`Round`] says what becomes of each. [`Round::writes`] are the TTLs that are to be written, the most urgent first, and
//! [`grant`] says which of them now: the hour has a [`Window`], and Jobs that had finished before wait for an approval.
//! What has to be remembered is [`Progress`], which stands in the status of the object, so that it outlives a leader.
//!
//! Invariants:
//! - the TTL of a protected Job is not written, and none that somebody else owns, unless the object says so;
//! - a Job that is to be kept gets no TTL that ends, and loses one that would;
//! - while there is an object that cannot be read, no Job is made to go sooner;
//! - carried out once, a round leaves nothing to do for the next.

mod candidate;
mod crd;
mod decide;
mod fields;
mod grant;
mod object;
mod status;
mod tally;
mod time;
mod window;

pub use candidate::{Candidate, Origin, Traits, Ttl};
pub use crd::crd;
pub use decide::{Fate, NEVER, Namespace, Place, Round, Scene, Term, Why};
pub use grant::{Backlog, Progress, Write, grant};
pub use object::{API_VERSION, ExistingTtl, JobRetention, KIND, Mode, is_job_retention};
pub use status::{Action, Report, invalid, unlisted};
pub use tally::Tally;
pub use window::Window;

/// The field manager of the TTLs that retention writes.
pub const FIELD_MANAGER: &str = "portcullis-retention";

/// The namespaces of Kubernetes itself.
pub const KUBERNETES_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// All objects that can be read, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retentions {
    all: Vec<JobRetention>,
    /// The namespace of Portcullis.
    own_namespace: Box<str>,
    /// The names of objects that are there and cannot be read.
    unreadable: Box<[Box<str>]>,
}

impl Retentions {
    /// `own_namespace` is that of Portcullis, whose Jobs are left alone.
    pub fn new(mut all: Vec<JobRetention>, own_namespace: &str) -> Self {
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Self { all, own_namespace: own_namespace.into(), unreadable: Box::default() }
    }

    /// The same beside objects that cannot be read. What they say might let any Job stay longer, so that none is made to go
    /// sooner meanwhile.
    #[must_use]
    pub fn beside_unreadable(self, names: impl IntoIterator<Item = Box<str>>) -> Self {
        Self { unreadable: names.into_iter().collect(), ..self }
    }

    /// The names of objects that cannot be read.
    pub fn unreadable(&self) -> &[Box<str>] {
        &self.unreadable
    }

    /// In the order of their names; their numbers are the places in this list.
    pub fn all(&self) -> &[JobRetention] {
        &self.all
    }

    /// Whether an object leaves the Jobs of a namespace alone.
    fn leaves_alone(&self, retention: &JobRetention, namespace: &str) -> bool {
        let is_usual = KUBERNETES_NAMESPACES.contains(&namespace) || namespace == &*self.own_namespace;
        retention.protected_namespaces.contains(namespace)
            || is_usual && !retention.included_namespaces.contains(namespace)
    }
}
