//! The `portcullis` binary: arguments in, exit code out, and the commands that need a cluster wired together.

mod disarm;
mod log;
mod serve;
mod told;

use std::process::ExitCode;

use portcullis_cli::{ClusterArguments, Commands, DisarmArguments, Reach, ServeArguments, Surroundings};

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

    fn disarm(&self, arguments: &DisarmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        disarm::disarm(arguments, surroundings)
    }

    fn reach(&self, arguments: &ClusterArguments) -> anyhow::Result<Reach> {
        serve::install_crypto_provider();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(told::connect(&serve::access(arguments)))?;
        Ok(Reach { runtime, connection })
    }
}
