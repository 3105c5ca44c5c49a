//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Doubling delays with jitter: each is between half of its step and the whole, and none is longer than the cap.
#[derive(Debug)]
pub struct Backoff {
    step: Duration,
    first: Duration,
    cap: Duration,
}

impl Backoff {
    /// What watches and leases use: from half a second to 30 seconds.
    pub fn standard() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30))
    }

    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { step: first, first, cap }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let step = self.step.min(self.cap);
        self.step = step.saturating_mul(2).min(self.cap);
        step / 2 + random_part(step / 2)
    }

    /// Waits until the next attempt is due.
    pub async fn wait(&mut self) {
        pause(self.next_delay()).await;
    }

    /// After a success: the next failure waits shortly again.
    pub fn reset(&mut self) {
        self.step = self.first;
    }
}

/// Lets `delay` pass, by the clock of the runtime, which a test moves as it likes.
pub(crate) async fn pause(delay: Duration) {
    tokio::time::sleep_until(Instant::now() + delay).await;
}

/// Between nothing and `whole`, so that many who wait do not come back in the same instant.
pub(crate) fn random_part(whole: Duration) -> Duration {
    // Every `RandomState` has other keys: randomness enough to spread attempts, without a dependency.
    let random = RandomState::new().hash_one(0_u8) >> 32;
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(random)) >> 32;
    Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for step in [1, 2, 4, 8, 16, 30, 30] {
            let delay = backoff.next_delay();
            let step = Duration::from_secs(step);
            assert!(step / 2 <= delay && delay <= step, "{delay:?} for a step of {step:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_secs(1));
    }

    #[test]
    fn two_who_wait_do_not_come_back_together() {
        let delays: std::collections::BTreeSet<Duration> =
            (0..16).map(|_| random_part(Duration::from_secs(1))).collect();
        assert!(delays.len() > 1, "{delays:?}");
    }
}
