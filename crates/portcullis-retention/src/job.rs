//! One Job: as it was read, and as it is kept.

use crate::backlog::{Backlog, Record};
use crate::group::Group;
use crate::read::seconds;
use crate::{Outcome, Protection, Protections};

/// What is read of a Job, borrowed from its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFacts<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub resource_version: &'a str,
    /// What Jobs of its kind have in common: the label that was asked for, else `generateName`. `None` where its own
    /// name is all there is.
    pub group: Option<&'a str>,
    /// Empty where there is none.
    pub generate_name: &'a str,
    /// The text of its labels; empty where it has none.
    pub labels: &'a str,
    /// The text of its owner references; empty where it has none.
    pub owners: &'a str,
    /// The text of its managed fields; empty where none are told.
    pub managed_fields: &'a str,
    /// `spec.ttlSecondsAfterFinished`, in seconds.
    pub ttl: Option<i32>,
    /// The field manager that made it: the first that is no writer of a subresource. Empty where none is told.
    pub manager: &'a str,
    /// When it was created, as it is written; empty where that is not told.
    pub created: &'a str,
    /// `None` while it has not finished.
    pub outcome: Option<Outcome>,
    /// When the condition that ends it became true, in seconds since 1970-01-01 UTC.
    pub finished: Option<i64>,
    /// The Pods that its status counts.
    pub pods: u32,
    /// What it takes in etcd, estimated.
    pub bytes: u32,
    /// What protects it whatever the policy: what its own manifest says.
    pub protections: Protections,
    /// The word of the manifest that the first protection is about: the kind of its owner, a finalizer.
    pub detail: Option<&'a str>,
    /// Whether the selector that was asked for matches its labels.
    pub selected: bool,
}

impl JobFacts<'_> {
    /// When it was created, in seconds since 1970-01-01 UTC.
    pub fn created(&self) -> Option<i64> {
        seconds(self.created)
    }
}

/// A Job of a [`Backlog`].
#[derive(Clone, Copy, Debug)]
pub struct Job<'b> {
    pub(crate) backlog: &'b Backlog,
    pub(crate) record: &'b Record,
}

impl<'b> Job<'b> {
    pub fn namespace(self) -> &'b str {
        self.backlog.word(self.record.namespace)
    }

    pub fn name(self) -> &'b str {
        self.record.name(self.backlog.texts())
    }

    pub fn uid(self) -> String {
        self.record.uid(self.backlog.texts())
    }

    pub fn resource_version(self) -> &'b str {
        self.record.resource_version(self.backlog.texts())
    }

    /// What tells its group from others of the namespace.
    pub fn group(self) -> Group<'b> {
        self.record.group.group(self.name(), self.backlog.words())
    }

    /// The value of the label, or the `generateName`, that it shares with others: `None` where there is none, and where there
    /// are so many that it is not kept.
    pub fn group_text(self) -> Option<&'b str> {
        self.record.group.text(self.name(), self.backlog.words())
    }

    /// The field manager that made it; empty where none is told.
    pub fn manager(self) -> &'b str {
        self.backlog.word(self.record.manager)
    }

    /// `None` while it has not finished.
    pub fn outcome(self) -> Option<Outcome> {
        self.record.outcome
    }

    /// In seconds since 1970-01-01 UTC.
    pub fn finished(self) -> Option<i64> {
        self.outcome()?;
        (!self.record.protections.contains(Protection::NoFinishTime)).then_some(self.record.finished)
    }

    pub fn pods(self) -> u32 {
        self.record.pods
    }

    /// What it takes in etcd, estimated.
    pub fn bytes(self) -> u32 {
        self.record.bytes
    }

    /// What its own manifest says that protects it.
    pub fn protections(self) -> Protections {
        self.record.protections
    }

    /// Why `protection` holds, in words.
    pub fn reason(self, protection: Protection) -> String {
        protection.reason(self.detail(protection))
    }

    /// The word that `protection` is about, where it is kept: that of the first one is.
    pub fn detail(self, protection: Protection) -> Option<&'b str> {
        let is_first = self.record.protections.first() == Some(protection);
        self.backlog.words().word(self.record.detail).filter(|_| is_first)
    }
}
