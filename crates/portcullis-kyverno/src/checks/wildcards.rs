//! Wildcards of a policy matched with one another, with an end to it.

use portcullis_gocompat::wildcard;
use portcullis_value::{Budget, Limits};

/// What matching everything with everything may take: far more than any policy needs, and less than a second.
const STEPS: u64 = 20_000_000;

/// Matches until it has taken too long.
#[derive(Debug)]
pub(super) struct Wildcards {
    budget: Budget<'static>,
}

impl Wildcards {
    pub(super) fn new() -> Self {
        Self { budget: Budget::new(Limits { steps: STEPS, ..Limits::default() }, &|| false) }
    }

    /// Whether `text` fits `pattern`; `otherwise` when too much was asked before.
    pub(super) fn matches(&mut self, pattern: &str, text: &str, otherwise: bool) -> bool {
        if self.budget.step().is_err() {
            return otherwise;
        }
        wildcard::matches_within(pattern, text, &mut self.budget).unwrap_or(otherwise)
    }
}
