//! What is being done, on a terminal.

use std::io::Write as _;

use crate::numbers::{counted, thousands};
use crate::surroundings::Stream;

/// A line on standard error that is written over, and taken away at the end. There is none where standard error is no
/// terminal.
pub(super) struct Progress<'p, 's> {
    stderr: &'p mut Stream<'s>,
    is_shown: bool,
}

impl<'p, 's> Progress<'p, 's> {
    pub(super) fn on(stderr: &'p mut Stream<'s>) -> Self {
        Self { stderr, is_shown: false }
    }

    /// Shows this in the place of what was shown, cut where it would not fit into a line.
    pub(super) fn show(&mut self, text: &str) {
        let Some(width) = self.stderr.width else { return };
        // In the last column some terminals begin the next line.
        let line: String = text.chars().take(width.saturating_sub(1)).collect();
        self.is_shown = true;
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(self.stderr, "\r\x1b[K{line}");
        let _ = self.stderr.flush();
    }

    /// Shows how many Jobs were listed, and of how many, where the API server says how many are left.
    pub(super) fn show_listed(&mut self, listed: u64, left: Option<i64>) {
        let listed_of = match left {
            Some(left) => {
                let all = listed.saturating_add(left.unsigned_abs());
                format!("{} of {}", thousands(listed), counted(all, "Job", "Jobs"))
            }
            None => counted(listed, "Job", "Jobs"),
        };
        self.show(&format!("{listed_of} listed"));
    }
}

impl Drop for Progress<'_, '_> {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(self.stderr, "\r\x1b[K");
            let _ = self.stderr.flush();
        }
    }
}
