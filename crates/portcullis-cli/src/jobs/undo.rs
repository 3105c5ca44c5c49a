//! `jobs undo`: what a sweep did is taken back, as far as that is possible.

#[cfg(test)]
mod model;
mod restore;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use futures::StreamExt as _;
use futures::stream;
use portcullis_retention::{Entry, Fate, Journal, Mode};

use self::restore::{Came, Restorer};
use super::backup::Backup;
use super::confirm::confirm;
use super::fetch;
use super::progress::Progress;
use crate::cluster::{ClusterArguments, Commands, Reach};
use crate::diagnostics;
use crate::exit::{Ended, Exit, hinted, standard_output};
use crate::numbers::{counted, thousands};
use crate::paint::Paint;
use crate::surroundings::Surroundings;

/// Take back what `portcullis jobs apply` did: create Jobs again from their definitions, suspended.
///
/// Only definitions come back: results, Pods and logs of a Job that is gone are gone. A Job is not touched where there is
/// another of its name. Of Jobs that were given a TTL and are still there, the TTL is taken away.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder that `portcullis jobs apply` named at its end
    #[arg(value_name = "DIR")]
    backup: PathBuf,

    /// Have the Jobs run, also those that an earlier `undo` created suspended
    #[arg(long)]
    run: bool,

    /// Requests a second
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
    qps: u32,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    cluster: ClusterArguments,
}

const EXAMPLES: &str = "\
Examples:
  Create the Jobs again, and look before any of them runs:
      portcullis jobs undo plan.json.applied
      kubectl get jobs -A

  Have them run, those that were created suspended too:
      portcullis jobs undo plan.json.applied --run

Exit code:
  0  everything was taken back
  1  the API server refused or did not answer, or nothing could be done
  2  some were not created, since there are others of the same names";

/// Some Jobs were left alone, since there are others of their names.
const SKIPPED: Exit = Exit(2);

/// How many requests are under way at once: an API server that is far away answers some time after it was asked.
const UNDER_WAY: usize = 32;

/// What is said before and after.
const ONLY_DEFINITIONS: &str =
    "definitions alone come back: results, Pods and logs of Jobs that are gone are gone";

/// How many Jobs came to which end, and why not.
#[derive(Debug, Default)]
struct Tally {
    restored: u64,
    unsuspended: u64,
    kept: u64,
    kept_by_ttl: u64,
    there: u64,
    names_taken: Vec<String>,
    failed: Vec<String>,
}

/// Runs the command.
pub(super) fn undo(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, Ended> {
    let folder = surroundings.directory.join(&arguments.backup);
    let (backup, journal) = Backup::of_sweep(&folder)?;
    let Reach { runtime, connection } = cluster.reach(&arguments.cluster)?;
    let identity = runtime.block_on(fetch::identity(&connection))?;
    if identity.cluster != journal.header.cluster {
        let message = format!(
            "the Jobs were of another cluster: of `{}`, and this is `{}`",
            journal.header.cluster, identity.cluster
        );
        let hint = "give the kubeconfig or `--context` of the cluster that the plan was carried out on";
        return Err(hinted(message, Some(hint)).into());
    }
    let touched: BTreeSet<&str> =
        journal.entries().filter(|(_, entry)| may_be_gone(entry)).map(|(uid, _)| uid).collect();
    if touched.is_empty() {
        let none = Paint::on(&surroundings.stdout).strong("nothing to do:");
        writeln!(surroundings.stdout, "{none} no Job was touched, says the journal")
            .map_err(standard_output)?;
        return Ok(Exit::SUCCESS);
    }
    let jobs = counted(touched.len() as u64, "Job", "Jobs");
    let how = if arguments.run { "have them run" } else { "suspended" };
    let what = match journal.header.mode {
        Mode::Delete => {
            format!("create {jobs} again, {how} ({ONLY_DEFINITIONS}), at {}", connection.server())
        }
        Mode::Ttl => format!(
            "take the TTL of {jobs} away, and create those again that are gone, {how} ({ONLY_DEFINITIONS}), at {}",
            connection.server()
        ),
    };
    if arguments.yes {
        // Where it is asked, the question says so.
        diagnostics::warning(&mut surroundings.stderr, ONLY_DEFINITIONS);
    }
    confirm(&what, arguments.yes, surroundings)?;
    let progress = Progress::on(&mut surroundings.stderr);
    let tally = runtime.block_on(async {
        let restorer = Restorer::new(&connection, arguments.qps, arguments.run);
        take_back(restorer, &backup, &journal, &touched, progress).await
    })?;
    tally.print(surroundings).map_err(standard_output)?;
    Ok(tally.exit())
}

/// Whether the Job may be gone by the sweep, or have a TTL of it.
fn may_be_gone(entry: &Entry) -> bool {
    entry.fate.is_ours() || matches!(entry.fate, Fate::Intended | Fate::Unknown)
}

async fn take_back(
    restorer: Restorer<'_>,
    backup: &Backup,
    journal: &Journal,
    touched: &BTreeSet<&str>,
    mut progress: Progress<'_, '_>,
) -> Result<Tally> {
    let restored =
        |manifest: &str| Ok::<_, anyhow::Error>(portcullis_retention::restored(manifest, restorer.run)?);
    // All of it is read before anything is sent, so that a file that is damaged has nothing half done.
    let mut kept = BTreeSet::new();
    for manifest in backup.kept()? {
        let uid = restored(&manifest?)?.uid;
        kept.extend(Some(uid).filter(|uid| touched.contains(&**uid)));
    }
    let mut tally = Tally::default();
    let mut show = |of: usize, tally: &Tally| {
        progress.show(&format!("{} of {}", thousands(tally.total()), counted(of as u64, "Job", "Jobs")));
    };
    let mut still_there = BTreeSet::new();
    if journal.header.mode == Mode::Ttl {
        let entries = journal.entries().filter(|(uid, _)| touched.contains(uid));
        let removals = entries.map(async |(uid, entry)| {
            (uid, entry, restorer.remove_ttl(&entry.namespace, &entry.name, uid).await)
        });
        let mut removals = stream::iter(removals).buffer_unordered(UNDER_WAY);
        while let Some((uid, entry, came)) = removals.next().await {
            show(touched.len(), &tally);
            if !matches!(came, Came::Gone) {
                tally.count(came, &entry.namespace, &entry.name);
                still_there.insert(uid);
            }
        }
    }
    let is_gone = |uid: &str| touched.contains(uid) && !still_there.contains(uid);
    for (uid, entry) in journal.entries().filter(|(uid, _)| is_gone(uid) && !kept.contains(*uid)) {
        let why = format!("its definition was not kept, of the Job with the uid {uid}");
        tally.count(Came::Failed(why), &entry.namespace, &entry.name);
    }
    // They are read once more as they are created: of a hundred thousand few are in memory.
    let definitions = backup.kept()?.filter_map(|manifest| {
        let restored = manifest.and_then(|manifest| restored(&manifest));
        Some(restored).filter(|restored| restored.as_ref().map_or(true, |restored| is_gone(&restored.uid)))
    });
    let creations = definitions.map(async |restored| {
        let restored = restored?;
        let came = restorer.create(&restored).await;
        anyhow::Ok((restored, came))
    });
    let mut creations = stream::iter(creations).buffer_unordered(UNDER_WAY);
    while let Some(created) = creations.next().await {
        let (restored, came) = created?;
        show(touched.len(), &tally);
        tally.count(came, &restored.namespace, &restored.name);
    }
    // They are shown by name.
    tally.names_taken.sort_unstable();
    tally.failed.sort_unstable();
    Ok(tally)
}

impl Tally {
    fn count(&mut self, came: Came, namespace: &str, name: &str) {
        match came {
            Came::Created => self.restored += 1,
            Came::Unsuspended => self.unsuspended += 1,
            Came::Kept => self.kept += 1,
            Came::KeptByTtl => self.kept_by_ttl += 1,
            Came::There => self.there += 1,
            Came::Gone | Came::NameTaken => self.names_taken.push(format!("{namespace}/{name}")),
            Came::Failed(why) => self.failed.push(format!("{namespace}/{name}: {why}")),
        }
    }

    /// How many were done with.
    fn total(&self) -> u64 {
        let listed = self.names_taken.len() + self.failed.len();
        self.restored + self.unsuspended + self.kept + self.kept_by_ttl + self.there + listed as u64
    }

    fn print(&self, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        /// How many names are shown.
        const SHOWN: usize = 10;
        let stdout = &mut surroundings.stdout;
        let paint = Paint::on(stdout);
        let lines = [
            (self.restored, "created again"),
            (self.unsuspended, "unsuspended"),
            (self.kept, "kept: no TTL of ours any more"),
            (self.kept_by_ttl, "kept: with a TTL of 68 years, since a policy would add its own"),
            (self.there, "there already, and left as they are"),
        ];
        for (count, what) in lines.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(stdout, "{} {what}", paint.good(counted(count, "Job", "Jobs")))?;
        }
        for (names, what) in
            [(&self.names_taken, "not created: there is another of the name"), (&self.failed, "failed")]
        {
            if names.is_empty() {
                continue;
            }
            writeln!(stdout, "{} {what}", paint.bad(counted(names.len() as u64, "Job", "Jobs")))?;
            for name in names.iter().take(SHOWN) {
                writeln!(stdout, "  {}", crate::printable::line(name))?;
            }
            if names.len() > SHOWN {
                writeln!(stdout, "  and {} more", names.len() - SHOWN)?;
            }
        }
        writeln!(stdout, "{ONLY_DEFINITIONS}")
    }

    fn exit(&self) -> Exit {
        match self {
            Tally { failed, .. } if !failed.is_empty() => Exit::FAILURE,
            Tally { names_taken, .. } if !names_taken.is_empty() => SKIPPED,
            _ => Exit::SUCCESS,
        }
    }
}
