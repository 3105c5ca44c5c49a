//! `cargo xtask e2e`: the tests on a real control plane.

use std::process::Command;

use anyhow::Result;

use crate::command::{command, run as run_command};
use crate::{controlplane, files, test};

pub(crate) const HELP: &str = "\
Builds the control plane (see `cargo xtask help controlplane`) and portcullis, and runs tests/cluster with both: all
tests, or those whose name holds FILTER. What else follows goes to the test runner: `--nocapture`, `--test-threads 1`.
With PORTCULLIS_TIMES=1 the time of each test is told. Of a test that fails, all logs are kept in target/e2e.
Without `go`, the tests are skipped with a line that says so; with CI=true that is a failure.";

/// How many tests run at once, each on a control plane of its own: they wait more than they work.
const TESTS_AT_ONCE: &str = "3";

pub(crate) fn run(words: &[String]) -> Result<()> {
    let Some(folder) = controlplane::build()? else {
        return test::skip("there is no `go` here, which builds the control plane (https://go.dev/dl)");
    };
    run_command(&mut command("cargo build --package portcullis"))?;
    let mut cargo = with_control_plane("cargo test --package portcullis-cluster-tests", &folder);
    cargo.env("PORTCULLIS_BINARY", files::target().join("debug/portcullis"));
    let failures = files::target().join("e2e");
    files::remove_folder(&failures)?;
    cargo.env("PORTCULLIS_FAILURES", failures);
    // The error of a test says what was missed; the calls that led to it would hide the logs below it.
    cargo.env("RUST_LIB_BACKTRACE", "0");
    if files::variable("RUST_TEST_THREADS").is_none() {
        cargo.env("RUST_TEST_THREADS", TESTS_AT_ONCE);
    }
    if !words.is_empty() {
        cargo.args(["--test", "it", "--"]).args(words);
    }
    run_command(&mut cargo)
}

/// A command that finds the programs of the control plane.
pub(crate) fn with_control_plane(line: &str, folder: &std::path::Path) -> Command {
    let mut command = command(line);
    command.env("PORTCULLIS_CONTROLPLANE", folder);
    command
}
