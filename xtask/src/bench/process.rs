//! Whole processes: what the release binary takes, from start to end.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

use super::jobs;
use crate::command::{is_there, output_of, show};
use crate::{files, output, release};

/// A command line of the binary and what it may take.
struct Run {
    /// The argument of `cargo xtask bench`; several runs may share one.
    name: &'static str,
    what: &'static str,
    arguments: &'static str,
    /// Processor time in milliseconds, user and system, the least of several runs.
    cpu_ms: f64,
    /// Resident memory in MiB, the most of several runs.
    memory_mib: f64,
}

/// Wide limits: they catch a thing done twice, not a slow machine. What is tight is counted in instructions.
const RUNS: &[Run] = &[
    Run {
        name: "apply",
        what: "founding policy, one Job",
        arguments: "apply examples/dangling-jobs/add-ttl-to-dangling-job.yaml --resource examples/dangling-jobs/resources/job.yaml",
        cpu_ms: 40.0,
        memory_mib: 15.0,
    },
    Run {
        name: "apply",
        what: "founding policy, 10,000 Jobs",
        arguments: "apply examples/dangling-jobs/add-ttl-to-dangling-job.yaml --resource target/bench/jobs.yaml",
        cpu_ms: 1600.0,
        memory_mib: 40.0,
    },
    Run {
        name: "jobs",
        what: "list 100,000 Jobs, 263 MB",
        arguments: "jobs list --from target/bench/jobs.json",
        cpu_ms: 500.0,
        memory_mib: 30.0,
    },
    Run {
        name: "jobs",
        what: "plan 80,000 of them",
        arguments: "jobs plan --from target/bench/jobs.json --older-than 1h -o target/bench/plan.json",
        cpu_ms: 500.0,
        memory_mib: 30.0,
    },
];

/// What people do without: the same Jobs, found by a filter that reads the whole list.
const BY_JQ: (&str, &[&str]) = (
    "jq",
    &[
        "-r",
        r#".items[] | select(.metadata.ownerReferences == null and .spec.ttlSecondsAfterFinished == null and (.status.conditions // [] | any(.type == "Complete" or .type == "Failed"))) | "\(.metadata.namespace) \(.metadata.name)""#,
        "target/bench/jobs.json",
    ],
);

/// Writes what the runs read: 10,000 Jobs, every other one made by a CronJob, 4.5 MB.
fn make_jobs() -> Result<()> {
    let resources = files::root().join("examples/dangling-jobs/resources");
    let jobs =
        [files::read(&resources.join("job.yaml"))?, files::read(&resources.join("job-of-cronjob.yaml"))?];
    let folder = files::target().join("bench");
    files::make_folder(&folder)?;
    let text: String = (0..5000).flat_map(|_| &jobs).map(|job| format!("{job}---\n")).collect();
    files::write(&folder.join("jobs.yaml"), text.as_bytes())
}

/// Where the Jobs lie that are made for the runs `jobs`.
const MANY_JOBS: &str = "target/bench/jobs.json";

/// How often a command runs; the first may still read its files from disk.
const TIMES: usize = 5;

pub(super) fn is_known(name: &str) -> bool {
    RUNS.iter().any(|run| run.name == name)
}

/// The names that can be asked for, each once.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = RUNS.iter().map(|run| run.name).collect();
    names.dedup();
    names
}

pub(super) fn run_all() -> Result<()> {
    run_chosen(|_| true)
}

pub(super) fn run_named(name: &str) -> Result<()> {
    run_chosen(|run| run.name == name)
}

/// Each run once, without a look at what it takes.
pub(super) fn exercise(binary: &Path) -> Result<()> {
    for run in with_files(RUNS.iter().collect())? {
        let arguments: Vec<_> = run.arguments.split_whitespace().collect();
        measure_once(binary, &arguments)?;
    }
    Ok(())
}

/// The runs whose files can be made, which are there then.
fn with_files(runs: Vec<&Run>) -> Result<Vec<&Run>> {
    make_jobs()?;
    let has_many = !runs.iter().any(|run| run.name == "jobs") || jobs::make(&files::root().join(MANY_JOBS))?;
    Ok(runs.into_iter().filter(|run| has_many || run.name != "jobs").collect())
}

fn run_chosen(choose: impl Fn(&Run) -> bool) -> Result<()> {
    let chosen: Vec<_> = RUNS.iter().filter(|run| choose(run)).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    output::heading("processes", "of the release binary");
    let binary = release::build()?;
    let chosen = with_files(chosen)?;
    output::line(&format!("  {:30}  {:>18}  {:>20}", "run", "processor (limit)", "memory (limit)"));
    let mut broken = Vec::new();
    for run in &chosen {
        let usage = measure(&binary, run)?;
        let processor = format!("{:.1} ms ({:.0})", usage.cpu_ms, run.cpu_ms);
        let memory = format!("{:.1} MiB ({:.0})", usage.memory_mib, run.memory_mib);
        output::line(&format!("  {:30}  {processor:>18}  {memory:>20}", run.what));
        broken.extend(usage.exceeds(run));
    }
    if chosen.iter().any(|run| run.name == "jobs") {
        beside_jq()?;
    }
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
}

/// What `jq` takes for the same, where it is there.
fn beside_jq() -> Result<()> {
    let (program, arguments) = BY_JQ;
    if !is_there(program) {
        output::line("  jq is not there to compare with");
        return Ok(());
    }
    let usage = measure_once(Path::new(program), arguments)?;
    let processor = format!("{:.1} ms", usage.cpu_ms);
    let memory = format!("{:.1} MiB", usage.memory_mib);
    output::line(&format!("  {:30}  {processor:>18}  {memory:>20}", "the same by a filter of jq"));
    Ok(())
}

/// What a process took.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Usage {
    cpu_ms: f64,
    memory_mib: f64,
}

impl Usage {
    fn exceeds(self, run: &Run) -> Option<String> {
        let over = |what: &str, took: f64, limit: f64, unit: &str| {
            (took > limit)
                .then(|| format!("`{}` takes {took:.1} {unit} of {what}, the limit is {limit}", run.what))
        };
        over("processor time", self.cpu_ms, run.cpu_ms, "ms")
            .or_else(|| over("memory", self.memory_mib, run.memory_mib, "MiB"))
    }

    /// Reads the line that `measure_here` prints.
    fn parse(text: &str) -> Result<Usage> {
        let mut numbers = text.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(cpu_ms)), Some(Ok(memory_mib))) => Ok(Usage { cpu_ms, memory_mib }),
            _ => bail!("cannot read what was measured: `{text}`"),
        }
    }
}

/// The least processor time and the most memory of several runs.
fn measure(binary: &Path, run: &Run) -> Result<Usage> {
    let mut total = Usage { cpu_ms: f64::INFINITY, memory_mib: 0.0 };
    let arguments: Vec<_> = run.arguments.split_whitespace().collect();
    for _ in 0..TIMES {
        let usage = measure_once(binary, &arguments)?;
        total.cpu_ms = total.cpu_ms.min(usage.cpu_ms);
        total.memory_mib = total.memory_mib.max(usage.memory_mib);
    }
    Ok(total)
}

/// What one run of a command takes.
fn measure_once(program: &Path, arguments: &[&str]) -> Result<Usage> {
    // The system keeps one maximum for all children of a process: each run has a parent of its own.
    let here = std::env::current_exe().context("cannot find this program")?;
    let mut child = Command::new(here);
    child.args(["bench", "measure"]).arg(program).args(arguments);
    Usage::parse(&output_of(child.current_dir(files::root()))?)
}

/// Runs a command and prints what it took. Exit code 1 is an answer (some policy was violated), no failure.
pub(super) fn measure_here(program: &str, arguments: &[&str]) -> Result<()> {
    let mut child = Command::new(program);
    child.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let status = child.status().with_context(|| format!("cannot run `{}`", show(&child)))?;
    if !matches!(status.code(), Some(0 | 1)) {
        bail!("`{}` failed ({status})", show(&child));
    }
    let usage =
        getrusage(UsageWho::RUSAGE_CHILDREN).context("the system does not say what the process took")?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e6 + time.tv_usec() as f64;
    let cpu_ms = (micros(usage.user_time()) + micros(usage.system_time())) / 1000.0;
    let memory_mib = usage.max_rss() as f64 / 1024.0;
    output::line(&format!("{cpu_ms} {memory_mib}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_above_a_limit_is_named() {
        let run = Run { name: "apply", what: "one job", arguments: "", cpu_ms: 10.0, memory_mib: 20.0 };
        assert_eq!(Usage::parse("9.5 19.5").unwrap().exceeds(&run), None);
        assert_eq!(
            Usage::parse("10.5 19.5").unwrap().exceeds(&run).unwrap(),
            "`one job` takes 10.5 ms of processor time, the limit is 10"
        );
        assert_eq!(
            Usage::parse("9.5 20.5").unwrap().exceeds(&run).unwrap(),
            "`one job` takes 20.5 MiB of memory, the limit is 20"
        );
        assert!(Usage::parse("fast").is_err());
    }
}
