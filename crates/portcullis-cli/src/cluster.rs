//! The commands that need a cluster or serve one, and which cluster that is.
//!
//! This crate does without a server and without a choice of cryptography; who has them implements [`Commands`].

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use portcullis_cluster::Connection;
use tokio::runtime::Runtime;

use crate::installation::{DisarmArguments, InstallArguments, RearmArguments, UninstallArguments};
use crate::serve::ServeArguments;
use crate::surroundings::Surroundings;

/// What carries out the commands of this module.
///
/// # Errors
/// Each returns why it could not do its work; the text is for the person at the terminal.
pub trait Commands {
    fn serve(&self, arguments: &ServeArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()>;
    fn install(
        &self,
        arguments: &InstallArguments,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()>;
    fn uninstall(
        &self,
        arguments: &UninstallArguments,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()>;
    fn disarm(&self, arguments: &DisarmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()>;
    fn rearm(&self, arguments: &RearmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()>;

    /// A cluster to ask.
    fn reach(&self, arguments: &ClusterArguments) -> anyhow::Result<Reach>;
}

/// A connection, and the runtime that it lives in.
#[derive(Debug)]
pub struct Reach {
    pub runtime: Runtime,
    pub connection: Connection,
}

/// [`Commands`] of a program that has neither client nor server: each says so.
#[derive(Clone, Copy, Debug)]
pub struct Offline;

impl Commands for Offline {
    fn serve(&self, _: &ServeArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        anyhow::bail!("this program serves no cluster")
    }

    fn install(&self, _: &InstallArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        anyhow::bail!("this program reaches no cluster")
    }

    fn uninstall(&self, _: &UninstallArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        anyhow::bail!("this program reaches no cluster")
    }

    fn disarm(&self, _: &DisarmArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        anyhow::bail!("this program reaches no cluster")
    }

    fn rearm(&self, _: &RearmArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        anyhow::bail!("this program reaches no cluster")
    }

    fn reach(&self, _: &ClusterArguments) -> anyhow::Result<Reach> {
        anyhow::bail!("this program reaches no cluster")
    }
}

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArguments {
    /// The kubeconfig; without one `KUBECONFIG`, `~/.kube/config`, or the service account of the Pod
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub context: Option<String>,
}
