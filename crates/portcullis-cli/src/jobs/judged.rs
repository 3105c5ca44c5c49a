//! What becomes of the Jobs that were listed: by what was asked for, and by what they own.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use anyhow::Result;
use portcullis_retention::{Dependents, Looked, Protection, Verdict, judge, protects_owner};

use super::dependents::{self, Kinds, Searched};
use super::listing::Listing;
use super::progress::Progress;
use super::selection::Selection;
use crate::surroundings::Stream;

/// What is asked beside the selection. By default a Job that owns what somebody would miss is left alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    pub(super) keep_last: usize,
    /// Which kinds are looked through for what the Jobs own.
    pub(super) dependents: Kinds,
    /// Whether Jobs are meant too that own what somebody would miss.
    pub(super) with_dependents: bool,
}

/// What becomes of each Job.
#[derive(Debug)]
pub(super) struct Judged {
    /// By the number of the Job.
    pub(super) verdicts: Vec<Verdict>,
    /// What those own that nothing else protects, by their number: how many of each kind.
    pub(super) owned: BTreeMap<u32, BTreeMap<String, u32>>,
    pub(super) dependents: Dependents,
}

impl Judged {
    /// Judges the Jobs of `listing`. Where there is an API server, it is asked what those own that would go.
    ///
    /// # Errors
    /// The API server fails; a kind that may not be listed is no failure.
    pub(super) fn of(
        listing: &mut Listing,
        selection: &Selection,
        terms: Terms,
        stderr: &mut Stream<'_>,
    ) -> Result<Self> {
        let policy = selection.policy(terms.keep_last, listing.terminating.clone());
        let verdicts = judge(&listing.backlog, &policy, listing.now);
        let dependents = Dependents { allowed: terms.with_dependents, ..Dependents::default() };
        let mut judged = Self { verdicts, owned: BTreeMap::new(), dependents };
        let Some(reach) = &listing.reach else { return Ok(judged) };
        let (namespaces, expiring) = (selection.scope(&reach.connection), judged.expiring());
        let owners = listing.owners.as_deref();
        let searched = Searched { backlog: &listing.backlog, jobs: &expiring, owners };
        let (kinds, mut progress) = (terms.dependents, Progress::on(stderr));
        let search = dependents::search(&reach.connection, &namespaces, kinds, searched, &mut progress);
        let found = reach.runtime.block_on(search)?;
        judged.dependents.looked = match terms.dependents {
            Kinds::Usual => Looked::Usual,
            Kinds::All => Looked::All,
        };
        judged.dependents.unlistable = found.unlistable;
        judged.owned = found.owned;
        if !terms.with_dependents && !judged.owned.is_empty() {
            for (index, kinds) in &judged.owned {
                if let Some(kind) = kinds.keys().find(|kind| protects_owner(kind)) {
                    listing.backlog.protect(*index as usize, Protection::Dependents, kind);
                }
            }
            judged.verdicts = judge(&listing.backlog, &policy, listing.now);
        }
        Ok(judged)
    }

    /// The numbers of the Jobs that would go.
    pub(super) fn expiring(&self) -> Vec<u32> {
        let expire = (0..).zip(&self.verdicts).filter(|(_, verdict)| **verdict == Verdict::Expire);
        expire.map(|(index, _)| index).collect()
    }
}

/// Says of what Jobs own what is not known.
pub(super) fn print_unknown(dependents: &Dependents, stdout: &mut Stream<'_>) -> io::Result<()> {
    if dependents.looked == Looked::Unknown {
        return writeln!(
            stdout,
            "dependents unknown: what the Jobs own is looked up when a plan is carried out"
        );
    }
    match &*dependents.unlistable {
        [] => Ok(()),
        kinds => {
            writeln!(stdout, "dependents not known, as they may not be listed: {}", kinds.join(", "))
        }
    }
}
