//! What is under the name of a planned Job now, beside what was planned.

use crate::{Item, Job, JobFacts, Mode, Protection, Protections};

/// A Job that was looked at anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub uid: String,
    pub resource_version: String,
    /// What protects it: what its manifest says, and what else is known of it.
    pub protections: Protections,
    /// The first of them in words.
    pub reason: String,
    /// The field manager that made it.
    pub manager: String,
    /// Whether its TTL is the one that a sweep writes.
    pub has_our_ttl: bool,
}

/// What has become of a planned Job since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing: it is what was planned.
    Same,
    Gone,
    /// There is another one of its name.
    Recreated,
    /// It is being deleted.
    Going,
    /// It has the TTL that a sweep writes.
    Expiring,
    /// It is another one now, and how.
    Changed(String),
    /// It is what was planned, and something beside its manifest protects it, and what.
    Guarded(String),
}

impl Seen {
    /// A Job that was kept, and all that protects it.
    pub fn kept(job: Job<'_>, protections: Protections, has_our_ttl: bool) -> Self {
        let first = protections.first();
        Self {
            uid: job.uid(),
            resource_version: job.resource_version().to_owned(),
            protections,
            reason: first.map_or_else(String::new, |first| job.reason(first)),
            manager: job.manager().to_owned(),
            has_our_ttl,
        }
    }

    /// A Job that was read.
    pub fn of(facts: &JobFacts<'_>, has_our_ttl: bool) -> Self {
        let first = facts.protections.first();
        Self {
            uid: facts.uid.to_owned(),
            resource_version: facts.resource_version.to_owned(),
            protections: facts.protections,
            reason: first.map_or_else(String::new, |first| first.reason(facts.detail)),
            manager: facts.manager.to_owned(),
            has_our_ttl,
        }
    }
}

impl Since {
    pub(super) fn of(item: &Item, seen: Option<&Seen>, mode: Mode) -> Self {
        let Some(seen) = seen else { return Since::Gone };
        if seen.uid != item.uid {
            return Since::Recreated;
        }
        match seen.protections.first() {
            Some(Protection::Going) => Since::Going,
            _ if mode == Mode::Ttl && seen.has_our_ttl => Since::Expiring,
            // Whatever the plan says.
            Some(_) if seen.resource_version == item.resource_version => Since::Guarded(seen.reason.clone()),
            Some(_) => Since::Changed(seen.reason.clone()),
            None if seen.resource_version != item.resource_version => {
                Since::Changed("has changed".to_owned())
            }
            None => Since::Same,
        }
    }
}
