//! `jp function`: the functions that there are.

use std::io::Write as _;

use clap::Args;
use portcullis_jmespath::{Function, functions};

use super::meant;
use crate::diagnostics;
use crate::exit::standard_output;
use crate::surroundings::Surroundings;

/// Show functions: what they take and give, what they do, an example.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The functions; all where none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub(super) fn function(arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    let is_asked_for = |function: &&Function| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| name == function.name)
    };
    let mut rows: Vec<_> =
        functions().filter(is_asked_for).map(|function| (function.signature(), function)).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    for (signature, function) in &rows {
        let (expression, value) = function.example;
        let text = format!(
            "Name: {}\n  Signature: {signature}\n  Note:      {}\n  Example:   {expression} is {value}\n",
            function.name, function.doc
        );
        writeln!(surroundings.stdout, "{text}").map_err(standard_output)?;
    }
    for name in arguments.names.iter().filter(|name| !rows.iter().any(|row| row.1.name == **name)) {
        let meant = meant(name).map_or_else(String::new, |meant| format!(": {meant}"));
        diagnostics::warning(&mut surroundings.stderr, &format!("there is no function `{name}`{meant}"));
    }
    Ok(())
}
