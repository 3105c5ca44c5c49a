//! The last decisions, to be looked at: who asks why a request was refused finds it here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many are kept, and how many bytes of them.
const KEPT: usize = 1000;
const BYTES: usize = 4 << 20;
/// How many are told where nobody says how many.
const TOLD: usize = 100;

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

    /// The newest as lines of JSON, the very newest last: as many as `query` says by `limit=N`.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub(crate) fn text(&self, query: &str) -> Result<String, String> {
        let limit = limit(query)?;
        // Copied outside of the lock: what is written meanwhile does not wait.
        let lines: Vec<_> = {
            let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ring.lines.iter().skip(ring.lines.len().saturating_sub(limit)).cloned().collect()
        };
        Ok(lines.iter().flat_map(|line| [line, "\n"]).collect())
    }
}

/// How many decisions are asked for by `query`.
fn limit(query: &str) -> Result<usize, String> {
    let mut limit = TOLD;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        limit = match parameter.split_once('=') {
            Some(("limit", number)) => {
                number.parse().map_err(|_| format!("`{number}` is no limit, write a number"))?
            }
            _ => return Err(format!("`{parameter}` is no parameter, write `limit=N`")),
        };
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept_within_a_number_and_a_size() {
        let decisions = Decisions::default();
        let all = |decisions: &Decisions| decisions.text("limit=5000").unwrap();
        for number in 0..KEPT + 2 {
            decisions.keep(number.to_string());
        }
        let text = all(&decisions);
        assert_eq!(text.lines().count(), KEPT);
        assert!(text.starts_with("2\n3\n"), "{text}");
        assert!(text.ends_with("1001\n"), "{text}");
        decisions.keep("x".repeat(BYTES - 4));
        assert_eq!(all(&decisions).lines().count(), 2);
        decisions.keep("x".repeat(BYTES + 1));
        assert_eq!(all(&decisions), "");
        decisions.keep("after".to_owned());
        assert_eq!(all(&decisions), "after\n");
    }

    #[test]
    fn the_newest_are_told_as_many_as_are_asked_for() {
        let decisions = Decisions::default();
        for number in 0..TOLD + 1 {
            decisions.keep(number.to_string());
        }
        assert_eq!(decisions.text("limit=2").unwrap(), "99\n100\n");
        assert_eq!(decisions.text("limit=0").unwrap(), "");
        assert_eq!(decisions.text("").unwrap().lines().count(), TOLD);
        assert_eq!(decisions.text("limit=ten").unwrap_err(), "`ten` is no limit, write a number");
        assert_eq!(decisions.text("last=10").unwrap_err(), "`last=10` is no parameter, write `limit=N`");
    }
}
