//! What may stand next on a command line that begins with `kubectl portcullis`.
//!
//! kubectl asks a program `kubectl_complete-portcullis`, where there is one in the path, and hands it the words behind
//! `portcullis`, the one that is being typed as the last. It wants one proposal a line, a description behind a tab, and on
//! the last line what the shell is to do beside that.

use clap::builder::StyledStr;
use clap::{Arg, Command};

/// What the shell is to do where nothing is proposed: propose files, or nothing.
const FILES: &str = ":0";
const NO_FILES: &str = ":4";

/// What kubectl wants to know: how `words` may go on, in a program whose whole command line is `command`.
pub(super) fn answer(mut command: Command, words: &[&str]) -> String {
    // Hands flags of all commands down to each.
    command.build();
    let (typed, before) = words.split_last().map_or(("", words), |(typed, before)| (*typed, before));
    let (command, expecting) = go_along(&command, before);
    let proposals = match expecting {
        Some(flag) => values(flag),
        None if typed.starts_with('-') => flags(command),
        None if command.has_subcommands() => commands(command),
        None => command.get_positionals().next().map(values).unwrap_or_default(),
    };
    let beside = if proposals.is_empty() { FILES } else { NO_FILES };
    let fitting = proposals.into_iter().filter(|(word, _)| word.starts_with(typed));
    let lines = fitting.map(|(word, what)| {
        let what = what.map(ToString::to_string).unwrap_or_default();
        format!("{word}\t{}\n", what.lines().next().unwrap_or_default())
    });
    format!("{}{beside}\n", lines.collect::<String>())
}

/// The command that `words` lead to, and the flag whose value is the next word, if it is one.
fn go_along<'c>(root: &'c Command, words: &[&str]) -> (&'c Command, Option<&'c Arg>) {
    let (mut command, mut expecting) = (root, None);
    for word in words {
        if expecting.take().is_some() {
            continue;
        }
        match command.find_subcommand(word) {
            Some(below) => command = below,
            None => expecting = flag(command, word).filter(|flag| flag.get_action().takes_values()),
        }
    }
    (command, expecting)
}

/// The flag of `command` that is written so, its value in a word of its own.
fn flag<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let name = word.strip_prefix('-')?;
    command.get_arguments().find(|argument| match name.strip_prefix('-') {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short().is_some_and(|short| name.chars().eq([short])),
    })
}

/// A word, and what it stands for.
type Proposal<'c> = (String, Option<&'c StyledStr>);

fn flags(command: &Command) -> Vec<Proposal<'_>> {
    let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
    shown.filter_map(|flag| Some((format!("--{}", flag.get_long()?), flag.get_help()))).collect()
}

fn commands(command: &Command) -> Vec<Proposal<'_>> {
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.map(|below| (below.get_name().to_owned(), below.get_about())).collect()
}

/// The words among which `argument` is a choice; none where it may be anything.
fn values(argument: &Arg) -> Vec<Proposal<'static>> {
    let values = argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    values.map(|value| (value.get_name().to_owned(), None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn proposed(words: &[&str]) -> (Vec<String>, String) {
        let answer = answer(crate::arguments::command(), words);
        let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
        let last = lines.pop().unwrap();
        (lines.iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect(), last)
    }

    #[test]
    fn commands_flags_and_values_are_proposed_where_they_may_stand_and_files_elsewhere() {
        for (words, fitting, beside) in [
            (&["jobs", "ap"][..], &["apply"][..], NO_FILES),
            (&["jobs", "x"], &[], NO_FILES),
            (&["jobs", "list", "--out"], &["--outcome"], NO_FILES),
            (&["jobs", "list", "--sort-by", "o"], &["oldest"], NO_FILES),
            (&["jobs", "list", "--from", ""], &[], FILES),
            (&["jobs", "list", "-n", "jobs", "--older"], &["--older-than"], NO_FILES),
            (&["jobs", "apply", "pl"], &[], FILES),
            (&["completion", "ba"], &["bash"], NO_FILES),
        ] {
            let fitting = fitting.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(proposed(words), (fitting, beside.to_owned()), "{words:?}");
        }
        assert!(proposed(&[""]).0.contains(&"jobs".to_owned()));
        assert!(proposed(&[]).0.contains(&"jobs".to_owned()));
    }

    #[test]
    fn a_proposal_says_on_its_line_what_it_stands_for() {
        let answer = answer(crate::arguments::command(), &["jobs", "undo", "--y"]);
        assert_eq!(answer, "--yes\tDo not ask\n:4\n");
    }
}
