//! Commands of `jobs` as a test runs them: in a folder with files, at a time that is always the same.
#![allow(clippy::disallowed_methods, reason = "tests write the files that are read")]

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::Path;

use crate::surroundings::{Stream, Surroundings};
use crate::{Commands, Exit, Offline};

/// 2026-10-01T00:00:00Z.
const NOW: i64 = 1_790_812_800;

/// A folder with these files.
pub(super) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Runs `portcullis jobs` with these words. Standard output and error follow each other.
pub(super) fn run(folder: &Path, words: &[&str]) -> (Exit, String) {
    run_words(folder, words.iter().map(OsString::from).collect(), &Offline)
}

/// The same with words that may be no text, and a cluster.
pub(super) fn run_words(folder: &Path, words: Vec<OsString>, cluster: &dyn Commands) -> (Exit, String) {
    run_at(folder, words, cluster, None)
}

/// The same at a terminal whose keyboard this is, where one is given.
pub(super) fn run_at(
    folder: &Path,
    words: Vec<OsString>,
    cluster: &dyn Commands,
    keyboard: Option<Box<dyn Read + '_>>,
) -> (Exit, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let is_terminal = keyboard.is_some();
    let mut surroundings = Surroundings {
        directory: folder.to_owned(),
        stdin: keyboard.unwrap_or_else(|| Box::new(std::io::empty())),
        stdin_is_terminal: is_terminal,
        stdout: Stream::plain(&mut stdout),
        stderr: Stream::plain(&mut stderr),
        now: NOW * 1_000_000_000,
        seed: 0,
    };
    surroundings.stderr.width = is_terminal.then_some(200);
    let words = ["portcullis", "jobs"].into_iter().map(OsString::from).chain(words);
    let exit = crate::run(words, &mut surroundings, cluster);
    drop(surroundings);
    stdout.extend(stderr);
    (exit, String::from_utf8(stdout).unwrap())
}

/// What a run says that is refused.
#[track_caller]
pub(super) fn refused(folder: &Path, words: &[&str]) -> String {
    let (exit, text) = run(folder, words);
    assert_eq!(exit, Exit::FAILURE, "{words:?}: {text}");
    text
}
