//! `cargo xtask bench serve`: what a review costs `portcullis serve`, measured from outside. `cargo xtask bench jobs` has its
//! rows about `portcullis jobs` run.
//!
//! The server is a process of its own on one core; the clients are here, on the others. Its processor time is what the
//! kernel accounts to it, so that a loaded machine disturbs it little; times of answers are only worth something on an
//! idle one.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and the clock, and prints"
)]

mod cluster;
mod documents;
mod jobs;
mod load;
mod process;
mod server;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::documents::Documents;
use crate::load::{Clients, Times};
use crate::server::{Keys, Server};
use crate::table::{Limit, Line, Measure, Table};

/// Connections of an API server under load.
const CONNECTIONS: usize = 16;
/// A measurement is repeated and the least taken: what other processes add is no cost of a review.
const REPEATED: usize = 3;
/// So many short runs rather than one: whatever else stops a core of this machine for some milliseconds a second holds up
/// hundreds of reviews then, which is more than one in a hundred.
const OPEN_LOOPS: usize = 15;
/// Reviews of each of them.
const OPEN_LOOP: usize = 4000;
const VALIDATE: &str = "/validate/fail?timeout=10s";
const MUTATE: &str = "/mutate?timeout=10s";

/// A row of the table: a server with some policies, and a review that it is asked again and again.
struct Row {
    what: &'static str,
    policies: fn(&Documents) -> Result<PathBuf>,
    body: fn(&Documents) -> Result<String>,
    path: &'static str,
    /// What the first answer must hold: a row measures the work that it names.
    answer: &'static str,
    reviews: usize,
    /// Microseconds of processor time.
    limit: f64,
}

const POD_SECURITY: Row = Row {
    what: "Pod, pod-security policies",
    policies: Documents::pod_security,
    body: Documents::pod,
    path: VALIDATE,
    answer: r#""allowed":true"#,
    reviews: 20_000,
    limit: 40.0,
};

const THOUSAND: Row = Row {
    what: "Pod, 1000 matching policies",
    policies: |documents| documents.matching(1000),
    body: Documents::pod,
    path: VALIDATE,
    answer: r#""allowed":true"#,
    reviews: 2000,
    limit: 500.0,
};

const ROWS: &[Row] = &[
    Row {
        what: "Pod of 4.9 KB, no policy",
        policies: |documents| documents.matching(0),
        body: Documents::pod,
        path: VALIDATE,
        answer: r#""allowed":true"#,
        reviews: 30_000,
        limit: 25.0,
    },
    POD_SECURITY,
    Row {
        what: "Pod, these among 10,000 others",
        policies: |documents| documents.among_others(10_000),
        body: Documents::pod,
        path: VALIDATE,
        answer: r#""allowed":true"#,
        reviews: 20_000,
        limit: 42.0,
    },
    THOUSAND,
    Row {
        what: "Job, founding policy, patch, record",
        policies: |_| Ok(documents::founding_policy()),
        body: Documents::job,
        path: MUTATE,
        answer: r#""patchType":"JSONPatch""#,
        reviews: 20_000,
        limit: 35.0,
    },
];

fn main() -> Result<()> {
    let program = std::env::args().nth(1).context("usage: bench-serve PROGRAM [--no-limits] [ROW]...")?;
    let mut chosen: Vec<String> = std::env::args().skip(2).collect();
    // Where the work is to be done and nothing is to be shown by it.
    let limits = chosen.extract_if(.., |word| word == "--no-limits").next().is_none();
    if program == jobs::MEASURE {
        return jobs::measure_here(&chosen);
    }
    let documents = Documents::find()?;
    println!("data      {}", documents.said()?);
    let bench = Bench { program: program.into(), keys: Keys::make(&documents::scratch()?)?, documents };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut table = Table::default();
    let is_chosen = |what: &str| chosen.is_empty() || chosen.iter().any(|word| what.contains(word));
    for row in ROWS.iter().filter(|row| is_chosen(row.what)) {
        table.add(&runtime.block_on(bench.row(row)).with_context(|| row.what)?);
    }
    if is_chosen("half of capacity") {
        table.add(&runtime.block_on(bench.half_of_capacity())?);
    }
    if is_chosen("memory") {
        for line in runtime.block_on(bench.memory())? {
            table.add(&line);
        }
    }
    if is_chosen("load") {
        for line in runtime.block_on(bench.loading())? {
            table.add(&line);
        }
    }
    if is_chosen("start") {
        table.add(&bench.start()?);
    }
    if is_chosen(cluster::NAME) {
        runtime.block_on(cluster::measure(&bench.documents, &mut table)).context(cluster::NAME)?;
    }
    if chosen.iter().any(|word| word == jobs::NAME) {
        runtime.block_on(jobs::measure(&bench.program, &mut table)).context(jobs::NAME)?;
    }
    let ended = table.end();
    if limits { ended } else { Ok(()) }
}

struct Bench {
    program: PathBuf,
    keys: Keys,
    documents: Documents,
}

impl Bench {
    fn serve(&self, policies: &Path) -> Result<Server> {
        Server::start(&self.program, policies, &self.keys)
    }

    /// A server with the policies of a row, and clients that have asked it until it was warm.
    async fn warm(&self, row: &Row) -> Result<(Server, Clients)> {
        let policies = (row.policies)(&self.documents)?;
        let (server, mut clients) = self.answering(&policies, row, CONNECTIONS).await?;
        clients.closed_loop(row.reviews / 4).await?;
        Ok((server, clients))
    }

    /// A server with `policies`, and clients that have asked it for the review of a row once.
    async fn answering(&self, policies: &Path, row: &Row, connections: usize) -> Result<(Server, Clients)> {
        let server = self.serve(policies)?;
        let request = load::request(row.path, &(row.body)(&self.documents)?);
        server.accept()?;
        let mut clients = Clients::connect(&server.target(&self.keys)?, request, connections).await?;
        let answer = clients.ask_once().await?;
        ensure!(answer.contains(row.answer), "`{}` is not in the answer: {answer}", row.answer);
        Ok((server, clients))
    }

    async fn row(&self, row: &Row) -> Result<Line> {
        let (server, mut clients) = self.warm(row).await?;
        let mut least = f64::INFINITY;
        let mut times = Times::default();
        for _ in 0..REPEATED {
            let before = server.process()?.processor_time()?;
            let now = clients.closed_loop(row.reviews).await?;
            let spent = server.process()?.processor_time()? - before;
            least = least.min(spent.as_secs_f64() * 1e6 / now.count() as f64);
            if times.count() == 0 || now.per_second() > times.per_second() {
                times = now;
            }
        }
        Ok(Line {
            what: row.what.to_owned(),
            measured: Measure::Micros(least),
            limit: Limit::AtMost(Measure::Micros(row.limit)),
            note: times.to_string(),
        })
    }

    /// How long answers take when reviews come at half the rate that the server can take, whether or not it has
    /// answered those before.
    async fn half_of_capacity(&self) -> Result<Line> {
        let row = &POD_SECURITY;
        let (server, mut clients) = self.warm(row).await?;
        let before = server.process()?.processor_time()?;
        let closed = clients.closed_loop(row.reviews).await?;
        let each = (server.process()?.processor_time()? - before) / u32::try_from(closed.count())?;
        let mut runs = Vec::with_capacity(OPEN_LOOPS);
        for _ in 0..OPEN_LOOPS {
            runs.push(clients.open_loop(OPEN_LOOP, each * 2).await?);
        }
        runs.sort_by_key(|times| times.at(990));
        let worst = runs.last().map(|times| times.at(990)).unwrap_or_default();
        let median = runs.get(runs.len() / 2).context("no run")?;
        Ok(Line {
            what: "the same at half of capacity, p99".to_owned(),
            measured: Measure::Millis(median.at(990)),
            limit: Limit::AtMost(Measure::Millis(Duration::from_millis(1))),
            note: format!("the median of {OPEN_LOOPS} runs: {median}; the worst p99 {worst:.2?}"),
        })
    }

    async fn memory(&self) -> Result<[Line; 2]> {
        let idle = self.serve(&self.documents.pod_security()?)?;
        idle.accept()?;
        let idle = idle.process()?.resident()?;
        let (server, mut clients) = self.warm(&THOUSAND).await?;
        clients.closed_loop(THOUSAND.reviews).await?;
        let loaded = server.process()?.resident()?;
        let line = |what: &str, measured, limit| Line {
            what: what.to_owned(),
            measured: Measure::Mebibytes(measured),
            limit: Limit::AtMost(Measure::Mebibytes(limit)),
            note: String::new(),
        };
        Ok([
            line("memory, idle, pod-security policies", idle, 12.0),
            line("memory, 1000 policies, 16 connections", loaded, 25.0),
        ])
    }

    /// What many policies take: processor time from the start of the process to its first answer, and memory.
    async fn loading(&self) -> Result<Vec<Line>> {
        let (idle, _) = self.answering(&self.documents.pod_security()?, &POD_SECURITY, 1).await?;
        let idle = idle.process()?.resident()?;
        let mut lines = Vec::new();
        for (count, seconds) in [(10_000, 2), (20_000, 4)] {
            let policies = self.documents.matching(count)?;
            let (server, _) = self.answering(&policies, &THOUSAND, 1).await?;
            let each = (server.process()?.resident()? - idle) * 1024.0 / count as f64;
            lines.push(Line {
                what: format!("load, {count} policies"),
                measured: Measure::Millis(server.process()?.processor_time()?),
                limit: Limit::AtMost(Measure::Millis(Duration::from_secs(seconds))),
                note: "of processor time".to_owned(),
            });
            lines.push(Line {
                what: format!("memory of each of {count} policies"),
                measured: Measure::Kibibytes(each),
                limit: Limit::AtMost(Measure::Kibibytes(10.0)),
                note: String::new(),
            });
        }
        Ok(lines)
    }

    /// From the start of the process to the first connection that it takes.
    fn start(&self) -> Result<Line> {
        let policies = documents::founding_policy();
        let mut least = Duration::MAX;
        for _ in 0..REPEATED {
            let server = self.serve(&policies)?;
            least = least.min(server.accept()?);
        }
        Ok(Line {
            what: "start to accept, certificate given".to_owned(),
            measured: Measure::Millis(least),
            limit: Limit::AtMost(Measure::Millis(Duration::from_millis(20))),
            note: String::new(),
        })
    }
}
