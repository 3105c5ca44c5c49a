//! `jobs list`: the finished Jobs, how many, how old, of whom, and what protects them.

mod document;
mod table;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use portcullis_retention::{Job, Outcome, Protection, Protections, Verdict};

use super::format::Format;
use super::group::{Count, Groups, Kin};
use super::judged::{Judged, Terms};
use super::listing::Listing;
use super::selection::Selection;
use crate::cluster::Commands;
use crate::exit::{Ended, Exit, standard_output};
use crate::surroundings::Surroundings;

/// Show the Jobs that have finished: how many, how old, what they take, who made them, and whether they may be touched.
///
/// Jobs that are alike make one line, unless --each is given. A Job is finished when its condition Complete or Failed is
/// True, and its age counts from then. What the Jobs own is looked up as for `portcullis jobs plan`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// A line for each Job, with every reason why it is not touched
    #[arg(long, help_heading = "Output")]
    each: bool,

    /// The order of the lines
    #[arg(long, value_enum, default_value_t, value_name = "COLUMN", help_heading = "Output")]
    sort_by: SortBy,

    /// The form of the output
    #[arg(long, value_enum, default_value_t, value_name = "FORM", help_heading = "Output")]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  What has piled up in the cluster:
      portcullis jobs list -A

  The failed Jobs of a team, the oldest first, each with the reason why it is not touched:
      portcullis jobs list -n team-a --outcome failed --each --sort-by oldest

  Without access to the cluster:
      kubectl get jobs -A -o json > jobs.json
      portcullis jobs list --from jobs.json --older-than 7d

Exit code: 0 when the Jobs could be listed, 1 otherwise.";

/// What lines are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SortBy {
    /// The namespace, then the rest of the line
    #[default]
    Namespace,
    /// Those that finished first
    Oldest,
    /// Those that finished last
    Newest,
    /// The most Jobs
    Jobs,
    /// The most Pods
    Pods,
    /// The most bytes
    Bytes,
}

/// Runs the command.
pub(super) fn list(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, Ended> {
    let selection = &arguments.selection;
    let mut listing = Listing::read(selection, &selection.interest(None), surroundings, cluster)?;
    listing.tell_what_is_missing(surroundings);
    // As `jobs plan` does, so that both say the same.
    let judged = Judged::of(&mut listing, selection, Terms::default(), &mut surroundings.stderr)?;
    let mut view = View::of(&listing, &judged, selection);
    if arguments.each {
        view.sort(arguments.sort_by);
    }
    let printed = match arguments.format {
        Format::Table => view.table(arguments, surroundings),
        format => view.document(arguments, format, surroundings),
    };
    printed.map_err(standard_output)?;
    Ok(Exit::SUCCESS)
}

/// The Jobs that are shown.
struct View<'b> {
    listing: &'b Listing,
    judged: &'b Judged,
    /// By their numbers.
    order: Vec<u32>,
    unfinished: u64,
}

/// A Job that is shown.
struct Shown<'b> {
    job: Job<'b>,
    outcome: Outcome,
    protections: Protections,
    /// How many objects of each kind it owns, where that was looked up.
    owned: Option<&'b BTreeMap<String, u32>>,
}

impl<'b> View<'b> {
    fn of(listing: &'b Listing, judged: &'b Judged, selection: &Selection) -> Self {
        let mut view = Self { listing, judged, order: Vec::new(), unfinished: 0 };
        for (index, job) in (0..).zip(listing.backlog.jobs()) {
            let Some(outcome) = job.outcome() else {
                view.unfinished += 1;
                continue;
            };
            let age = |finished| listing.now.saturating_sub(finished);
            // One that finished in the future has no age, and is shown where none is asked for.
            let is_young = selection.older_than > 0
                && job.finished().is_some_and(|finished| age(finished) < selection.older_than);
            if !is_young && selection.outcome.includes(outcome) {
                view.order.push(index);
            }
        }
        view
    }

    fn job(&self, index: u32) -> Option<Job<'b>> {
        self.listing.backlog.job(index as usize)
    }

    /// The Jobs in their order.
    fn jobs(&self) -> impl Iterator<Item = Shown<'b>> + Clone {
        self.order.iter().filter_map(|index| {
            let job = self.job(*index)?;
            let protections = match self.judged.verdicts.get(*index as usize)? {
                Verdict::Protected(protections) => *protections,
                _ => Protections::default(),
            };
            Some(Shown { job, outcome: job.outcome()?, protections, owned: self.judged.owned.get(index) })
        })
    }

    /// Why a Job is not touched, in words.
    fn reasons(&self, shown: &Shown<'_>) -> Vec<String> {
        let reason = |protection: Protection| protection.reason(self.listing.detail(shown.job, protection));
        shown.protections.iter().map(reason).collect()
    }

    fn groups(&self, sort_by: SortBy) -> Vec<(Kin<'b>, Count)> {
        let mut groups = Groups::new();
        for Shown { job, outcome, protections, .. } in self.jobs() {
            groups.entry(Kin::of(self.listing, job, outcome, protections.first())).or_default().add(job);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        // The sort is stable: what is equal stays in the order of the namespaces.
        match sort_by {
            SortBy::Namespace => {}
            SortBy::Oldest => groups.sort_by_key(|(_, count)| count.oldest().unwrap_or(i64::MAX)),
            SortBy::Newest => groups.sort_by_key(|(_, count)| Reverse(count.newest())),
            SortBy::Jobs => groups.sort_by_key(|(_, count)| Reverse(count.jobs)),
            SortBy::Pods => groups.sort_by_key(|(_, count)| Reverse(count.pods)),
            SortBy::Bytes => groups.sort_by_key(|(_, count)| Reverse(count.bytes)),
        }
        groups
    }

    /// Puts the Jobs in order, for those who want to see each.
    fn sort(&mut self, sort_by: SortBy) {
        let mut order = std::mem::take(&mut self.order);
        let name = |index: &u32| self.job(*index).map(|job| (job.namespace(), job.name()));
        let finished = |index: &u32| self.job(*index).and_then(Job::finished);
        order.sort_by(|one, other| name(one).cmp(&name(other)));
        match sort_by {
            SortBy::Namespace | SortBy::Jobs => {}
            SortBy::Oldest => order.sort_by_key(|index| finished(index).unwrap_or(i64::MAX)),
            SortBy::Newest => order.sort_by_key(|index| Reverse(finished(index))),
            SortBy::Pods => order.sort_by_key(|index| Reverse(self.job(*index).map(Job::pods))),
            SortBy::Bytes => order.sort_by_key(|index| Reverse(self.job(*index).map(Job::bytes))),
        }
        self.order = order;
    }

    fn summary(&self) -> Summary {
        Summary {
            finished: self.order.len() as u64,
            touchable: self.jobs().filter(|shown| shown.protections.is_empty()).count() as u64,
            bytes: self.jobs().map(|shown| u64::from(shown.job.bytes())).sum(),
        }
    }
}

/// The Jobs that are shown, in numbers.
struct Summary {
    finished: u64,
    touchable: u64,
    bytes: u64,
}

#[cfg(test)]
mod tests;
