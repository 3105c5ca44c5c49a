//! The time a review has.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use portcullis_gocompat::duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout_at};

use crate::Limits;
use crate::turns::{Seat, hand_over_worker, wake_a_worker};

/// A review that runs for longer than this lets another worker look after the connections.
const LONG: Duration = Duration::from_millis(1);
/// A review that runs for longer than this lets another one run beside it, and leaves its worker. So long are those of a thousand policies on a
/// busy machine, and one that is to be answered meanwhile need not wait for more.
const SEATED: Duration = Duration::from_millis(10);

/// When the answer is due to a request whose headers came at `now`: a tenth before the time that the API server gives in
/// the query (`timeout=10s`), at most [`Limits::review`], which is also what counts where the query says nothing.
pub(crate) fn due(query: Option<&str>, limits: &Limits, now: Instant) -> Instant {
    let asked = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(|text| duration::Duration::parse(text).ok())
        .and_then(|duration| u64::try_from(duration.0).ok())
        .map(|nanoseconds| Duration::from_nanos(nanoseconds - nanoseconds / 10));
    now + asked.unwrap_or(limits.review).min(limits.review)
}

/// When a review must have its answer.
#[derive(Debug)]
pub struct Deadline<'a> {
    instant: Instant,
    started: Instant,
    is_long: Cell<bool>,
    /// What others wait for while the review has it.
    seat: RefCell<Option<Seat<'a>>>,
    /// Whether somebody else goes on with its worker.
    has_left: Cell<bool>,
}

impl<'a> Deadline<'a> {
    /// A deadline at `instant` for a review that begins at `now`.
    pub fn new(now: Instant, instant: Instant) -> Self {
        Self::of_turn(now, instant, None)
    }

    /// The same for a review that others wait for.
    pub(crate) fn of_turn(now: Instant, instant: Instant, seat: Option<Seat<'a>>) -> Self {
        let (is_long, has_left) = (Cell::new(false), Cell::new(false));
        Self { instant, started: now, is_long, seat: RefCell::new(seat), has_left }
    }

    /// The time. Reads the clock: ask every thousand steps, not at each. But ask: this is also where a review that has
    /// become long lets the connections of its worker go on.
    pub fn now(&self) -> Instant {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.started);
        if took >= LONG && !self.is_long.replace(true) {
            wake_a_worker();
        }
        if took >= SEATED && !self.has_left.get() {
            drop(self.seat.take());
            self.has_left.set(hand_over_worker());
        }
        now
    }

    /// Whether the time has run out, by [`Deadline::now`].
    pub fn expired(&self) -> bool {
        self.now() >= self.instant
    }

    /// When the time runs out.
    pub fn instant(&self) -> Instant {
        self.instant
    }

    /// Waits for what the review has to know from elsewhere, and gives the worker to others meanwhile. `None` when the
    /// time runs out, and on a runtime of one thread, which has no worker to give away.
    ///
    /// The review still counts as one at work ([`Limits::reviews`]).
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return None;
        }
        drop(self.seat.take());
        block_in_place(|| runtime.block_on(timeout_at(self.instant, future))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_has_a_tenth_less_than_the_api_server_waits() {
        let now = Instant::now();
        let check = |query: Option<&str>, want: u64| {
            let due = due(query, &Limits::default(), now);
            assert_eq!(due - now, Duration::from_millis(want), "{query:?}");
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
