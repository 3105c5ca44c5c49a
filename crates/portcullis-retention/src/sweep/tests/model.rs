//! An API server, a disk and a process that is killed: all that a sweep has to do with, ruled by a script.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Cluster, Made};
use crate::sweep::step::Look;
use crate::sweep::{
    Answer, Canaries, Fate, Header, Journal, Now, Number, Preconditions, Request, Seen, Settings, Step,
    Sweep, Verb,
};
use crate::{Item, Mode, Outcome, Plan, Protection, Protections};

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    UidNotSent,
    VersionNotSent,
    /// The journal is put on the disk after the request that it announces.
    SyncedLate,
    /// A request is sent again as it is when its answer is lost.
    LostTakenForRefused,
    /// A canary that came back is taken for one that stayed away.
    BackTakenForGone,
    /// Whatever is asked for is taken for refused.
    NothingDone,
}

/// A Job of the API server.
#[derive(Clone, Debug)]
struct Stored {
    uid: String,
    /// Counted for each Job from 1: nothing says that versions of two Jobs differ.
    version: u32,
    is_protected: bool,
    /// Something beside its manifest protects it, as that its namespace is terminating: its version stays.
    is_guarded: bool,
    /// Whether it stays when it is deleted, until somebody takes a finalizer away.
    lingers: bool,
    is_going: bool,
    has_our_ttl: bool,
    has_other_ttl: bool,
}

/// A request that was sent.
#[derive(Clone, Debug)]
struct Sent {
    /// `None` once the process that sent it is dead, or has been told that there will be no answer.
    number: Option<Number>,
    name: String,
    uid: Option<String>,
    version: Option<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    Delete,
    SetTtl,
}

/// All there is beside the sweep.
pub(super) struct World {
    plan: Plan,
    script: std::vec::IntoIter<u8>,
    fault: Fault,
    jobs: BTreeMap<String, Stored>,
    uids: u32,
    under_way: Vec<Sent>,
    disk: String,
    unsynced: String,
    now: Now,
    /// The uids of those that the process found guarded when it started.
    guarded: BTreeSet<String>,
    /// The uids that were touched by us.
    touched: BTreeSet<String>,
    /// The managers of whose canaries this process has seen that one came back.
    came_back: BTreeSet<String>,
    wrongs: Vec<String>,
}

/// How many Jobs there are; every fourth is none of the plan.
const JOBS: usize = 12;
/// How many seconds a TTL is to leave.
const NOTICE: u32 = 600;

impl World {
    pub(super) fn new(mode: Mode, script: Vec<u8>, fault: Fault) -> Self {
        let mut world = Self {
            plan: Plan::new(mode, Cluster::default(), Made::default()),
            script: script.into_iter(),
            fault,
            jobs: BTreeMap::new(),
            uids: 0,
            under_way: Vec::new(),
            disk: String::new(),
            unsynced: String::new(),
            now: Now { millis: 0, date: 1_000_000 },
            guarded: BTreeSet::new(),
            touched: BTreeSet::new(),
            came_back: BTreeSet::new(),
            wrongs: Vec::new(),
        };
        world.plan.notice = Some(NOTICE);
        for number in 0..JOBS {
            let name = format!("job-{number}");
            world.create(&name);
            if number % 4 != 3 {
                let item = world.item(&name, number);
                world.plan.items.push(item);
            }
        }
        world
    }

    fn create(&mut self, name: &str) {
        self.uids += 1;
        let job = Stored {
            uid: format!("uid-{}", self.uids),
            version: 1,
            is_protected: false,
            is_guarded: false,
            lingers: self.uids.is_multiple_of(5),
            is_going: false,
            has_our_ttl: false,
            has_other_ttl: false,
        };
        self.jobs.insert(name.to_owned(), job);
    }

    fn item(&self, name: &str, number: usize) -> Item {
        let job = &self.jobs[name];
        Item {
            dependents: BTreeMap::new(),
            finished: 900_000,
            manager: format!("manager-{}", number % 2),
            name: name.to_owned(),
            namespace: "team".to_owned(),
            outcome: Outcome::Succeeded,
            resource_version: job.version.to_string(),
            uid: job.uid.clone(),
            why: String::new(),
        }
    }

    fn chance(&mut self) -> u8 {
        self.script.next().unwrap_or_default()
    }

    fn wrong(&mut self, what: String) {
        self.wrongs.push(what);
    }

    /// Runs the sweep to its end, killing and starting it as the script says; gives what went wrong.
    pub(super) fn run(mut self) -> Vec<String> {
        let plan = self.plan.clone();
        let settings =
            Settings { per_second: 50, canaries: Canaries { number: 2, wait: 5_000 }, max_errors: 3 };
        let mut sweep = self.start(&plan, settings);
        let (mut ends, mut is_calm) = (0, false);
        for _ in 0..20_000 {
            if self.script.len() > 0 {
                self.meddle();
                match self.chance() {
                    1..=8 => {
                        self.kill();
                        sweep = self.start(&plan, settings);
                    }
                    9 => sweep.stop(),
                    _ => {}
                }
            }
            if !self.step(&mut sweep) {
                if is_calm {
                    self.rest();
                    self.judge(sweep.stopped().is_some());
                    return self.wrongs;
                }
                // It has ended, and is started again; the last time nothing bad happens.
                ends += 1;
                is_calm = ends >= 3 || self.script.len() == 0;
                if is_calm {
                    self.rest();
                    self.script = Vec::new().into_iter();
                }
                sweep = self.start(&plan, settings);
            }
        }
        self.wrong("it does not come to an end".to_owned());
        self.wrongs
    }

    fn start<'p>(&mut self, plan: &'p Plan, settings: Settings) -> Sweep<'p> {
        self.now.millis = 0;
        self.came_back.clear();
        let read = Journal::read(&self.disk).expect("a journal");
        let journal = read.unwrap_or_else(|| {
            let header =
                Header { at: 0, cluster: "c".to_owned(), mode: plan.mode, plan: plan.computed_digest() };
            self.disk = header.to_line().expect("a line");
            Journal::new(header)
        });
        if journal.length > 0 {
            self.disk.truncate(journal.length);
        }
        let guarded = self.jobs.values().filter(|job| job.is_guarded);
        self.guarded = guarded.map(|job| job.uid.clone()).collect();
        let seen = |index: usize| self.surveyed(&plan.items[index].name);
        Sweep::begin(plan, plan.items.len(), &journal, settings, seen, self.now)
    }

    /// The process is gone, and a part of what was not on the disk yet.
    fn kill(&mut self) {
        let kept = usize::from(self.chance()) * (self.unsynced.len() + 1) / 256;
        let kept = self.unsynced.get(..kept).unwrap_or_default();
        self.disk.push_str(kept);
        self.unsynced.clear();
        for sent in &mut self.under_way {
            sent.number = None;
        }
    }

    /// Does what the sweep says next; `false` at its end.
    fn step(&mut self, sweep: &mut Sweep<'_>) -> bool {
        match sweep.next(self.now) {
            Step::Record { text, durable } => {
                if self.fault != Fault::SyncedLate {
                    self.unsynced.push_str(&text);
                }
                if durable {
                    self.disk.push_str(&std::mem::take(&mut self.unsynced));
                }
                if self.fault == Fault::SyncedLate {
                    self.unsynced.push_str(&text);
                }
            }
            Step::Ask(request) => self.send(&request),
            Step::Wait { until } => {
                if self.under_way.iter().any(|sent| sent.number.is_some()) {
                    self.answer(sweep);
                } else {
                    let until = until.expect("a time, where nothing is under way");
                    self.now.date +=
                        i64::try_from(until.saturating_sub(self.now.millis) / 1_000).unwrap_or(0);
                    self.now.millis = self.now.millis.max(until);
                }
            }
            Step::Finished => return false,
        }
        true
    }

    fn send(&mut self, request: &Request<'_>) {
        let kind = match request.verb {
            Verb::Get => Kind::Get,
            Verb::Delete(_) => Kind::Delete,
            Verb::SetTtl { ttl, .. } => {
                let left = 900_000 + i64::from(ttl) - self.now.date;
                if left < NOTICE.into() {
                    self.wrong(format!("a TTL that leaves {left} seconds"));
                }
                Kind::SetTtl
            }
        };
        let conditions = match request.verb {
            Verb::Get => None,
            Verb::Delete(conditions) | Verb::SetTtl { preconditions: conditions, .. } => Some(conditions),
        };
        let manager = conditions.and_then(|conditions| self.manager(conditions.uid));
        if manager.is_some_and(|manager| self.came_back.contains(&manager)) {
            self.wrong(format!("{} goes although others of its manager came back", request.name));
        }
        if conditions.is_some_and(|conditions| self.guarded.contains(conditions.uid)) {
            self.wrong(format!("{} was found to be guarded", request.name));
        }
        let uid = |conditions: Preconditions<'_>| conditions.uid.to_owned();
        let version = |conditions: Preconditions<'_>| conditions.resource_version.to_owned();
        self.under_way.push(Sent {
            number: Some(request.number),
            name: request.name.to_owned(),
            uid: conditions.map(uid).filter(|_| self.fault != Fault::UidNotSent),
            version: conditions.map(version).filter(|_| self.fault != Fault::VersionNotSent),
            kind,
        });
    }

    /// The API server comes to one of the requests, and answers, or does not.
    fn answer(&mut self, sweep: &mut Sweep<'_>) {
        let (which, how) = (usize::from(self.chance()), self.chance());
        let waiting: Vec<usize> =
            (0..self.under_way.len()).filter(|at| self.under_way[*at].number.is_some()).collect();
        let at = waiting[which % waiting.len()];
        let number = self.under_way[at].number.expect("one that waits");
        let answer = match how % 16 {
            // It is done, and the answer is lost.
            1 => {
                let sent = self.under_way.remove(at);
                self.execute(&sent);
                self.lost()
            }
            // It may be done later.
            2 => {
                self.under_way[at].number = None;
                self.lost()
            }
            // It is not done.
            3 => {
                self.under_way.remove(at);
                self.lost()
            }
            4 => {
                self.under_way.remove(at);
                Answer::Busy { retry_after: (how > 128).then_some(7_000) }
            }
            5 => {
                self.under_way.remove(at);
                Answer::Refused("forbidden".to_owned())
            }
            _ => {
                let sent = self.under_way.remove(at);
                self.execute(&sent)
            }
        };
        let answer = match answer {
            Answer::Found(seen) if number.look == Some(Look::Canary) => self.look_at_canary(number, seen),
            _ if self.fault == Fault::NothingDone => Answer::Refused("forbidden".to_owned()),
            answer => answer,
        };
        sweep.tell(number, answer, self.now);
    }

    /// What the sweep is told of a canary whose name is taken.
    fn look_at_canary(&mut self, number: Number, seen: Seen) -> Answer {
        let item = &self.plan.items[number.item];
        if seen.uid != item.uid {
            self.came_back.insert(item.manager.clone());
            if self.fault == Fault::BackTakenForGone {
                return Answer::Gone;
            }
        }
        Answer::Found(seen)
    }

    /// Who made the planned Job with this uid.
    fn manager(&self, uid: &str) -> Option<String> {
        self.plan.items.iter().find(|item| item.uid == uid).map(|item| item.manager.clone())
    }

    fn lost(&self) -> Answer {
        match self.fault {
            Fault::LostTakenForRefused => Answer::Refused("500".to_owned()),
            _ => Answer::Lost("500".to_owned()),
        }
    }

    /// Does what was asked for.
    fn execute(&mut self, sent: &Sent) -> Answer {
        if sent.kind == Kind::Get {
            return self.seen(&sent.name).map_or(Answer::Gone, Answer::Found);
        }
        let conflict = Answer::Conflict("409".to_owned());
        let Some(job) = self.jobs.get(&sent.name).cloned() else {
            return if sent.kind == Kind::Delete { Answer::Gone } else { conflict };
        };
        let is_other =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_some_and(|wanted| wanted != found);
        if is_other(&sent.uid, &job.uid) || is_other(&sent.version, &job.version.to_string()) {
            return conflict;
        }
        if sent.kind == Kind::SetTtl && job.has_other_ttl {
            return conflict;
        }
        self.touch(&sent.name, &job);
        match sent.kind {
            Kind::SetTtl => self.change(&sent.name, |job| job.has_our_ttl = true),
            _ if job.lingers => self.change(&sent.name, |job| job.is_going = true),
            _ => drop(self.jobs.remove(&sent.name)),
        }
        Answer::Done
    }

    /// What is held against the sweep when it touches a Job.
    fn touch(&mut self, name: &str, job: &Stored) {
        let planned = self.plan.items.iter().find(|item| item.uid == job.uid).cloned();
        if planned.is_none() {
            self.wrong(format!("{name} ({}) is none of the plan", job.uid));
        }
        if planned.is_some_and(|item| item.resource_version != job.version.to_string()) {
            self.wrong(format!("{name} has changed"));
        }
        if job.is_protected {
            self.wrong(format!("{name} is protected"));
        }
        if !self.touched.insert(job.uid.clone()) {
            self.wrong(format!("{name} was touched before"));
        }
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Stored)) {
        if let Some(job) = self.jobs.get_mut(name) {
            change(job);
            job.version += 1;
        }
    }

    /// What a process finds out before it begins.
    fn surveyed(&self, name: &str) -> Option<Seen> {
        let mut seen = self.seen(name)?;
        if self.guarded.contains(&seen.uid) {
            seen.protections.insert(Protection::NamespaceTerminating);
        }
        Some(seen)
    }

    /// What the API server shows of a Job.
    fn seen(&self, name: &str) -> Option<Seen> {
        let job = self.jobs.get(name)?;
        let mut protections = Protections::default();
        let holds = [
            (Protection::Going, job.is_going),
            (Protection::Owned, job.is_protected),
            (Protection::Ttl, job.has_our_ttl || job.has_other_ttl),
        ];
        for (protection, _) in holds.iter().filter(|(_, holds)| *holds) {
            protections.insert(*protection);
        }
        let reason = protections.first().map(|first| first.reason(None)).unwrap_or_default();
        Some(Seen {
            uid: job.uid.clone(),
            resource_version: job.version.to_string(),
            protections,
            reason,
            manager: "somebody".to_owned(),
            has_our_ttl: job.has_our_ttl,
        })
    }

    /// Something happens in the cluster that is none of our doing.
    fn meddle(&mut self) {
        let (what, which) = (self.chance(), usize::from(self.chance()) % JOBS);
        let name = format!("job-{which}");
        match what % 48 {
            1 | 2 => self.create(&name),
            3 => drop(self.jobs.remove(&name)),
            4 => self.change(&name, |job| job.is_protected = true),
            5 => self.change(&name, |_| {}),
            6 => self.change(&name, |job| job.has_other_ttl = true),
            7 => self.change(&name, |job| job.lingers = !job.lingers),
            8 if self.jobs.get(&name).is_some_and(|job| job.is_going || job.has_our_ttl) => {
                self.jobs.remove(&name);
            }
            9 | 10 => self.rest(),
            11 => {
                if let Some(job) = self.jobs.get_mut(&name) {
                    job.is_guarded = !job.is_guarded;
                }
            }
            _ => {}
        }
    }

    /// The API server comes to the requests that nobody waits for.
    fn rest(&mut self) {
        let (waiting, rest) = self.under_way.drain(..).partition(|sent| sent.number.is_some());
        self.under_way = waiting;
        for sent in rest {
            self.execute(&sent);
        }
    }

    /// Whether the journal says what is true, and whether all was done that could be, by a last run in which nothing bad
    /// happened, unless it stopped.
    fn judge(&mut self, has_stopped: bool) {
        self.disk.push_str(&std::mem::take(&mut self.unsynced));
        let journal = Journal::read(&self.disk).expect("a journal").expect("with a header");
        for item in self.plan.items.clone() {
            let is_touched = self.touched.contains(&item.uid);
            let entry = journal.entry(&item.uid);
            let fate = entry.map(|entry| entry.fate);
            let is_true = match fate {
                Some(Fate::Done) => is_touched,
                None
                | Some(
                    Fate::Gone
                    | Fate::Skipped
                    | Fate::Guarded
                    | Fate::Waiting
                    | Fate::Refused
                    | Fate::Withdrawn,
                ) => !is_touched,
                Some(Fate::Presumed) => {
                    is_touched
                        || self.jobs.get(&item.name).is_none_or(|job| job.uid != item.uid || job.is_going)
                }
                Some(Fate::Unknown | Fate::Intended) => true,
            };
            if !is_true {
                self.wrong(format!("the journal says {fate:?} of {}, touched: {is_touched}", item.name));
            }
            let is_as_planned = self.jobs.get(&item.name).is_some_and(|job| {
                job.uid == item.uid
                    && job.version.to_string() == item.resource_version
                    && !job.is_protected
                    && !self.guarded.contains(&job.uid)
            });
            let came_back = entry.is_some_and(|entry| entry.why.starts_with("recreated by"));
            if is_as_planned && !came_back && !has_stopped {
                self.wrong(format!("{} is as it was planned, and left: {fate:?}", item.name));
            }
        }
    }
}
