//! What is wrong with the arguments, told as every other mistake: a sentence, and a hint.

use std::error::Error;
use std::num::{IntErrorKind, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::hinted;

/// What `error` says of the arguments of `command`, which is `portcullis apply` for one.
pub(super) fn told(error: &clap::Error, command: &str) -> anyhow::Error {
    let known = format!("`{command} --help` tells what there is");
    let hint = suggestion(error).map_or(known, |word| format!("did you mean `{word}`?"));
    hinted(message(error, command), Some(hint))
}

fn message(error: &clap::Error, command: &str) -> String {
    let argument = word(error, ContextKind::InvalidArg);
    let value = word(error, ContextKind::InvalidValue);
    match (error.kind(), argument, value) {
        (ErrorKind::UnknownArgument, Some(argument), _) if argument.starts_with('-') => {
            format!("`{command}` has no flag `{argument}`")
        }
        (ErrorKind::UnknownArgument, Some(argument), _) => {
            format!("`{command}` has no use for `{argument}`")
        }
        (ErrorKind::InvalidSubcommand, ..) => {
            let given = word(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("`{command}` has no command `{given}`")
        }
        (ErrorKind::InvalidValue, Some(argument), Some(value)) => {
            let what = if value.is_empty() {
                format!("`{argument}` has no value")
            } else {
                format!("`{value}` is no value of `{argument}`")
            };
            match words(error, ContextKind::ValidValue) {
                [] => what,
                values => format!("{what}: it is {}", quoted(values, "or")),
            }
        }
        (ErrorKind::ValueValidation, Some(argument), Some(value)) => {
            let why = error.source().map_or_else(String::new, |source| format!(": {}", reason(source)));
            format!("`{value}` is no value of `{argument}`{why}")
        }
        (ErrorKind::ArgumentConflict, Some(argument), _) => match words(error, ContextKind::PriorArg) {
            [other] if other == argument => format!("`{argument}` is given twice"),
            [] => format!("`{argument}` does not go with the other arguments"),
            others => format!("`{argument}` does not go with {}", quoted(others, "and")),
        },
        (ErrorKind::MissingRequiredArgument, ..) => {
            let missing = words(error, ContextKind::InvalidArg);
            // A flag is needed only where another one is given, which the parser does not name.
            let with =
                if missing.iter().any(|word| word.starts_with('-')) { "with these arguments " } else { "" };
            format!("{with}`{command}` needs {}", quoted(missing, "and"))
        }
        // What else there is, in the words of the parser.
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    }
}

/// Why a value is none, without the words of Rust.
fn reason(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<ParseIntError>().map(ParseIntError::kind) {
        Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => "the number is too large".to_owned(),
        Some(_) => "write a whole number".to_owned(),
        None => error.to_string().replace("..=", " to "),
    }
}

/// What was probably meant.
fn suggestion(error: &clap::Error) -> Option<&str> {
    [ContextKind::SuggestedArg, ContextKind::SuggestedValue, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| words(error, kind).first())
        .map(String::as_str)
}

fn word(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    words(error, kind).first().map(String::as_str)
}

fn words(error: &clap::Error, kind: ContextKind) -> &[String] {
    match error.get(kind) {
        Some(ContextValue::String(word)) => std::slice::from_ref(word),
        Some(ContextValue::Strings(words)) => words,
        _ => &[],
    }
}

/// `` `a`, `b` or `c` ``.
fn quoted(words: &[String], last: &str) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [before @ .., word] if !before.is_empty() => format!("{} {last} {word}", before.join(", ")),
        words => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use crate::arguments::command;
    use crate::exit::Hinted;

    #[track_caller]
    fn check(arguments: &[&str], message: &str, hint: &str) {
        let error = command().try_get_matches_from(arguments).unwrap_err();
        let error = super::told(&error, "portcullis apply");
        let told = error.downcast_ref::<Hinted>().unwrap();
        assert_eq!((told.message.as_str(), told.hint.as_str()), (message, hint));
    }

    #[test]
    fn mistakes_name_the_words_that_were_written_and_what_was_meant() {
        let apply = |rest: &[&'static str]| [&["portcullis", "apply"], rest].concat();
        let help = "`portcullis apply --help` tells what there is";
        check(
            &apply(&["--resorce", "a.yaml"]),
            "`portcullis apply` has no flag `--resorce`",
            "did you mean `--resource`?",
        );
        check(
            &apply(&["--format", "jsno"]),
            "`jsno` is no value of `--format <FORMAT>`: it is `text`, `table`, `json` or `yaml`",
            "did you mean `json`?",
        );
        check(
            &apply(&["--format"]),
            "`--format <FORMAT>` has no value: it is `text`, `table`, `json` or `yaml`",
            help,
        );
        check(&apply(&["--resource"]), "`--resource <PATH>` has no value", help);
        check(
            &apply(&["--warn-exit-code", "many"]),
            "`many` is no value of `--warn-exit-code <CODE>`: write a whole number",
            help,
        );
        check(
            &apply(&["--table", "--format", "json"]),
            "`--table` does not go with `--format <FORMAT>`",
            help,
        );
        check(&apply(&["--diff", "--diff"]), "`--diff` is given twice", help);
        check(
            &apply(&["--batch-size", "5"]),
            "with these arguments `portcullis apply` needs `--cluster`",
            help,
        );
        check(&["portcullis", "aply"], "`portcullis apply` has no command `aply`", "did you mean `apply`?");
    }
}
