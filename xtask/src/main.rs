//! `cargo xtask TASK`: what a developer and the continuous integration run, in one place.
//!
//! A task is a row of [`TASKS`]; its text is what `cargo xtask help TASK` prints.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod bench;
mod chart;
mod command;
mod controlplane;
mod e2e;
mod files;
mod fuzz;
mod help;
mod image;
mod output;
mod profile;
mod release;
mod sandbox;
mod shell_files;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// One thing that can be asked of `cargo xtask`.
struct Task {
    name: &'static str,
    /// What may follow the name.
    arguments: &'static str,
    /// One line of the list of tasks.
    summary: &'static str,
    /// The rest of `cargo xtask help TASK`.
    text: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        arguments: "[STEP]...",
        summary: "Check everything that a change must pass",
        text: test::HELP,
        run: test::run,
    },
    Task {
        name: "conformance",
        arguments: "[OPTIONS]",
        summary: "Run the corpora of recorded answers",
        text: "\
Runs tests/conformance with the options given; `cargo xtask conformance --help` lists them, and
tests/conformance/README.md tells how to add a corpus.",
        run: test::conformance,
    },
    Task {
        name: "e2e",
        arguments: "[FILTER]",
        summary: "Run the tests on a real control plane",
        text: e2e::HELP,
        run: e2e::run,
    },
    Task {
        name: "sandbox",
        arguments: "",
        summary: "Run a control plane to try things on",
        text: sandbox::HELP,
        run: sandbox::run,
    },
    Task {
        name: "controlplane",
        arguments: "",
        summary: "Build the programs of the control plane",
        text: controlplane::HELP,
        run: controlplane::run,
    },
    Task {
        name: "build",
        arguments: "",
        summary: "Build the binary as it is released",
        text: release::HELP,
        run: release::run,
    },
    Task {
        name: "profile",
        arguments: "",
        summary: "Record for `build` what of the binary runs how often",
        text: profile::HELP,
        run: profile::run,
    },
    Task {
        name: "chart",
        arguments: "",
        summary: "Write the files that are made from the Helm chart and for it",
        text: chart::HELP,
        run: chart::run,
    },
    Task {
        name: "image",
        arguments: "",
        summary: "Write the image of a container as an OCI archive",
        text: image::HELP,
        run: image::run,
    },
    Task {
        name: "tidy",
        arguments: "",
        summary: "Check the layers and the rules of the house",
        text: tidy::HELP,
        run: tidy::run,
    },
    Task {
        name: "bench",
        arguments: "[NAME] [--record]",
        summary: "Measure: instructions, whole processes, or a bench by name",
        text: bench::HELP,
        run: bench::run,
    },
    Task {
        name: "fuzz",
        arguments: "[TARGET] [--seconds N]",
        summary: "Feed the parsers hostile input",
        text: fuzz::HELP,
        run: fuzz::run,
    },
    Task {
        name: "man",
        arguments: "",
        summary: "Write the manual pages to target/man",
        text: "Builds the `portcullis` binary and writes the pages it prints to target/man.",
        run: shell_files::man,
    },
    Task {
        name: "completions",
        arguments: "",
        summary: "Write the shell completions to target/completions",
        text: "\
Builds the `portcullis` binary and writes what it prints for bash, elvish, fish, powershell and zsh to
target/completions.",
        run: shell_files::completions,
    },
    Task {
        name: "help",
        arguments: "[TASK]",
        summary: "Show this list, or what a task does",
        text: "Without a task: the list of tasks.",
        run: help::run,
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[String]) -> Result<()> {
    match words {
        [] => help::run(&[]),
        [flag, rest @ ..] if matches!(flag.as_str(), "-h" | "--help") => help::run(rest),
        [name, rest @ ..] => (find(name)?.run)(rest),
    }
}

fn find(name: &str) -> Result<&'static Task> {
    match TASKS.iter().find(|task| task.name == name) {
        Some(task) => Ok(task),
        None => bail!("there is no task `{name}`: `cargo xtask help` lists them"),
    }
}

/// Refuses arguments where a task has none.
fn no_arguments(words: &[String]) -> Result<()> {
    match words.first() {
        None => Ok(()),
        Some(word) => bail!("unexpected argument `{word}`"),
    }
}
