//! The Jobs that a command looks at, from a file or from the API server.

use std::collections::BTreeSet;
use std::io::{Read, Write as _};
use std::path::Path;

use anyhow::Result;
use portcullis_retention::{Backlog, Interest, Job, JobFacts, Protection};

use super::fetch;
use super::missed::TtlPolicies;
use super::selection::Selection;
use super::stream::{self, Continues, StreamError};
use crate::cluster::{Commands, Reach};
use crate::diagnostics;
use crate::exit::hinted;
use crate::files::{self, Entry};
use crate::numbers::counted;
use crate::paint::Paint;
use crate::surroundings::Surroundings;

/// How to get a list that is no part of one.
pub(super) const WHOLE_LIST: &str = "`kubectl get jobs -A -o json` gives the whole list, page by page";

/// The Jobs, and what is known beside them.
pub(crate) struct Listing {
    pub(crate) backlog: Backlog,
    /// How many Jobs were looked at, those that no policy missed included.
    pub(crate) listed: u64,
    /// The uids of the Jobs that own others; `None` where not all Jobs were looked at.
    pub(crate) owners: Option<Vec<Box<str>>>,
    /// Where the list goes on: the file holds a part of it.
    pub(crate) continues: Option<Continues>,
    /// How many items of the file are of other kinds.
    pub(crate) others: u64,
    /// How many items of the file are Jobs that were read before.
    pub(crate) repeated: u64,
    /// The age below which no Job is touched, as people say it.
    pub(crate) floor: String,
    /// In seconds since 1970-01-01 UTC, by the API server's clock where there is one.
    pub(crate) now: i64,
    /// The namespaces that are being deleted, as far as known.
    pub(crate) terminating: BTreeSet<Box<str>>,
    /// The cluster that was asked; `None` where a file was read.
    pub(crate) reach: Option<Reach>,
}

impl Listing {
    /// The word that `protection` of a Job is about, where there is one.
    pub(crate) fn detail<'l>(&'l self, job: Job<'l>, protection: Protection) -> Option<&'l str> {
        match protection {
            Protection::Young => Some(&self.floor),
            _ => job.detail(protection),
        }
    }

    /// Says on standard error what the Jobs are not all of.
    pub(crate) fn tell_what_is_missing(&self, surroundings: &mut Surroundings<'_>) {
        let stderr = &mut surroundings.stderr;
        if let Some(continues) = &self.continues {
            let missing = match continues.remaining {
                Some(remaining) => {
                    counted(remaining.unsigned_abs(), "Job is not in it", "Jobs are not in it")
                }
                None => "the rest is not in it".to_owned(),
            };
            diagnostics::warning(stderr, &format!("the file holds a part of a list: {missing}"));
            let hint = Paint::on(stderr).hint("hint:");
            // When standard error cannot be written there is nobody left to tell.
            let _ = writeln!(stderr, "{hint} {WHOLE_LIST}");
        }
        if self.others > 0 {
            let others = counted(self.others, "item is no Job and is", "items are no Jobs and are");
            diagnostics::warning(stderr, &format!("{others} passed over"));
        }
        if self.repeated > 0 {
            let repeated = counted(self.repeated, "item repeats a Job and is", "items repeat Jobs and are");
            diagnostics::warning(stderr, &format!("{repeated} passed over"));
        }
    }

    /// Reads the Jobs that `selection` is about.
    ///
    /// # Errors
    /// The file or the API server does not give them.
    pub(crate) fn read(
        selection: &Selection,
        interest: &Interest,
        surroundings: &mut Surroundings<'_>,
        cluster: &dyn Commands,
    ) -> Result<Listing> {
        match &selection.from {
            Some(path) => from_file(path, selection, interest, surroundings),
            None => {
                fetch::from_cluster(cluster.reach(&selection.cluster)?, selection, interest, surroundings)
            }
        }
    }
}

fn from_file(
    path: &str,
    selection: &Selection,
    interest: &Interest,
    surroundings: &mut Surroundings<'_>,
) -> Result<Listing> {
    let now = surroundings.now.div_euclid(1_000_000_000);
    let missed = match (selection.missed, &*selection.policies) {
        (false, _) => None,
        (true, []) => {
            let hint =
                "give them with `--policies PATH`, as `kubectl get clusterpolicies -o yaml` prints them";
            return Err(hinted("a file does not say which policies are in force".to_owned(), Some(hint)));
        }
        (true, paths) => Some(TtlPolicies::given(paths, now, surroundings)?),
    };
    if let Some(policies) = &missed {
        policies.tell_if_none(surroundings);
    }
    let mut backlog = Backlog::default();
    // Of all that are listed: of two lists one after the other both may hold a Job.
    let mut uids: Vec<u64> = Vec::new();
    let mut each = |facts: &JobFacts<'_>, text: &str| -> Result<(), StreamError> {
        if !facts.selected || !selection.includes_namespace(facts.namespace) {
            return Ok(());
        }
        uids.push(fingerprint(facts.uid));
        if missed.as_ref().is_none_or(|policies| policies.missed(facts, text)) {
            backlog.push(facts)?;
        }
        Ok(())
    };
    let (name, mut reader) = open(path, surroundings)?;
    let ends = stream::read(&mut *reader, interest, &mut each)
        .map_err(|error| hinted(format!("cannot read Jobs from {name}: {error}"), error.hint()))?;
    let read = uids.len();
    uids.sort_unstable();
    uids.dedup();
    let (listed, repeated) = (uids.len() as u64, (read - uids.len()) as u64);
    if repeated > 0 {
        backlog.drop_repeated();
    }
    Ok(Listing {
        backlog,
        listed,
        owners: None,
        continues: ends.continues,
        others: ends.others,
        repeated,
        floor: selection.floor(),
        now,
        terminating: BTreeSet::new(),
        reach: None,
    })
}

/// The FNV-1a of a uid. That two of 100,000 uids have the same one happens once in a thousand million lists.
fn fingerprint(uid: &str) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;
    uid.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// The file with Jobs, or standard input for `-`, and what people call it.
///
/// # Errors
/// There is nothing to read.
pub(super) fn open<'s>(
    path: &str,
    surroundings: &'s mut Surroundings<'_>,
) -> Result<(String, Box<dyn Read + 's>)> {
    if path == "-" {
        if surroundings.stdin_is_terminal {
            let hint = "pipe it in: `kubectl get jobs -A -o json | portcullis jobs list --from -`";
            return Err(hinted(
                "there are no Jobs on standard input, which is a terminal".to_owned(),
                Some(hint),
            ));
        }
        return Ok(("standard input".to_owned(), Box::new(&mut surroundings.stdin)));
    }
    let full = surroundings.directory.join(path);
    if files::entry(&full)? == Entry::Folder {
        let hint = "name a file: what `kubectl get jobs -A -o json` prints";
        return Err(hinted(format!("`{path}` is a folder, not a file with Jobs"), Some(hint)));
    }
    Ok((format!("`{path}`"), Box::new(files::open(Path::new(&full))?)))
}
