//! `jobs`: the Jobs that have finished and are still there.
//!
//! What is kept and what is protected is decided by `portcullis_retention`; here Jobs are read, and what is known of them
//! is shown, plans are carried out and taken back.

mod ages;
mod apply;
mod backup;
mod columns;
mod confirm;
mod dependents;
mod explain;
mod fetch;
mod format;
mod group;
mod judged;
mod list;
mod listing;
mod missed;
mod plan;
mod progress;
mod safeguards;
#[cfg(test)]
mod scripted;
mod selection;
mod shell_word;
mod stream;
#[cfg(test)]
mod trial;
mod undo;

use clap::{Args, Subcommand};

use crate::cluster::Commands;
use crate::exit::{Ended, Exit};
use crate::surroundings::Surroundings;

/// See which Jobs have finished and are still there and until when, plan which of them go, have them go, and take it back.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(Box<list::Arguments>),
    Explain(Box<explain::Arguments>),
    Plan(Box<plan::Arguments>),
    Apply(Box<apply::Arguments>),
    Undo(Box<undo::Arguments>),
}

/// Runs the command.
pub(crate) fn jobs(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, Ended> {
    match &arguments.command {
        Command::List(arguments) => list::list(arguments, surroundings, cluster),
        Command::Explain(arguments) => explain::explain(arguments, surroundings, cluster),
        Command::Plan(arguments) => plan::plan(arguments, surroundings, cluster),
        Command::Apply(arguments) => apply::apply(arguments, surroundings, cluster),
        Command::Undo(arguments) => undo::undo(arguments, surroundings, cluster),
    }
}
