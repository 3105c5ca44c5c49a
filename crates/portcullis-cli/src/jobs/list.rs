//! `jobs list`: the finished Jobs, how many, how old, of whom, and what protects them.

mod document;
mod table;

use clap::{Args, ValueEnum};
use portcullis_retention::{Job, Outcome, Protections, Verdict, judge};

use super::format::Format;
use super::group::{Count, Groups, Kin};
use super::listing::Listing;
use super::selection::Selection;
use crate::cluster::Commands;
use crate::exit::{Ended, Exit, standard_output};
use crate::surroundings::Surroundings;

/// Show the Jobs that have finished: how many, how old, what they take, who made them, and whether they may be touched.
///
/// Jobs that are alike make one line, unless --each is given. A Job is finished when its condition Complete or Failed is
/// True, and its age counts from then.
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
    let listing = Listing::read(selection, &selection.interest(None), surroundings, cluster)?;
    listing.tell_what_is_missing(surroundings);
    let view = View::of(&listing, selection);
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
    /// Each with what protects it.
    jobs: Vec<(Job<'b>, Outcome, Protections)>,
    unfinished: u64,
}

impl<'b> View<'b> {
    fn of(listing: &'b Listing, selection: &Selection) -> Self {
        let policy = selection.policy(0, listing.terminating.clone());
        let verdicts = judge(&listing.backlog, &policy, listing.now);
        let mut view = Self { listing, jobs: Vec::new(), unfinished: 0 };
        for (job, verdict) in listing.backlog.jobs().zip(verdicts) {
            let Some(outcome) = job.outcome() else {
                view.unfinished += 1;
                continue;
            };
            let age = |finished| listing.now.saturating_sub(finished);
            // One that finished in the future has no age, and is shown where none is asked for.
            let is_young = selection.older_than > 0
                && job.finished().is_some_and(|finished| age(finished) < selection.older_than);
            if is_young || !selection.outcome.includes(outcome) {
                continue;
            }
            let protections = match verdict {
                Verdict::Protected(protections) => protections,
                _ => Protections::default(),
            };
            view.jobs.push((job, outcome, protections));
        }
        view
    }

    fn groups(&self, sort_by: SortBy) -> Vec<(Kin<'b>, Count)> {
        let mut groups = Groups::new();
        for (job, outcome, protections) in &self.jobs {
            groups.entry(Kin::of(*job, *outcome, protections.first())).or_default().add(*job);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        // The sort is stable: what is equal stays in the order of the namespaces.
        match sort_by {
            SortBy::Namespace => {}
            SortBy::Oldest => groups.sort_by_key(|(_, count)| count.oldest().unwrap_or(i64::MAX)),
            SortBy::Newest => groups.sort_by_key(|(_, count)| std::cmp::Reverse(count.newest())),
            SortBy::Jobs => groups.sort_by_key(|(_, count)| std::cmp::Reverse(count.jobs)),
            SortBy::Pods => groups.sort_by_key(|(_, count)| std::cmp::Reverse(count.pods)),
            SortBy::Bytes => groups.sort_by_key(|(_, count)| std::cmp::Reverse(count.bytes)),
        }
        groups
    }

    /// Puts the Jobs in order, for those who want to see each.
    fn sorted(&self, sort_by: SortBy) -> Vec<(Job<'b>, Outcome, Protections)> {
        let mut jobs = self.jobs.clone();
        jobs.sort_by(|(one, ..), (other, ..)| {
            (one.namespace(), one.name()).cmp(&(other.namespace(), other.name()))
        });
        match sort_by {
            SortBy::Namespace | SortBy::Jobs => {}
            SortBy::Oldest => jobs.sort_by_key(|(job, ..)| job.finished().unwrap_or(i64::MAX)),
            SortBy::Newest => jobs.sort_by_key(|(job, ..)| std::cmp::Reverse(job.finished())),
            SortBy::Pods => jobs.sort_by_key(|(job, ..)| std::cmp::Reverse(job.pods())),
            SortBy::Bytes => jobs.sort_by_key(|(job, ..)| std::cmp::Reverse(job.bytes())),
        }
        jobs
    }

    fn summary(&self) -> Summary {
        let touchable = self.jobs.iter().filter(|(_, _, protections)| protections.is_empty()).count();
        Summary {
            finished: self.jobs.len() as u64,
            touchable: touchable as u64,
            bytes: self.jobs.iter().map(|(job, ..)| u64::from(job.bytes())).sum(),
        }
    }
}

/// The Jobs that are shown, in numbers.
struct Summary {
    finished: u64,
    touchable: u64,
    bytes: u64,
}
