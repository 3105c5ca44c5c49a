//! `cargo xtask build`: the release binary, which needs nothing of the machine that it runs on.

use std::path::PathBuf;

use anyhow::Result;

use crate::command::{command, run as run_command};
use crate::{files, no_arguments, output};

pub(crate) const HELP: &str = "\
Builds `portcullis` as it is released and prints its path on the last line of stdout: target/release/portcullis. On Linux
with glibc it is static: it starts in an empty folder as anybody, and resolves names as /etc/hosts and /etc/resolv.conf
have it, where these are. `cargo build --release` makes the same of it, but linked with the libraries of this machine.
Building needs `libc.a` of glibc 2.34 or later, which looks names up without loading libraries; it comes with the headers
(libc6-dev, glibc-static).";

/// Static, and at a fixed address: what would have to be relocated at start, a megabyte of tables, would be memory of
/// each process of its own. As options of the last step alone, since procedural macros cannot be built with them.
const STATIC: &[&str] = if cfg!(all(target_os = "linux", target_env = "gnu")) {
    &["-C", "target-feature=+crt-static", "-C", "relocation-model=static"]
} else {
    &[]
};

pub(crate) fn run(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    output::line(&build()?.display().to_string());
    Ok(())
}

/// Builds the release binary and returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let mut cargo = command("cargo rustc --quiet --release --package portcullis --bin portcullis --");
    run_command(cargo.args(STATIC))?;
    Ok(files::target().join("release/portcullis"))
}

/// Builds the debug binary as the release is linked: static. All that takes time of it is what `cargo build` has made.
pub(crate) fn build_debug() -> Result<PathBuf> {
    let mut cargo = command("cargo rustc --quiet --package portcullis --bin portcullis --");
    run_command(cargo.args(STATIC))?;
    Ok(files::target().join("debug/portcullis"))
}

/// The linker for another platform, as Debian and others call it.
pub(crate) fn linker(target: &str) -> String {
    format!("{}-gcc", target.replace("-unknown-", "-"))
}

/// Builds it for another platform, whose standard library and linker are there.
pub(crate) fn build_for(target: &str) -> Result<PathBuf> {
    let mut cargo = command("cargo rustc --quiet --release --package portcullis --bin portcullis");
    // The linker of the system is for this machine alone.
    let variable = format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_uppercase());
    cargo.env(variable, linker(target));
    run_command(cargo.args(["--target", target, "--"]).args(STATIC))?;
    Ok(files::target().join(target).join("release/portcullis"))
}
