//! What becomes of each Job, by the objects that select it.
//!
//! Of several objects the one that lets a Job stay longest decides. What is decided depends on nothing that carrying it
//! out changes, so that there is nothing left to do afterwards.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_value::Object;

use super::candidate::Trait;
use super::{Candidate, ExistingTtl, JobRetention, Mode, Origin, Retentions};
use crate::{Outcome, Protection, Protections, format_age};

/// The TTL of a Job that is to stay: 68 years, the longest there can be. A Job without any gets one from the next policy
/// that looks at it, perhaps, and then goes at once.
pub const NEVER: i32 = i32::MAX;

/// What is known of a namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Namespace<'n> {
    pub labels: Object<'n>,
    /// Whether it is being deleted.
    pub is_terminating: bool,
}

/// What becomes of a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No object selects it.
    Unselected,
    /// The labels of its namespace are not known, and an object asks for some.
    NamespaceUnknown,
    Protected(Protections),
    /// It has a TTL that no object may replace.
    ExistingTtl,
    /// It is as it is to be.
    Settled(Term),
    /// A TTL is to be written.
    Write(Term),
}

/// How long a Job stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The number of the object that says so.
    pub by: usize,
    /// Counted from its finish; [`NEVER`] where it stays.
    pub seconds: i32,
    pub why: Why,
}

/// Why a Job stays as long as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Jobs that ended as it did stay so long.
    Ttl,
    /// Jobs that ended as it did never expire.
    NoTtl,
    /// It is one of the last of its group.
    KeptLast,
    /// It is one of the last of its group that failed.
    KeptFailed,
    /// The TTL that it has is kept, and is longer than what others say.
    ExistingTtl,
}

impl Term {
    /// Why a Job that ended so stays as long, as a clause.
    pub fn sentence(&self, retentions: &Retentions, outcome: Outcome) -> String {
        let Some(retention) = retentions.all().get(self.by) else { return String::new() };
        let by = format!("JobRetention `{}`", retention.name);
        match self.why {
            Why::Ttl => format!("{by} lets Jobs that {outcome} stay {}", format_age(self.seconds.into())),
            Why::NoTtl => format!("{by} has no TTL for Jobs that {outcome}"),
            Why::KeptLast => format!("{by} keeps the last {} of its group", retention.keep_last),
            Why::KeptFailed => {
                format!("{by} keeps the last {} of its group that failed", retention.keep_failed)
            }
            Why::ExistingTtl => format!("{by} keeps the TTL that it has"),
        }
    }
}

/// The Jobs, and what is known around them.
#[derive(Debug)]
pub struct Scene<'s, 'j> {
    pub(super) jobs: &'s [Candidate<'j>],
    pub(super) retentions: &'s Retentions,
    /// Of each Job.
    namespaces: Vec<Reach>,
    /// How many Jobs there are, those that no object selects included.
    pub(super) listed: u64,
    now: i64,
}

/// Which objects reach into a namespace, by its labels.
#[derive(Clone, Debug)]
struct Reach {
    /// By the number of the object; `None` where that is not known.
    includes: Arc<[Option<bool>]>,
    is_terminating: bool,
}

impl<'s, 'j> Scene<'s, 'j> {
    /// `namespace` tells what is known of one. Now is in seconds since 1970-01-01 UTC, by the API server's clock.
    pub fn new<'n>(
        retentions: &'s Retentions,
        jobs: &'s [Candidate<'j>],
        namespace: &dyn Fn(&str) -> Option<Namespace<'n>>,
        now: i64,
    ) -> Self {
        let mut known: BTreeMap<&str, Reach> = BTreeMap::new();
        let reach = |name: &str| {
            let found = namespace(name);
            let includes = retentions.all().iter().map(|one| match &one.namespace_selector {
                None => Some(true),
                Some(selector) => found.map(|found| selector.matches(found.labels)),
            });
            Reach {
                includes: includes.collect(),
                is_terminating: found.is_some_and(|found| found.is_terminating),
            }
        };
        let namespaces = jobs
            .iter()
            .map(|job| known.entry(job.namespace).or_insert_with(|| reach(job.namespace)).clone())
            .collect();
        Self { jobs, retentions, namespaces, listed: jobs.len() as u64, now }
    }

    /// The same where there are so many Jobs in all: who looks at many may keep none that no object selects.
    #[must_use]
    pub fn among(self, listed: u64) -> Self {
        Self { listed, ..self }
    }

    /// What becomes of the Jobs, were only the objects of these modes there.
    pub fn round(&self, modes: &[Mode]) -> Round<'_, 's, 'j> {
        self.round_of(self.retentions.all().iter().map(|one| modes.contains(&one.mode)).collect())
    }

    /// What would become of the Jobs were the object number `number` the only one, whatever its mode.
    pub fn alone(&self, number: usize) -> Round<'_, 's, 'j> {
        self.round_of((0..self.retentions.all().len()).map(|other| other == number).collect())
    }

    fn round_of(&self, acts: Vec<bool>) -> Round<'_, 's, 'j> {
        let mut round = Round { scene: self, acts, fates: Vec::new() };
        let kept: Vec<Kept> = (0..self.retentions.all().len()).map(|number| round.kept(number)).collect();
        round.fates = (0..self.jobs.len()).map(|index| round.fate(index, &kept)).collect();
        round
    }
}

/// What becomes of the Jobs by the objects that take part.
#[derive(Debug)]
pub struct Round<'r, 's, 'j> {
    pub(super) scene: &'r Scene<'s, 'j>,
    /// Whether an object takes part, by its number.
    acts: Vec<bool>,
    fates: Vec<Fate>,
}

impl<'j> Round<'_, '_, 'j> {
    /// Of each Job.
    pub fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// Whether the object number `number` takes part.
    pub fn includes(&self, number: usize) -> bool {
        self.acts.get(number) == Some(&true)
    }

    /// The numbers of the objects that select the Job number `index`.
    pub fn selected_by(&self, index: usize) -> impl Iterator<Item = usize> {
        self.selecting(index).map(|(one, _)| one.retention)
    }

    fn fate(&self, index: usize, kept: &[Kept]) -> Fate {
        let Some(job) = self.scene.jobs.get(index) else { return Fate::Unselected };
        if self.selecting(index).any(|(_, includes)| includes.is_none()) {
            return Fate::NamespaceUnknown;
        }
        let mut selecting = self.selecting(index).map(|(one, _)| one).peekable();
        if selecting.peek().is_none() {
            return Fate::Unselected;
        }
        let protections = self.protections(index);
        // A Job that says when it finished and how is protected by nothing here.
        let (true, Some(outcome)) = (protections.is_empty(), job.outcome) else {
            return Fate::Protected(protections);
        };
        if !self.is_replaceable(index) {
            return Fate::ExistingTtl;
        }
        let term = |one: &Trait| {
            let retention = self.retention(one.retention)?;
            let by = one.retention;
            let own = match (kept.get(by).and_then(|kept| kept.of(index)), *retention.ttl.of(outcome)) {
                (Some(why), _) => Term { by, seconds: NEVER, why },
                (None, Some(seconds)) => Term { by, seconds, why: Why::Ttl },
                (None, None) => Term { by, seconds: NEVER, why: Why::NoTtl },
            };
            // An object that keeps the TTL lets the Job stay at least so long.
            let existing = job.ttl.filter(|ttl| !may_replace(retention, ttl.origin)).map(|ttl| ttl.seconds);
            Some(match existing {
                Some(seconds) if seconds > own.seconds => Term { by, seconds, why: Why::ExistingTtl },
                _ => own,
            })
        };
        // Of several that say the same the first is named.
        let longest = selecting
            .filter_map(term)
            .reduce(|one, other| if other.seconds > one.seconds { other } else { one });
        let Some(term) = longest else { return Fate::Unselected };
        let has = job.ttl.map_or(NEVER, |ttl| ttl.seconds);
        if has == term.seconds { Fate::Settled(term) } else { Fate::Write(term) }
    }

    /// What protects a Job, by its manifest, its namespace and the objects that select it.
    fn protections(&self, index: usize) -> Protections {
        let (Some(job), Some(reach)) = (self.scene.jobs.get(index), self.scene.namespaces.get(index)) else {
            return Protections::default();
        };
        // What a Job owns protects it from the objects that do not say otherwise.
        let mut protections = job.protections.without(Protection::Dependents);
        if reach.is_terminating {
            protections.insert(Protection::NamespaceTerminating);
        }
        if job.finished.is_some_and(|finished| finished > self.scene.now) {
            protections.insert(Protection::FutureFinish);
        }
        for (one, _) in self.selecting(index) {
            if one.is_instance {
                protections.insert(Protection::ArgoCd);
            }
            let Some(retention) = self.retention(one.retention) else { continue };
            if self.scene.retentions.leaves_alone(retention, job.namespace) {
                protections.insert(Protection::Namespace);
            }
            if !retention.with_dependents && job.protections.contains(Protection::Dependents) {
                protections.insert(Protection::Dependents);
            }
        }
        protections
    }

    /// What the objects that act see in a Job that they select, and whether they reach into its namespace.
    fn selecting(&self, index: usize) -> impl Iterator<Item = (&'j Trait, Option<bool>)> {
        let traits = self.scene.jobs.get(index).map(|job| job.traits);
        let reach = self.scene.namespaces.get(index);
        let selected_by = traits.into_iter().flat_map(|traits| traits.selected_by.iter());
        selected_by.filter_map(move |one| {
            let includes = reach.and_then(|reach| reach.includes.get(one.retention).copied().flatten());
            let is_meant = self.includes(one.retention) && includes != Some(false);
            is_meant.then_some((one, includes))
        })
    }

    /// Whether an object that acts on a Job may write its TTL.
    fn is_replaceable(&self, index: usize) -> bool {
        let Some(ttl) = self.scene.jobs.get(index).and_then(|job| job.ttl) else { return true };
        let mut retentions = self.selecting(index).filter_map(|(one, _)| self.retention(one.retention));
        retentions.any(|one| may_replace(one, ttl.origin))
    }

    fn retention(&self, number: usize) -> Option<&JobRetention> {
        self.scene.retentions.all().get(number)
    }

    /// Which Jobs are among the last of their group for an object.
    fn kept(&self, number: usize) -> Kept {
        let Some(retention) = self.retention(number) else { return Kept::default() };
        let mut kept = Kept::default();
        if !self.includes(number) || (retention.keep_last == 0 && retention.keep_failed == 0) {
            return kept;
        }
        for members in self.groups(number) {
            let failed = |index: &&usize| {
                self.scene.jobs.get(**index).is_some_and(|job| job.outcome == Some(Outcome::Failed))
            };
            for index in members.iter().filter(failed).take(retention.keep_failed) {
                kept.insert(*index, Why::KeptFailed);
            }
            for index in members.iter().take(retention.keep_last) {
                kept.insert(*index, Why::KeptLast);
            }
        }
        kept
    }

    /// The groups of an object: the Jobs that count, by number, those that finished last first.
    ///
    /// Every finished Job counts that stays by itself, protected or not. One that is being deleted, or has a TTL that
    /// nobody here may write, will not be there when somebody looks for the last three.
    fn groups(&self, number: usize) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<Kin<'j>, Vec<usize>> = BTreeMap::new();
        for (index, job) in self.scene.jobs.iter().enumerate() {
            let own = self.selecting(index).find(|(one, _)| one.retention == number);
            let Some((own, _)) = own.filter(|_| self.counts(index)) else { continue };
            groups.entry(Kin::of(job, own)).or_default().push(index);
        }
        let newest_first = |index: &usize| {
            let job = self.scene.jobs.get(*index);
            (Reverse(job.and_then(|job| job.finished)), job.map(|job| job.name))
        };
        let mut groups: Vec<_> = groups.into_values().collect();
        for members in &mut groups {
            members.sort_by(|one, other| newest_first(one).cmp(&newest_first(other)));
        }
        groups
    }

    /// Which one of its group a Job is for an object; `None` where it does not count.
    pub fn place(&self, index: usize, number: usize) -> Option<Place> {
        let groups = self.groups(number);
        let at = |members: &Vec<usize>| members.iter().position(|member| *member == index);
        let (members, at) = groups.iter().find_map(|members| Some((members, at(members)?)))?;
        let job = self.scene.jobs.get(index)?;
        let (seen, _) = self.selecting(index).find(|(one, _)| one.retention == number)?;
        let kin = Kin::of(job, seen);
        Some(Place { group: kin.shared.unwrap_or(kin.name).into(), number: at + 1, size: members.len() })
    }

    fn counts(&self, index: usize) -> bool {
        let Some(job) = self.scene.jobs.get(index) else { return false };
        let protections = self.protections(index);
        let goes = [Protection::Going, Protection::FutureFinish, Protection::NamespaceTerminating];
        let stays = match job.ttl {
            None => true,
            Some(_) => protections.is_empty() && self.is_replaceable(index),
        };
        job.finished.is_some() && stays && !goes.iter().any(|protection| protections.contains(*protection))
    }
}

/// Which one of a group a Job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the Jobs of the group have in common: the value of the label, `generateName`, or the name of the only one.
    pub group: Box<str>,
    /// Counted from 1, the last to finish being the first.
    pub number: usize,
    pub size: usize,
}

/// What the Jobs of a group have in common. A name of one Job is none of a group, though it reads the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kin<'j> {
    namespace: &'j str,
    /// The value of the label, else `generateName`.
    shared: Option<&'j str>,
    /// Of a Job that has neither.
    name: &'j str,
}

impl<'j> Kin<'j> {
    fn of(job: &Candidate<'j>, seen: &'j Trait) -> Self {
        let generate_name = Some(job.generate_name).filter(|prefix| !prefix.is_empty());
        let shared = seen.group.as_deref().or(generate_name);
        Self { namespace: job.namespace, shared, name: if shared.is_some() { "" } else { job.name } }
    }
}

/// The Jobs that are among the last of their group, by number.
#[derive(Debug, Default)]
struct Kept(Vec<Option<Why>>);

impl Kept {
    fn insert(&mut self, index: usize, why: Why) {
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        if let Some(entry) = self.0.get_mut(index) {
            *entry = Some(why);
        }
    }

    fn of(&self, index: usize) -> Option<Why> {
        self.0.get(index).copied().flatten()
    }
}

fn may_replace(retention: &JobRetention, origin: Origin) -> bool {
    match origin {
        Origin::Retention => true,
        Origin::Admission => retention.existing_ttl != ExistingTtl::Keep,
        Origin::Other => retention.existing_ttl == ExistingTtl::ReplaceAny,
    }
}
