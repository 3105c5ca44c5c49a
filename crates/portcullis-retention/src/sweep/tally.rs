//! How many Jobs of a sweep have come to which end.

use std::collections::BTreeMap;

use super::Fate;

/// How many different reasons are kept; an API server that words each refusal differently fills no memory.
const REASONS: usize = 100;

/// The ends of the Jobs of a sweep, earlier runs included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    total: usize,
    by_fate: BTreeMap<Fate, u64>,
    reasons: BTreeMap<(Fate, String), u64>,
}

impl Tally {
    pub(super) fn new(total: usize) -> Self {
        Self { total, ..Self::default() }
    }

    pub(super) fn count(&mut self, fate: Fate, why: &str) {
        *self.by_fate.entry(fate).or_default() += 1;
        if why.is_empty() {
            return;
        }
        let is_new = !self.reasons.contains_key(&(fate, why.to_owned()));
        let why = if is_new && self.reasons.len() >= REASONS { "other reasons" } else { why };
        *self.reasons.entry((fate, why.to_owned())).or_default() += 1;
    }

    /// How many are to be carried out in all.
    pub fn total(&self) -> u64 {
        self.total as u64
    }

    pub fn of(&self, fate: Fate) -> u64 {
        self.by_fate.get(&fate).copied().unwrap_or_default()
    }

    /// How many are gone, or will be, by what was done here.
    pub fn ours(&self) -> u64 {
        self.by_fate.iter().filter(|(fate, _)| fate.is_ours()).map(|(_, count)| count).sum()
    }

    /// How many have come to an end, whatever it is.
    pub fn settled(&self) -> u64 {
        self.by_fate.values().sum()
    }

    pub fn errors(&self) -> u64 {
        self.by_fate.iter().filter(|(fate, _)| fate.is_error()).map(|(_, count)| count).sum()
    }

    /// How many came to an end for which reason, in the order of the ends.
    pub fn reasons(&self) -> impl Iterator<Item = (Fate, &str, u64)> {
        self.reasons.iter().map(|((fate, why), count)| (*fate, &**why, *count))
    }
}
