//! A control plane for people: runs until Ctrl-C, then leaves nothing behind. `cargo xtask sandbox` starts it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use portcullis_cluster_tests::{ControlPlane, Programs};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    // From the first moment on, a signal ends things in order; what starts meanwhile is dropped.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = stay() => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// Starts everything and never returns, except with an error.
async fn stay() -> Result<()> {
    let programs = Programs::find()?.context("no control plane is named: run `cargo xtask sandbox`")?;
    let control_plane = ControlPlane::start(&programs).await?;
    introduce(&control_plane)?;
    std::future::pending().await
}

/// Says what runs and what to try.
fn introduce(control_plane: &ControlPlane) -> Result<()> {
    let kubeconfig = control_plane.kubeconfig();
    let programs = control_plane.programs();
    writeln!(
        io::stdout(),
        "\
A Kubernetes control plane runs, with two nodes that KWOK plays: Pods run without containers, and those of a Job
succeed after a second. Ctrl-C ends it and removes everything.

kubeconfig: {kubeconfig}

In another terminal, in the root of the repository:

  export KUBECONFIG={kubeconfig} PATH={programs}:$PATH
  kubectl apply -f examples/dangling-jobs/resources/job.yaml
  kubectl get jobs,pods --watch",
        kubeconfig = kubeconfig.display(),
        programs = programs.display(),
    )
    .context("cannot print")
}
