//! How often a controller has brought the cluster to what is wanted, and how often it had to try again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Attempts after this one are counted as if they were this one: a cluster that is away for a day makes no new series.
const LAST_ATTEMPT: u32 = 10;

/// The counts of one controller.
#[derive(Debug, Default)]
pub struct Reconciles {
    done: AtomicU64,
    requeues: Mutex<Requeues>,
}

#[derive(Debug, Default)]
struct Requeues {
    /// How often in a row it has failed.
    attempts: u32,
    /// By the number of the attempt that failed.
    counts: BTreeMap<u32, u64>,
}

impl Reconciles {
    /// How often it was tried.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How often it failed and was put off, by how often it had failed in a row.
    pub fn requeued(&self) -> BTreeMap<u32, u64> {
        self.requeues.lock().unwrap_or_else(PoisonError::into_inner).counts.clone()
    }

    /// Counts an attempt.
    pub fn count(&self, succeeded: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        let mut requeues = self.requeues.lock().unwrap_or_else(PoisonError::into_inner);
        if succeeded {
            requeues.attempts = 0;
            return;
        }
        let attempt = requeues.attempts.saturating_add(1).min(LAST_ATTEMPT);
        requeues.attempts = attempt;
        *requeues.counts.entry(attempt).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_how_many_there_were_in_a_row() {
        let reconciles = Reconciles::default();
        for succeeded in [true, false, false, true, false] {
            reconciles.count(succeeded);
        }
        assert_eq!(reconciles.done(), 5);
        assert_eq!(reconciles.requeued(), BTreeMap::from([(1, 2), (2, 1)]));
        (0..100).for_each(|_| reconciles.count(false));
        assert_eq!(reconciles.requeued().len(), 10);
        assert_eq!(reconciles.requeued().values().sum::<u64>(), 103);
    }
}
