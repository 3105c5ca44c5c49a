//! The command line: arguments, files, what people and machines read.
//!
//! [`run`] is the whole program behind its arguments. It touches the outside world only through [`Surroundings`] (the
//! standard streams, the folder that relative paths start from, the clock) and through one module that opens and
//! writes files and whose errors name the path; so tests call it as a function.
//!
//! What it prints keeps to three rules:
//! - results go to standard output; diagnostics, warnings and progress go to standard error;
//! - colour and progress appear on a terminal only;
//! - text that comes from a document is escaped before it is printed: a resource cannot colour, move or forge lines.
//!
//! What is deliberately absent: any judgement. Policies are compiled and evaluated below; this crate loads, calls and
//! prints.

mod apply;
mod arguments;
mod cluster;
mod crds;
mod diagnostics;
mod exit;
mod explain;
mod files;
mod given;
mod grid;
mod installation;
mod jobs;
mod jp;
mod numbers;
mod offline;
mod paint;
mod printable;
mod progress;
mod serve;
mod shell;
mod surroundings;
mod test;

use std::ffi::OsString;

pub use cluster::{ClusterArguments, Commands, Offline, Reach};
pub use crds::definitions;
pub use diagnostics::warning;
pub use exit::{Exit, Hinted, cannot, hinted};
pub use given::{Given, GivenFacts};
pub use installation::{
    DisarmArguments, InstallArguments, NamespaceArgument, RearmArguments, UninstallArguments,
};
pub use numbers::thousands;
pub use serve::{ImmutableFields, LogFormat, MutationRecord, ServeArguments, WebhookNames};
pub use surroundings::{Stream, Surroundings};

/// Runs the command that `arguments` give (the program's name first); `cluster` carries out those that need one.
///
/// Everything that goes wrong is told on standard error; the exit code is what is left to do.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let finished = match &*arguments {
        [program, words @ ..] if arguments::is_called(program, "kubectl_complete-portcullis") => {
            shell::complete_for_kubectl(words, surroundings)
        }
        _ => arguments::parse(arguments, surroundings)
            .and_then(|command| carry_out(command, surroundings, cluster)),
    };
    exit::conclude(finished, surroundings)
}

fn carry_out(
    command: arguments::Command,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, exit::Ended> {
    match command {
        arguments::Command::Apply(arguments) => apply::apply(&arguments, surroundings, cluster),
        arguments::Command::Test(arguments) => test::test(&arguments, surroundings),
        arguments::Command::Jp(arguments) => jp::jp(&arguments, surroundings),
        arguments::Command::Jobs(arguments) => jobs::jobs(&arguments, surroundings, cluster),
        arguments::Command::Explain(arguments) => explain::explain(&arguments, surroundings),
        arguments::Command::Crds => crds::crds(surroundings),
        arguments::Command::Serve(arguments) => done(cluster.serve(&arguments, surroundings)),
        arguments::Command::Install(arguments) => done(cluster.install(&arguments, surroundings)),
        arguments::Command::Uninstall(arguments) => done(cluster.uninstall(&arguments, surroundings)),
        arguments::Command::Disarm(arguments) => done(cluster.disarm(&arguments, surroundings)),
        arguments::Command::Rearm(arguments) => done(cluster.rearm(&arguments, surroundings)),
        arguments::Command::Completion { shell } => shell::completion(shell, surroundings),
        arguments::Command::Man => shell::manual(surroundings),
    }
}

fn done(finished: anyhow::Result<()>) -> Result<Exit, exit::Ended> {
    finished?;
    Ok(Exit::SUCCESS)
}
