//! The sandbox as people use it, and how it ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{Programs, wait};
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
    tokio::runtime::Runtime::new()?.block_on(async {
        let (mut sandbox, folder) = start().await?;
        ensure!(!processes::naming(&folder)?.is_empty(), "nothing runs in `{}`", folder.display());
        let id = sandbox.id().context("the sandbox has ended")?.to_string();
        Command::new("kill").args(["-s", signal, &id]).status().await?;
        sandbox.wait().await?;
        wait::until("the end of every part", async || Ok(is_gone(&folder)?.then_some(()))).await
    })
}

fn is_gone(folder: &Path) -> Result<bool> {
    Ok(processes::naming(folder)?.is_empty() && !folder.exists())
}

/// Starts a sandbox and waits until it has said what to try; returns the folder it runs in.
async fn start() -> Result<(Child, PathBuf)> {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = sandbox.stdout.take().context("the sandbox has no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut folder = None;
    while let Some(line) = lines.next_line().await? {
        if let Some(path) = line.strip_prefix("kubeconfig: ") {
            folder = Path::new(path).parent().map(Path::to_owned);
        }
        if line.contains("--watch") {
            return Ok((sandbox, folder.context("the sandbox names no kubeconfig")?));
        }
    }
    anyhow::bail!("the sandbox has ended before it was ready")
}
