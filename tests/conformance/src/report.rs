//! Prints the score: a table by corpus and class, the known differences, the failing cases.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use portcullis_cli::thousands;

use crate::known::Known;
use crate::score::{CorpusScores, Run, Score, Scores};

/// Failing cases listed per corpus when `--failed` is not given.
const LISTED: usize = 12;

/// A case that takes longer than this is named below the table.
const SLOW: Duration = Duration::from_secs(2);

/// Prints everything but the verdict.
pub(crate) fn write(
    out: &mut impl Write,
    scores: &Scores<'_>,
    known: &Known,
    in_full: bool,
) -> io::Result<()> {
    write_table(out, scores)?;
    write_known(out, known)?;
    for corpus in &scores.corpora {
        write_slowest(out, corpus)?;
        write_failures(out, corpus, in_full)?;
    }
    Ok(())
}

fn write_table(out: &mut impl Write, scores: &Scores<'_>) -> io::Result<()> {
    let names = scores.corpora.iter().map(|corpus| corpus.name);
    let classes = scores.corpora.iter().flat_map(|corpus| corpus.classes.keys().copied());
    let (first, second) = (width(names, "corpus"), width(classes, "class"));
    let rule = "─".repeat(first + second + 47);
    writeln!(
        out,
        "  {:first$}  {:second$}  {:>8}  {:>8}  {:>7}  {:>6}  {:>6}",
        "corpus", "class", "passed", "all", "score", "known", "failed"
    )?;
    writeln!(out, "  {rule}")?;
    for corpus in &scores.corpora {
        let mut name = corpus.name;
        for (class, score) in &corpus.classes {
            writeln!(out, "  {name:first$}  {class:second$}  {}", columns(*score))?;
            name = "";
        }
    }
    writeln!(out, "  {rule}")?;
    writeln!(out, "  {:first$}  {:second$}  {}", "all", "", columns(scores.total()))
}

fn width<'a>(texts: impl Iterator<Item = &'a str>, head: &str) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0).max(head.len())
}

/// The numbers of a row, aligned under the head of the table; a zero of the last two is left blank.
fn columns(score: Score) -> String {
    let blank = |number: usize| if number == 0 { String::new() } else { thousands(number) };
    let row = format!(
        "{:>8}  {:>8}  {:>7}  {:>6}  {:>6}",
        thousands(score.passed),
        thousands(score.all),
        percent(score),
        blank(score.known),
        blank(score.failed())
    );
    row.trim_end().to_owned()
}

/// The share of the cases that passed, rounded down: `100 %` is never short of it.
fn percent(score: Score) -> String {
    let per_mille = (score.passed * 1000).checked_div(score.all).unwrap_or(1000);
    if per_mille == 1000 { "100 %".to_owned() } else { format!("{}.{} %", per_mille / 10, per_mille % 10) }
}

fn write_known(out: &mut impl Write, known: &Known) -> io::Result<()> {
    let rows: Vec<_> = known.seen().collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  known differences ({})", rows.len())?;
    let first = width(rows.iter().map(|(case, _)| *case), "");
    for (case, reason) in rows {
        writeln!(out, "    {case:first$}  {reason}")?;
    }
    Ok(())
}

fn write_slowest(out: &mut impl Write, corpus: &CorpusScores<'_>) -> io::Result<()> {
    match corpus.slowest {
        Some(case) if case.took > SLOW => {
            writeln!(out, "\n  slow: {}/{} took {:.1} s", corpus.name, case.id, case.took.as_secs_f64())
        }
        _ => Ok(()),
    }
}

fn write_failures(out: &mut impl Write, corpus: &CorpusScores<'_>, in_full: bool) -> io::Result<()> {
    let failures = &corpus.failures;
    if failures.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  failed in {} ({})", corpus.name, thousands(failures.len()))?;
    let listed = if in_full { failures.len() } else { LISTED };
    for failure in failures.iter().take(listed) {
        match failure.reason.lines().next() {
            Some(reason) if in_full => writeln!(out, "    {}/{}\n      {reason}", corpus.name, failure.id)?,
            _ => writeln!(out, "    {}/{}", corpus.name, failure.id)?,
        }
    }
    if failures.len() > listed {
        let more = failures.len() - listed;
        writeln!(out, "    … and {} more: --corpus {} --failed lists them", thousands(more), corpus.name)?;
    }
    Ok(())
}

/// Prints what `--case` found, in full.
pub(crate) fn one_case(out: &mut impl Write, runs: &[Run], wanted: &str) -> Result<ExitCode> {
    let mut code = None;
    for (run, result) in runs.iter().flat_map(|run| run.results.iter().map(move |result| (run, result))) {
        let name = format!("{}/{} ({})", run.corpus, result.id, result.class);
        match &result.finding {
            Ok(()) => {
                writeln!(out, "{name}: passed")?;
                code.get_or_insert(ExitCode::SUCCESS);
            }
            Err(reason) => {
                writeln!(out, "{name}: failed\n\n{}", reason.trim_end())?;
                code = Some(ExitCode::FAILURE);
            }
        }
    }
    match code {
        Some(code) => Ok(code),
        None => bail!("there is no case `{wanted}`: --list names them all"),
    }
}

/// Prints what breaks the run, or that nothing does.
pub(crate) fn verdict(out: &mut impl Write, broken: &[String]) -> io::Result<()> {
    if broken.is_empty() {
        return writeln!(out, "\nconformance: no score is below its floor");
    }
    writeln!(out)?;
    for sentence in broken {
        writeln!(out, "error: {sentence}")?;
    }
    writeln!(out, "\nconformance: {} to mend", broken.len())
}
