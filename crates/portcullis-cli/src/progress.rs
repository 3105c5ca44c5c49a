//! How far the work has come, on a terminal.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::surroundings::{Stream, Surroundings};

/// How often the line is written anew.
const PERIOD: Duration = Duration::from_millis(100);

/// A line on standard error that counts up.
///
/// It is shown where standard error is a terminal and standard output is none: results that scroll by show the
/// progress themselves.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    done: usize,
    /// When the line was last written; `None` where it is not shown.
    last: Option<Instant>,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(total: usize, surroundings: &Surroundings<'_>) -> Self {
        let visible = surroundings.stderr.width.is_some() && surroundings.stdout.width.is_none();
        Self { total, done: 0, last: visible.then(now), shown: false }
    }

    /// One more is done.
    pub(crate) fn advance(&mut self, stderr: &mut Stream<'_>) {
        self.done += 1;
        if self.last.is_some_and(|last| last.elapsed() >= PERIOD) {
            self.last = Some(now());
            self.shown = true;
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(stderr, "\r\x1b[Kjudged {} of {} resources", self.done, self.total.max(self.done));
            let _ = stderr.flush();
        }
    }

    /// Takes the line away, before anything else is written and at the end.
    pub(crate) fn clear(&mut self, stderr: &mut Stream<'_>) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(stderr, "\r\x1b[K");
            let _ = stderr.flush();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the time between two lines on a terminal decides nothing")]
fn now() -> Instant {
    Instant::now()
}
