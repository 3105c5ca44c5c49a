//! `cargo xtask test`: the steps that a change must pass, in the order of their cost.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::command::{command, run as run_command, show};
use crate::{e2e, files, image, output, tidy};

pub(crate) const HELP: &str = "\
Runs these steps in order, or only those that are named, and stops at the first that fails, with the command
to run it again:

  format       cargo fmt --check
  lints        clippy on everything, warnings are errors
  tidy         the layers and the rules of the house
  tests        cargo test of the workspace, without the tests on a control plane
  alone        every crate checked without the others, so that none leans on their features; so are the targets of fuzz/
  docs         rustdoc without warnings
  conformance  the corpora, no score below its floor (skipped with a word where there is no corpus)
  e2e          the tests on a real control plane (skipped with a word where there is no `go`)
  image        the binary, linked as it is released, starts in an empty root folder and resolves names (skipped with a
               word where the root folder may not be changed)

The property tests of the step `tests` try the same cases each time, so that a change is answered for itself;
PROPTEST_RNG_SEED=NUMBER gives others, and `cargo test` gives new ones each time.

With CI=true a step that would be skipped fails.";

/// A step: its name and its commands.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "format", run: || shown(&mut command("cargo fmt --all --check")) },
    Step {
        name: "lints",
        run: || shown(&mut command("cargo clippy --quiet --workspace --all-targets -- -D warnings")),
    },
    Step { name: "tidy", run: || tidy::run(&[]) },
    Step { name: "tests", run: workspace },
    Step { name: "alone", run: each_crate_alone },
    Step {
        name: "docs",
        run: || {
            let mut doc = command("cargo doc --quiet --workspace --no-deps");
            shown(doc.env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step { name: "conformance", run: || conformance(&[]) },
    Step { name: "e2e", run: || e2e::run(&[]) },
    // The last, since it leaves another binary than the other steps work with.
    Step { name: "image", run: image::try_debug },
];

pub(crate) fn run(names: &[String]) -> Result<()> {
    for name in names {
        if !STEPS.iter().any(|step| step.name == name) {
            let all: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!("there is no step `{name}`: there are {}", all.join(", "));
        }
    }
    let chosen = STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name));
    let start = now();
    for step in chosen {
        output::heading(step.name, "");
        let step_start = now();
        (step.run)().with_context(|| {
            format!("step `{0}` failed; all of it again: cargo xtask test {0}", step.name)
        })?;
        output::done(step.name, step_start.elapsed());
    }
    output::line(&format!("\nall steps passed in {}", output::seconds(start.elapsed())));
    Ok(())
}

/// Tests the workspace, from the same seed unless another is given.
fn workspace() -> Result<()> {
    let seed = files::variable("PROPTEST_RNG_SEED").unwrap_or_else(|| "1".to_owned());
    let mut test = command("cargo test --workspace --exclude portcullis-cluster-tests");
    shown(test.env("PROPTEST_RNG_SEED", seed))
}

/// Runs the corpora, one of them through the binary.
pub(crate) fn conformance(arguments: &[String]) -> Result<()> {
    run_command(&mut command("cargo build --quiet --package portcullis"))?;
    run_command(command("cargo run --quiet --package portcullis-conformance --").args(arguments))
}

/// Says why something is not tested here. With CI=true nothing is skipped.
pub(crate) fn skip(reason: &str) -> Result<()> {
    if files::variable("CI").is_some_and(|value| value == "true") {
        bail!("with CI=true no test is skipped, but {reason}");
    }
    output::line(&format!("skipped: {reason}"));
    Ok(())
}

/// Checks each crate in a build of its own, so that it has its own features and no more.
fn each_crate_alone() -> Result<()> {
    for name in files::names_in(&files::root().join("crates"))? {
        shown(command("cargo check --quiet --package").arg(name))?;
    }
    // The targets of `fuzz/` are a workspace of their own. The fuzzer, which is C++, is needed to link them alone.
    let mut targets = command("cargo check --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir");
    shown(targets.arg(files::target()).env("CUSTOM_LIBFUZZER_PATH", files::target().join("not-linked")))
}

/// Shows the command, then runs it.
fn shown(command: &mut Command) -> Result<()> {
    output::line(&format!("    {}", show(command)));
    run_command(command)
}

#[expect(clippy::disallowed_methods, reason = "the time of a step is printed, nothing depends on it")]
fn now() -> Instant {
    Instant::now()
}
