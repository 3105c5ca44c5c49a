//! The real kubectl.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::wait::LONGEST_COMMAND;

/// kubectl as a user of the cluster, in a namespace.
#[derive(Clone, Debug)]
pub struct Kubectl {
    pub(crate) program: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) namespace: String,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct CommandOutput {
    pub stdout: String,
    pub stderr: String,
    /// -1 when a signal ended it.
    pub code: i32,
    command: String,
}

impl Kubectl {
    /// Runs kubectl.
    ///
    /// # Errors
    /// When it cannot be run. An exit code other than 0 is no error: see [`CommandOutput::succeeded`].
    pub async fn run(&self, arguments: &[&str]) -> Result<CommandOutput> {
        self.run_with(arguments, "").await
    }

    /// Runs kubectl with text on its standard input, for `-f -`.
    ///
    /// # Errors
    /// As [`Kubectl::run`].
    pub async fn run_with(&self, arguments: &[&str], input: &str) -> Result<CommandOutput> {
        let command = format!("kubectl {}", arguments.join(" "));
        let run = async {
            let mut kubectl = Command::new(&self.program)
                .arg("--namespace")
                .arg(&self.namespace)
                .arg("--cache-dir")
                .arg(&self.cache)
                .args(arguments)
                .env("KUBECONFIG", &self.kubeconfig)
                // What people have set up for their kubectl is none of a test.
                .env("KUBERC", "off")
                .env_remove("KUBECTL_EXTERNAL_DIFF")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let stdin = kubectl.stdin.take();
            // Both at once: kubectl prints while it reads.
            let write = async {
                if let Some(mut stdin) = stdin {
                    // kubectl that does not read its input has ended, and its exit code says why.
                    let _ = stdin.write_all(input.as_bytes()).await;
                }
            };
            let ((), output) = tokio::join!(write, kubectl.wait_with_output());
            output
        };
        let output = timeout(LONGEST_COMMAND, run).await.with_context(|| format!("`{command}` hangs"))?;
        let output = output.with_context(|| format!("cannot run `{command}`"))?;
        Ok(CommandOutput::of(command, &output))
    }
}

impl CommandOutput {
    pub(crate) fn of(command: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code().unwrap_or(-1),
            command,
        }
    }

    /// What was printed on stdout.
    ///
    /// # Errors
    /// When the exit code is not 0, with what was printed.
    pub fn succeeded(self) -> Result<String> {
        if self.code != 0 {
            let Self { command, code, stdout, stderr } = self;
            bail!("`{command}` ended with {code}: {}\n{}", stderr.trim(), stdout.trim());
        }
        Ok(self.stdout)
    }
}
