//! The time a review has.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use portcullis_gocompat::duration;
use tokio::time::Instant;

use crate::Limits;
use crate::turns::wake_a_worker;

/// A review that runs for longer than this lets another worker look after the connections.
const LONG: Duration = Duration::from_millis(1);

/// When a review must have its answer.
#[derive(Debug)]
pub struct Deadline {
    instant: Instant,
    /// When the review has become long.
    long: Instant,
    is_long: AtomicBool,
}

impl Deadline {
    /// The deadline of a request whose headers came at `now`: a tenth before the time that the API server gives in the
    /// query (`timeout=10s`), at most [`Limits::review`], which is also what counts where the query says nothing.
    pub(crate) fn of_query(query: Option<&str>, limits: &Limits, now: Instant) -> Self {
        let asked = query
            .unwrap_or_default()
            .split('&')
            .find_map(|pair| pair.strip_prefix("timeout="))
            .and_then(|text| duration::Duration::parse(text).ok())
            .and_then(|duration| u64::try_from(duration.0).ok())
            .map(|nanoseconds| Duration::from_nanos(nanoseconds - nanoseconds / 10));
        Self::new(now, now + asked.unwrap_or(limits.review).min(limits.review))
    }

    /// A deadline at `instant` for a review that begins at `now`.
    pub fn new(now: Instant, instant: Instant) -> Self {
        Self { instant, long: now + LONG, is_long: AtomicBool::new(false) }
    }

    /// Whether the time has run out. Reads the clock: ask every thousand steps, not at each. But ask: this is also where
    /// a review that has become long lets the connections of its worker go on.
    pub fn expired(&self) -> bool {
        let now = Instant::now();
        if now >= self.long && !self.is_long.swap(true, Relaxed) {
            wake_a_worker();
        }
        now >= self.instant
    }

    /// When the time runs out.
    pub fn instant(&self) -> Instant {
        self.instant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_has_a_tenth_less_than_the_api_server_waits() {
        let now = Instant::now();
        let check = |query: Option<&str>, want: u64| {
            let deadline = Deadline::of_query(query, &Limits::default(), now);
            assert_eq!(deadline.instant() - now, Duration::from_millis(want), "{query:?}");
        };
        check(Some("timeout=5s"), 4500);
        check(Some("a=b&timeout=1s"), 900);
        check(Some("timeout=30s"), 9000);
        check(None, 9000);
        check(Some("timeout=-5s"), 9000);
        check(Some("timeout=soon"), 9000);
        check(Some("timeout=0s"), 0);
    }
}
