//! Polls a future that has woken itself again at once, without the scheduler.
//!
//! HTTP's library hands the body of a request over a channel to who answers it, and both are the task of the connection:
//! each request wakes the task that is running. The scheduler would put that at the end of its queue and wake another
//! worker to help, which finds nothing to do and wakes the next: on a server with a few hundred reviews a second, two
//! or three threads for each.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// How often in a row a future is polled; one that goes on to wake itself lets other tasks run in between.
const ROUNDS: usize = 4;

/// Nobody polls, and nobody has woken the task since.
const IDLE: u8 = 0;
/// The future is being polled.
const POLLING: u8 = 1;
/// The future is to be polled once more: by who polls it now, or by the task, which was woken.
const WOKEN: u8 = 2;

/// Stands between a future and the task that polls it.
#[derive(Debug)]
pub(crate) struct Repoll {
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
}

#[derive(Debug)]
struct Bell {
    state: AtomicU8,
    task: Mutex<Waker>,
}

impl Repoll {
    pub(crate) fn new() -> Self {
        let bell = Arc::new(Bell { state: AtomicU8::new(IDLE), task: Mutex::new(Waker::noop().clone()) });
        Self { waker: bell.clone().into(), bell }
    }

    /// Polls until there is nothing to be gained from polling again.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Bell { state, .. } = &*self.bell;
        self.bell.task().clone_from(cx.waker());
        for _ in 0..ROUNDS {
            state.swap(POLLING, Ordering::AcqRel);
            if let Poll::Ready(value) = poll(&mut Context::from_waker(&self.waker)) {
                return Poll::Ready(value);
            }
            if state.compare_exchange(POLLING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Bell {
    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == IDLE {
            self.task().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls what wakes itself the first `times` times it is polled; how often it was polled, and its task woken.
    fn polled(times: usize) -> (usize, usize) {
        let (repoll, task, mut polls) = (Repoll::new(), Arc::new(Counted::default()), 0);
        let pending = repoll.poll(&mut Context::from_waker(&task.clone().into()), |cx| {
            polls += 1;
            if polls <= times {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert!(pending.is_pending());
        (polls, task.0.load(Ordering::Relaxed))
    }

    #[test]
    fn who_wakes_itself_is_polled_again_without_waking_its_task() {
        assert_eq!(polled(0), (1, 0));
        assert_eq!(polled(2), (3, 0));
    }

    #[test]
    fn who_wakes_itself_for_ever_lets_others_run() {
        assert_eq!(polled(usize::MAX), (ROUNDS, 1));
    }

    #[test]
    fn a_task_is_woken_once_by_all_that_happens_until_it_is_polled() {
        let (repoll, task) = (Repoll::new(), Arc::new(Counted::default()));
        for round in 1..3 {
            let waker = task.clone().into();
            let mut kept = Waker::noop().clone();
            let pending = repoll.poll(&mut Context::from_waker(&waker), |cx| {
                kept.clone_from(cx.waker());
                Poll::<()>::Pending
            });
            assert!(pending.is_pending());
            // As a driver does, from another thread.
            let driver = std::thread::spawn(move || {
                kept.wake_by_ref();
                kept.wake();
            });
            driver.join().unwrap();
            assert_eq!(task.0.load(Ordering::Relaxed), round);
        }
    }
}
