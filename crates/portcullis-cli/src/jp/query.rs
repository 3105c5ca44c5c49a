//! `jp query`: the value of expressions on a document.

use std::io::Write as _;

use anyhow::anyhow;
use clap::Args;
use portcullis_jmespath::{Context, Expression, Problem, functions, splitmix};
use portcullis_value::{Arena, Budget, Value, json};
use portcullis_yaml::Source;

use super::{compile, expressions, meant, read, standard_input};
use crate::diagnostics;
use crate::exit::{hinted, standard_output};
use crate::offline::documents;
use crate::surroundings::Surroundings;

/// Evaluate expressions on a document.
///
/// What is not given, the expression or the document, is read from standard input.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The expressions
    #[arg(value_name = "EXPRESSION")]
    expressions: Vec<String>,

    /// The document, YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    input: Option<String>,

    /// Files with an expression each
    #[arg(short, long, value_name = "FILE")]
    query: Vec<String>,

    /// Print the value on one line
    #[arg(short, long)]
    compact: bool,

    /// Print a string as it is, without quotes
    #[arg(short, long)]
    unquoted: bool,
}

pub(super) fn query(arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    let mut expressions = expressions(&arguments.expressions, &arguments.query, surroundings)?;
    let input = arguments.input.as_deref();
    let input = input.map(|path| read(path, "a document", surroundings)).transpose()?;
    let missing = match (&input, expressions.is_empty()) {
        (None, true) => {
            let hint = Some("write `portcullis jp query --input FILE EXPRESSION`");
            return Err(hinted("at least one query or input object is required".to_owned(), hint));
        }
        (Some(_), true) => "Enter a jmespath expression and hit Ctrl+D.",
        (None, false) => "Enter input object and hit Ctrl+D.",
        (Some(_), false) => "",
    };
    // COMPAT(kyverno): the reference says so on standard output, and into a pipe too, where it stands among the values.
    if !missing.is_empty() && surroundings.stdin_is_terminal {
        writeln!(surroundings.stderr, "Reading from terminal input.\n{missing}")?;
    }
    let input = match input {
        Some(input) if expressions.is_empty() => {
            expressions.push(standard_input(surroundings)?.trim().to_owned());
            input
        }
        Some(input) => input,
        None => standard_input(surroundings)?,
    };

    let arena = Arena::new();
    let document = match documents::read_json(&arena, &input) {
        Some(document) => document,
        None => {
            warn_of_others(&input, surroundings);
            portcullis_yaml::read(&arena, &input)
                .map_err(|error| anyhow!("failed to load the input: {error}"))?
        }
    };
    // As the reference reads numbers here: large ones lose their last digits.
    let document = document.with_float_numbers(&arena);
    for expression in &expressions {
        let compiled = compile(expression)?;
        let mut state = surroundings.seed;
        let mut budget = Budget::default();
        let mut context = Context {
            arena: &arena,
            budget: &mut budget,
            now: surroundings.now,
            random: &mut || splitmix(&mut state),
        };
        let value = compiled.search(document, &mut context).map_err(|error| {
            hinted(format!("error evaluating JMESPath expression: {error}"), hint(&compiled))
        })?;
        print(arguments, expression, value, surroundings).map_err(standard_output)?;
    }
    Ok(())
}

/// Says that documents behind the first one are not looked at, as in the reference.
fn warn_of_others(input: &str, surroundings: &mut Surroundings<'_>) {
    let documents = || portcullis_yaml::documents(input);
    if documents().nth(1).is_none() {
        return;
    }
    let is_given = |source: &Source<'_>| {
        let arena = Arena::new();
        !source.read(&arena).is_ok_and(|document| document.value.is_null())
    };
    let given = documents().flatten().filter(is_given).count();
    if given > 1 {
        let message = format!("the input holds {given} documents: expressions see the first one alone");
        diagnostics::warning(&mut surroundings.stderr, &message);
    }
}

/// What is to be done about an expression that cannot be evaluated, where that can be told.
fn hint(expression: &Expression) -> Option<String> {
    expression.problems().into_iter().find_map(|problem| match problem {
        Problem::UnknownFunction(name) => meant(&name),
        Problem::WrongNumberOfArguments { function, .. } => {
            let known = functions().find(|known| known.name == function)?;
            Some(format!("it is called as `{}`", known.signature()))
        }
    })
}

fn print(
    arguments: &Arguments,
    expression: &str,
    value: Value<'_>,
    surroundings: &mut Surroundings<'_>,
) -> std::io::Result<()> {
    let stdout = &mut surroundings.stdout;
    writeln!(stdout, "# {expression}")?;
    match value {
        Value::String(text) if arguments.unquoted => writeln!(stdout, "{text}"),
        value => {
            let writer = if arguments.compact { json::Writer::compact() } else { json::Writer::indented(2) };
            writeln!(stdout, "{}", writer.escape_html().to_string(value))
        }
    }
}
