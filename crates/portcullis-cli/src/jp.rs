//! `jp`: JMESPath, as policies evaluate it, tried by hand.

mod function;
mod parse;
mod query;

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use portcullis_jmespath::{Expression, functions};
use portcullis_model::closest;

use crate::exit::{Ended, Exit, hinted};
use crate::files::{self, Entry};
use crate::surroundings::Surroundings;

/// How much is read of a file or of standard input, in bytes.
const MAX_INPUT: u64 = 64 << 20;

/// Try JMESPath expressions in Kyverno's dialect: evaluate them, see their structure, look up functions.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  What a variable of a policy is on an object:
      portcullis jp query --input pod.yaml \"spec.containers[?securityContext.privileged].name\"

  How an expression is understood:
      portcullis jp parse \"a.b || 'none'\"

  What functions there are for time:
      portcullis jp function time_add time_diff

Exit code: 0 when all is well, 1 otherwise.";

const EVALUATED: &str = "Exit code: 0 when every expression can be evaluated, 1 otherwise.";
const PARSED: &str = "Exit code: 0 when every expression is understood, 1 otherwise.";
const FOUND: &str = "Exit code: 0, also where there is no function of a name.";

#[derive(Debug, Subcommand)]
enum Command {
    #[command(after_help = EVALUATED)]
    Query(query::Arguments),
    #[command(after_help = PARSED)]
    Parse(parse::Arguments),
    #[command(after_help = FOUND)]
    Function(function::Arguments),
}

/// Runs the command.
pub(crate) fn jp(arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> Result<Exit, Ended> {
    match &arguments.command {
        Command::Query(arguments) => query::query(arguments, surroundings)?,
        Command::Parse(arguments) => parse::parse(arguments, surroundings)?,
        Command::Function(arguments) => function::function(arguments, surroundings)?,
    }
    Ok(Exit::SUCCESS)
}

/// The expressions that are given as arguments, then those in files, one in each.
fn expressions(
    arguments: &[String],
    paths: &[String],
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<Vec<String>> {
    let mut expressions = arguments.to_vec();
    for path in paths {
        let text = read(path, "an expression", surroundings)?;
        expressions.push(text.trim().to_owned());
    }
    Ok(expressions)
}

/// The text of the file at `path`, which is to hold `what`.
fn read(path: &str, what: &str, surroundings: &Surroundings<'_>) -> anyhow::Result<String> {
    let full = surroundings.directory.join(Path::new(path));
    if files::entry(&full)? == Entry::Folder {
        return Err(hinted(format!("`{path}` is a folder"), Some(format!("name a file that holds {what}"))));
    }
    Ok(files::read_text(&full, MAX_INPUT)?)
}

/// Compiles an expression.
fn compile(expression: &str) -> anyhow::Result<Expression> {
    Expression::compile(expression).map_err(|error| {
        let message = format!("failed to compile JMESPath: {expression}, error: {error}");
        hinted(message, Some(error.hint(expression)))
    })
}

/// What was probably meant by the name of a function that there is not.
fn meant(name: &str) -> Option<String> {
    let known = closest(name, functions().map(|function| function.name))?;
    Some(format!("did you mean `{known}`?"))
}

/// What comes from standard input.
fn standard_input(surroundings: &mut Surroundings<'_>) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut stdin = (&mut surroundings.stdin).take(MAX_INPUT);
    stdin.read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}
