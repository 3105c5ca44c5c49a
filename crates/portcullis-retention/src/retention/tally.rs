//! The Jobs of one object, counted.

use std::collections::BTreeSet;

use super::{Fate, NEVER, Round, Why};
use crate::Protection;

/// What becomes of the Jobs that an object selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub selected: u64,
    /// They run, or are suspended.
    pub unfinished: u64,
    pub protected: u64,
    /// The labels of their namespace are not known.
    pub unknown: u64,
    /// They are among the last of their group.
    pub kept: u64,
    /// Jobs that ended as they did never expire.
    pub never: u64,
    /// They keep the TTL that they have.
    pub existing_ttl: u64,
    /// They have the TTL that they are to have.
    pub expiring: u64,
    /// Their TTL is to be written.
    pub to_write: u64,
    /// Another object decides: it lets them stay longer, or says the same and comes first.
    pub overruled: u64,
    /// The Job that goes next: when, in seconds since 1970-01-01 UTC, and its number.
    pub next: Option<(i64, usize)>,
    /// The numbers of the other objects that select some of the Jobs.
    pub overlaps: BTreeSet<usize>,
}

impl Tally {
    /// How many TTLs this object alone decides to be written, or has.
    fn count(&mut self, number: usize, fate: Fate, index: usize, finished: Option<i64>) {
        self.selected += 1;
        let (term, is_settled) = match fate {
            Fate::Unselected | Fate::NamespaceUnknown => return self.unknown += 1,
            Fate::Protected(protections) => {
                let unfinished = [Protection::Running, Protection::Suspended];
                let is_unfinished = unfinished.iter().any(|protection| protections.contains(*protection));
                return if is_unfinished { self.unfinished += 1 } else { self.protected += 1 };
            }
            Fate::ExistingTtl => return self.existing_ttl += 1,
            Fate::Settled(term) => (term, true),
            Fate::Write(term) => (term, false),
        };
        if term.by != number {
            return self.overruled += 1;
        }
        if !is_settled {
            self.to_write += 1;
        }
        match term.why {
            Why::KeptLast | Why::KeptFailed => self.kept += 1,
            Why::NoTtl => self.never += 1,
            Why::ExistingTtl => self.existing_ttl += 1,
            Why::Ttl if is_settled => self.expiring += 1,
            Why::Ttl => {}
        }
        let goes = finished.map(|finished| (finished.saturating_add(term.seconds.into()), index));
        if let Some(goes) = goes.filter(|_| is_settled && term.seconds != NEVER) {
            self.next = Some(self.next.map_or(goes, |next| next.min(goes)));
        }
    }
}

impl Round<'_, '_, '_> {
    /// The Jobs of each object that takes part, by its number.
    pub fn tallies(&self) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); self.scene.retentions.all().len()];
        let mut selecting = Vec::new();
        for (index, (fate, job)) in self.fates().iter().zip(self.scene.jobs).enumerate() {
            selecting.clear();
            selecting.extend(self.selected_by(index));
            for number in &selecting {
                let Some(tally) = tallies.get_mut(*number) else { continue };
                tally.count(*number, *fate, index, job.finished);
                tally.overlaps.extend(selecting.iter().filter(|other| *other != number));
            }
        }
        tallies
    }
}
