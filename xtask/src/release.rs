//! `cargo xtask build`: the release binary, which needs nothing of the machine that it runs on.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command::{command, is_there, output_of, run as run_command};
use crate::{files, no_arguments, output, profile};

pub(crate) const HELP: &str = "\
Builds `portcullis` as it is released and prints its path on the last line of stdout: target/release/portcullis. On Linux
with glibc it is static: it starts in an empty folder as anybody, and resolves names as /etc/hosts and /etc/resolv.conf
have it, where these are. `cargo build --release` makes the same of it, but linked with the libraries of this machine.
Building needs `libc.a` of glibc 2.34 or later, which looks names up without loading libraries; it comes with the headers
(libc6-dev, glibc-static).

The compiler is told what of the binary runs how often (`cargo xtask help profile`), which `cargo build --release` does not: a
review takes a quarter to a third less processor time for it.";

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
    let counts = format!("-Cprofile-use={}", files::root().join(profile::FILE).display());
    // What has been written anew since is no news on each build.
    build_with(&[&counts, "-Cllvm-args=-no-pgo-warn-mismatch"])
}

/// The release binary, with more flags for the compiler of it and of all that is in it.
pub(crate) fn build_with(flags: &[&str]) -> Result<PathBuf> {
    let mut cargo = command("cargo rustc --quiet --release --package portcullis --bin portcullis --");
    // Flags in this variable are apart at a character that no path has.
    let given = files::variable("RUSTFLAGS").unwrap_or_default();
    let flags: Vec<_> = given.split_whitespace().chain(flags.iter().copied()).collect();
    run_command(cargo.args(STATIC).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))?;
    Ok(files::target().join("release/portcullis"))
}

/// Builds the debug binary as the release is linked: static. All that takes time of it is what `cargo build` has made.
pub(crate) fn build_debug() -> Result<PathBuf> {
    let mut cargo = command("cargo rustc --quiet --package portcullis --bin portcullis --");
    run_command(cargo.args(STATIC))?;
    Ok(files::target().join("debug/portcullis"))
}

/// The linker for another platform, as Debian and others call it.
fn linker(target: &str) -> String {
    format!("{}-gcc", target.replace("-unknown-", "-"))
}

/// What is missing here to build for another platform, if anything is.
pub(crate) fn missing_for(target: &str) -> Option<String> {
    let installed = output_of(&mut command("rustup target list --installed")).unwrap_or_default();
    let linker = linker(target);
    // A linker that has no such library gives back its bare name.
    let library = |linker| output_of(Command::new(linker).arg("-print-file-name=libc.a"));
    if !installed.lines().any(|other| other == target) {
        Some(format!("`rustup target add {target}`"))
    } else if !is_there(&linker) {
        Some(format!("the linker `{linker}`"))
    } else if library(&linker).is_ok_and(|path| !path.contains('/')) {
        Some(format!("`libc.a` for `{linker}`"))
    } else {
        None
    }
}

/// Builds it for another platform, for which nothing is missing here. Cargo names what it builds for another platform in
/// other ways, so that the profile has nothing to say about it.
pub(crate) fn build_for(target: &str) -> Result<PathBuf> {
    let mut cargo = command("cargo rustc --quiet --release --package portcullis --bin portcullis");
    // The linker of the system is for this machine alone.
    let variable = format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_uppercase());
    cargo.env(variable, linker(target));
    run_command(cargo.args(["--target", target, "--"]).args(STATIC))?;
    Ok(files::target().join(target).join("release/portcullis"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_platform_takes_is_named_before_it_is_built() {
        let missing = missing_for("sparc64-unknown-linux-gnu");
        assert_eq!(missing.as_deref(), Some("`rustup target add sparc64-unknown-linux-gnu`"));
        assert_eq!(linker("aarch64-unknown-linux-gnu"), "aarch64-linux-gnu-gcc");
    }
}
