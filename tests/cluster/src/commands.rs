//! The commands under test, run as administrator: `portcullis`, and `helm` on the chart.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::{CommandOutput, ControlPlane, Programs};

/// Names the binary; `cargo xtask e2e` sets it.
const VARIABLE: &str = "PORTCULLIS_BINARY";

/// Where helm keeps what is a user's.
const HOMES_OF_HELM: [&str; 3] = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];

impl ControlPlane {
    /// Runs `portcullis` with these arguments.
    ///
    /// # Errors
    /// It cannot be run. An exit code other than 0 is no error: see [`CommandOutput::succeeded`].
    pub async fn portcullis(&self, arguments: &[&str]) -> Result<CommandOutput> {
        let mut command = Command::new(binary()?);
        command.env("KUBECONFIG", self.kubeconfig());
        run(command, "portcullis", arguments).await
    }

    /// Runs `helm` with these arguments, in the root of the repository.
    ///
    /// # Errors
    /// As [`ControlPlane::portcullis`].
    pub async fn helm(&self, arguments: &[&str]) -> Result<CommandOutput> {
        let mut command = Command::new(self.programs().join("helm"));
        command.env("KUBECONFIG", self.kubeconfig());
        for folder in HOMES_OF_HELM {
            command.env(folder, self.folder().join("helm"));
        }
        run(command, "helm", arguments).await
    }
}

/// Runs a program that needs no cluster, by its name: `helm`, or `portcullis`.
///
/// # Errors
/// It cannot be run.
pub async fn offline(programs: &Programs, name: &str, arguments: &[&str]) -> Result<CommandOutput> {
    let program = if name == "portcullis" { binary()? } else { programs.path(name) };
    let mut command = Command::new(program);
    // What people have set up for their helm is none of the chart.
    let nothing = tempfile::tempdir()?;
    for folder in HOMES_OF_HELM {
        command.env(folder, nothing.path());
    }
    run(command, name, arguments).await
}

pub(crate) async fn run(mut command: Command, name: &str, arguments: &[&str]) -> Result<CommandOutput> {
    let shown = format!("{name} {}", arguments.join(" "));
    let output = command.current_dir(repository()).args(arguments).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run `{shown}`"))?;
    Ok(CommandOutput::of(shown, &output))
}

/// The binary.
#[expect(clippy::disallowed_methods, reason = "the task runner hands the binary over in the environment")]
pub(crate) fn binary() -> Result<PathBuf> {
    let path = std::env::var_os(VARIABLE);
    path.map(PathBuf::from)
        .with_context(|| format!("`{VARIABLE}` does not name the binary: run `cargo xtask e2e`"))
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}
