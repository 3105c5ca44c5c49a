//! The binary as its users run it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod apply;
mod bad_input;
mod bad_output;
mod crds;
mod examples;
mod explain;
mod jobs;
mod jp;
mod printed;
mod serve;
mod serving;
mod side_effects;
mod test;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs the binary in `folder`.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).current_dir(folder).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// All that a run shows, as one text: the command, standard output, standard error, the exit code.
fn shown(arguments: &[&str], output: &Output) -> String {
    let mut text = format!("$ portcullis {}\n{}", arguments.join(" "), stdout(output));
    let told = stderr(output);
    if !told.is_empty() {
        text += &format!("-- standard error\n{told}");
    }
    text + &format!("-- exit code {}\n", output.status.code().unwrap())
}

/// Compares with the file `name` of the folder `snapshots`. `INSTA_UPDATE=always cargo test -p portcullis` writes it.
#[track_caller]
fn check_snapshot(name: &str, text: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}
