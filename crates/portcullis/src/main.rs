//! The `portcullis` binary: arguments in, exit code out.

use std::process::ExitCode;

use portcullis_cli::Surroundings;

fn main() -> ExitCode {
    let exit = portcullis_cli::run(std::env::args_os(), &mut Surroundings::of_process());
    ExitCode::from(exit.0)
}
