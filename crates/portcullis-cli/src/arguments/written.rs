//! The arguments as they were written, parsed again in part: of a mistake the parser does not tell all that it knows.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ErrorKind};

use super::mistake::words;

/// The words of a command line.
pub(super) struct Written<'w> {
    root: &'w clap::Command,
    /// The command that they name.
    command: &'w clap::Command,
    /// Its name, as `portcullis jobs list`.
    pub(super) name: String,
    /// The words up to it.
    path: &'w [OsString],
    /// Those that follow.
    rest: &'w [OsString],
}

impl<'w> Written<'w> {
    pub(super) fn of(root: &'w clap::Command, arguments: &'w [OsString]) -> Self {
        let mut name = root.get_bin_name().unwrap_or("portcullis").to_owned();
        let (mut command, mut length) = (root, arguments.len().min(1));
        for argument in arguments.iter().skip(1) {
            let Some(below) = argument.to_str().and_then(|word| command.find_subcommand(word)) else { break };
            command = below;
            length += 1;
            name = format!("{name} {}", command.get_name());
        }
        let (path, rest) = arguments.split_at(length);
        Self { root, command, name, path, rest }
    }

    /// The flag that needs one of `missing`: given alone it needs the same.
    pub(super) fn needing(&self, missing: &[String]) -> Option<String> {
        let mut rest = self.rest;
        while let [word, after @ ..] = rest {
            let mut given = 1;
            if let Some(Flag { argument, wants_value }) = self.flag(word) {
                given += usize::from(wants_value).min(after.len());
                let alone = self.path.iter().chain(rest.iter().take(given));
                let error = self.parse(alone.cloned().collect());
                let needs = |error: &clap::Error| {
                    error.kind() == ErrorKind::MissingRequiredArgument
                        && words(error, ContextKind::InvalidArg).iter().any(|word| missing.contains(word))
                };
                if error.as_ref().is_some_and(needs) {
                    return Some(shown(argument));
                }
            }
            rest = rest.get(given..).unwrap_or_default();
        }
        None
    }

    /// What is wrong with a word that begins as `start` and was taken for a flag, if it is the value of the one before it: a
    /// negative number.
    pub(super) fn as_value(&self, start: &str) -> Option<clap::Error> {
        let is_negative =
            start.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let of_flag = |pair: &[OsString]| match pair {
            [flag, value] => {
                let begins = value.as_encoded_bytes().starts_with(start.as_bytes());
                begins && self.flag(flag).is_some_and(|flag| flag.wants_value)
            }
            _ => false,
        };
        let index = self.rest.windows(2).position(of_flag).filter(|_| is_negative)?;
        let (before, after) = self.rest.split_at(index);
        let [flag, value, after @ ..] = after else { return None };
        let mut joined = flag.clone();
        joined.push("=");
        joined.push(value);
        let all = self.path.iter().chain(before).chain([&joined]).chain(after);
        let error = self.parse(all.cloned().collect())?;
        matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue).then_some(error)
    }

    /// The environment variable that gives the flag which messages name so, if it stands in no word.
    pub(super) fn environment(&self, flag: &str) -> Option<&OsStr> {
        let argument = self.command.get_arguments().find(|argument| shown(argument) == flag)?;
        let is_it = |word: &OsString| self.flag(word).is_some_and(|flag| flag.argument == argument);
        argument.get_env().filter(|_| !self.rest.iter().any(is_it))
    }

    fn parse(&self, arguments: Vec<OsString>) -> Option<clap::Error> {
        self.root.clone().try_get_matches_from(arguments).err()
    }

    /// The flag that `word` gives.
    fn flag(&self, word: &OsStr) -> Option<Flag<'w>> {
        let word = word.to_str()?;
        let find = |is_it: &dyn Fn(&clap::Arg) -> bool| {
            self.command.get_arguments().find(|argument| is_it(argument))
        };
        let (argument, has_value) = match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(long), _) => {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let names = |argument: &clap::Arg| {
                    argument.get_long_and_visible_aliases().is_some_and(|names| names.contains(&name))
                };
                (find(&names)?, value.is_some())
            }
            (None, Some(short)) => {
                let letter = short.chars().next()?;
                (find(&|argument| argument.get_short() == Some(letter))?, short.len() > letter.len_utf8())
            }
            (None, None) => return None,
        };
        Some(Flag { argument, wants_value: argument.get_action().takes_values() && !has_value })
    }
}

/// A flag that is given.
struct Flag<'w> {
    argument: &'w clap::Arg,
    /// Whether its value is the next word.
    wants_value: bool,
}

/// A flag as messages name it: `--keep-last <N>`. The parser shows none that it has not made ready itself.
fn shown(argument: &clap::Arg) -> String {
    let flag = match (argument.get_long(), argument.get_short()) {
        (None, Some(letter)) => format!("-{letter}"),
        (long, _) => format!("--{}", long.unwrap_or_default()),
    };
    let takes_values = argument.get_action().takes_values();
    let values = argument.get_value_names().filter(|_| takes_values).unwrap_or_default();
    values.iter().fold(flag, |shown, value| format!("{shown} <{value}>"))
}
