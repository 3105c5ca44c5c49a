//! What is wrong with the arguments, told as every other mistake: a sentence, and a hint.

use std::error::Error;
use std::num::{IntErrorKind, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::written::Written;
use crate::exit::hinted;

/// What `error` says of the arguments `written`.
pub(super) fn told(error: &clap::Error, written: &Written<'_>) -> anyhow::Error {
    if error.kind() == ErrorKind::UnknownArgument {
        let value = word(error, ContextKind::InvalidArg).and_then(|word| written.as_value(word));
        if let Some(error) = value {
            return told(&error, written);
        }
    }
    let known = format!("`{} --help` tells what there is", written.name);
    let hint = suggestion(error).map_or(known, |word| format!("did you mean `{word}`?"));
    hinted(message(error, written), Some(hint))
}

fn message(error: &clap::Error, written: &Written<'_>) -> String {
    let command = &*written.name;
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
            let variable = written.environment(argument).map(|variable| variable.display());
            let what = if let (Some(variable), true) = (variable, value.is_empty()) {
                format!("`{argument}` has no value: the environment variable `{variable}` is empty")
            } else if value.is_empty() {
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
            // A flag is needed only where another one is given.
            let flags: Vec<_> = missing.iter().filter(|word| word.starts_with('-')).cloned().collect();
            match written.needing(&flags) {
                Some(flag) => format!("`{flag}` of `{command}` needs {}", quoted(&flags, "and")),
                None => format!("`{command}` needs {}", quoted(missing, "and")),
            }
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

pub(super) fn words(error: &clap::Error, kind: ContextKind) -> &[String] {
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
    use crate::arguments::written::Written;
    use crate::exit::Hinted;

    #[track_caller]
    fn check(arguments: &[&str], message: &str, hint: &str) {
        let error = command().try_get_matches_from(arguments).unwrap_err();
        let (root, written) = (command(), arguments.iter().map(Into::into).collect::<Vec<_>>());
        let error = super::told(&error, &Written::of(&root, &written));
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
            "`--batch-size <NUMBER>` of `portcullis apply` needs `--cluster`",
            help,
        );
        check(&["portcullis", "aply"], "`portcullis` has no command `aply`", "did you mean `apply`?");
    }

    #[test]
    fn the_flag_that_needs_another_is_named_and_a_negative_value_is_a_value() {
        let plan = |rest: &[&'static str]| [&["portcullis", "jobs", "plan"], rest].concat();
        let help = "`portcullis jobs plan --help` tells what there is";
        let needs = "`--group-by <LABEL>` of `portcullis jobs plan` needs `--keep-last <N>`";
        check(&plan(&["-A", "--group-by", "app", "-o", "plan.json"]), needs, help);
        check(&plan(&["-A", "--group-by=app"]), needs, help);
        let needs = "`--policies <PATH>` of `portcullis jobs plan` needs `--missed` and `--from <FILE>`";
        check(&plan(&["-nteam-a", "--policies", "a.yaml"]), needs, help);
        let number = "`-1` is no value of `--keep-last <N>`: write a whole number, as `3`";
        check(&plan(&["-A", "--keep-last", "-1"]), number, help);
        let age = "`-5d` is no value of `--older-than <AGE>`: write a whole number and a unit, as `90s`, `15m`, `24h`, `7d` or `2d10h`";
        check(&plan(&["--older-than", "-5d", "-A"]), age, help);
        check(&plan(&["-A", "-1"]), "`portcullis jobs plan` has no flag `-1`", help);
    }
}
