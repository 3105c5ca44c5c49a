//! The `portcullis` binary: arguments in, exit code out, and the commands that need a cluster wired together.

mod errors;
mod installation;
mod log;
mod memory;
mod serve;

use std::process::ExitCode;

use portcullis_cli::{
    ClusterArguments, Commands, DisarmArguments, InstallArguments, Reach, RearmArguments, ServeArguments,
    Surroundings, UninstallArguments,
};

fn main() -> ExitCode {
    let exit = portcullis_cli::run(std::env::args_os(), &mut Surroundings::of_process(), &WithCluster);
    ExitCode::from(exit.0)
}

/// The commands that need a cluster or serve one.
struct WithCluster;

impl Commands for WithCluster {
    fn serve(&self, arguments: &ServeArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        serve::serve(arguments, surroundings)
    }

    fn install(
        &self,
        arguments: &InstallArguments,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()> {
        installation::install(arguments, surroundings)
    }

    fn uninstall(
        &self,
        arguments: &UninstallArguments,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<()> {
        installation::uninstall(arguments, surroundings)
    }

    fn disarm(&self, arguments: &DisarmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        installation::disarm(arguments, surroundings)
    }

    fn rearm(&self, arguments: &RearmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        installation::rearm(arguments, surroundings)
    }

    fn reach(&self, arguments: &ClusterArguments) -> anyhow::Result<Reach> {
        reach(arguments)
    }
}

/// A way to the cluster that `arguments` name.
fn reach(arguments: &ClusterArguments) -> anyhow::Result<Reach> {
    serve::install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connection = runtime.block_on(errors::connect(&serve::access(arguments)))?;
    Ok(Reach { runtime, connection })
}
