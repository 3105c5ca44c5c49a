//! The sandbox as people use it, and how it ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{Programs, make_room, wait};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::processes;

#[test]
fn ctrl_c_ends_the_sandbox_and_all_of_it() -> Result<()> {
    leaves_nothing("INT")
}

#[test]
fn a_sandbox_that_is_killed_leaves_nothing_behind_either() -> Result<()> {
    leaves_nothing("KILL")
}

fn leaves_nothing(signal: &str) -> Result<()> {
    let Some(_) = Programs::find()? else { return Ok(()) };
    make_room();
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut sandbox = Sandbox::start().await?;
        sandbox.commands_work().await?;
        let id = sandbox.process.id().context("the sandbox has ended")?.to_string();
        Command::new("kill").args(["-s", signal, &id]).status().await?;
        sandbox.process.wait().await?;
        let folder = sandbox.folder;
        wait::until("the end of every part", async || {
            Ok((processes::naming(&folder)?.is_empty() && !folder.exists()).then_some(()))
        })
        .await
    })
}

struct Sandbox {
    process: Child,
    folder: PathBuf,
    /// The commands that it says to try.
    commands: Vec<String>,
}

impl Sandbox {
    /// Starts a sandbox and reads what it says, up to its last command.
    async fn start() -> Result<Sandbox> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sandbox"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("the sandbox has no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let (mut folder, mut commands) = (None, Vec::new());
        while commands.len() < 4 {
            let line = lines.next_line().await?.context("the sandbox has ended before it was ready")?;
            if let Some(path) = line.strip_prefix("kubeconfig: ") {
                folder = Path::new(path).parent().map(Path::to_owned);
            }
            commands.extend(line.strip_prefix("  ").map(str::to_owned));
        }
        Ok(Sandbox { process, folder: folder.context("the sandbox names no kubeconfig")?, commands })
    }

    /// Runs the commands as a person pastes them: the policy does its work.
    async fn commands_work(&self) -> Result<()> {
        let script = self.commands.join(" && ");
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let cache = self.folder.join("kubectl-cache");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(root).env("KUBECACHEDIR", cache);
        let output = shell.output().await?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let is_shown = |line: &str| printed.lines().any(|printed| printed.trim() == line);
        let by =
            "add-ttl-to-dangling-job.add-ttl-to-dangling-job.kyverno.io: added /spec/ttlSecondsAfterFinished";
        let is_mutated = is_shown("ttlSecondsAfterFinished: 900") && is_shown(by);
        ensure!(output.status.success() && is_mutated, "`{script}` gave {output:?}");
        Ok(())
    }
}
