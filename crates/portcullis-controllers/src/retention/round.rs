//! One round: what becomes of all Jobs, which TTLs are written now, and what the statuses say.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_cluster::Namespaces;
use portcullis_retention::retention::{
    Action, Candidate, Fate, Mode, Namespace, Report, Scene, Tally, Write, grant,
};
use portcullis_value::{Arena, Object, json};

use super::held_back::HeldBack;
use super::kept_job::KeptJob;
use super::objects::Objects;
use super::write::SetTtl;

/// How many TTLs are written in a round: what is urgent waits for no more than these, and a crash loses no more of
/// the hour.
const MOST: usize = 100;

/// How far two clocks that are set right may be apart, in seconds.
const SKEW: i64 = 60;

/// A TTL that is to be written now.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) set: SetTtl,
    /// The number of the object that says so.
    pub(super) by: usize,
    /// Why the Job stays so long, for people.
    pub(super) reason: String,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) granted: Vec<Granted>,
    /// Of each object.
    pub(super) statuses: Vec<String>,
    /// Whether a Job is thought to finish in a moment: whoever says when has another clock.
    pub(super) is_early: bool,
}

/// What is known beside the Jobs and the objects.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) namespaces: &'a Namespaces,
    pub(super) held: &'a HeldBack,
    /// The Jobs that own a volume claim or a Workload, by their uids.
    pub(super) owners: &'a BTreeSet<Box<str>>,
    /// Why it is not known which do, if it is not.
    pub(super) gap: Option<&'a str>,
    /// How many Jobs there are in the cluster, whether an object selects them or not.
    pub(super) listed: u64,
    /// What was done by each object since its last status.
    pub(super) actions: &'a [Vec<Action>],
    /// What stands in the way of all writes.
    pub(super) trouble: Option<&'a str>,
    /// The API server's clock, in seconds since 1970-01-01 UTC.
    pub(super) now: i64,
}

/// Goes through all Jobs.
pub(super) fn round(jobs: &[(Arc<str>, Arc<KeptJob>)], objects: &mut Objects, around: &Around<'_>) -> Round {
    let Around { namespaces, held, now, .. } = *around;
    let arena = Arena::new();
    let namespace = |name: &str| {
        let labels = namespaces.labels(name)?;
        let is_terminating = namespaces.is_terminating(name);
        Some(Namespace { labels: labels_of(&arena, labels), is_terminating })
    };
    let of_jobs: BTreeSet<&str> = jobs.iter().flat_map(|(_, job)| &job.owners).map(|uid| &**uid).collect();
    let has_dependents = |uid: &str| around.owners.contains(uid) || of_jobs.contains(uid);
    let candidates: Vec<Candidate<'_>> =
        jobs.iter().map(|(uid, job)| job.candidate(has_dependents(uid))).collect();
    let Objects { retentions, documents, progress, .. } = objects;
    let retentions = &*retentions;
    let scene = Scene::new(retentions, &candidates, &namespace, now).among(around.listed);
    let enforced = scene.round(&[Mode::Enforce]);
    let mut troubles = vec![Troubles::default(); retentions.all().len()];
    if held.has_some() {
        for write in enforced.writes() {
            let Some((uid, job)) = jobs.get(write.job) else { continue };
            let why = match held.is_contested(uid, write.seconds) {
                true => Some("somebody takes it back again and again"),
                // It stays so until a write succeeds.
                false => held.refusal(uid, job.resource_version()).or_else(|| held.doubt(job.namespace())),
            };
            if let (Some(why), Some(troubles)) = (why, troubles.get_mut(write.by)) {
                troubles.add(job, why);
            }
        }
    }
    let unreadable = retentions
        .unreadable()
        .first()
        .map(|name| format!("JobRetention `{name}` cannot be read and may let Jobs stay longer"));
    let unknown = unreadable.as_deref().or(around.gap);
    let unknown = unknown.map(|why| format!("{why}: none is made to go sooner"));
    let mut tried = BTreeSet::new();
    let mut may_write = |write: &Write| {
        if write.hastens && around.gap.is_some() {
            return false;
        }
        let Some((uid, job)) = jobs.get(write.job) else { return false };
        let is_left_alone = held.is_contested(uid, write.seconds)
            || held.is_held(uid, job.resource_version(), now)
            || held.is_silent(job.namespace(), now);
        // One write shows whether there is an answer again.
        !is_left_alone && (held.doubt(job.namespace()).is_none() || tried.insert(job.namespace()))
    };
    let writes = grant(&enforced, progress, now, MOST, &mut may_write);
    let granted = writes.iter().filter_map(|write| {
        let (uid, job) = jobs.get(write.job)?;
        let Some(Fate::Write(term)) = enforced.fates().get(write.job) else { return None };
        let outcome = candidates.get(write.job)?.outcome?;
        let set = SetTtl {
            namespace: job.namespace().into(),
            name: job.name().into(),
            uid: (**uid).into(),
            resource_version: job.resource_version().into(),
            ttl: write.seconds,
            force: write.is_forced,
        };
        Some(Granted { set, by: write.by, reason: term.sentence(retentions, outcome) })
    });
    let mut granted: Vec<Granted> = granted.collect();
    // What may not be answered holds up no other.
    granted.sort_by_key(|granted| held.doubt(&granted.set.namespace).is_some());

    // What audits says what would be, were it enforced beside those that are.
    let audits = retentions.all().iter().any(|one| one.mode == Mode::Audit);
    let everything = audits.then(|| scene.round(&[Mode::Enforce, Mode::Audit]).tallies());
    let tallies = enforced.tallies();
    let statuses = retentions.all().iter().enumerate().map(|(number, retention)| {
        let tallies = everything.as_ref().filter(|_| retention.mode == Mode::Audit).unwrap_or(&tallies);
        let none = Tally::default();
        let tally = tallies.get(number).unwrap_or(&none);
        let next = tally.next.and_then(|(_, job)| jobs.get(job));
        let next = next.map(|(_, job)| format!("{}/{}", job.namespace(), job.name()));
        let trouble = troubles.get(number).and_then(Troubles::told);
        let of_all = around.trouble.or(unknown.as_deref());
        let trouble = of_all.filter(|_| retention.mode == Mode::Enforce).or(trouble.as_deref());
        let previous = documents.get(number).map(|document| json::read(&arena, &document.status));
        let report = Report {
            retentions,
            number,
            tally,
            progress: progress.get(number)?,
            actions: around.actions.get(number).map(Vec::as_slice).unwrap_or_default(),
            trouble,
            next: next.as_deref(),
            now,
        };
        let status = report.status(&arena, previous.and_then(Result::ok).unwrap_or_default());
        Some(json::Writer::compact().to_string(status))
    });
    let statuses = statuses.map(Option::unwrap_or_default).collect();
    let is_early =
        |job: &Candidate<'_>| job.finished.is_some_and(|at| at > now && at <= now.saturating_add(SKEW));
    Round { granted, statuses, is_early: candidates.iter().any(is_early) }
}

/// The Jobs of an object that are left alone, although their TTL is to be written.
#[derive(Clone, Debug, Default)]
struct Troubles {
    /// The first of them, and why.
    first: Option<String>,
    others: usize,
}

impl Troubles {
    fn add(&mut self, job: &KeptJob, why: &str) {
        match self.first {
            None => self.first = Some(format!("TTL of `{}/{}` not set: {why}", job.namespace(), job.name())),
            Some(_) => self.others += 1,
        }
    }

    fn told(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(match self.others {
            0 => first.clone(),
            others => format!("{first}; and of {others} more Jobs"),
        })
    }
}

fn labels_of<'a>(arena: &'a Arena, labels: &[(Box<str>, Box<str>)]) -> Object<'a> {
    let member = |(key, value): &(Box<str>, Box<str>)| (arena.str(key), arena.string(value));
    let mut members: Vec<_> = labels.iter().map(member).collect();
    arena.object(&mut members).as_object().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use portcullis_cluster::Keeper as _;
    use portcullis_retention::retention::{JobRetention, Progress, Retentions};

    use super::*;
    use crate::retention::kept_job::JobKeeper;

    /// The Jobs that get a TTL, by the number in their uid, of 25 that finished before, where there are so many Jobs in all. The
    /// first are in the namespace `n-0`, five in each.
    fn granted(listed: u64, held: &HeldBack) -> Vec<String> {
        let arena = Arena::new();
        let spec =
            r#"{"selector":{"matchLabels":{"app":"report"}},"ttl":{"succeeded":"1m"},"mode":"enforce"}"#;
        let object = format!(r#"{{"metadata":{{"name":"r"}},"spec":{spec}}}"#);
        let retention = JobRetention::read(json::read(&arena, &object).unwrap()).unwrap();
        let retentions = Arc::new(Retentions::new(vec![retention], "portcullis"));
        let keeper = JobKeeper(retentions.clone());
        let jobs = (10..35).map(|number| {
            let namespace = (number - 10) / 5;
            let job = format!(
                r#"{{"metadata":{{"namespace":"n-{namespace}","name":"j","uid":"u-{number}","resourceVersion":"1","labels":{{"app":"report"}}}},
                "spec":{{}},"status":{{"conditions":[{{"type":"Complete","status":"True","lastTransitionTime":"2026-10-01T00:00:{number}Z"}}]}}}}"#
            );
            let read = keeper.read(&job).unwrap();
            (read.uid, Arc::new(read.kept.unwrap()))
        });
        let jobs: Vec<_> = jobs.collect();
        let mut objects = Objects::default();
        (objects.retentions, objects.progress) = (retentions, vec![Progress::default()]);
        let around = Around {
            namespaces: &Namespaces::default(),
            held,
            owners: &BTreeSet::new(),
            gap: None,
            listed,
            actions: &[],
            trouble: None,
            now: NOW,
        };
        let granted = round(&jobs, &mut objects, &around).granted;
        granted.into_iter().map(|granted| granted.set.uid.into()).collect()
    }

    /// In seconds since 1970-01-01 UTC.
    const NOW: i64 = 1_790_900_000;

    #[test]
    fn a_backlog_is_measured_against_all_jobs_though_most_of_them_are_not_kept() {
        let granted = |listed| granted(listed, &HeldBack::default()).len();
        assert_eq!([25, 99, 100].map(granted), [0, 0, 25]);
    }

    #[test]
    fn a_namespace_without_an_answer_holds_up_no_other() {
        let mut held = HeldBack::default();
        held.was_lost("n-0", "u-10", "1", "502", NOW);
        held.was_lost("n-1", "u-15", "1", "502", NOW - 6);
        let granted = granted(100, &held);
        // Nothing in the first one, and one write in the second, to another Job and after all others.
        assert_eq!((granted.len(), &*granted[0], &*granted[15]), (16, "u-20", "u-16"));
    }
}
