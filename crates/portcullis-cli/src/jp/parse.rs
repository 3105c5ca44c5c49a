//! `jp parse`: the structure of expressions.

use std::io::Write as _;

use clap::Args;

use super::{compile, expressions, standard_input};
use crate::exit::standard_output;
use crate::surroundings::Surroundings;

/// Show how expressions are understood, as a tree.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The expressions; one is read from standard input where none is given
    #[arg(value_name = "EXPRESSION")]
    expressions: Vec<String>,

    /// Files with an expression each
    #[arg(short, long, value_name = "FILE")]
    file: Vec<String>,
}

pub(super) fn parse(arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    let mut expressions = expressions(&arguments.expressions, &arguments.file, surroundings)?;
    if expressions.is_empty() {
        if surroundings.stdin_is_terminal {
            writeln!(
                surroundings.stderr,
                "Reading from terminal input.\nEnter a jmespath expression and hit Ctrl+D."
            )?;
        }
        expressions.push(standard_input(surroundings)?.trim().to_owned());
    }
    for expression in &expressions {
        let compiled = compile(expression)?;
        write!(surroundings.stdout, "# {expression}\n{}", compiled.tree()).map_err(standard_output)?;
    }
    Ok(())
}
