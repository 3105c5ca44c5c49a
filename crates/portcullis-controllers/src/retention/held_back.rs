//! Writes that are not made again: somebody takes them back, or does not want them.

use std::collections::BTreeMap;

/// How often the same TTL is set.
const MOST: u8 = 3;
/// How long a Job that was refused is left alone, in seconds; after each further time twice as long.
const REFUSED_FOR: i64 = 600;
const MOST_DOUBLINGS: u8 = 5;
/// How long a namespace is left alone in which a write was not answered, in seconds; after each further time twice as long.
const SILENT_FOR: i64 = 5;
const LONGEST_SILENCE: i64 = 300;
/// How long one is remembered in which nothing is to be written any more, in seconds.
const FORGET_SILENCE: i64 = 3_600;
/// From so many Jobs on, those that are gone are looked for.
const FORGET_ABOVE: usize = 1_000;

/// What is remembered of Jobs that were written to, or that could not be.
///
/// A TTL that is to be written although it was written has been taken back: by a person, or by a controller that would do
/// so for ever. After three times the Job is left alone.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// The TTL that was written last, and how often one after the other.
    written: BTreeMap<Box<str>, (i32, u8)>,
    refused: BTreeMap<Box<str>, Refusal>,
    /// By namespace: it may have webhooks of its own, behind which nobody answers.
    silent: BTreeMap<Box<str>, Silence>,
    /// From so many on it is worth to look for those that are gone.
    forget_above: usize,
}

/// That the TTL of a Job was not written.
#[derive(Debug)]
struct Refusal {
    resource_version: Box<str>,
    /// In seconds since 1970-01-01 UTC.
    since: i64,
    /// How often, less one.
    again: u8,
    /// The API server's words.
    message: Box<str>,
}

/// That a write in a namespace was not answered.
#[derive(Debug)]
struct Silence {
    /// In seconds since 1970-01-01 UTC: then one write is tried.
    until: i64,
    /// How long it was left alone.
    seconds: i64,
    message: Box<str>,
}

impl HeldBack {
    /// Whether this TTL was taken back again and again.
    pub(super) fn is_contested(&self, uid: &str, ttl: i32) -> bool {
        self.written.get(uid).is_some_and(|(written, times)| *written == ttl && *times >= MOST)
    }

    /// Why the Job, as it is now, was refused a moment ago, if it was.
    pub(super) fn refusal(&self, uid: &str, resource_version: &str, now: i64) -> Option<&str> {
        let refusal = self.refused.get(uid)?;
        let is_recent = now.saturating_sub(refusal.since) < REFUSED_FOR << refusal.again.min(MOST_DOUBLINGS);
        (is_recent && *refusal.resource_version == *resource_version).then_some(&refusal.message)
    }

    pub(super) fn wrote(&mut self, uid: &str, ttl: i32) {
        let (written, times) = self.written.entry(uid.into()).or_insert((ttl, 0));
        *times = if *written == ttl { times.saturating_add(1) } else { 1 };
        *written = ttl;
        self.refused.remove(uid);
    }

    pub(super) fn was_refused(&mut self, uid: &str, resource_version: &str, message: &str, now: i64) {
        let before = self.refused.get(uid).filter(|before| *before.resource_version == *resource_version);
        let again = before.map_or(0, |before| before.again.saturating_add(1));
        let (resource_version, message) = (resource_version.into(), message.into());
        self.refused.insert(uid.into(), Refusal { resource_version, since: now, again, message });
    }

    /// Why nothing is written in a namespace for the moment, if nothing is.
    pub(super) fn silence(&self, namespace: &str, now: i64) -> Option<&str> {
        self.silent.get(namespace).filter(|silence| now < silence.until).map(|silence| &*silence.message)
    }

    /// Whether the last write in a namespace was not answered: one is tried before there are others.
    pub(super) fn is_doubtful(&self, namespace: &str) -> bool {
        self.silent.contains_key(namespace)
    }

    /// When the next namespace is to be tried that nothing is written in at `now`, in seconds since 1970-01-01 UTC.
    pub(super) fn next_try(&self, now: i64) -> Option<i64> {
        self.silent.values().map(|silence| silence.until).filter(|until| *until > now).min()
    }

    pub(super) fn was_lost(&mut self, namespace: &str, message: &str, now: i64) {
        let before = self.silent.get(namespace).map_or(0, |silence| silence.seconds);
        let seconds = (before * 2).clamp(SILENT_FOR, LONGEST_SILENCE);
        let silence = Silence { until: now.saturating_add(seconds), seconds, message: message.into() };
        self.silent.insert(namespace.into(), silence);
    }

    /// There was an answer to a write in a namespace.
    pub(super) fn was_answered(&mut self, namespace: &str) {
        self.silent.remove(namespace);
    }

    /// Forgets Jobs that are gone, once there may be many of them, and namespaces in which nothing is tried any more.
    pub(super) fn forget(&mut self, is_there: impl Fn(&str) -> bool, now: i64) {
        self.silent.retain(|_, silence| now < silence.until.saturating_add(FORGET_SILENCE));
        let remembered = |held: &Self| held.written.len() + held.refused.len();
        if remembered(self) > self.forget_above.max(FORGET_ABOVE) {
            self.written.retain(|uid, _| is_there(uid));
            self.refused.retain(|uid, _| is_there(uid));
            self.forget_above = remembered(self) * 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_times_a_job_is_left_alone_until_something_else_is_to_be_written() {
        let mut held = HeldBack::default();
        for _ in 0..MOST {
            assert!(!held.is_contested("a", 900));
            held.wrote("a", 900);
        }
        assert!(held.is_contested("a", 900) && !held.is_contested("b", 900) && !held.is_contested("a", 60));
        held.wrote("a", 60);
        assert!(!held.is_contested("a", 900));
    }

    #[test]
    fn a_job_that_was_refused_is_tried_again_when_it_has_changed_or_after_a_while() {
        let mut held = HeldBack::default();
        held.was_refused("a", "7", "no", 1_000);
        assert_eq!(held.refusal("a", "7", 1_000 + REFUSED_FOR - 1), Some("no"));
        assert_eq!(held.refusal("a", "7", 1_000 + REFUSED_FOR), None);
        assert_eq!([held.refusal("a", "8", 1_000), held.refusal("b", "7", 1_000)], [None, None]);
        held.was_refused("a", "7", "still no", 2_000);
        assert_eq!(held.refusal("a", "7", 2_000 + 2 * REFUSED_FOR - 1), Some("still no"));
        for _ in 0..300 {
            held.was_refused("a", "7", "never", 3_000);
        }
        assert_eq!(held.refusal("a", "7", 3_000 + 32 * REFUSED_FOR), None);
        held.was_refused("a", "8", "no", 3_000);
        assert_eq!(held.refusal("a", "8", 3_000 + REFUSED_FOR), None);
    }

    #[test]
    fn a_namespace_without_an_answer_is_left_alone_ever_longer_until_there_is_one() {
        let mut held = HeldBack::default();
        let mut now = 1_000;
        for wait in [5, 10, 20, 40, 80, 160, 300, 300] {
            held.was_lost("a", "502", now);
            assert_eq!((held.silence("a", now + wait - 1), held.silence("b", now)), (Some("502"), None));
            assert_eq!(held.next_try(now), Some(now + wait));
            now += wait;
            assert_eq!(
                (held.silence("a", now), held.is_doubtful("a"), held.next_try(now)),
                (None, true, None)
            );
        }
        held.was_lost("b", "502", now);
        held.was_answered("b");
        assert!(held.silence("b", now).is_none() && !held.is_doubtful("b"));
        held.forget(|_| false, now + FORGET_SILENCE);
        assert!(!held.is_doubtful("a"));
    }

    #[test]
    fn what_is_remembered_is_bounded_by_the_jobs_that_are_there() {
        let mut held = HeldBack::default();
        for job in 0..3 * FORGET_ABOVE {
            held.wrote(&job.to_string(), 900);
            held.was_refused(&format!("r{job}"), "7", "no", 0);
            held.forget(|uid| uid.ends_with("77"), 0);
            assert!(held.written.len() + held.refused.len() <= FORGET_ABOVE);
        }
    }
}
