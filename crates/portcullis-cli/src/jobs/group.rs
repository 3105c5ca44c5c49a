//! Jobs that are alike, counted.

use std::collections::BTreeMap;

use portcullis_retention::{Job, Outcome, Protection};

use super::listing::Listing;

/// What the Jobs of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kin<'b> {
    pub(super) namespace: &'b str,
    pub(super) outcome: Outcome,
    /// Who made them; empty where that is not told.
    pub(super) manager: &'b str,
    /// Why they are not touched, and the word that it is about.
    pub(super) protection: Option<(Protection, &'b str)>,
}

impl<'b> Kin<'b> {
    /// The group of a Job of `listing` that has finished, and that `protection` holds for.
    pub(super) fn of(
        listing: &'b Listing,
        job: Job<'b>,
        outcome: Outcome,
        protection: Option<Protection>,
    ) -> Self {
        let detailed = |protection| (protection, listing.detail(job, protection).unwrap_or_default());
        Self {
            namespace: job.namespace(),
            outcome,
            manager: job.manager(),
            protection: protection.map(detailed),
        }
    }

    /// Why they are not touched, in words.
    pub(super) fn reason(&self) -> Option<String> {
        let (protection, detail) = self.protection?;
        Some(protection.reason(Some(detail).filter(|detail| !detail.is_empty())))
    }
}

/// How many they are, and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) jobs: u64,
    /// When the first and the last of them finished, in seconds since 1970-01-01 UTC, where one says so.
    pub(super) span: Option<(i64, i64)>,
    pub(super) pods: u64,
    /// In etcd, estimated.
    pub(super) bytes: u64,
}

impl Count {
    pub(super) fn add(&mut self, job: Job<'_>) {
        self.jobs += 1;
        self.pods += u64::from(job.pods());
        self.bytes += u64::from(job.bytes());
        if let Some(finished) = job.finished() {
            let (oldest, newest) = self.span.unwrap_or((finished, finished));
            self.span = Some((oldest.min(finished), newest.max(finished)));
        }
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        self.span.map(|(oldest, _)| oldest)
    }

    pub(super) fn newest(&self) -> Option<i64> {
        self.span.map(|(_, newest)| newest)
    }
}

/// The groups, in the order of their namespaces.
pub(super) type Groups<'b> = BTreeMap<Kin<'b>, Count>;
