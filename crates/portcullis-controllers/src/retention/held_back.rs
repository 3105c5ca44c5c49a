//! Writes that are not made again: somebody takes them back, or does not want them.

use std::collections::BTreeMap;

/// How often the same TTL is set.
const MOST: u8 = 3;
/// How long a Job that was refused is left alone, in seconds, and at most; after each further time twice as long.
const REFUSED_FOR: (i64, i64) = (600, 5 * 3_600);
/// The same of a Job about which there was no answer: longer than its namespace, so that another one is tried there first.
const LOST_FOR: (i64, i64) = (10, 600);
/// The same of a namespace in which a write was not answered.
const SILENT_FOR: (i64, i64) = (5, 60);
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
    silent: BTreeMap<Box<str>, Hold>,
    /// From so many on it is worth to look for those that are gone.
    forget_above: usize,
}

/// That the TTL of a Job was not written.
#[derive(Debug)]
struct Refusal {
    resource_version: Box<str>,
    hold: Hold,
}

/// That something is left alone for a while.
#[derive(Debug)]
struct Hold {
    /// In seconds since 1970-01-01 UTC.
    until: i64,
    /// How long that is from its start, in seconds.
    seconds: i64,
    /// The API server's words.
    message: Box<str>,
}

impl Hold {
    /// From `now` on, twice as long as the one before.
    fn after(before: Option<&Hold>, (first, most): (i64, i64), message: &str, now: i64) -> Self {
        let seconds = before.map_or(first, |before| before.seconds.saturating_mul(2)).clamp(first, most);
        Hold { until: now.saturating_add(seconds), seconds, message: message.into() }
    }

    fn holds(&self, now: i64) -> bool {
        now < self.until
    }
}

impl HeldBack {
    /// Whether there is a write that is held back, or may be.
    pub(super) fn has_some(&self) -> bool {
        let is_contested = self.written.values().any(|(_, times)| *times >= MOST);
        is_contested || !self.refused.is_empty() || !self.silent.is_empty()
    }

    /// Whether this TTL was taken back again and again.
    pub(super) fn is_contested(&self, uid: &str, ttl: i32) -> bool {
        self.written.get(uid).is_some_and(|(written, times)| *written == ttl && *times >= MOST)
    }

    /// Why the TTL of the Job, as it is now, could not be written when that was tried last.
    pub(super) fn refusal(&self, uid: &str, resource_version: &str) -> Option<&str> {
        Some(&*self.refused(uid, resource_version)?.message)
    }

    /// Whether the Job, as it is now, is left alone for the moment.
    pub(super) fn is_held(&self, uid: &str, resource_version: &str, now: i64) -> bool {
        self.refused(uid, resource_version).is_some_and(|hold| hold.holds(now))
    }

    fn refused(&self, uid: &str, resource_version: &str) -> Option<&Hold> {
        let refusal = self.refused.get(uid)?;
        (*refusal.resource_version == *resource_version).then_some(&refusal.hold)
    }

    pub(super) fn wrote(&mut self, uid: &str, ttl: i32) {
        let (written, times) = self.written.entry(uid.into()).or_insert((ttl, 0));
        *times = if *written == ttl { times.saturating_add(1) } else { 1 };
        *written = ttl;
        self.refused.remove(uid);
    }

    pub(super) fn was_refused(&mut self, uid: &str, resource_version: &str, message: &str, now: i64) {
        self.hold(uid, resource_version, REFUSED_FOR, message, now);
    }

    fn hold(&mut self, uid: &str, resource_version: &str, times: (i64, i64), message: &str, now: i64) {
        let hold = Hold::after(self.refused(uid, resource_version), times, message, now);
        self.refused.insert(uid.into(), Refusal { resource_version: resource_version.into(), hold });
    }

    /// Why the last write in a namespace was not answered: one is tried before there are others.
    pub(super) fn doubt(&self, namespace: &str) -> Option<&str> {
        Some(&*self.silent.get(namespace)?.message)
    }

    /// Whether nothing is written in a namespace for the moment.
    pub(super) fn is_silent(&self, namespace: &str, now: i64) -> bool {
        self.silent.get(namespace).is_some_and(|hold| hold.holds(now))
    }

    /// When the next namespace is to be tried that nothing is written in at `now`, in seconds since 1970-01-01 UTC.
    pub(super) fn next_try(&self, now: i64) -> Option<i64> {
        self.silent.values().filter(|hold| hold.holds(now)).map(|hold| hold.until).min()
    }

    /// There was no answer to a write to this Job of a namespace.
    pub(super) fn was_lost(
        &mut self,
        namespace: &str,
        uid: &str,
        resource_version: &str,
        message: &str,
        now: i64,
    ) {
        self.hold(uid, resource_version, LOST_FOR, message, now);
        let hold = Hold::after(self.silent.get(namespace), SILENT_FOR, message, now);
        self.silent.insert(namespace.into(), hold);
    }

    /// There was an answer to a write in a namespace.
    pub(super) fn was_answered(&mut self, namespace: &str) {
        self.silent.remove(namespace);
    }

    /// Forgets Jobs that are gone, once there may be many of them, and namespaces in which nothing is tried any more.
    pub(super) fn forget(&mut self, is_there: impl Fn(&str) -> bool, now: i64) {
        self.silent.retain(|_, hold| now < hold.until.saturating_add(FORGET_SILENCE));
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
    fn a_job_that_was_refused_is_tried_again_when_it_has_changed_or_after_ever_longer() {
        let mut held = HeldBack::default();
        let mut now = 1_000;
        for wait in [600, 1_200, 2_400, 4_800, 9_600, 18_000, 18_000] {
            held.was_refused("a", "7", "no", now);
            assert!(held.is_held("a", "7", now + wait - 1) && !held.is_held("a", "7", now + wait));
            assert_eq!([held.refusal("a", "7"), held.refusal("a", "8")], [Some("no"), None]);
            now += wait;
        }
        held.was_refused("a", "8", "no", now);
        assert!(!held.is_held("a", "8", now + 600) && !held.is_held("b", "7", now));
        held.wrote("a", 900);
        assert_eq!(held.refusal("a", "8"), None);
    }

    #[test]
    fn a_namespace_without_an_answer_is_left_alone_ever_longer_and_the_job_longer_than_it() {
        let mut held = HeldBack::default();
        let mut now = 1_000;
        for wait in [5, 10, 20, 40, 60, 60] {
            held.was_lost("a", "u", "7", "502", now);
            assert!(held.is_silent("a", now + wait - 1) && !held.is_silent("b", now));
            assert_eq!(held.next_try(now), Some(now + wait));
            now += wait;
            assert_eq!(
                (held.is_silent("a", now), held.doubt("a"), held.next_try(now)),
                (false, Some("502"), None)
            );
            assert!(held.is_held("u", "7", now), "another Job is tried");
        }
        held.was_answered("a");
        assert_eq!(held.doubt("a"), None);
        held.was_lost("b", "v", "7", "502", now);
        held.forget(|_| false, now + FORGET_SILENCE);
        assert_eq!(held.doubt("b"), Some("502"));
        held.forget(|_| false, now + 2 * FORGET_SILENCE);
        assert_eq!(held.doubt("b"), None);
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
