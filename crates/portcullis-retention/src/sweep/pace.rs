//! How fast the API server is asked.

/// The first pause after an answer that did not come, in milliseconds; each further one is twice as long.
const FIRST_PAUSE: u64 = 1_000;
const LONGEST_PAUSE: u64 = 30_000;
/// A longer `Retry-After` is taken for this.
const LONGEST_ASKED: u64 = 300_000;
/// How much of a delay is made up for, in microseconds: a timer is late by a millisecond, and a journal takes some to write.
const SLACK: u64 = 100_000;

/// So many requests a second, and the pauses that the API server asked for. Times are milliseconds of a clock that only
/// runs forward.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two requests, in microseconds.
    interval: u64,
    /// When the next one is due, in microseconds.
    due: u64,
    paused_until: u64,
    next_pause: u64,
}

impl Pace {
    /// `per_second` requests a second.
    pub(super) fn new(per_second: u32) -> Self {
        let interval = 1_000_000 / u64::from(per_second.max(1));
        Self { interval, due: 0, paused_until: 0, next_pause: FIRST_PAUSE }
    }

    /// When the next request may be sent.
    pub(super) fn next(&self) -> u64 {
        self.due.div_ceil(1_000).max(self.paused_until)
    }

    /// A request is sent at `now`.
    pub(super) fn sent(&mut self, now: u64) {
        let now = now.saturating_mul(1_000);
        self.due = self.due.max(now.saturating_sub(SLACK)).saturating_add(self.interval);
    }

    /// The API server put a request off, or did not answer: everybody waits.
    ///
    /// What was under way at the same time fails for the same reason, and makes the pause no longer.
    pub(super) fn pause(&mut self, now: u64, retry_after: Option<u64>) {
        let pause = match retry_after {
            Some(asked) => asked.min(LONGEST_ASKED),
            None if now < self.paused_until => return,
            None => {
                let pause = self.next_pause;
                self.next_pause = (pause * 2).min(LONGEST_PAUSE);
                pause
            }
        };
        self.paused_until = self.paused_until.max(now.saturating_add(pause));
    }

    /// The API server answered.
    pub(super) fn answered(&mut self) {
        self.next_pause = FIRST_PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_a_second_are_a_hundred_though_the_clock_ticks_coarsely() {
        let mut pace = Pace::new(100);
        let mut sent = 0;
        for now in (1_000..2_000).step_by(7) {
            while pace.next() <= now {
                pace.sent(now);
                sent += 1;
            }
        }
        assert!((100..=111).contains(&sent), "{sent}");
    }

    #[test]
    fn pauses_double_once_for_all_that_failed_together_and_retry_after_is_obeyed() {
        let mut pace = Pace::new(1_000);
        for now in [0, 10, 20] {
            pace.pause(now, None);
        }
        assert_eq!(pace.next(), 1_000);
        pace.pause(1_000, None);
        assert_eq!(pace.next(), 3_000);
        pace.pause(1_500, Some(7_000));
        assert_eq!(pace.next(), 8_500);
        pace.answered();
        pace.pause(8_500, None);
        assert_eq!(pace.next(), 9_500);
    }
}
