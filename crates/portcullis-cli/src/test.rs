//! `test`: the tests of policies, as the reference's users have written them.
//!
//! Tests are read first, all of them, and nothing is run when one cannot be read. Then they are run side by side, as
//! many at a time as there are processors, and printed in the order of their paths.

mod arguments;
mod compare;
mod evaluated;
mod expected;
mod file;
mod output;
mod rows;
mod selector;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, anyhow};
use portcullis_value::Arena;

pub(crate) use arguments::Arguments;
use evaluated::Loaded;
use expected::ExpectedObjects;
use file::Test;
use rows::{Row, RowResult, Rows};

use crate::diagnostics;
use crate::exit::{Ended, Exit, hinted};
use crate::files;
use crate::surroundings::{Stream, Surroundings};

/// A test that was run.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// The file of the test.
    path: String,
    policies: usize,
    resources: usize,
    rows: Vec<Row>,
    /// What was told on the way, for standard error.
    told: Vec<u8>,
    /// Why it could not be run.
    failure: Option<anyhow::Error>,
}

/// Runs the command.
pub(crate) fn test(arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> Result<Exit, Ended> {
    arguments.check()?;
    if arguments.remove_color || arguments.output_format.is_some() {
        surroundings.stdout.colour = false;
        surroundings.stderr.colour = false;
    }
    let mut tests = Vec::new();
    let mut errors = 0;
    for path in find(arguments, surroundings)? {
        let (found, told) = Test::read(&path, arguments.strict, surroundings);
        tests.extend(found);
        errors += told;
    }
    if errors > 0 {
        return Err(anyhow!("found {errors} errors after loading tests: none was run").into());
    }
    if tests.is_empty() && arguments.require_tests {
        return Err(anyhow!("no tests found").into());
    }
    let are_found = !tests.is_empty();
    let rows = tests.iter().map(|test| test.rows.len()).sum::<usize>();
    for test in &mut tests {
        test.rows.retain(|row| arguments.test_case_selector.selects(row));
    }
    tests.retain(|test| !test.rows.is_empty());
    if tests.is_empty() && rows > 0 {
        let are = if rows == 1 { "is" } else { "are" };
        let message = format!("`--test-case-selector` selects none of the rows, of which there {are} {rows}");
        diagnostics::warning(&mut surroundings.stderr, &message);
    }
    let ran = run_all(&tests, arguments, surroundings);
    for test in &ran {
        // When standard error cannot be written there is nobody left to tell.
        let _ = surroundings.stderr.write_all(&test.told);
    }
    output::print(&ran, are_found, arguments, surroundings)?;
    Ok(conclude(&ran, surroundings))
}

/// The test files below the folders that are named, in the order of their paths.
fn find(arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for folder in &arguments.folders {
        let place = surroundings.directory.join(folder);
        if files::entry(&place)? != files::Entry::Folder {
            let hint = Some("name the folder that it lies in");
            return Err(hinted(format!("`{folder}` is a file: tests are looked for in folders"), hint));
        }
        let found = files::files_named(&place, &arguments.file_name)?;
        for (path, reason) in found.passed_over {
            let message = format!("`{}` is passed over: {reason}", path.display());
            diagnostics::warning(&mut surroundings.stderr, &message);
        }
        let named = |path: PathBuf| match path.strip_prefix(&surroundings.directory) {
            Ok(below) if !surroundings.directory.as_os_str().is_empty() => below.display().to_string(),
            _ => path.display().to_string(),
        };
        paths.extend(found.files.into_iter().map(named));
    }
    paths.dedup();
    Ok(paths)
}

/// Runs tests side by side.
fn run_all(tests: &[Test], arguments: &Arguments, surroundings: &Surroundings<'_>) -> Vec<Ran> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(tests.len());
    let next = AtomicUsize::new(0);
    let finished = Mutex::new(BTreeMap::new());
    let (directory, now, seed, colour) =
        (&surroundings.directory, surroundings.now, surroundings.seed, surroundings.stderr.colour);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(test) = tests.get(index) else { break };
                    let ran = run(test, arguments, directory, (now, seed), colour);
                    finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(index, ran);
                }
            });
        }
    });
    finished.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_values().collect()
}

/// Runs one test.
fn run(test: &Test, arguments: &Arguments, directory: &Path, (now, seed): (i64, u64), colour: bool) -> Ran {
    let mut ran = Ran { path: test.path.clone(), ..Ran::default() };
    let mut told = Vec::new();
    let mut stderr = Stream::plain(&mut told);
    stderr.colour = colour;
    // Of a policy under test people want to know what it does; `apply` tells what might be written better.
    stderr.warnings = false;
    let mut surroundings = Surroundings {
        directory: directory.to_owned(),
        stdin: Box::new(std::io::empty()),
        stdin_is_terminal: false,
        stdout: Stream::plain(std::io::sink()),
        stderr,
        now,
        seed,
    };
    match rows_of(test, arguments, &mut surroundings) {
        Ok((loaded, rows)) => {
            ran.policies = loaded.policies.policies.len();
            ran.resources = loaded.resources();
            ran.rows = rows;
        }
        Err(error) => ran.failure = Some(error),
    }
    drop(surroundings);
    ran.told = told;
    ran
}

fn rows_of(
    test: &Test,
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
) -> anyhow::Result<(Loaded, Vec<Row>)> {
    let loaded =
        Loaded::load(test, surroundings).with_context(|| format!("failed to run test ({})", test.path))?;
    let mut operations: Vec<_> = test.rows.iter().map(|row| row.operation).collect();
    operations.sort_unstable();
    operations.dedup();
    let arena = Arena::new();
    let evaluated = loaded.evaluate(&operations, &arena);
    let expected = ExpectedObjects::default();
    let mut rows = Rows { loaded: &loaded, evaluated: &evaluated, strict: arguments.strict, expected };
    let chosen = arguments.test_case_selector.resource();
    let rows = test.rows.iter().flat_map(|row| rows.of(row, chosen, surroundings)).collect();
    drop(evaluated);
    Ok((loaded, rows))
}

/// How many rows and tests failed.
fn failures(ran: &[Ran]) -> usize {
    let rows = ran.iter().flat_map(|test| &test.rows).filter(|row| row.result == RowResult::Fail).count();
    rows + ran.iter().filter(|test| test.failure.is_some()).count()
}

fn conclude(ran: &[Ran], surroundings: &mut Surroundings<'_>) -> Exit {
    for error in ran.iter().filter_map(|test| test.failure.as_ref()) {
        diagnostics::error(&mut surroundings.stderr, &format!("{error:#}"));
    }
    match failures(ran) {
        0 => Exit::SUCCESS,
        failed => {
            let _ = writeln!(surroundings.stderr, "Error: {failed} tests failed");
            Exit::FAILURE
        }
    }
}
