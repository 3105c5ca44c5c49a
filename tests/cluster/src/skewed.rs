//! Portcullis on a machine whose clock is wrong.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::commands::{binary, run};
use crate::{CommandOutput, ControlPlane, Replicas, files};

/// What takes the place of the clock of the system. It is loaded before the program, which is linked with the libraries of
/// this machine.
const SOURCE: &str = include_str!("skewed.c");

impl ControlPlane {
    /// Runs `portcullis` with these arguments, by a clock that is so many seconds early, or late where that is negative.
    ///
    /// # Errors
    /// It cannot be run. An exit code other than 0 is no error.
    pub async fn portcullis_by_clock(&self, seconds: i64, arguments: &[&str]) -> Result<CommandOutput> {
        let mut command = Command::new(program(self.folder(), seconds).await?);
        command.env("KUBECONFIG", self.kubeconfig());
        run(command, "portcullis", arguments).await
    }
}

impl Replicas<'_> {
    /// The clocks of new replicas are so many seconds early from now on, or late.
    ///
    /// # Errors
    /// There is no compiler.
    pub async fn run_by_clock(&mut self, seconds: i64) -> Result<()> {
        let program = program(self.folder(), seconds).await?;
        self.run_program(&program);
        Ok(())
    }
}

/// The program under test, by such a clock.
async fn program(folder: &Path, seconds: i64) -> Result<PathBuf> {
    let file = |ending: &str| folder.join(format!("skewed-{seconds}.{ending}"));
    let (source, library, script) = (file("c"), file("so"), file("sh"));
    files::write(&source, SOURCE)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", &format!("-DSECONDS={seconds}"), "-o"]);
    let compiled = compiler.arg(&library).arg(&source).output().await;
    let compiled = compiled.context("cannot run `cc`, which has built Portcullis, too")?;
    ensure!(compiled.status.success(), "cc: {}", String::from_utf8_lossy(&compiled.stderr));
    let (library, program) = (library.display(), binary()?);
    let text = format!("#!/bin/sh\nLD_PRELOAD='{library}' exec '{}' \"$@\"\n", program.display());
    files::write_executable(&script, &text)?;
    Ok(script)
}
