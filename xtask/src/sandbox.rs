//! `cargo xtask sandbox`: a control plane to try things on, with Portcullis serving it.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result, bail};

use crate::command::{command, run as run_command, show};
use crate::e2e::with_control_plane;
use crate::{controlplane, files, no_arguments};

pub(crate) const HELP: &str = "\
Builds portcullis, starts a Kubernetes control plane on loopback, with two nodes that KWOK plays and portcullis serving
its policies, prints the kubeconfig and what to try, and runs until Ctrl-C. Nothing is left behind, and no container
runtime is needed.";

pub(crate) fn run(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    let Some(folder) = controlplane::build()? else {
        bail!("there is no `go` here, which builds the control plane: get it from https://go.dev/dl");
    };
    run_command(&mut command("cargo build --package portcullis"))?;
    let mut cargo =
        with_control_plane("cargo run --quiet --package portcullis-cluster-tests --bin sandbox", &folder);
    cargo.env("PORTCULLIS_BINARY", files::target().join("debug/portcullis"));
    // In place of this process, so that Ctrl-C reaches the sandbox alone and the prompt returns when it has ended.
    let error = cargo.exec();
    Err(error).with_context(|| format!("cannot run `{}`", show(&cargo)))
}
