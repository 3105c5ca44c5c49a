//! How far a sweep has come, on a terminal.

use portcullis_retention::{Tally, format_age};

use crate::jobs::progress::Progress;
use crate::numbers::thousands;
use crate::surroundings::Stream;

/// How often the line is written anew, in milliseconds.
const PERIOD: u64 = 200;
/// The letters of the bar.
const LENGTH: u64 = 24;

/// A line on standard error with a bar, the rate, and the time that is left at it.
pub(super) struct Bar<'p, 's> {
    progress: Progress<'p, 's>,
    /// How many were done with before this run.
    before: u64,
    last: Option<u64>,
}

impl<'p, 's> Bar<'p, 's> {
    /// A bar that begins where `tally` stands.
    pub(super) fn new(tally: &Tally, stderr: &'p mut Stream<'s>) -> Self {
        Self { progress: Progress::on(stderr), before: tally.settled(), last: None }
    }

    /// Shows it; `now` is the time since the start in milliseconds.
    pub(super) fn show(&mut self, tally: &Tally, now: u64) {
        if self.last.is_some_and(|last| now < last + PERIOD) {
            return;
        }
        self.last = Some(now);
        self.progress.show(&self.line(tally, now));
    }

    fn line(&self, tally: &Tally, now: u64) -> String {
        let (total, settled) = (tally.total().max(1), tally.settled());
        let full = "█".repeat(usize::try_from(settled * LENGTH / total).unwrap_or_default());
        let empty = "·".repeat(usize::try_from(LENGTH - settled * LENGTH / total).unwrap_or_default());
        let done = settled.saturating_sub(self.before);
        let rate = done as f64 * 1_000.0 / now.max(1) as f64;
        let left = total.saturating_sub(settled);
        let time_left = match done {
            0 => String::new(),
            done => {
                let seconds = left.saturating_mul(now) / done / 1_000;
                format!(", {} left", format_age(i64::try_from(seconds).unwrap_or(i64::MAX)))
            }
        };
        let errors = match tally.errors() {
            0 => String::new(),
            errors => format!(", errors: {}", thousands(errors)),
        };
        format!(
            "{full}{empty} {} of {} Jobs, {rate:.1}/s{time_left}{errors}",
            thousands(settled),
            thousands(total)
        )
    }
}
