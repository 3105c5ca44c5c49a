//! `cargo xtask man` and `cargo xtask completions`: files that the binary prints about itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::{command, output_of, run};
use crate::{files, no_arguments, output};

/// Shell and the file that its completion goes to.
const SHELLS: &[(&str, &str)] = &[
    ("bash", "portcullis.bash"),
    ("elvish", "portcullis.elv"),
    ("fish", "portcullis.fish"),
    ("powershell", "portcullis.ps1"),
    ("zsh", "_portcullis"),
];

pub(crate) fn man(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    let binary = build()?;
    let page = output_of(Command::new(binary).arg("man"))?;
    write(&files::target().join("man/portcullis.1"), &page)
}

pub(crate) fn completions(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    let binary = build()?;
    for (shell, file) in SHELLS {
        let text = output_of(Command::new(&binary).args(["completion", shell]))?;
        write(&files::target().join("completions").join(file), &text)?;
    }
    Ok(())
}

/// Builds the binary and returns where it is.
fn build() -> Result<PathBuf> {
    run(&mut command("cargo build --quiet --package portcullis"))?;
    Ok(files::target().join("debug/portcullis"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    files::write(path, text.as_bytes())?;
    output::line(&path.display().to_string());
    Ok(())
}
