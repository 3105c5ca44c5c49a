//! `portcullis jobs` on a control plane: what it takes to list many Jobs and to plan which of them go, and how fast they go.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use nix::sys::resource::{UsageWho, getrusage};
use portcullis_cluster_tests::{ControlPlane, Programs};
use serde_json::json;
use tokio::task::JoinSet;

use crate::documents::scratch;
use crate::table::{Limit, Line, Measure, Table};

/// What these rows are chosen by; they run only when they are.
pub(crate) const NAME: &str = "jobs";
/// How the program is told to measure a command.
pub(crate) const MEASURE: &str = "measure";

/// The Jobs that there are.
const JOBS: usize = 20_000;
/// How many of them go.
const GOING: usize = 2_000;
/// How many are made at once.
const AT_ONCE: usize = 32;
/// Deletions a second that are asked for.
const PACE: f64 = 100.0;
/// When all of them finished.
const FINISHED: &str = "2026-01-02T03:04:05Z";

/// Starts a control plane, fills it and measures, unless there are no programs to start.
pub(crate) async fn measure(program: &Path, table: &mut Table) -> Result<()> {
    let Some(programs) = Programs::find()? else { return Ok(()) };
    let control_plane = ControlPlane::start(&programs).await?;
    create(&control_plane.client().await?).await?;
    let plan = scratch()?.join("plan.json").display().to_string();
    let backup = tempfile::tempdir()?;
    let backup = backup.path().display().to_string();
    for (what, arguments) in [
        ("list", &["jobs", "list", "-A"][..]),
        ("plan", &["jobs", "plan", "-A", "--older-than", "1h", "-o", &plan][..]),
    ] {
        let usage = Usage::of(program, arguments, &control_plane)?;
        ensure!(usage.shown.contains("20,000"), "{}", usage.shown);
        for line in usage.lines(what) {
            table.add(&line);
        }
    }
    let (number, pace) = (GOING.to_string(), PACE.to_string());
    let apply = [
        "jobs",
        "apply",
        &plan,
        "--yes",
        "--canary",
        "0",
        "--qps",
        &pace,
        "--max-jobs",
        &number,
        "--backup",
        &backup,
    ];
    table.add(&Usage::of(program, &apply, &control_plane)?.pace()?);
    Ok(())
}

/// Makes Jobs that have finished: no Pod is made for one that runs none at a time.
async fn create(client: &Client) -> Result<()> {
    let jobs: Api<Job> = Api::namespaced(client.clone(), "default");
    let mut under_way = JoinSet::new();
    for number in 0..JOBS {
        if under_way.len() == AT_ONCE {
            under_way.join_next().await.context("no Job is under way")???;
        }
        under_way.spawn(create_one(jobs.clone(), format!("report-{number}")));
    }
    under_way.join_all().await.into_iter().collect()
}

async fn create_one(jobs: Api<Job>, name: String) -> Result<()> {
    let job = json!({
        "metadata": {"name": name, "labels": {"app": "report"}},
        "spec": {
            "parallelism": 0,
            "template": {
                "metadata": {"labels": {"app": "report"}},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{
                        "name": "main", "image": "registry.example.com/report:2.1",
                        "command": ["/bin/report"], "args": ["--day", "2026-01-02"]
                    }]
                }
            }
        }
    });
    jobs.create(&PostParams::default(), &serde_json::from_value(job)?).await?;
    // The controller says when it began, or we do; afterwards it cannot be changed.
    if finish(&jobs, &name, FINISHED).await.is_err() {
        let job = jobs.get(&name).await?;
        let start = job.status.and_then(|status| status.start_time).context("it has not begun")?;
        finish(&jobs, &name, &start.0.to_string()).await?;
    }
    Ok(())
}

async fn finish(jobs: &Api<Job>, name: &str, start: &str) -> Result<()> {
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "lastProbeTime": FINISHED, "lastTransitionTime": FINISHED,
            "reason": "CompletionsReached", "message": "Reached expected number of succeeded pods"
        })
    };
    let status = json!({
        "startTime": start,
        // Later than the beginning, whoever said when that was.
        "completionTime": "2100-01-01T00:00:00Z",
        "succeeded": 1,
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")]
    });
    let patch = Patch::Merge(json!({ "status": status }));
    jobs.patch_status(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// What a command took, and what it showed.
struct Usage {
    processor_time: Duration,
    mebibytes: f64,
    shown: String,
}

impl Usage {
    /// Runs the program. The system keeps one maximum for all children of a process: each run has a parent of its own.
    fn of(program: &Path, arguments: &[&str], control_plane: &ControlPlane) -> Result<Usage> {
        let mut parent = Command::new(std::env::current_exe()?);
        parent.arg(MEASURE).arg(program).args(arguments).env("KUBECONFIG", control_plane.kubeconfig());
        let output = parent.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "`{}` failed", arguments.join(" "));
        let text = String::from_utf8(output.stdout)?;
        let (first, shown) = text.split_once('\n').context("nothing was measured")?;
        let (micros, kibibytes) = first.split_once(' ').context("nothing was measured")?;
        Ok(Usage {
            processor_time: Duration::from_micros(micros.parse()?),
            mebibytes: kibibytes.parse::<f64>()? / 1024.0,
            shown: shown.to_owned(),
        })
    }

    fn lines(&self, what: &str) -> [Line; 2] {
        [
            Line {
                what: format!("{what} {JOBS} Jobs of the API server, for one"),
                measured: Measure::Micros(self.processor_time.as_secs_f64() * 1e6 / JOBS as f64),
                limit: Limit::AtMost(Measure::Micros(10.0)),
                note: String::new(),
            },
            Line {
                what: format!("{what}, memory"),
                measured: Measure::Mebibytes(self.mebibytes),
                limit: Limit::AtMost(Measure::Mebibytes(30.0)),
                note: String::new(),
            },
        ]
    }

    /// How fast Jobs went, of what was asked for.
    fn pace(&self) -> Result<Line> {
        let rate = self.shown.split_once(", at ").and_then(|(_, rest)| rest.split(' ').next());
        let rate: f64 = rate.context("no rate is told")?.parse()?;
        ensure!(self.shown.starts_with("2,000 Jobs deleted\n"), "{}", self.shown);
        Ok(Line {
            what: format!("apply, deletions at --qps {PACE}"),
            measured: Measure::Percent(100.0 * rate / PACE),
            limit: Limit::AtLeast(Measure::Percent(95.0)),
            note: format!("{rate} a second"),
        })
    }
}

/// Runs a command and prints microseconds of processor time, KiB of memory, and on the lines after it what it printed.
pub(crate) fn measure_here(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command is named")?;
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "`{program}` ended with {}", output.status);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let mut text = String::new();
    writeln!(text, "{} {}", micros(usage.user_time()) + micros(usage.system_time()), usage.max_rss())?;
    text.push_str(&String::from_utf8(output.stdout)?);
    print!("{text}");
    Ok(())
}
