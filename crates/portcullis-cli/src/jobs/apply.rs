//! `jobs apply`: a plan is carried out.
//!
//! What is done next is decided by `portcullis_retention::Sweep`; here it is done. Before the first Job is touched all of them
//! are looked at, and their manifests are put by.

mod bar;
mod checks;
mod deed;
mod drive;
mod report;
mod survey;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use portcullis_cluster::{Asked, Connection, Extent};
use portcullis_retention::{
    Canaries, Caps, Header, Journal, Looked, Mode, Plan, Settings, Sweep, format_age, parse_age,
};
use tokio::time::Instant;

use self::bar::Bar;
use self::checks::{check_age, check_cluster, check_journal, read_plan};
pub(super) use self::deed::{apply as server_side_apply, path as job_path};
use self::drive::{Clock, drive};
use self::report::Report;
use self::survey::Survey;
use super::backup::{self, Backup, Tombstones};
use super::confirm::{can_be_asked, confirm};
use super::dependents::Kinds;
use super::fetch;
use super::progress::Progress;
use super::selection::number;
use crate::cluster::{ClusterArguments, Commands, Reach};
use crate::diagnostics;
use crate::exit::{Ended, Exit, cannot, hinted, standard_output};
use crate::numbers::counted;
use crate::surroundings::{Stream, Surroundings};

/// How many Jobs of a group go first, and how many seconds the rest waits, where nothing else is said.
const CANARIES: usize = 5;
const CANARY_WAIT: i64 = 60;

/// Carry out a plan: have Jobs deleted, or given a TTL.
///
/// A Job is touched only if it is what it was when the plan was made: the same one, unchanged, still protected by nothing.
/// Its manifest is kept before, and a journal says what is about to be done before it is done: the same command goes on where
/// it was interrupted or killed, and does nothing twice. `portcullis jobs undo` takes it back as far as that is possible.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The plan, as `portcullis jobs plan -o FILE` wrote it
    plan: PathBuf,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// The uid of the namespace kube-system of the cluster that is meant; needed for a plan that was made from a file
    #[arg(long, value_name = "UID", value_parser = NonEmptyStringValueParser::new(), help_heading = "Plan")]
    cluster_uid: Option<String>,

    /// Refuse a plan that is older
    #[arg(long, value_name = "AGE", value_parser = parse_age, default_value = "24h", help_heading = "Plan")]
    max_plan_age: i64,

    /// Carry out at most N Jobs of the plan, the first ones; what is left is reported
    #[arg(long, value_name = "N", value_parser = number::<u64>, help_heading = "Plan")]
    max_jobs: Option<u64>,

    /// Carry out at most so many per cent of the Jobs that were listed for the plan
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100), help_heading = "Plan")]
    max_percent: Option<u8>,

    /// Touch Jobs too that own a PersistentVolumeClaim or another workload, which go with them
    #[arg(long, help_heading = "Plan")]
    with_dependents: bool,

    /// Which kinds are looked through for what the Jobs own
    #[arg(long, value_enum, default_value_t, value_name = "KINDS", help_heading = "Plan")]
    dependents: Kinds,

    /// Requests a second
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Pace")]
    qps: u32,

    /// So many Jobs of each namespace and manager go first; if one comes back, the rest of them stays. 0 for none. Not with a plan
    /// of `--mode ttl`, whose Jobs stay for its notice, so that none could come back [default: 5]
    #[arg(long, value_name = "N", value_parser = number::<usize>, help_heading = "Pace")]
    canary: Option<usize>,

    /// How long the rest waits to see whether they come back [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_age, help_heading = "Pace")]
    canary_wait: Option<i64>,

    /// Stop when there are more errors than this
    #[arg(long, value_name = "N", value_parser = number::<u64>, default_value_t = 10, help_heading = "Pace")]
    max_errors: u64,

    /// The folder for the journal and the manifests; without it one beside the plan, `plan.json.applied`
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    backup: Option<PathBuf>,

    /// Do not ask
    #[arg(short, long, help_heading = "Output")]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  Carry out a plan, and see what becomes of the first Jobs of each kind before the rest goes:
      portcullis jobs apply plan.json

  In a script, faster, with the manifests in a folder of your own:
      portcullis jobs apply plan.json --yes --qps 100 --backup jobs-2026-11-25

  A plan that was made from a file:
      portcullis jobs apply plan.json --cluster-uid $(kubectl get namespace kube-system -o jsonpath={.metadata.uid})

Exit code:
  0  every Job of the plan, within the caps, is gone or has its TTL
  1  nothing was done
  2  some were left alone, since they are not what was planned any more, or are protected
  3  the API server refused some or did not answer
  4  it stopped before its end, or the journal could not be written";

/// Runs the command.
pub(super) fn apply(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, Ended> {
    let path = surroundings.directory.join(&arguments.plan);
    let plan = read_plan(&path)?;
    arguments.check_canaries(&plan)?;
    let Reach { runtime, connection } = cluster.reach(&arguments.cluster)?;
    let (uid, clock) = runtime.block_on(async {
        let identity = fetch::identity(&connection).await?;
        anyhow::Ok((identity.cluster, ask_for_time(&connection).await?))
    })?;
    check_cluster(&plan, arguments, &uid)?;
    check_age(&plan, arguments, clock.now().date)?;
    let caps = Caps {
        number: arguments.max_jobs.or(plan.caps.number),
        percent: arguments.max_percent.or(plan.caps.percent),
    };
    let number = plan.within(caps);
    if number == 0 {
        report::nothing_to_do(plan.items.len() as u64, &mut surroundings.stdout).map_err(standard_output)?;
        return Ok(Exit::SUCCESS);
    }
    let order = Order { arguments, plan: &plan, number, connection: &connection };
    can_be_asked(&order.what(), arguments.yes, surroundings)?;
    let folder = match &arguments.backup {
        Some(folder) => surroundings.directory.join(folder),
        None => backup::beside(&path),
    };
    let mut backup = Backup::open(&folder)?;
    check_journal(backup.journal(), &plan, &uid, &folder)?;

    let (mut survey, tombstones) = runtime.block_on(order.survey(&backup, &mut surroundings.stderr))?;
    if !survey.unlistable.is_empty() {
        let message =
            format!("what the Jobs own of these kinds is not known: {}", survey.unlistable.join(", "));
        diagnostics::warning(&mut surroundings.stderr, &message);
    }
    order.confirm(backup.journal(), surroundings)?;
    // Whoever was asked may have taken his time: what depends on it is asked now.
    let (clock, terminating) = runtime.block_on(async {
        let clock = ask_for_time(&connection).await?;
        let terminating = fetch::terminating_namespaces(&connection, &mut surroundings.stderr).await?;
        anyhow::Ok((clock, terminating))
    })?;
    let now = clock.now().date;
    check_age(&plan, arguments, now)?;
    survey.judge(&plan, terminating, now);
    if let Some(tombstones) = tombstones {
        tombstones.finish()?;
    }
    let header = Header { at: now, cluster: uid, mode: plan.mode, plan: plan.digest.clone() };
    let journal = backup.begin(header)?;

    let settings = Settings {
        per_second: arguments.qps,
        canaries: arguments.canaries(),
        max_errors: arguments.max_errors,
    };
    let mut sweep = Sweep::begin(&plan, number, &journal, settings, |index| survey.seen(index), clock.now());
    let before = sweep.tally().ours();
    let mut bar = Bar::new(sweep.tally(), &mut surroundings.stderr);
    let driven = runtime.block_on(drive(&connection, &mut sweep, &mut backup, clock, &mut bar));
    drop(bar);

    let report = Report {
        tally: sweep.tally(),
        this_run: sweep.tally().ours().saturating_sub(before),
        took: clock.now().millis,
        mode: plan.mode,
        stopped: sweep.stopped(),
        broken_off: driven.err(),
        beyond_caps: plan.items.len().saturating_sub(number) as u64,
        backup: &folder,
    };
    report.print(surroundings).map_err(standard_output)?;
    Ok(report.exit())
}

/// A clock that shows the API server's time.
async fn ask_for_time(connection: &Connection) -> Result<Clock> {
    let sent = Instant::now();
    let asked = Asked { verb: "get", resource: "version".to_owned() };
    let answer = connection.get(asked, "/version", Extent::Whole).await;
    let answer = answer.map_err(|error| cannot("ask the API server for the time", &error))?;
    let date = answer.date.ok_or_else(|| {
        let hint = "a proxy between here and the API server may take its `Date` header away: go around it";
        hinted("the API server does not say what time it is".to_owned(), Some(hint))
    })?;
    Ok(Clock::new(date, sent))
}

impl Arguments {
    fn canaries(&self) -> Canaries {
        let wait = self.canary_wait.unwrap_or(CANARY_WAIT).max(0).unsigned_abs().saturating_mul(1_000);
        Canaries { number: self.canary.unwrap_or(CANARIES), wait }
    }

    /// Whether canaries are asked for, if they are not, of a plan that has none.
    fn check_canaries(&self, plan: &Plan) -> Result<()> {
        let asked = match (self.canary, self.canary_wait) {
            (Some(0), _) | (None, None) => return Ok(()),
            (Some(_), _) => "--canary",
            (None, Some(_)) => "--canary-wait",
        };
        if plan.mode == Mode::Delete {
            return Ok(());
        }
        let notice = format_age(plan.notice.unwrap_or_default().into());
        let message = format!(
            "`{asked}` is for plans that delete: by this one every Job gets a TTL, and none is gone, nor can come back, before {notice} are over"
        );
        let hint = "leave it out: until then `portcullis jobs undo` takes the TTLs away; or plan with `--mode delete`";
        Err(hinted(message, Some(hint)))
    }
}

/// A plan that is about to be carried out.
struct Order<'o> {
    arguments: &'o Arguments,
    plan: &'o Plan,
    /// How many of its Jobs, the first ones, are to be touched.
    number: usize,
    connection: &'o Connection,
}

impl Order<'_> {
    /// Looks at all Jobs of the plan; the first time their manifests are put by in `backup`.
    ///
    /// # Errors
    /// The API server fails, or a manifest cannot be written.
    async fn survey(&self, backup: &Backup, stderr: &mut Stream<'_>) -> Result<(Survey, Option<Tombstones>)> {
        let Order { arguments, plan, connection, number } = self;
        // Those that went in an earlier run can be kept no more.
        let mut tombstones = match backup.journal() {
            Some(_) => backup.check_kept().map(|()| None)?,
            None => Some(backup.keep()?),
        };
        let mut progress = Progress::on(stderr);
        let mut survey = Survey::take(connection, plan, tombstones.as_mut(), &mut progress).await?;
        if !(arguments.with_dependents || plan.dependents.allowed) {
            let items = plan.items.get(..*number).unwrap_or(&plan.items);
            let kinds = if plan.dependents.looked == Looked::All { Kinds::All } else { arguments.dependents };
            survey.find_dependents(connection, items, kinds, &mut progress).await?;
        }
        Ok((survey, tombstones))
    }

    /// What is about to be done, and where.
    fn what(&self) -> String {
        let jobs = counted(self.number as u64, "Job", "Jobs");
        let what = match self.plan.mode {
            Mode::Delete => format!("delete {jobs} with their Pods"),
            Mode::Ttl => format!("give {jobs} a TTL, by which Kubernetes deletes them with their Pods"),
        };
        let included: Vec<_> = self.plan.safeguards.include_namespaces.iter().map(String::as_str).collect();
        let included = match &*included {
            [] => String::new(),
            names => format!(", of {} too", names.join(", ")),
        };
        format!("{what}{included}, at {}", self.connection.server())
    }

    /// Returns if whoever sits at the terminal agrees; `journal` is of an earlier run, where there was one.
    ///
    /// # Errors
    /// He does not, or there is no terminal to ask at.
    fn confirm(&self, journal: Option<&Journal>, surroundings: &mut Surroundings<'_>) -> Result<()> {
        let again = if journal.is_some() { ", where an earlier run ended" } else { "" };
        confirm(&format!("{}{again}", self.what()), self.arguments.yes, surroundings)
    }
}

#[cfg(test)]
mod tests;
