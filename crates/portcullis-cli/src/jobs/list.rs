//! `jobs list`: the finished Jobs, how many, how old, of whom, and what protects them.

use std::io::Write as _;

use clap::{Args, ValueEnum};
use portcullis_retention::{Job, Outcome, Protections, Verdict, format_age, judge};
use portcullis_value::{Arena, Value};

use super::ages::Ages;
use super::columns::{self, Align, Cell, Column, Tone, counted, thousands};
use super::format::{Format, Row, Rows, number, time};
use super::group::{Count, Groups, Kin};
use super::listing::Listing;
use super::selection::Selection;
use crate::cluster::Commands;
use crate::exit::{Ended, Exit, standard_output};
use crate::paint::Paint;
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
            let is_young = job
                .finished()
                .is_some_and(|finished| listing.now.saturating_sub(finished) < selection.older_than);
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
}

/// The columns of a line for each group.
const OF_GROUPS: [Column; 9] = [
    ("NAMESPACE", Align::Left),
    ("OUTCOME", Align::Left),
    ("MADE BY", Align::Left),
    ("JOBS", Align::Right),
    ("OLDEST", Align::Right),
    ("NEWEST", Align::Right),
    ("PODS", Align::Right),
    ("IN ETCD", Align::Right),
    ("TOUCHABLE", Align::Left),
];

/// The columns of a line for each Job.
const OF_JOBS: [Column; 8] = [
    ("NAMESPACE", Align::Left),
    ("NAME", Align::Left),
    ("OUTCOME", Align::Left),
    ("MADE BY", Align::Left),
    ("AGE", Align::Right),
    ("PODS", Align::Right),
    ("IN ETCD", Align::Right),
    ("TOUCHABLE", Align::Left),
];

impl View<'_> {
    fn table(&self, arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> std::io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let age = |finished: Option<i64>| match finished {
            Some(finished) if finished > self.listing.now => Cell::from("in the future"),
            Some(finished) => Cell::from(format_age(self.listing.now - finished)),
            None => Cell::new(Tone::Quiet, "-"),
        };
        let outcome = |outcome: Outcome| match outcome {
            Outcome::Succeeded => Cell::new(Tone::Good, outcome.name()),
            Outcome::Failed => Cell::new(Tone::Bad, outcome.name()),
        };
        let manager = |manager: &str| match manager {
            "" => Cell::new(Tone::Quiet, "-"),
            manager => Cell::from(manager),
        };
        let touchable = |reason: Option<String>| match reason {
            None => Cell::new(Tone::Good, "yes"),
            Some(reason) => Cell::new(Tone::Quiet, &format!("no: {reason}")),
        };
        let rows: Vec<Vec<Cell>> = if arguments.each {
            let of_job = |(job, ended, protections): &(Job<'_>, Outcome, Protections)| {
                vec![
                    Cell::from(job.namespace()),
                    Cell::from(job.name()),
                    outcome(*ended),
                    manager(job.manager()),
                    age(job.finished()),
                    Cell::from(thousands(job.pods().into())),
                    Cell::from(columns::bytes(job.bytes().into())),
                    touchable(reasons(*job, *protections)),
                ]
            };
            self.sorted(arguments.sort_by).iter().map(of_job).collect()
        } else {
            let of_group = |(kin, count): &(Kin<'_>, Count)| {
                vec![
                    Cell::from(kin.namespace),
                    outcome(kin.outcome),
                    manager(kin.manager),
                    Cell::from(thousands(count.jobs)),
                    age(count.oldest()),
                    age(count.newest()),
                    Cell::from(thousands(count.pods)),
                    Cell::from(columns::bytes(count.bytes)),
                    touchable(kin.reason()),
                ]
            };
            self.groups(arguments.sort_by).iter().map(of_group).collect()
        };
        if !rows.is_empty() {
            let columns: &[Column] = if arguments.each { &OF_JOBS } else { &OF_GROUPS };
            columns::print(columns, &rows, "", stdout)?;
        }
        let mut ages = Ages::default();
        for (job, ..) in &self.jobs {
            if let Some(finished) = job.finished() {
                ages.add(self.listing.now - finished);
            }
        }
        ages.print(stdout)?;
        self.conclusion(arguments, surroundings)
    }

    /// The last lines: how many of what, and what to do next.
    fn conclusion(&self, arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> std::io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let paint = Paint::on(stdout);
        let Summary { finished, touchable, bytes } = self.summary();
        if finished == 0 {
            writeln!(stdout, "no finished Job is there{}", unfinished(self.unfinished))?;
            return Ok(());
        }
        writeln!(
            stdout,
            "\n{}: {} touchable, {} protected; {} in etcd (estimated){}",
            paint.strong(counted(finished, "finished Job", "finished Jobs")),
            thousands(touchable),
            thousands(finished - touchable),
            columns::bytes(bytes),
            unfinished(self.unfinished),
        )?;
        if touchable > 0 && self.listing.continues.is_none() {
            let words = arguments.selection.words();
            writeln!(
                stdout,
                "{} `portcullis jobs plan{words} -o plan.json` says what would go, and does nothing yet",
                paint.hint("next:")
            )?;
        }
        Ok(())
    }

    fn document(
        &self,
        arguments: &Arguments,
        format: Format,
        surroundings: &mut Surroundings<'_>,
    ) -> std::io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let mut arena = Arena::new();
        let rows = if arguments.each {
            let mut rows = Rows::begin(format, "jobs", &FIELDS_OF_JOBS, stdout)?;
            for (job, outcome, protections) in self.sorted(arguments.sort_by) {
                rows.row(&arena, job_row(&arena, job, outcome, protections), stdout)?;
                arena.reset();
            }
            rows
        } else {
            let mut rows = Rows::begin(format, "groups", &FIELDS_OF_GROUPS, stdout)?;
            for (kin, count) in self.groups(arguments.sort_by) {
                rows.row(&arena, group_row(&arena, &kin, &count), stdout)?;
                arena.reset();
            }
            rows
        };
        let Summary { finished, touchable, bytes } = self.summary();
        let mut summary = vec![
            ("finished", number(finished)),
            ("touchable", number(touchable)),
            ("protected", number(finished - touchable)),
            ("unfinished", number(self.unfinished)),
            ("bytes", number(bytes)),
            ("partial", Value::Bool(self.listing.continues.is_some())),
        ];
        if self.listing.others > 0 {
            summary.push(("otherKinds", number(self.listing.others)));
        }
        let summary = super::format::object(&arena, summary);
        let server = self.listing.reach.as_ref().map(|reach| arena.string(reach.connection.server()));
        let tail = vec![
            ("server", server.unwrap_or_default()),
            ("now", time(&arena, Some(self.listing.now))),
            ("summary", summary),
        ];
        rows.end(&arena, tail, stdout)
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

fn unfinished(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "; 1 has not finished".to_owned(),
        count => format!("; {} have not finished", thousands(count)),
    }
}

/// Every reason why a Job is not touched.
fn reasons(job: Job<'_>, protections: Protections) -> Option<String> {
    let reasons: Vec<String> = protections.iter().map(|protection| job.reason(protection)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

const FIELDS_OF_JOBS: [&str; 10] = [
    "namespace",
    "name",
    "outcome",
    "manager",
    "finished",
    "pods",
    "bytes",
    "touchable",
    "protections",
    "reasons",
];

fn job_row<'a>(arena: &'a Arena, job: Job<'_>, outcome: Outcome, protections: Protections) -> Row<'a> {
    let names: Vec<_> = protections.iter().map(|protection| Value::String(protection.name())).collect();
    let reasons: Vec<_> =
        protections.iter().map(|protection| arena.string(&job.reason(protection))).collect();
    vec![
        ("namespace", arena.string(job.namespace())),
        ("name", arena.string(job.name())),
        ("outcome", Value::String(outcome.name())),
        ("manager", arena.string(job.manager())),
        ("finished", time(arena, job.finished())),
        ("pods", number(job.pods().into())),
        ("bytes", number(job.bytes().into())),
        ("touchable", Value::Bool(protections.is_empty())),
        ("protections", arena.array(&names)),
        ("reasons", arena.array(&reasons)),
    ]
}

const FIELDS_OF_GROUPS: [&str; 10] =
    ["namespace", "outcome", "manager", "jobs", "oldest", "newest", "pods", "bytes", "touchable", "reason"];

fn group_row<'a>(arena: &'a Arena, kin: &Kin<'_>, count: &Count) -> Row<'a> {
    vec![
        ("namespace", arena.string(kin.namespace)),
        ("outcome", Value::String(kin.outcome.name())),
        ("manager", arena.string(kin.manager)),
        ("jobs", number(count.jobs)),
        ("oldest", time(arena, count.oldest())),
        ("newest", time(arena, count.newest())),
        ("pods", number(count.pods)),
        ("bytes", number(count.bytes)),
        ("touchable", Value::Bool(kin.protection.is_none())),
        ("reason", kin.reason().map_or(Value::Null, |reason| arena.string(&reason))),
    ]
}
