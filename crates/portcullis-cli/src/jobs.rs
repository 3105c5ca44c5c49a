//! `jobs`: the Jobs that have finished and are still there.
//!
//! What is kept and what is protected is decided by `portcullis_retention`; here Jobs are read, and what is known of them
//! is shown.

mod ages;
mod columns;
mod dependents;
mod fetch;
mod format;
mod group;
mod list;
mod listing;
mod missed;
mod plan;
mod selection;
mod stream;

use clap::{Args, Subcommand};

pub(crate) use self::fetch::each_object;
use crate::cluster::Commands;
use crate::exit::{Ended, Exit};
use crate::surroundings::Surroundings;

/// See which Jobs have finished and are still there, and plan which of them go.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(Box<list::Arguments>),
    Plan(Box<plan::Arguments>),
}

/// Runs the command.
pub(crate) fn jobs(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, Ended> {
    match &arguments.command {
        Command::List(arguments) => list::list(arguments, surroundings, cluster),
        Command::Plan(arguments) => plan::plan(arguments, surroundings, cluster),
    }
}
