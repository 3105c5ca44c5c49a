//! The command line as a function, on files of a folder.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod exceptions;
mod global_context;
mod output_files;
mod reports;
mod tests_of_policies;
mod user_info;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use portcullis_cli::{Exit, Offline, Stream, Surroundings};

/// What a run left.
#[derive(Debug)]
struct Ran {
    exit: Exit,
    stdout: String,
    stderr: String,
}

/// Runs the command that `arguments` give, with blanks between them, in a folder of its own that holds `files`.
fn run(files: &[(&str, &str)], arguments: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    run_in(folder.path(), arguments)
}

/// Runs it in `folder`.
fn run_in(folder: &Path, arguments: &str) -> Ran {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut surroundings = Surroundings {
        directory: folder.to_owned(),
        stdin: Box::new(std::io::empty()),
        stdin_is_terminal: false,
        stdout: Stream::plain(&mut stdout),
        stderr: Stream::plain(&mut stderr),
        now: 0,
        seed: 0,
    };
    let words = ["portcullis"].into_iter().chain(arguments.split_whitespace()).map(OsString::from);
    let exit = portcullis_cli::run(words, &mut surroundings, &Offline);
    drop(surroundings);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { exit, stdout: text(stdout), stderr: text(stderr) }
}
