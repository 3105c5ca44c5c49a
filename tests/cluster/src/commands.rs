//! The commands under test, run as administrator: `portcullis`, and `helm` on the chart.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::wait::LONGEST_COMMAND;
use crate::{CommandOutput, ControlPlane, Programs, files};

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

    /// Runs `portcullis` with these arguments until it prints a line with this text, which is returned, and kills it there.
    /// Nothing where it ends before.
    ///
    /// # Errors
    /// It cannot be run, or fails.
    pub async fn portcullis_until_line(&self, arguments: &[&str], text: &str) -> Result<Option<String>> {
        let mut command = Command::new(binary()?);
        command.args(arguments).env("KUBECONFIG", self.kubeconfig()).kill_on_drop(true);
        let mut portcullis = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = portcullis.stdout.take().context("portcullis has no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            if line.contains(text) {
                portcullis.kill().await?;
                return Ok(Some(line));
            }
        }
        let status = portcullis.wait().await?;
        ensure!(status.success(), "portcullis {} ended with {status}", arguments.join(" "));
        Ok(None)
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

/// A shell that stands in a copy of the repository, in which `portcullis`, `kubectl` and `helm` are the ones under test.
#[derive(Debug)]
pub struct Shell {
    folder: TempDir,
    path: OsString,
}

impl Shell {
    /// One whose commands are administrator's, in `namespace`.
    ///
    /// # Errors
    /// The folder cannot be made.
    #[expect(
        clippy::disallowed_methods,
        reason = "the programs of the system are found where they always are"
    )]
    pub fn new(control_plane: &ControlPlane, namespace: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for a shell")?;
        let mut config = files::read(&control_plane.kubeconfig())?;
        let context = r#""cluster": "cluster","#;
        ensure!(config.contains(context), "the kubeconfig has no context: {config}");
        config = config.replace(context, &format!("{context} \"namespace\": \"{namespace}\","));
        files::write(&folder.path().join("kubeconfig"), &config)?;
        for shown in ["charts", "docs", "examples"] {
            std::os::unix::fs::symlink(repository().join(shown), folder.path().join(shown))?;
        }
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs)?;
        std::os::unix::fs::symlink(binary()?, programs.join("portcullis"))?;
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = [&programs, control_plane.programs()].map(Path::to_owned).into_iter();
        let path = std::env::join_paths(path.chain(std::env::split_paths(&system)))?;
        Ok(Self { folder, path })
    }

    /// Writes a file for its commands.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        files::write(&self.folder.path().join(name), text)
    }

    /// Runs a line; a pipe fails with any of its parts.
    ///
    /// # Errors
    /// There is no shell. An exit code other than 0 is no error.
    pub async fn run(&self, line: &str) -> Result<CommandOutput> {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", line]).current_dir(self.folder.path()).env("PATH", &self.path);
        bash.env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "KUBECACHEDIR"] {
            bash.env(folder, self.folder.path().join(folder.to_lowercase()));
        }
        let run = bash.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = timeout(LONGEST_COMMAND, run).await.with_context(|| format!("`{line}` hangs"))?;
        Ok(CommandOutput::of(line.to_owned(), &output.context("cannot run bash")?))
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
    let run = command.current_dir(repository()).args(arguments).kill_on_drop(true).output();
    let output = timeout(LONGEST_COMMAND, run).await.with_context(|| format!("`{shown}` hangs"))?;
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
