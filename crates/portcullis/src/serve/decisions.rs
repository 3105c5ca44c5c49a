//! The last decisions, to be looked at: who asks why a request was refused finds it here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many are kept, and how many bytes of them.
const KEPT: usize = 1000;
const BYTES: usize = 4 << 20;

/// Records of decisions, each one line of JSON; the oldest make room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Decisions {
    pub(crate) fn keep(&self, line: String) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += line.len();
        ring.lines.push_back(line.into());
        while ring.lines.len() > KEPT || ring.bytes > BYTES {
            let Some(oldest) = ring.lines.pop_front() else { return };
            ring.bytes -= oldest.len();
        }
    }

    /// All that are kept as lines of JSON, the newest last.
    pub(crate) fn text(&self) -> String {
        // Copied outside of the lock: what is written meanwhile does not wait.
        let lines: Vec<_> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).lines.iter().cloned().collect();
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept_within_a_number_and_a_size() {
        let decisions = Decisions::default();
        for number in 0..KEPT + 2 {
            decisions.keep(number.to_string());
        }
        let text = decisions.text();
        assert_eq!(text.lines().count(), KEPT);
        assert!(text.starts_with("2\n3\n"), "{text}");
        assert!(text.ends_with("1001\n"), "{text}");
        decisions.keep("x".repeat(BYTES - 4));
        assert_eq!(decisions.text().lines().count(), 2);
        decisions.keep("x".repeat(BYTES + 1));
        assert_eq!(decisions.text(), "");
        decisions.keep("after".to_owned());
        assert_eq!(decisions.text(), "after\n");
    }
}
