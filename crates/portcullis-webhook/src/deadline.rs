//! The time a review has.

use std::time::Duration;

use portcullis_gocompat::duration;
use tokio::time::Instant;

use crate::Limits;

/// When a review must have its answer.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

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
        Self(now + asked.unwrap_or(limits.review).min(limits.review))
    }

    /// A deadline at `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// Whether the time has run out. Reads the clock: ask every thousand steps, not at each.
    pub fn expired(&self) -> bool {
        Instant::now() >= self.0
    }

    /// When the time runs out.
    pub fn instant(&self) -> Instant {
        self.0
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
