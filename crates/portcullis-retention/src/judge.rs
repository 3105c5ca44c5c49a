//! What becomes of each Job of a backlog.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::{Backlog, ByOutcome, Group, Job, Outcome, Protection, Protections};

/// What is kept and what expires. How a plan is carried out is no matter of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepPolicy {
    /// The age in seconds, counted from its finish, at which a Job expires; without one it never does.
    pub expire_after: ByOutcome<Option<i64>>,
    /// How many of each group never expire: those that finished last.
    pub keep_last: usize,
    /// How many of those that failed never expire.
    pub keep_failed: usize,
    /// The age in seconds below which no Job is touched, whatever the rest says.
    pub floor: i64,
    /// Namespaces that are left alone.
    pub protected_namespaces: BTreeSet<Box<str>>,
    /// Namespaces that take their Jobs along anyway.
    pub terminating_namespaces: BTreeSet<Box<str>>,
}

/// What becomes of a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Expire,
    Protected(Protections),
    /// It may stay longer: its time has not come, or Jobs with its outcome never expire.
    NotDue,
    /// It is one of the last of its group.
    Kept,
}

/// The verdict on each Job of `backlog`, in its order, at `now` (seconds since 1970-01-01 UTC).
pub fn judge(backlog: &Backlog, policy: &KeepPolicy, now: i64) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = backlog.jobs().map(|job| judge_one(job, policy, now)).collect();
    if policy.keep_last > 0 || policy.keep_failed > 0 {
        keep_last(backlog, policy, now, &mut verdicts);
    }
    verdicts
}

fn judge_one(job: Job<'_>, policy: &KeepPolicy, now: i64) -> Verdict {
    let protections = protections(job, policy, now);
    if !protections.is_empty() {
        return Verdict::Protected(protections);
    }
    let due = job.outcome().zip(job.finished()).and_then(|(outcome, finished)| {
        let age = now.checked_sub(finished)?;
        policy.expire_after.of(outcome).filter(|limit| age >= *limit)
    });
    if due.is_some() { Verdict::Expire } else { Verdict::NotDue }
}

fn protections(job: Job<'_>, policy: &KeepPolicy, now: i64) -> Protections {
    let mut protections = job.protections();
    if policy.protected_namespaces.contains(job.namespace()) {
        protections.insert(Protection::Namespace);
    }
    if policy.terminating_namespaces.contains(job.namespace()) {
        protections.insert(Protection::NamespaceTerminating);
    }
    if let Some(finished) = job.finished() {
        if finished > now {
            protections.insert(Protection::FutureFinish);
        } else if now.saturating_sub(finished) < policy.floor {
            protections.insert(Protection::Young);
        }
    }
    protections
}

/// Takes those of the verdict `Expire` back that are among the last of their group.
///
/// What counts is every finished Job that stays by itself, protected or not: one that is being deleted, or has a TTL,
/// will not be there when somebody looks for the last three. Nor does one count whose finish is still to come: its time is wrong.
fn keep_last(backlog: &Backlog, policy: &KeepPolicy, now: i64, verdicts: &mut [Verdict]) {
    let counts = |job: Job<'_>| {
        let passes = |protection| job.protections().contains(protection);
        job.finished().is_some_and(|finished| finished <= now)
            && !passes(Protection::Going)
            && !passes(Protection::Ttl)
    };
    let mut ordered: Vec<(u32, Job<'_>)> =
        (0..).zip(backlog.jobs()).filter(|(_, job)| counts(*job)).collect();
    ordered.sort_unstable_by(|(_, one), (_, other)| {
        let newest_first = Reverse(one.finished()).cmp(&Reverse(other.finished()));
        group(*one).cmp(&group(*other)).then(newest_first).then_with(|| one.name().cmp(other.name()))
    });
    let members = ordered.chunk_by(|(_, one), (_, other)| group(*one) == group(*other));
    for members in members {
        let failed = members.iter().filter(|(_, job)| job.outcome() == Some(Outcome::Failed));
        let kept = members.iter().take(policy.keep_last).chain(failed.take(policy.keep_failed));
        for (index, _) in kept {
            if let Some(verdict @ Verdict::Expire) = verdicts.get_mut(*index as usize) {
                *verdict = Verdict::Kept;
            }
        }
    }
}

/// What Jobs of one group have in common.
fn group(job: Job<'_>) -> (&str, Group<'_>) {
    (job.namespace(), job.group())
}
