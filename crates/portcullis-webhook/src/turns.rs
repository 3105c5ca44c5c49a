//! When and where a review runs: as many at once as there are cores, on the worker that read it.
//!
//! Nearly every review takes microseconds, and handing it to another thread would cost as much as the review. So it runs
//! in place. More at once than cores would only take turns on them: each would be answered later, and have a thread and
//! memory of its own meanwhile. So there are as many workers as cores, and a review waits for a seat first, in the order
//! of arrival. Three things keep the server alive when reviews take long after all:
//!
//! - A worker that finds one task when it looks for input wakes no other worker to look in its place. So a review that
//!   takes longer than most does, where it asks whether its time is up ([`Deadline::expired`](crate::Deadline::expired)).
//! - A review that has had its seat for long gives it to the next there, and its worker to a fresh thread; the operating
//!   system shares the cores between them from then on.
//! - A review whose body is large begins on a thread of its own.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout_at};

use crate::{Deadline, Limits};

/// Has a worker that is idle look for input, since this one is not going to. Costs some microseconds.
pub(crate) fn wake_a_worker() {
    let Ok(runtime) = Handle::try_current() else { return };
    if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
        // A task made here would wait for this worker; one made on another thread wakes whoever is idle.
        runtime.clone().spawn_blocking(move || drop(runtime.spawn(async {})));
    }
}

/// How long a worker that is handed over waits for who takes it; on a busy machine a thread does not begin at once.
const HANDOVER: Duration = Duration::from_millis(100);

/// Lets another thread go on with the connections of this worker, if no other worker is free to. Tells whether one does.
/// Costs some microseconds.
pub(crate) fn hand_over_worker() -> bool {
    let Ok(runtime) = Handle::try_current() else { return true };
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        return true;
    }
    block_in_place(|| {
        // The worker comes back at the end of this, unless somebody has gone on with it: then there is who runs a task.
        let (begun, begins) = mpsc::sync_channel(1);
        runtime.spawn(async move { begun.send(()) });
        begins.recv_timeout(HANDOVER).is_ok()
    })
}

/// Counts the reviews at work.
#[derive(Debug)]
pub(crate) struct Turns {
    limit: usize,
    running: AtomicUsize,
    seats: Semaphore,
}

impl Turns {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.reviews, running: AtomicUsize::new(0), seats: Semaphore::new(limits.seats) }
    }

    /// A turn for one review, or `None` when as many as may be are at work.
    pub(crate) fn take(&self) -> Option<Turn<'_>> {
        let turn = Turn { turns: self };
        (self.running.fetch_add(1, Relaxed) < self.limit).then_some(turn)
    }
}

/// One review at work.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
}

/// One of the reviews that run at once.
pub(crate) type Seat<'a> = SemaphorePermit<'a>;

impl<'a> Turn<'a> {
    /// Waits for a seat. `None` when the answer is due before: the review finds out by itself that it is too late.
    async fn seat(&self, due: Instant) -> Option<Seat<'a>> {
        let seats = &self.turns.seats;
        match seats.try_acquire() {
            Ok(seat) => Some(seat),
            // The seats are never closed.
            Err(_) => timeout_at(due, seats.acquire()).await.ok()?.ok(),
        }
    }

    /// Runs `review`, whose answer is due at `due`, and which must not panic.
    pub(crate) async fn run<T>(self, long: bool, due: Instant, review: impl FnOnce(&Deadline<'_>) -> T) -> T {
        let seat = self.seat(due).await;
        let deadline = Deadline::of_turn(Instant::now(), due, seat);
        let has_workers = Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread;
        if long && has_workers { block_in_place(|| review(&deadline)) } else { review(&deadline) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.running.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(reviews: usize, seats: usize) -> Turns {
        Turns::new(&Limits { reviews, seats, ..Limits::default() })
    }

    #[test]
    fn no_more_reviews_are_at_work_than_may_be() {
        let turns = turns(2, 1);
        let first = turns.take().unwrap();
        let second = turns.take().unwrap();
        assert!(turns.take().is_none());
        drop(first);
        let third = turns.take().unwrap();
        assert!(turns.take().is_none());
        drop((second, third));
        assert_eq!(turns.running.load(Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seat_is_waited_for_until_the_answer_is_due_and_given_up_by_a_review_that_has_become_long() {
        let turns = turns(9, 1);
        let due = Instant::now() + Duration::from_secs(1);
        let run = turns.take().unwrap().run(false, due, |deadline| {
            assert_eq!(turns.seats.available_permits(), 0);
            deadline.now();
            assert_eq!(turns.seats.available_permits(), 0, "it is young");
        });
        run.await;
        assert_eq!(turns.seats.available_permits(), 1);
        let seat = turns.take().unwrap().seat(due).await.unwrap();
        assert!(turns.take().unwrap().seat(due).await.is_none());
        assert_eq!(Instant::now(), due);
        let deadline = Deadline::of_turn(due, due, Some(seat));
        tokio::time::advance(Duration::from_millis(10)).await;
        deadline.now();
        assert_eq!(turns.seats.available_permits(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reviews_that_take_long_leave_the_runtime_alive() {
        // Each review waits for what only another task can send. Were all workers taken, none would ever end.
        let turns = std::sync::Arc::new(turns(64, 8));
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let (gates, reviews): (Vec<_>, Vec<_>) = (0..8)
            .map(|_| {
                let (open, gate) = std::sync::mpsc::channel::<()>();
                let (turns, started) = (turns.clone(), started.clone());
                let review = async move {
                    let due = Instant::now() + Duration::from_secs(60);
                    let review = move |_: &Deadline<'_>| {
                        started.send(()).unwrap();
                        gate.recv().unwrap();
                    };
                    turns.take().unwrap().run(true, due, review).await;
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
