//! Where a review runs: on the worker that read it, without a change of thread, as long as that leaves a worker.
//!
//! Nearly every review takes microseconds, and handing it to another thread would cost as much as the review. So it runs
//! in place. Two things keep the server alive when reviews take long after all:
//!
//! - A review that would take the last free worker while the others show that they are long, or whose body is large,
//!   hands its worker over to a fresh thread (`block_in_place`). That costs some microseconds.
//! - A worker that finds one task when it looks for input wakes no other worker to look in its place. So a review that
//!   has become long does, where it asks whether its time is up ([`Deadline::expired`](crate::Deadline::expired)).
//!
//! The operating system shares the cores between them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::Deadline;

/// A review that runs for longer than this is long for who wants the last worker.
const LONG: Duration = Duration::from_micros(100);

/// Has a worker that is idle look for input, since this one is not going to. Costs some microseconds.
pub(crate) fn wake_a_worker() {
    let Ok(runtime) = Handle::try_current() else { return };
    if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
        // A task made here would wait for this worker; one made on another thread wakes whoever is idle.
        runtime.clone().spawn_blocking(move || drop(runtime.spawn(async {})));
    }
}

/// Counts the reviews at work.
#[derive(Debug)]
pub(crate) struct Turns {
    limit: usize,
    running: AtomicUsize,
    /// How many of them run in place.
    in_place: AtomicUsize,
    /// When the last one in place began, in nanoseconds from `epoch`: what is behind it is older.
    last_start: AtomicU64,
    epoch: Instant,
}

impl Turns {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            running: AtomicUsize::new(0),
            in_place: AtomicUsize::new(0),
            last_start: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }

    /// A turn for one review, or `None` when as many as may be are at work.
    pub(crate) fn take(&self) -> Option<Turn<'_>> {
        let turn = Turn { turns: self };
        (self.running.fetch_add(1, Relaxed) < self.limit).then_some(turn)
    }

    /// A place for a review that begins at `now`, unless it is the last of the `workers` and the other reviews are not
    /// young any more.
    fn place(&self, long: bool, workers: usize, now: Instant) -> Option<Place<'_>> {
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let now = nanoseconds(now.saturating_duration_since(self.epoch));
        let others = self.in_place.fetch_add(1, Relaxed);
        let place = Place(&self.in_place);
        let young = now.saturating_sub(self.last_start.load(Relaxed)) < nanoseconds(LONG);
        if long || (others + 1 >= workers && !young) {
            return None;
        }
        self.last_start.fetch_max(now, Relaxed);
        Some(place)
    }
}

/// One review at work.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
}

impl Turn<'_> {
    /// Runs `review`, whose answer is due at `due`, and which must not panic.
    pub(crate) fn run<T>(self, long: bool, due: Instant, review: impl FnOnce(&Deadline<'_>) -> T) -> T {
        let now = Instant::now();
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return review(&Deadline::new(now, due));
        }
        match self.turns.place(long, runtime.metrics().num_workers(), now) {
            Some(place) => review(&Deadline::in_place(now, due, place)),
            None => block_in_place(|| review(&Deadline::new(now, due))),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.running.fetch_sub(1, Relaxed);
    }
}

/// The worker of a review that runs in place.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_reviews_are_at_work_than_may_be() {
        let turns = Turns::new(2);
        let first = turns.take().unwrap();
        let second = turns.take().unwrap();
        assert!(turns.take().is_none());
        drop(first);
        let third = turns.take().unwrap();
        assert!(turns.take().is_none());
        drop((second, third));
        assert_eq!(turns.running.load(Relaxed), 0);
    }

    #[test]
    fn the_last_worker_is_left_to_others_once_the_other_reviews_are_long() {
        let turns = Turns::new(9);
        let at =
            |microseconds: u64| turns.epoch + Duration::from_secs(1) + Duration::from_micros(microseconds);
        let first = turns.place(false, 2, at(0)).expect("a worker is left");
        assert!(turns.place(false, 2, at(50)).is_some(), "the other one is young");
        assert!(turns.place(false, 2, at(200)).is_none());
        assert!(turns.place(false, 3, at(200)).is_some(), "there is another worker");
        assert!(turns.place(true, 9, at(200)).is_none(), "it says that it is long");
        drop(first);
        assert!(turns.place(false, 2, at(900)).is_some());
        assert!(turns.place(false, 1, at(9000)).is_none(), "there is but one worker");
        assert_eq!(turns.in_place.load(Relaxed), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reviews_that_take_long_leave_the_runtime_alive() {
        // Each review waits for what only another task can send. Were all workers taken, none would ever end.
        let turns = std::sync::Arc::new(Turns::new(64));
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let (gates, reviews): (Vec<_>, Vec<_>) = (0..8)
            .map(|_| {
                let (open, gate) = std::sync::mpsc::channel::<()>();
                let (turns, started) = (turns.clone(), started.clone());
                let review = async move {
                    turns.take().unwrap().run(true, Instant::now(), |_| {
                        started.send(()).unwrap();
                        gate.recv().unwrap();
                    });
                };
                (open, tokio::spawn(review))
            })
            .unzip();
        for _ in 0..8 {
            starts.recv().await.unwrap();
        }
        for open in gates {
            open.send(()).unwrap();
        }
        for review in reviews {
            review.await.unwrap();
        }
    }
}
