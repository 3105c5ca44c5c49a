//! Runs cases on every core. A panic in a case is a finding of that case, not the end of the run.

use std::cell::{Cell, RefCell};
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::corpus::{Case, Finding};

/// One case that was run.
#[derive(Debug)]
pub(crate) struct CaseResult {
    pub(crate) id: String,
    pub(crate) class: String,
    pub(crate) finding: Finding,
    pub(crate) took: Duration,
}

thread_local! {
    /// Whether a case runs on this thread.
    static IN_CASE: Cell<bool> = const { Cell::new(false) };
    /// What the panic hook saw of it.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs all cases and returns their results in the order of the cases.
pub(crate) fn run(cases: Vec<Case>, trace: bool) -> Vec<CaseResult> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| if IN_CASE.get() { remember(info) } else { usual(info) }));
    });
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(cases.into_iter().enumerate());
    let mut results = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(|| work(&queue, trace))).collect();
        let done = threads.into_iter().filter_map(|thread| thread.join().ok());
        done.flatten().collect::<Vec<_>>()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Takes cases from the queue until there are none.
fn work(queue: &Mutex<impl Iterator<Item = (usize, Case)>>, trace: bool) -> Vec<(usize, CaseResult)> {
    let mut results = Vec::new();
    loop {
        // Only `next` runs under the lock; it cannot leave the iterator half moved.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((index, case)) = next else { return results };
        if trace {
            let _ = writeln!(io::stderr(), "{}", case.id);
        }
        results.push((index, run_case(case)));
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of a case is reported, never compared")]
fn run_case(case: Case) -> CaseResult {
    let (id, class) = (case.id.clone(), case.class.clone());
    let start = Instant::now();
    IN_CASE.set(true);
    let finding = panic::catch_unwind(AssertUnwindSafe(|| case.run()))
        .unwrap_or_else(|_| Err(LAST_PANIC.take().unwrap_or_else(|| "panicked".to_owned())));
    IN_CASE.set(false);
    CaseResult { id, class, finding, took: start.elapsed() }
}

/// Keeps what the panic says for the finding of the case.
fn remember(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let place =
        info.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    LAST_PANIC.set(Some(format!("panicked{place}: {message}")));
}
