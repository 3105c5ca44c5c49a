//! The status of a JobRetention: what it does, what it has done, and what comes next.

use portcullis_model::Diagnostic;
use portcullis_value::{Arena, Value};

use super::grant::cap;
use super::{JobRetention, Mode, Progress, Retentions, Tally, time};

/// How many of the last actions are told.
const LAST_ACTIONS: usize = 10;

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// In seconds since 1970-01-01 UTC.
    pub at: i64,
    /// `namespace/name`.
    pub job: Box<str>,
    /// What was done, or what stood in the way: one line.
    pub what: Box<str>,
}

impl Action {
    /// That a TTL was written.
    pub fn wrote(at: i64, namespace: &str, name: &str, seconds: i32) -> Action {
        let what = format!("ttlSecondsAfterFinished: {seconds}");
        Action { at, job: format!("{namespace}/{name}").into(), what: what.into() }
    }
}

/// What is told of an object in force.
#[derive(Clone, Copy, Debug)]
pub struct Report<'r> {
    pub retentions: &'r Retentions,
    /// The number of the object.
    pub number: usize,
    /// Of an object in mode audit, that of a round in which those take part too.
    pub tally: &'r Tally,
    pub progress: &'r Progress,
    /// What was done since the status before, in order of time.
    pub actions: &'r [Action],
    /// `namespace/name` of the Job that goes next.
    pub next: Option<&'r str>,
    /// What stands in the way of writing, in one line.
    pub trouble: Option<&'r str>,
    /// In seconds since 1970-01-01 UTC.
    pub now: i64,
}

impl Report<'_> {
    /// The status that comes after `previous`, the one that there is. Where nothing has changed it is the same.
    pub fn status<'a>(&self, arena: &'a Arena, previous: Value<'a>) -> Value<'a> {
        let Some(retention) = self.retentions.all().get(self.number) else { return previous };
        let mut members = vec![
            ("observedGeneration", retention.generation.into()),
            ("mode", retention.mode.name().into()),
            ("jobs", self.counts(arena, retention)),
            (
                "conditions",
                conditions(arena, previous, &self.conditions(retention), retention.generation, self.now),
            ),
        ];
        members.extend(self.progress.write(arena));
        members.push(("lastActions", self.last_actions(arena, previous)));
        members.push(("next", self.next(arena, retention)));
        members.push(("overlaps", self.overlaps(arena)));
        members.retain(|(_, value)| !value.is_null());
        arena.object(&mut members)
    }

    fn counts<'a>(&self, arena: &'a Arena, retention: &JobRetention) -> Value<'a> {
        let tally = self.tally;
        let to_write = if retention.mode == Mode::Audit { "wouldWrite" } else { "toWrite" };
        let counts = [
            ("selected", tally.selected),
            ("unfinished", tally.unfinished),
            ("protected", tally.protected),
            ("namespaceUnknown", tally.unknown),
            ("kept", tally.kept),
            ("neverExpire", tally.never),
            ("existingTTL", tally.existing_ttl),
            ("expiring", tally.expiring),
            (to_write, tally.to_write),
            ("overruled", tally.overruled),
        ];
        let count = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        arena.object(&mut counts.map(|(name, number)| (name, count(number))).to_vec())
    }

    fn last_actions<'a>(&self, arena: &'a Arena, previous: Value<'a>) -> Value<'a> {
        let newest = self.actions.iter().rev().map(|action| {
            arena.object(&mut vec![
                ("at", time::write(arena, action.at)),
                ("job", arena.string(&action.job)),
                ("what", arena.string(&action.what)),
            ])
        });
        let before = previous.get("lastActions").and_then(Value::as_array).unwrap_or_default();
        let actions: Vec<_> = newest.chain(before.iter().copied()).take(LAST_ACTIONS).collect();
        if actions.is_empty() { Value::Null } else { arena.array(&actions) }
    }

    fn next<'a>(&self, arena: &'a Arena, retention: &JobRetention) -> Value<'a> {
        let mut members = Vec::new();
        if let (Some((at, _)), Some(job)) = (self.tally.next, self.next) {
            members.extend([("job", arena.string(job)), ("expires", time::write(arena, at))]);
        }
        let waits = self.tally.to_write > 0 && retention.mode == Mode::Enforce;
        let opens = self.progress.window().opens(cap(retention, true), self.now).filter(|_| waits);
        members.extend(opens.map(|opens| ("writesFrom", time::write(arena, opens))));
        if members.is_empty() { Value::Null } else { arena.object(&mut members) }
    }

    fn overlaps<'a>(&self, arena: &'a Arena) -> Value<'a> {
        let names = self.overlapping().map(|name| arena.string(name)).collect::<Vec<_>>();
        if names.is_empty() { Value::Null } else { arena.array(&names) }
    }

    /// The names of the objects that select some of the same Jobs.
    fn overlapping(&self) -> impl Iterator<Item = &str> {
        self.tally.overlaps.iter().filter_map(|number| Some(&*self.retentions.all().get(*number)?.name))
    }

    fn conditions(&self, retention: &JobRetention) -> Vec<Condition> {
        let Tally { to_write, overruled, .. } = self.tally;
        let ready = match (retention.mode, self.trouble) {
            (Mode::Enforce, Some(trouble)) => {
                Condition::new("Ready", false, "WritesFail", trouble.to_owned())
            }
            (Mode::Audit, _) => {
                let message = format!("nothing is written in mode audit; {to_write} TTLs would be");
                Condition::new("Ready", true, "Audit", message)
            }
            (Mode::Enforce, None) => Condition::new("Ready", true, "Enforced", "TTLs are written".to_owned()),
        };
        let mut conditions = vec![ready];
        if retention.mode == Mode::Enforce {
            let backlog = self.progress.backlog();
            conditions.push(if backlog.waits() {
                let message = format!(
                    "of the Jobs that had finished before {jobs} would go, and {allowed} may: write `approvedBacklog: {jobs}` into the spec if all of them are to",
                    jobs = backlog.jobs,
                    allowed = backlog.allowed
                );
                Condition::new("BacklogApproved", false, "AwaitsApproval", message)
            } else {
                let message = format!("of the Jobs that had finished before {} are left to do", backlog.jobs);
                Condition::new("BacklogApproved", true, "WithinLimit", message)
            });
        }
        let others: Vec<_> = self.overlapping().map(|name| format!("`{name}`")).collect();
        conditions.push(if others.is_empty() {
            Condition::new("Overlapping", false, "Alone", "no other object selects its Jobs".to_owned())
        } else {
            let message = format!(
                "{} select some of the same Jobs: the longest retention wins; another decides on {overruled} of its Jobs",
                others.join(", ")
            );
            Condition::new("Overlapping", true, "LongestWins", message)
        });
        conditions
    }
}

/// The status of an object that cannot be used, after `previous`.
pub fn invalid<'a>(arena: &'a Arena, document: Value<'a>, errors: &[Diagnostic], now: i64) -> Value<'a> {
    let previous = document.get("status").unwrap_or_default();
    let generation = document.path(&["metadata", "generation"]).and_then(Value::as_i64).unwrap_or_default();
    let told: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.path, error.message)).collect();
    let ready = Condition::new("Ready", false, "Invalid", told.join("; "));
    // What counts the writes of an hour stays: the object may be mended within it.
    let mut members = vec![
        ("observedGeneration", generation.into()),
        ("conditions", conditions(arena, previous, &[ready], generation, now)),
    ];
    members.extend(previous.get("writes").map(|writes| ("writes", writes)));
    arena.object(&mut members)
}

/// The status of an object of whose Jobs nothing is known yet, after `previous`: all else stays.
pub fn unlisted<'a>(
    arena: &'a Arena,
    previous: Value<'a>,
    retention: &JobRetention,
    why: &str,
    now: i64,
) -> Value<'a> {
    let message = format!("Jobs cannot be listed, and nothing is written: {why}");
    let ready = Condition::new("Ready", false, "JobsUnknown", message);
    let told = conditions(arena, previous, &[ready], retention.generation, now);
    let others = previous.get("conditions").and_then(Value::as_array).unwrap_or_default();
    let others = others.iter().filter(|condition| condition.get("type") != Some("Ready".into()));
    let all: Vec<_> = told.as_array().unwrap_or_default().iter().chain(others).copied().collect();
    let status = if previous.is_null() { arena.object(&mut Vec::new()) } else { previous };
    let status = status.with(arena, &["observedGeneration"], retention.generation.into());
    status.with(arena, &["conditions"], arena.array(&all))
}

struct Condition {
    of: &'static str,
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Condition {
    fn new(of: &'static str, holds: bool, reason: &'static str, message: String) -> Self {
        Self { of, holds, reason, message }
    }
}

/// The conditions, each with the time since when it is so.
fn conditions<'a>(
    arena: &'a Arena,
    previous: Value<'a>,
    conditions: &[Condition],
    generation: i64,
    now: i64,
) -> Value<'a> {
    let before = previous.get("conditions").and_then(Value::as_array).unwrap_or_default();
    let written = conditions.iter().map(|condition| {
        let status: Value<'a> = if condition.holds { "True" } else { "False" }.into();
        let same = before.iter().find(|other| {
            other.get("type") == Some(condition.of.into()) && other.get("status") == Some(status)
        });
        let since = same.and_then(|same| same.get("lastTransitionTime"));
        arena.object(&mut vec![
            ("type", condition.of.into()),
            ("status", status),
            ("reason", condition.reason.into()),
            ("message", arena.string(&condition.message)),
            ("observedGeneration", generation.into()),
            ("lastTransitionTime", since.unwrap_or_else(|| time::write(arena, now))),
        ])
    });
    arena.array(&written.collect::<Vec<_>>())
}
