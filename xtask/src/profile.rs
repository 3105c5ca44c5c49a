//! `cargo xtask profile`: what of the release binary runs how often, for its compiler.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{command, is_there, output_of, run as run_command};
use crate::{bench, controlplane, files, no_arguments, output, release};

pub(crate) const HELP: &str = "\
Builds the release binary so that it counts what of it runs, has it do what `cargo xtask bench` measures, on the repository's
own policies and reviews, and writes the counts to benches/release.profdata. `cargo xtask build` tells them to the compiler, which
then lays what runs often side by side, straight ahead and inlined (profile-guided optimization).

Record them before a release, and where a crate depends on one more. What they do not know, since it was written later or has
another version, is compiled as if there were none, and so is all that depends on it: its names contain what it was compiled with.
A binary larger by a fifth shows that, `cargo xtask bench serve` what it costs. Takes a quarter of an hour. Needs `go`, as half of the work is
that of a server in a cluster, and LLVM's own tools: `rustup component add llvm-tools`.";

/// The counts, relative to the root of the repository. Those of functions that have not run are kept too: they make the binary
/// smaller by a fifth.
pub(crate) const FILE: &str = "benches/release.profdata";

pub(crate) fn run(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    let tool = Path::new(output_of(&mut command("rustc --print target-libdir"))?.trim())
        .with_file_name("bin/llvm-profdata")
        .display()
        .to_string();
    if !is_there(&tool) {
        bail!("LLVM's tools are not there: `rustup component add llvm-tools`");
    }
    if controlplane::build()?.is_none() {
        bail!("there is no `go` here, which builds the control plane that the server is to serve");
    }
    output::progress("building the binary that counts ...");
    let counts = files::target().join("profile");
    let binary = release::build_with(&[&format!("-Cprofile-generate={}", counts.display())])?;
    // Build scripts and macros have counted too, while it was built.
    files::remove_folder(&counts)?;
    // The next build of the release puts its own in this place.
    bench::exercise(&binary)?;
    let mut merge = Command::new(tool);
    merge.args(["merge", "-o"]).arg(files::root().join(FILE)).arg(&counts);
    run_command(&mut merge)?;
    output::line(FILE);
    Ok(())
}
