//! `jobs plan`: what would be done to whom, and why.

mod document;
mod output;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use portcullis_retention::{Caps, Cluster, Item, Job, Made, Mode, Plan, Verdict, format_age, parse_age};

use super::dependents::Kinds;
use super::fetch;
use super::format::Format;
use super::judged::{Judged, Terms};
use super::listing::{Listing, WHOLE_LIST};
use super::selection::{Selection, label_key, number};
use crate::cluster::Commands;
use crate::exit::{Ended, Exit, hinted};
use crate::surroundings::Surroundings;

/// Say which Jobs would go and why, and write it down as a plan. Nothing is deleted.
///
/// A plan is carried out later, by `portcullis jobs apply`, on the same cluster: each Job only if it is still as it was.
/// The plan holds all Jobs whose time has come, the oldest first.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,

    /// Keep the last N of each group: the Jobs of a namespace with the same generateName. A Job without one is a group of
    /// its own, and stays
    #[arg(long, value_name = "N", value_parser = number::<usize>, help_heading = "Keep")]
    keep_last: Option<usize>,

    /// Jobs of a namespace whose value of this label is the same are a group
    #[arg(long, value_name = "LABEL", value_parser = label_key, requires = "keep_last", help_heading = "Keep")]
    group_by: Option<String>,

    /// Plan Jobs too that own a PersistentVolumeClaim or another workload, which would go with them
    #[arg(long, help_heading = "Protection")]
    with_dependents: bool,

    /// Which kinds are looked through for what the Jobs own
    #[arg(long, value_enum, default_value_t, value_name = "KINDS", help_heading = "Protection")]
    dependents: Kinds,

    /// How Jobs are made to go
    #[arg(long, value_enum, default_value_t, value_name = "MODE", help_heading = "Plan")]
    mode: Way,

    /// With --mode ttl: how long the Jobs stay at least once the plan is carried out [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = notice, help_heading = "Plan")]
    notice: Option<u32>,

    /// Carry out at most N of it; what is left is reported
    #[arg(long, value_name = "N", value_parser = number::<u64>, help_heading = "Plan")]
    max_jobs: Option<u64>,

    /// Carry out at most so many per cent of the Jobs that were listed
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100), help_heading = "Plan")]
    max_percent: Option<u8>,

    /// Write the plan to this file; an older plan that was not carried out is replaced, any other file is not
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Show every Job, not the first of each namespace alone
    #[arg(long, help_heading = "Output")]
    each: bool,

    /// The form of the output
    #[arg(long, value_enum, default_value_t, value_name = "FORM", help_heading = "Output")]
    format: Format,
}

/// How long Jobs stay at least that are given a TTL, in seconds, where nothing else is said.
const NOTICE: u32 = 600;

const EXAMPLES: &str = "\
Examples:
  What finished more than a day ago, the last three of each kind kept:
      portcullis jobs plan -A --older-than 24h --keep-last 3 -o plan.json

  Let Kubernetes delete them, at its own pace and not before an hour is over:
      portcullis jobs plan -A --older-than 24h --mode ttl --notice 1h -o plan.json

  From a list, without access to the cluster; what the Jobs own is then looked up when the plan is carried out:
      kubectl get jobs -A -o json | portcullis jobs plan --from - --older-than 24h -o plan.json

Exit code: 0 when there is a plan, if of nothing; 1 otherwise.";

/// How Jobs are made to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Way {
    /// They are deleted, at a pace, with their Pods
    #[default]
    Delete,
    /// They are given a TTL, and Kubernetes deletes them at its own pace; there are no canaries
    Ttl,
}

fn notice(text: &str) -> Result<u32, String> {
    let seconds =
        i32::try_from(parse_age(text)?).map_err(|_| "this is longer than a TTL can be".to_owned())?;
    Ok(seconds.unsigned_abs())
}

/// A plan before it is written: the Jobs stay where they are kept, so that a plan of 100,000 fits.
struct Planned<'b> {
    /// Everything but the items.
    plan: Plan,
    listing: &'b Listing,
    verdicts: Vec<Verdict>,
    /// The numbers of the Jobs that would go, in the order of the plan.
    order: Vec<u32>,
    /// What each of them owns, by kind.
    owned: BTreeMap<u32, BTreeMap<String, u32>>,
    older_than: i64,
    is_of_any_outcome: bool,
    keep_last: usize,
}

/// Runs the command.
pub(super) fn plan(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, Ended> {
    let selection = &arguments.selection;
    if arguments.notice.is_some() && arguments.mode == Way::Delete {
        let message =
            "`--notice` is for `--mode ttl`: Jobs that are deleted go as the plan is carried out".to_owned();
        return Err(hinted(message, Some("leave it out, or add `--mode ttl`")).into());
    }
    if let Some(path) = &arguments.output {
        output::check(path, selection.from.as_deref(), &surroundings.directory)?;
    }
    let mut listing =
        Listing::read(selection, &selection.interest(arguments.group_by.as_deref()), surroundings, cluster)?;
    if listing.continues.is_some() {
        let message =
            "the file holds a part of a list, and what is kept cannot be told from a part".to_owned();
        return Err(hinted(message, Some(WHOLE_LIST)).into());
    }
    listing.tell_what_is_missing(surroundings);
    let keep_last = arguments.keep_last.unwrap_or_default();
    let terms =
        Terms { keep_last, dependents: arguments.dependents, with_dependents: arguments.with_dependents };
    let judged = Judged::of(&mut listing, selection, terms, &mut surroundings.stderr)?;
    let mut order = judged.expiring();
    let Judged { verdicts, mut owned, dependents } = judged;
    let mut plan = header(arguments, &listing)?;
    plan.dependents = dependents;
    let backlog = &listing.backlog;
    let finished = |index: u32| backlog.job(index as usize).and_then(|job| job.finished());
    let name = |index: u32| backlog.job(index as usize).map(|job| (job.namespace(), job.name()));
    // Lists come sorted by name, for the most part: the stable sort makes use of that.
    order.sort_by(|one, other| {
        finished(*one).cmp(&finished(*other)).then_with(|| name(*one).cmp(&name(*other)))
    });
    owned.retain(|index, _| verdicts.get(*index as usize) == Some(&Verdict::Expire));
    let planned = Planned {
        plan,
        listing: &listing,
        verdicts,
        order,
        owned,
        older_than: selection.older_than,
        is_of_any_outcome: selection.outcome == super::selection::Ended::Any,
        keep_last,
    };
    let digest = match &arguments.output {
        Some(path) => Some(planned.write_file(&surroundings.directory.join(path))?),
        None => None,
    };
    match arguments.format {
        Format::Table => planned.table(arguments, digest.as_ref(), surroundings)?,
        format => planned.print(format, surroundings)?,
    }
    Ok(Exit::SUCCESS)
}

/// Everything that a plan says beside its items and what the Jobs own.
fn header(arguments: &Arguments, listing: &Listing) -> anyhow::Result<Plan> {
    let selection = &arguments.selection;
    let mut cluster = Cluster::default();
    let mut made = Made { at: listing.now, by: None, from: selection.from.clone() };
    if let Some(reach) = &listing.reach {
        let identity = reach.runtime.block_on(fetch::identity(&reach.connection))?;
        cluster = Cluster { server: Some(reach.connection.server().to_owned()), uid: Some(identity.cluster) };
        made.by = identity.user;
    }
    let mode = match arguments.mode {
        Way::Delete => Mode::Delete,
        Way::Ttl => Mode::Ttl,
    };
    let mut plan = Plan::new(mode, cluster, made);
    plan.caps = Caps { number: arguments.max_jobs, percent: arguments.max_percent };
    plan.criteria = criteria(arguments);
    plan.listed = listing.listed;
    plan.notice = (mode == Mode::Ttl).then_some(arguments.notice.unwrap_or(NOTICE));
    plan.safeguards = selection.safeguards();
    Ok(plan)
}

/// What was asked for, in words.
fn criteria(arguments: &Arguments) -> Vec<String> {
    let selection = &arguments.selection;
    let mut criteria = selection.criteria();
    if let Some(keep_last) = arguments.keep_last {
        let group = match &arguments.group_by {
            Some(label) => format!("label {label}, else generateName"),
            None => "generateName".to_owned(),
        };
        criteria.push(format!("keep the last {keep_last} of each namespace and {group}"));
    }
    criteria
}

impl Planned<'_> {
    /// The entry of the Job number `index`.
    fn item(&self, index: u32) -> Option<Item> {
        let job = self.listing.backlog.job(index as usize)?;
        let mut item = Item::of(job, self.why(job))?;
        if let Some(kinds) = self.owned.get(&index) {
            item.dependents.clone_from(kinds);
        }
        Some(item)
    }

    /// Why a Job goes.
    fn why(&self, job: Job<'_>) -> String {
        let outcome = job.outcome().map_or("finished", portcullis_retention::Outcome::name);
        let now = self.listing.now;
        let age = format_age(now.saturating_sub(job.finished().unwrap_or(now)));
        let mut why = [outcome, " ", &age, " ago"].concat();
        if self.keep_last > 0 {
            let group = job.group_text().map_or_else(|| "its group".to_owned(), |group| format!("`{group}`"));
            why.push_str(&format!(", and {} later ones of {group} stay", self.keep_last));
        }
        why
    }
}

#[cfg(test)]
mod tests;
