//! A control plane for people, with Portcullis serving it: runs until Ctrl-C, then leaves nothing behind. `cargo xtask sandbox` starts it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{ControlPlane, Programs, Serve, ServeOptions, free_port};
use tokio::process::Command;
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
    let program = binary().context("no portcullis is named: run `cargo xtask sandbox`")?;
    let control_plane = ControlPlane::start(&programs).await?;
    let (webhook, probes) = (free_port()?, free_port()?);
    let options = ServeOptions {
        program: program.clone(),
        arguments: vec![
            "serve".to_owned(),
            format!("--external-url=https://127.0.0.1:{webhook}"),
            format!("--listen=127.0.0.1:{webhook}"),
            format!("--metrics-listen=127.0.0.1:{probes}"),
        ],
        roles: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/roles.yaml"),
        definitions: Some(definitions(&program).await?),
    };
    Serve::during(&control_plane, options, async |serve| {
        serve.until_logged("webhook configurations follow the policies in force").await?;
        introduce(&control_plane, &program, probes)?;
        std::future::pending().await
    })
    .await
}

/// The binary, which the task runner builds.
#[expect(clippy::disallowed_methods, reason = "the task runner hands the binary over in the environment")]
fn binary() -> Option<PathBuf> {
    std::env::var_os("PORTCULLIS_BINARY").map(PathBuf::from)
}

/// What `portcullis crds` prints.
async fn definitions(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("crds").output().await;
    let output = output.with_context(|| format!("cannot run `{}`", program.display()))?;
    ensure!(output.status.success(), "`portcullis crds` ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Says what runs and what to try.
fn introduce(control_plane: &ControlPlane, program: &Path, probes: u16) -> Result<()> {
    let kubeconfig = control_plane.kubeconfig();
    let folders = [control_plane.programs(), program.parent().unwrap_or(Path::new("."))];
    writeln!(
        io::stdout(),
        "\
A Kubernetes control plane runs, with two nodes that KWOK plays: Pods run without containers, and those of a Job
succeed after a second. Portcullis serves it the policies that you apply. Ctrl-C ends all of it and removes everything.

kubeconfig: {kubeconfig}
log:        {log}
decisions:  http://127.0.0.1:{probes}/decisions

In another terminal, in the root of the repository:

  export KUBECONFIG={kubeconfig} PATH={folders}:$PATH
  kubectl apply -f {POLICY} && kubectl wait --for=condition=Ready clusterpolicy --all
  kubectl apply -f examples/dangling-jobs/resources/job.yaml
  kubectl get job pi -o yaml | grep -e ttlSecondsAfterFinished -e 'added /spec'",
        kubeconfig = kubeconfig.display(),
        log = control_plane.folder().join("portcullis.log").display(),
        folders = folders.map(|folder| folder.display().to_string()).join(":"),
    )
    .context("cannot print")
}

/// The founding policy.
const POLICY: &str = "examples/dangling-jobs/add-ttl-to-dangling-job.yaml";
