//! Writes that are not made again: somebody takes them back, or does not want them.

use std::collections::BTreeMap;

/// How often the same TTL is set.
const MOST: u8 = 3;
/// How long a Job that was refused is left alone, in seconds.
const REFUSED_FOR: i64 = 600;
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
    /// From so many on it is worth to look for those that are gone.
    forget_above: usize,
}

/// That the TTL of a Job was not written.
#[derive(Debug)]
struct Refusal {
    resource_version: Box<str>,
    /// In seconds since 1970-01-01 UTC.
    since: i64,
    /// The API server's words.
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
        let is_recent = now.saturating_sub(refusal.since) < REFUSED_FOR;
        (is_recent && *refusal.resource_version == *resource_version).then_some(&refusal.message)
    }

    pub(super) fn wrote(&mut self, uid: &str, ttl: i32) {
        let (written, times) = self.written.entry(uid.into()).or_insert((ttl, 0));
        *times = if *written == ttl { times.saturating_add(1) } else { 1 };
        *written = ttl;
        self.refused.remove(uid);
    }

    pub(super) fn was_refused(&mut self, uid: &str, resource_version: &str, message: &str, now: i64) {
        let refusal =
            Refusal { resource_version: resource_version.into(), since: now, message: message.into() };
        self.refused.insert(uid.into(), refusal);
    }

    /// Forgets Jobs that are gone, once there may be many of them.
    pub(super) fn forget(&mut self, is_there: impl Fn(&str) -> bool) {
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
    }

    #[test]
    fn what_is_remembered_is_bounded_by_the_jobs_that_are_there() {
        let mut held = HeldBack::default();
        for job in 0..3 * FORGET_ABOVE {
            held.wrote(&job.to_string(), 900);
            held.was_refused(&format!("r{job}"), "7", "no", 0);
            held.forget(|uid| uid.ends_with("77"));
            assert!(held.written.len() + held.refused.len() <= FORGET_ABOVE);
        }
    }
}
