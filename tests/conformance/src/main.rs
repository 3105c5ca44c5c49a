//! Runs the corpora of recorded answers and keeps the score.
//!
//! `cargo xtask conformance` runs it; README.md beside `src` says how to add a corpus.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod admission;
mod arguments;
mod chainsaw;
mod cli_output;
mod command_line;
mod corpus;
mod crds;
mod defaulted;
mod floor;
mod jmespath;
mod json;
mod known;
mod kyverno_cli;
mod kyverno_core;
mod objects;
mod patch;
mod policy_validation;
mod pruned;
mod report;
mod reviews;
mod runner;
mod score;
mod served;
mod variables;
mod yaml;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use arguments::Arguments;
use corpus::Corpus;
use floor::Floor;
use known::Known;
use score::{Run, Scores};

/// The corpora, in the order they are printed: one line each.
#[rustfmt::skip]
const CORPORA: &[Corpus] = &[
    jmespath::CORPUS,
    json::CORPUS,
    patch::CORPUS,
    variables::CORPUS,
    yaml::CORPUS,
    kyverno_core::CORPUS,
    policy_validation::CORPUS,
    admission::CORPUS,
    reviews::CORPUS,
    served::CORPUS,
    chainsaw::CORPUS,
    cli_output::CORPUS,
    kyverno_cli::CORPUS,
    crds::CORPUS,
];

/// The folder of this crate, which holds the recorded floor and the known differences.
const HOME: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let mut out = io::stdout().lock();
    if arguments.help {
        write!(out, "{}", arguments::HELP)?;
        return Ok(ExitCode::SUCCESS);
    }
    let root = data_root();
    if !root.is_dir() {
        writeln!(
            out,
            "conformance: skipped, there are no corpora at `{}`: set PORTCULLIS_CONFORMANCE to the folder that holds them",
            root.display()
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let home = Path::new(HOME);
    let mut known = Known::read(&home.join("known-differences.tsv"))?;
    let floor_path = home.join("floor.tsv");
    let mut floor = Floor::read(&floor_path)?;

    let corpora = choose(CORPORA, &arguments.corpora)?;
    let mut runs = Vec::new();
    for corpus in corpora {
        let mut cases = corpus.load(&root)?;
        if let Some(wanted) = &arguments.case {
            cases.retain(|case| case.is_named(corpus.name, wanted));
        }
        if arguments.list {
            for case in &cases {
                writeln!(out, "{}/{}", corpus.name, case.id)?;
            }
            continue;
        }
        runs.push(Run { corpus: corpus.name, results: runner::run(cases, arguments.trace) });
    }
    if arguments.list {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(wanted) = &arguments.case {
        return report::one_case(&mut out, &runs, wanted);
    }

    let scores = Scores::of(&runs, &mut known);
    report::write(&mut out, &scores, &known, arguments.failed)?;
    if arguments.raise {
        floor.raise(&scores);
        floor.write(&floor_path)?;
        writeln!(out, "\nfloor raised: {}", floor_path.display())?;
    }
    let mut broken = floor.broken_by(&scores);
    broken.extend(known.stale(&runs));
    report::verdict(&mut out, &broken)?;
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The corpora to run: all of them, or those that the command line names.
fn choose<'a>(corpora: &'a [Corpus], names: &[String]) -> Result<Vec<&'a Corpus>> {
    if names.is_empty() {
        return Ok(corpora.iter().collect());
    }
    let find = |name: &String| {
        corpora.iter().find(|corpus| corpus.name == name.as_str()).with_context(|| {
            let all: Vec<_> = corpora.iter().map(|corpus| corpus.name).collect();
            format!("there is no corpus `{name}`: there are {}", all.join(", "))
        })
    };
    names.iter().map(find).collect()
}

/// `PORTCULLIS_CONFORMANCE`, or `shared/conformance` beside the repository.
#[expect(clippy::disallowed_methods, reason = "a development tool says itself where its data is")]
fn data_root() -> PathBuf {
    match std::env::var_os("PORTCULLIS_CONFORMANCE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(HOME).ancestors().nth(3).unwrap_or(Path::new("/")).join("shared/conformance"),
    }
}

/// Whether the reader of our output went away, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
