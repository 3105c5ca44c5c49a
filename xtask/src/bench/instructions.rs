//! The instruction ratchet: counts of callgrind beside the recorded ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::command::{command, is_there, output_of, run as run_command};
use crate::{files, output};

/// A count may rise by this share, in per mille, before the run fails.
const TOLERANCE: u64 = 30;

const RECORD: &str = "benches/instructions.tsv";

const HEAD: &str =
    "# Instructions of each benchmark in benches/. `cargo xtask bench instructions --record` writes it.\n";

type Counts = BTreeMap<String, u64>;

pub(super) fn run(record: bool) -> Result<()> {
    if !is_there("valgrind") {
        output::line("\ninstructions: skipped, there is no valgrind on this machine");
        return Ok(());
    }
    let runner = runner()?;
    output::heading("instructions", "counted by callgrind");
    let mut cargo = command("cargo bench --quiet --package portcullis-benches --bench instructions");
    let counts = parse_output(&output_of(cargo.env("GUNGRAUN_RUNNER", runner))?)?;
    let path = files::root().join(RECORD);
    if record {
        files::write(&path, to_text(&counts).as_bytes())?;
        output::line(&format!("    recorded {} counts in {RECORD}", counts.len()));
        return Ok(());
    }
    let recorded = parse_record(&files::read(&path)?)?;
    let comparison = compare(&recorded, &counts);
    output::line(comparison.table.trim_end());
    if !comparison.broken.is_empty() {
        bail!(
            "{}\nhint: when it is worth it, record it with `cargo xtask bench instructions --record` and say why in \
             the commit",
            comparison.broken.join("\n")
        );
    }
    Ok(())
}

/// The runner that the benchmarks talk to; built when the one of the locked version is not there.
fn runner() -> Result<PathBuf> {
    let version = locked_version(&files::read(&files::root().join("Cargo.lock"))?)?;
    let tools = files::target().join("tools/gungraun").join(&version);
    let runner = tools.join("bin/gungraun-runner");
    if !runner.is_file() {
        output::heading(
            "gungraun-runner",
            &format!("{version} is not there: building it (a few minutes, once)"),
        );
        // Unoptimised builds in half the time, and the runner only starts valgrind.
        let mut install = command("cargo install --locked --quiet --debug gungraun-runner --version");
        install.arg(&version).arg("--root").arg(&tools);
        run_command(install.env("CARGO_PROFILE_DEV_DEBUG", "false"))?;
    }
    Ok(runner)
}

/// The version of the runner's package in the lock file.
fn locked_version(lock: &str) -> Result<String> {
    let (_, package) =
        lock.split_once("name = \"gungraun-runner\"").context("no gungraun-runner in Cargo.lock")?;
    let (_, version) =
        package.split_once("version = \"").context("gungraun-runner has no version in Cargo.lock")?;
    Ok(version.split('"').next().unwrap_or_default().to_owned())
}

/// Reads what a run prints: a line `FILE::GROUP::FUNCTION CASE:(ARGUMENTS)`, then one with its instructions.
fn parse_output(text: &str) -> Result<Counts> {
    let mut counts = Counts::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(measures) = line.strip_prefix("  Instructions:") {
            let now = measures.trim_start().split('|').next().unwrap_or_default();
            let count = now.parse().with_context(|| format!("`{name}` counts `{now}` instructions"))?;
            counts.insert(std::mem::take(&mut name), count);
        } else if line.starts_with(char::is_alphanumeric) && line.contains("::") {
            let path = line.split_once(":(").map_or(line, |(path, _)| path);
            name = path.replace("::", "/").replace(' ', "/");
            name = name.split_once('/').map_or(name.clone(), |(_, rest)| rest.to_owned());
        }
    }
    if counts.is_empty() {
        bail!("the benchmarks printed no counts:\n{text}");
    }
    Ok(counts)
}

fn parse_record(text: &str) -> Result<Counts> {
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let (name, count) = row.split_once('\t').with_context(|| format!("{RECORD}: `{row}` has no tab"))?;
        Ok((name.to_owned(), count.parse().with_context(|| format!("{RECORD}: `{row}`"))?))
    })
    .collect()
}

fn to_text(counts: &Counts) -> String {
    let mut text = HEAD.to_owned();
    for (name, count) in counts {
        let _ = writeln!(text, "{name}\t{count}");
    }
    text
}

struct Comparison {
    table: String,
    /// A sentence for each benchmark that breaks the run.
    broken: Vec<String>,
}

fn compare(recorded: &Counts, counts: &Counts) -> Comparison {
    let width =
        recorded.keys().chain(counts.keys()).map(String::len).max().unwrap_or(0).max("benchmark".len());
    let mut table = format!("  {:width$}  {:>13}  {:>13}  {:>8}\n", "benchmark", "recorded", "now", "change");
    let mut broken = Vec::new();
    for (name, now) in counts {
        let before = recorded.get(name);
        let shown = before.map_or("none".to_owned(), |before| output::grouped(*before));
        let change = before.map_or(String::new(), |before| change(*before, *now));
        let _ = writeln!(table, "  {name:width$}  {shown:>13}  {:>13}  {change:>8}", output::grouped(*now));
        match before {
            None => broken.push(format!("`{name}` has no recorded count")),
            Some(before) if *now > before + before * TOLERANCE / 1000 => {
                broken.push(format!("`{name}` takes {now} instructions, {before} are recorded ({change})"));
            }
            Some(_) => {}
        }
    }
    for name in recorded.keys().filter(|name| !counts.contains_key(*name)) {
        broken.push(format!("`{name}` is recorded but did not run"));
    }
    Comparison { table, broken }
}

/// The change in per cent, with its sign.
fn change(before: u64, now: u64) -> String {
    let sign = if now < before { '-' } else { '+' };
    let hundredths = (now.abs_diff(before) * 10_000).checked_div(before).unwrap_or(0);
    format!("{sign}{}.{:02} %", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
instructions::reviews::read_review two_containers:(pod_review(2))
  Instructions:                                      39576|N/A                  (*********)
  L1 Hits:                                           54913|N/A                  (*********)
instructions::reviews::read_review ten_containers:(pod_review(10))
  Instructions:                                     122498|122498               (No change)

Gungraun result: Ok. 2 without regressions; 0 regressed; 0 filtered; 2 benchmarks finished in 2.48164s
";

    fn counts(rows: &[(&str, u64)]) -> Counts {
        rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn counts_are_read_from_what_a_run_prints() {
        let want =
            [("reviews/read_review/ten_containers", 122_498), ("reviews/read_review/two_containers", 39_576)];
        assert_eq!(parse_output(OUTPUT).unwrap(), counts(&want));
        assert!(parse_output("nothing\n").is_err());
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let all = counts(&[("a/b", 1), ("c", 2)]);
        assert_eq!(parse_record(&to_text(&all)).unwrap(), all);
        assert!(parse_record("a 1\n").is_err());
    }

    #[test]
    fn three_per_cent_more_is_allowed_and_no_more() {
        let broken = |now: u64| compare(&counts(&[("a", 10_000)]), &counts(&[("a", now)])).broken;
        assert_eq!(broken(10_300), [""; 0]);
        assert_eq!(broken(9_000), [""; 0]);
        assert_eq!(broken(10_301), ["`a` takes 10301 instructions, 10000 are recorded (+3.01 %)"]);
    }

    #[test]
    fn what_is_not_recorded_or_did_not_run_breaks_the_run() {
        let comparison = compare(&counts(&[("gone", 1)]), &counts(&[("new", 1)]));
        assert_eq!(comparison.broken, ["`new` has no recorded count", "`gone` is recorded but did not run"]);
    }

    #[test]
    fn the_runner_has_the_locked_version() {
        let lock = "[[package]]\nname = \"gungraun\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"gungraun-runner\"\nversion = \"2.3.4\"\n";
        assert_eq!(locked_version(lock).unwrap(), "2.3.4");
    }
}
