//! A sweep: a plan carried out.
//!
//! [`Sweep`] decides and does nothing. [`Sweep::next`] says what is to be done next, [`Sweep::tell`] takes what came of it;
//! time is an argument. Who drives it sends requests to an API server and writes a journal, or is a model of both.
//!
//! What holds, whatever the API server answers and wherever the process is killed:
//! - a Job is touched only as long as it is what was planned: its uid and its resource version go along as preconditions;
//! - that a Job is about to be touched is in the journal, durably, before it is;
//! - a request whose answer was lost is not sent again before the Job was looked at;
//! - what the journal says last about a Job is true, and where nobody can know it says so.

mod canary;
mod journal;
mod pace;
mod seen;
mod step;
mod tally;

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

pub use self::canary::Canaries;
use self::canary::Groups;
pub use self::journal::{Entry, Fate, Header, Journal, JournalError};
use self::pace::Pace;
pub use self::seen::Seen;
use self::seen::Since;
use self::step::Look;
pub use self::step::{Answer, Now, Number, Preconditions, Request, Step, Verb};
pub use self::tally::Tally;
use crate::plan::ttl_of;
use crate::{Item, Mode, Plan};

/// The field manager of what a sweep writes.
pub const FIELD_MANAGER: &str = "portcullis-jobs";

/// How often something is asked of the API server in all.
const ATTEMPTS: u8 = 8;
/// How many Jobs are written into the journal at once: one write to the disk serves them all.
const BATCH: usize = 16;
/// How many requests are under way at once.
const UNDER_WAY: usize = 32;
/// How many seconds a request is waited for: so much later than it was sent it may still be carried out.
const LONGEST_WAY: u32 = 30;

/// How a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Requests a second.
    pub per_second: u32,
    pub canaries: Canaries,
    /// So many errors are put up with.
    pub max_errors: u64,
}

/// Why a sweep ends before all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Errors,
    Asked,
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    attempts: u8,
    /// An answer was lost, so that it may have been touched.
    in_doubt: bool,
    is_settled: bool,
}

/// A plan that is being carried out.
#[derive(Debug)]
pub struct Sweep<'p> {
    items: &'p [Item],
    mode: Mode,
    notice: u32,
    settings: Settings,
    progress: Vec<Progress>,
    groups: Groups,
    /// Those that may go, the first of the plan first.
    ready: BTreeSet<usize>,
    /// Those of which the journal says so.
    armed: VecDeque<usize>,
    looks: VecDeque<(usize, Look)>,
    under_way: usize,
    pace: Pace,
    /// What is to be written into the journal, and whether it must be on the disk.
    text: String,
    durable: bool,
    tally: Tally,
    stop: Option<Stop>,
}

impl<'p> Sweep<'p> {
    /// Begins, or goes on where `journal` ends.
    ///
    /// The first `number` items are carried out. `seen` says what is under the name of an item now, by the number of
    /// the item; it has been looked at after the last request of an earlier run.
    pub fn begin(
        plan: &'p Plan,
        number: usize,
        journal: &Journal,
        settings: Settings,
        seen: impl Fn(usize) -> Option<Seen>,
        now: Now,
    ) -> Self {
        let items = plan.items.get(..number).unwrap_or(&plan.items);
        // A Job that has got a TTL is still there: nobody could say whether it comes back.
        let number = if plan.mode == Mode::Ttl { 0 } else { settings.canaries.number };
        let canaries = Canaries { number, ..settings.canaries };
        // A file may not say who made the Jobs. Then the API server has, now or in an earlier run.
        let manager = |index: usize| {
            let Some(item) = items.get(index).filter(|item| item.manager.is_empty()) else {
                return Cow::Borrowed(items.get(index).map_or("", |item| &item.manager));
            };
            match (seen(index).filter(|seen| seen.uid == item.uid), journal.entry(&item.uid)) {
                (Some(seen), _) => Cow::Owned(seen.manager),
                (None, Some(entry)) => Cow::Owned(entry.manager.clone()),
                (None, None) => Cow::Borrowed(""),
            }
        };
        let mut sweep = Self {
            items,
            mode: plan.mode,
            notice: plan.notice.unwrap_or_default(),
            settings,
            progress: vec![Progress::default(); items.len()],
            groups: Groups::new(canaries, items, manager),
            ready: BTreeSet::new(),
            armed: VecDeque::new(),
            looks: VecDeque::new(),
            under_way: 0,
            pace: Pace::new(settings.per_second),
            text: String::new(),
            durable: false,
            tally: Tally::new(items.len()),
            stop: None,
        };
        for (index, item) in items.iter().enumerate() {
            match journal.entry(&item.uid) {
                Some(entry) if entry.is_final() => {
                    sweep.conclude(index, entry.fate, &entry.why);
                    if entry.fate.is_ours() {
                        let ago = now.date.saturating_sub(entry.at).max(0).unsigned_abs();
                        sweep.groups.was_gone(index, ago.saturating_mul(1_000), now.millis);
                    }
                }
                entry => {
                    let progress = sweep.progress.get_mut(index);
                    if let (Some(progress), Some(entry)) = (progress, entry) {
                        progress.in_doubt = entry.fate.is_doubtful();
                    }
                    sweep.survey(index, item, seen(index).as_ref(), now);
                }
            }
        }
        let first = sweep.groups.start();
        sweep.ready.extend(first);
        sweep
    }

    /// What is to be done next. A step is done before the next one is asked for; an answer may come later.
    pub fn next(&mut self, now: Now) -> Step<'p> {
        if !self.text.is_empty() {
            let durable = std::mem::take(&mut self.durable);
            return Step::Record { text: std::mem::take(&mut self.text), durable };
        }
        if self.stop.is_some() {
            self.withdraw(now);
        } else {
            self.looks.extend(self.groups.due(now.millis).into_iter().map(|item| (item, Look::Canary)));
            if self.armed.is_empty() {
                self.arm(now);
            }
        }
        if !self.text.is_empty() {
            return self.next(now);
        }
        let has_work = !self.looks.is_empty() || !self.armed.is_empty();
        let due = self.pace.next();
        if has_work
            && self.under_way < UNDER_WAY
            && due <= now.millis
            && let Some(request) = self.request(now)
        {
            self.pace.sent(now.millis);
            self.under_way += 1;
            return Step::Ask(request);
        }
        let canaries = if self.stop.is_none() { self.groups.next_due() } else { None };
        match (has_work, self.under_way) {
            (true, under_way) if under_way < UNDER_WAY => Step::Wait { until: Some(due) },
            (true, _) => Step::Wait { until: None },
            (false, 0) if canaries.is_none() => Step::Finished,
            (false, _) => Step::Wait { until: canaries },
        }
    }

    /// The answer to a request of [`Sweep::next`].
    pub fn tell(&mut self, number: Number, answer: Answer, now: Now) {
        self.under_way = self.under_way.saturating_sub(1);
        match answer {
            Answer::Busy { retry_after } => self.pace.pause(now.millis, retry_after),
            Answer::Lost(_) => self.pace.pause(now.millis, None),
            _ => self.pace.answered(),
        }
        match number.look {
            None => self.touched(number.item, answer, now),
            Some(Look::Canary) => self.canary(number.item, answer, now),
            Some(look) => self.looked(number.item, look, answer, now),
        }
    }

    /// No further Job is touched; what is under way comes to its end.
    pub fn stop(&mut self) {
        self.stop.get_or_insert(Stop::Asked);
    }

    pub fn stopped(&self) -> Option<Stop> {
        self.stop
    }

    /// How many Jobs have come to which end.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn request(&mut self, now: Now) -> Option<Request<'p>> {
        let (index, look) = match self.looks.pop_front() {
            Some((index, look)) => (index, Some(look)),
            None => (self.armed.pop_front()?, None),
        };
        let item = self.items.get(index)?;
        let preconditions = Preconditions { uid: &item.uid, resource_version: &item.resource_version };
        let verb = match (look, self.mode) {
            (Some(_), _) => Verb::Get,
            (None, Mode::Delete) => Verb::Delete(preconditions),
            (None, Mode::Ttl) => {
                let notice = self.notice.saturating_add(LONGEST_WAY);
                Verb::SetTtl { ttl: ttl_of(item.finished, now.date, notice), preconditions }
            }
        };
        let number = Number { item: index, look };
        Some(Request { number, namespace: &item.namespace, name: &item.name, verb })
    }

    /// Has the journal say of the next few that they are about to be touched.
    fn arm(&mut self, now: Now) {
        for _ in 0..BATCH {
            let Some(index) = self.ready.pop_first() else { break };
            self.note(index, Fate::Intended, "", now);
            self.armed.push_back(index);
            self.durable = true;
        }
    }

    /// Has the journal say of those that were about to be touched that they are not.
    fn withdraw(&mut self, now: Now) {
        self.ready.clear();
        while let Some(index) = self.armed.pop_front() {
            match self.progress.get(index) {
                Some(progress) if progress.in_doubt => {
                    self.settle(index, Fate::Unknown, "stopped before it could be looked at", now);
                }
                _ => self.note(index, Fate::Withdrawn, "", now),
            }
        }
        self.looks.retain(|(_, look)| *look != Look::Canary);
    }

    /// What is known of an item before anything is done in this run.
    fn survey(&mut self, index: usize, item: &Item, seen: Option<&Seen>, now: Now) {
        match Since::of(item, seen, self.mode) {
            Since::Same => self.groups.hold(index),
            since => self.resolve(index, since, None, now),
        }
    }

    /// The answer to a request that touches.
    fn touched(&mut self, index: usize, answer: Answer, now: Now) {
        let Some(progress) = self.progress.get_mut(index) else { return };
        progress.attempts = progress.attempts.saturating_add(1);
        let is_last = progress.attempts >= ATTEMPTS;
        match answer {
            Answer::Done => self.settle(index, Fate::Done, "", now),
            Answer::Gone => self.resolve(index, Since::Gone, None, now),
            Answer::Conflict(_) => self.looks.push_back((index, Look::Conflict)),
            Answer::Lost(_) | Answer::Found(_) => {
                progress.in_doubt = true;
                self.looks.push_back((index, Look::Lost));
            }
            Answer::Busy { .. } if !is_last => self.armed.push_front(index),
            Answer::Busy { .. } => self.fail(index, "the API server is too busy", now),
            Answer::Refused(why) => self.fail(index, &why, now),
        }
    }

    /// The answer to a look at a Job of which it is not clear what has become of it.
    fn looked(&mut self, index: usize, look: Look, answer: Answer, now: Now) {
        let Some(item) = self.items.get(index) else { return };
        match answer {
            Answer::Found(seen) => {
                let since = Since::of(item, Some(&seen), self.mode);
                self.resolve(index, since, Some(look), now);
            }
            Answer::Gone => self.resolve(index, Since::Gone, Some(look), now),
            answer => match self.again(index, look, answer) {
                None => {}
                Some(why) => {
                    self.fail(index, &format!("cannot look at it: {why}"), now);
                }
            },
        }
    }

    fn canary(&mut self, index: usize, answer: Answer, now: Now) {
        let Some(item) = self.items.get(index) else { return };
        match answer {
            Answer::Gone => self.ready.extend(self.groups.stayed_away(index)),
            Answer::Found(seen) if seen.uid == item.uid => {
                self.ready.extend(self.groups.stayed_away(index));
            }
            Answer::Found(seen) => {
                let manager = if seen.manager.is_empty() { "somebody" } else { &seen.manager };
                self.close(index, Fate::Skipped, &format!("recreated by {manager}"), now);
            }
            // The next run looks again.
            _ if self.stop.is_some() => {}
            answer => {
                let Some(why) = self.again(index, Look::Canary, answer) else { return };
                let why = format!("cannot see whether the first ones came back: {why}");
                self.close(index, Fate::Waiting, &why, now);
            }
        }
    }

    /// Leaves those alone that wait for the canary `index`.
    fn close(&mut self, index: usize, fate: Fate, why: &str, now: Now) {
        for held in self.groups.close(index) {
            // A request of an earlier run may still be on its way.
            if self.is_in_doubt(held) {
                self.fail(held, why, now);
            } else {
                self.settle(held, fate, why, now);
            }
        }
    }

    /// Whether an answer about the item was lost, so that it may have been touched.
    fn is_in_doubt(&self, index: usize) -> bool {
        self.progress.get(index).is_some_and(|progress| progress.in_doubt)
    }

    /// Looks again at a Job after no answer; says what speaks against it.
    fn again(&mut self, index: usize, look: Look, answer: Answer) -> Option<String> {
        let progress = self.progress.get_mut(index)?;
        progress.attempts = progress.attempts.saturating_add(1);
        let why = match answer {
            Answer::Refused(why) => return Some(why),
            Answer::Lost(why) => why,
            _ => "the API server is too busy".to_owned(),
        };
        // A sweep that is to end looks once.
        if progress.attempts >= ATTEMPTS || self.stop.is_some() {
            return Some(why);
        }
        self.looks.push_back((index, look));
        None
    }

    /// Draws the conclusion of what has become of an item.
    fn resolve(&mut self, index: usize, since: Since, look: Option<Look>, now: Now) {
        let Some(progress) = self.progress.get(index).copied() else { return };
        let (in_doubt, mode) = (progress.in_doubt, self.mode);
        let recreated = "re-created under the same name";
        match since {
            Since::Gone if in_doubt => self.settle(index, Fate::Presumed, "", now),
            Since::Recreated if in_doubt => self.settle(index, Fate::Presumed, recreated, now),
            Since::Going if in_doubt && mode == Mode::Delete => self.settle(index, Fate::Presumed, "", now),
            Since::Expiring if in_doubt => self.settle(index, Fate::Presumed, "", now),
            // A request of an earlier run may still be on its way, and nothing about the Job would hold it up.
            Since::Guarded(why) if in_doubt => self.fail(index, &why, now),
            // It may have got its TTL before it got what makes it another one now.
            Since::Going | Since::Changed(_) if in_doubt && mode == Mode::Ttl => {
                self.fail(index, "has changed since an answer was lost", now);
            }
            Since::Gone => self.settle(index, Fate::Gone, "", now),
            Since::Recreated => self.settle(index, Fate::Skipped, recreated, now),
            Since::Going => self.settle(index, Fate::Skipped, "is being deleted already", now),
            Since::Expiring => self.settle(index, Fate::Skipped, "has a TTL already", now),
            Since::Changed(why) => self.settle(index, Fate::Skipped, &why, now),
            Since::Guarded(why) => self.settle(index, Fate::Guarded, &why, now),
            Since::Same if look == Some(Look::Conflict) => {
                let why = match mode {
                    Mode::Delete => "the API server reported a conflict",
                    Mode::Ttl => "another field manager owns its TTL",
                };
                if in_doubt {
                    self.fail(index, why, now)
                } else {
                    self.settle(index, Fate::Skipped, why, now)
                }
            }
            Since::Same if progress.attempts >= ATTEMPTS || self.stop.is_some() => {
                self.fail(index, "the API server did not answer", now);
            }
            Since::Same => self.armed.push_front(index),
        }
    }

    /// An item that cannot be carried out.
    fn fail(&mut self, index: usize, why: &str, now: Now) {
        let fate = if self.is_in_doubt(index) { Fate::Unknown } else { Fate::Refused };
        self.settle(index, fate, why, now);
        if self.tally.errors() > self.settings.max_errors {
            self.stop.get_or_insert(Stop::Errors);
        }
    }

    fn settle(&mut self, index: usize, fate: Fate, why: &str, now: Now) {
        self.note(index, fate, why, now);
        self.conclude(index, fate, why);
        let next = self.groups.settled(index, fate.is_ours(), now.millis);
        self.ready.extend(next);
    }

    fn conclude(&mut self, index: usize, fate: Fate, why: &str) {
        if let Some(progress) = self.progress.get_mut(index).filter(|progress| !progress.is_settled) {
            progress.is_settled = true;
            // It may still be looked at, as a canary.
            progress.attempts = 0;
            self.tally.count(fate, why);
        }
    }

    fn note(&mut self, index: usize, fate: Fate, why: &str, now: Now) {
        if let Some(item) = self.items.get(index) {
            journal::write(&mut self.text, now.date, item, self.groups.manager(index), fate, why);
        }
    }
}

#[cfg(test)]
mod tests;
