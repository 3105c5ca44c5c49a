//! What is kept of a Job for retention, beside what everybody keeps of one.

use portcullis_value::{Arena, Object, Value, json};

use super::{FIELD_MANAGER, Retentions};
use crate::{JobFacts, Outcome, Protection, Protections, TtlOwner};

/// A Job that has finished, or will.
#[derive(Clone, Debug)]
pub struct Candidate<'j> {
    pub namespace: &'j str,
    pub name: &'j str,
    /// Empty where there is none.
    pub generate_name: &'j str,
    /// `None` while it has not finished.
    pub outcome: Option<Outcome>,
    /// In seconds since 1970-01-01 UTC.
    pub finished: Option<i64>,
    /// What protects it: what its manifest says, and what it owns. A TTL does not: what becomes of it is said by [`Candidate::ttl`].
    pub protections: Protections,
    pub ttl: Option<Ttl>,
    pub traits: &'j Traits,
}

/// A TTL that a Job has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    pub seconds: i32,
    pub origin: Origin,
}

/// Where the TTL of a Job is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Retention has written it.
    Retention,
    /// No field manager owns it.
    Admission,
    /// A user or another controller owns it, or it is not known who does.
    Other,
}

impl Ttl {
    /// The TTL of a Job, and where it is from.
    pub fn of(facts: &JobFacts<'_>) -> Option<Ttl> {
        let origin = || match TtlOwner::read(facts.managed_fields, FIELD_MANAGER) {
            TtlOwner::Asked => Origin::Retention,
            TtlOwner::Admission => Origin::Admission,
            TtlOwner::Other(_) | TtlOwner::Unknown => Origin::Other,
        };
        Some(Ttl { seconds: facts.ttl?, origin: origin() })
    }
}

/// What the objects see in a Job: which of them select it, and what they look at in its labels.
///
/// Many Jobs have the same ones, so that whoever keeps Jobs keeps each once. They hold for the [`Retentions`] that they
/// were taken by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Traits {
    /// In the order of the objects.
    pub(super) selected_by: Box<[Trait]>,
}

/// What one object sees in a Job that it selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Trait {
    /// Its number among all.
    pub(super) retention: usize,
    /// The value of the label that makes groups.
    pub(super) group: Option<Box<str>>,
    /// Whether the Job has the label by which Argo CD knows what is its own.
    pub(super) is_instance: bool,
}

impl Traits {
    /// Whether no object selects the Job.
    pub fn is_empty(&self) -> bool {
        self.selected_by.is_empty()
    }
}

impl Retentions {
    /// Takes the traits of a Job, which was read without labels of its own being asked for.
    pub fn traits(&self, facts: &JobFacts<'_>) -> Traits {
        let arena = Arena::new();
        // Labels that are none were refused when the Job was read.
        let labels = json::read(&arena, facts.labels).ok().and_then(Value::as_object).unwrap_or_default();
        self.traits_of(labels)
    }

    fn traits_of(&self, labels: Object<'_>) -> Traits {
        let selecting = self.all.iter().enumerate().filter(|(_, one)| one.selector.matches(labels));
        let selected_by = selecting.map(|(retention, one)| Trait {
            retention,
            group: one.group_by.as_deref().and_then(|label| labels.get(label)?.as_str()).map(Box::from),
            is_instance: one.instance_label.as_deref().is_some_and(|label| labels.contains_key(label)),
        });
        Traits { selected_by: selected_by.collect() }
    }

    /// A Job as it was read, with its traits.
    pub fn candidate<'j>(&self, facts: &JobFacts<'j>, traits: &'j Traits) -> Candidate<'j> {
        Candidate {
            namespace: facts.namespace,
            name: facts.name,
            generate_name: facts.generate_name,
            outcome: facts.outcome,
            finished: facts.finished,
            protections: facts.protections.without(Protection::Ttl),
            ttl: Ttl::of(facts),
            traits,
        }
    }
}
