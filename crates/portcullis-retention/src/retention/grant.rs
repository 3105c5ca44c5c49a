//! Which TTLs are written now: so many an hour, and of the Jobs that had finished before only what was approved.

use portcullis_value::{Arena, Value};

use super::{Fate, JobRetention, Mode, Origin, Round, Window, time};

/// How many Jobs that had finished before may go without an approval: at most so many, and such a part of all Jobs of the cluster.
const BACKLOG: u64 = 10_000;
const BACKLOG_PERCENT: u64 = 25;
/// The part of an hour's writes that is kept for what lets Jobs stay, so that a backlog that goes does not use them up.
const RESERVE_PERCENT: u64 = 20;

/// A TTL that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The number of the Job.
    pub job: usize,
    pub seconds: i32,
    /// The number of the object that says so.
    pub by: usize,
    /// Whether it is taken from somebody who owns it.
    pub is_forced: bool,
    /// Whether the Job goes sooner than it would without; otherwise it stays longer.
    pub hastens: bool,
    /// When the Job finished.
    pub finished: i64,
}

impl Round<'_, '_, '_> {
    /// All TTLs that are to be written, the most urgent first: what lets a Job stay that would go, in the order in which
    /// they would, and then the Jobs that finished first.
    pub fn writes(&self) -> Vec<Write> {
        let mut writes: Vec<(i64, Write)> = Vec::new();
        for (job, (fate, candidate)) in self.fates().iter().zip(self.scene.jobs).enumerate() {
            let (Fate::Write(term), Some(finished)) = (fate, candidate.finished) else { continue };
            let ttl = candidate.ttl;
            let write = Write {
                job,
                seconds: term.seconds,
                by: term.by,
                is_forced: ttl.is_some_and(|ttl| ttl.origin == Origin::Other),
                hastens: ttl.is_none_or(|ttl| ttl.seconds > term.seconds),
                finished,
            };
            let goes = ttl.filter(|_| !write.hastens).map_or(0, |ttl| i64::from(ttl.seconds));
            writes.push((finished.saturating_add(goes), write));
        }
        writes.sort_by_key(|(time, write)| (write.hastens, *time));
        writes.into_iter().map(|(_, write)| write).collect()
    }
}

/// What is remembered of an object from one round to the next, by the next leader too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The revision of the object that this is about.
    revision: Box<str>,
    /// What tells whether the other objects in force are those that were: where one is gone, or says something else, this one
    /// may let Jobs go that have stayed by the other.
    beside: Box<str>,
    /// When it was first enforced as it is, beside the others, in seconds since 1970-01-01 UTC: what had finished before is
    /// the backlog.
    since: Option<i64>,
    window: Window,
    backlog: Backlog,
}

/// The Jobs that had finished before an object was enforced, and that would go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub jobs: u64,
    /// How many may.
    pub allowed: u64,
}

impl Backlog {
    /// Whether they wait for an approval.
    pub fn waits(self) -> bool {
        self.jobs > self.allowed
    }
}

impl Progress {
    /// Reads it from the status of an object, at `now` (seconds since 1970-01-01 UTC).
    pub fn read(status: Value<'_>, now: i64) -> Progress {
        let text = |path: &[&str]| status.path(path).and_then(Value::as_str);
        Progress {
            revision: text(&["enforced", "revision"]).unwrap_or_default().into(),
            beside: text(&["enforced", "beside"]).unwrap_or_default().into(),
            since: text(&["enforced", "since"]).and_then(time::read),
            window: Window::read(status.get("writes").unwrap_or_default(), now),
            backlog: Backlog::default(),
        }
    }

    /// When the object was first enforced as it is, beside the others, in seconds since 1970-01-01 UTC.
    pub fn since(&self) -> Option<i64> {
        self.since
    }

    pub fn backlog(&self) -> Backlog {
        self.backlog
    }

    /// Counts up to `wanted` writes at `now`, so that there are not more than `cap` in any hour, and says how many.
    pub fn take(&mut self, wanted: u32, cap: u32, now: i64) -> u32 {
        self.window.take(wanted, cap, now)
    }

    /// Takes writes that were granted and not made off the hour again.
    pub fn give_back(&mut self, writes: u32) {
        self.window.give_back(writes);
    }

    /// The writes of the past hour.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// What is to be remembered of the object, as members of its status.
    pub(super) fn write<'a>(&self, arena: &'a Arena) -> [(&'static str, Value<'a>); 2] {
        let enforced = self.since.map(|since| {
            let count = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
            arena.object(&mut vec![
                ("revision", arena.string(&self.revision)),
                ("beside", arena.string(&self.beside)),
                ("since", time::write(arena, since)),
                ("backlog", count(self.backlog.jobs)),
            ])
        });
        [("enforced", enforced.unwrap_or_default()), ("writes", self.window.write(arena))]
    }

    /// Begins anew where the object, or one `beside` it, says something else than before. What is beside it may not be known.
    fn follow(&mut self, retention: &JobRetention, beside: Option<&str>, now: i64) {
        let beside = beside.unwrap_or(&self.beside);
        let is_as_before = self.revision == retention.revision && *self.beside == *beside;
        if retention.mode == Mode::Audit {
            self.since = None;
        } else if self.since.is_none() || !is_as_before {
            self.since = Some(now);
        }
        self.revision.clone_from(&retention.revision);
        self.beside = beside.into();
        self.backlog = Backlog::default();
        self.window.forget(now);
    }
}

/// Which of the writes of `round` are made now, `most` of them; `progress` has what is known of each object, by its number.
///
/// They count as made from here on: whoever makes them first writes down the progress, so that a leader who comes after
/// knows of them. `may_write` is asked about those that wait for no approval, the most urgent first; what it holds back
/// counts as nothing.
pub fn grant(
    round: &Round<'_, '_, '_>,
    progress: &mut [Progress],
    now: i64,
    most: usize,
    may_write: &mut dyn FnMut(&Write) -> bool,
) -> Vec<Write> {
    let retentions = round.scene.retentions.all();
    let has_all = round.scene.retentions.unreadable().is_empty();
    let usual = (round.scene.listed.saturating_mul(BACKLOG_PERCENT) / 100).min(BACKLOG);
    for (retention, progress) in retentions.iter().zip(&mut *progress) {
        let beside = has_all.then(|| beside(retentions, retention));
        progress.follow(retention, beside.as_deref(), now);
        progress.backlog.allowed = usual.max(retention.approved_backlog.unwrap_or_default());
    }
    let mut writes = round.writes();
    let is_backlog = |write: &Write, progress: &Progress| {
        write.hastens && progress.since.is_some_and(|since| write.finished < since)
    };
    for write in &writes {
        if let Some(progress) = progress.get_mut(write.by).filter(|progress| is_backlog(write, progress)) {
            progress.backlog.jobs += 1;
        }
    }
    let mut granted = 0;
    writes.retain(|write| {
        let (Some(progress), Some(retention)) = (progress.get_mut(write.by), retentions.get(write.by)) else {
            return false;
        };
        let waits = progress.backlog.waits() && is_backlog(write, progress);
        let is_granted = granted < most
            && !waits
            && (has_all || !write.hastens)
            && progress.window.writes() < cap(retention, write.hastens)
            && may_write(write)
            && progress.take(1, retention.writes_per_hour, now) == 1;
        granted += usize::from(is_granted);
        is_granted
    });
    writes
}

/// How many writes there are in an hour, of those that have Jobs go sooner and of all.
pub(super) fn cap(retention: &JobRetention, hastens: bool) -> u32 {
    let all = retention.writes_per_hour;
    let reserve = if hastens { u64::from(all) * RESERVE_PERCENT / 100 } else { 0 };
    all.saturating_sub(u32::try_from(reserve).unwrap_or(all))
}

/// What tells the other objects that are enforced from others.
fn beside(retentions: &[JobRetention], one: &JobRetention) -> String {
    let others = retentions.iter().filter(|other| other.mode == Mode::Enforce && other.name != one.name);
    let words: Vec<_> = others.map(|other| format!("{}={}", other.name, other.revision)).collect();
    format!("{:016x}", Value::from(&*words.join(",")).fingerprint())
}
