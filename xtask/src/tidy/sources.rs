//! The rules for Rust files.

use super::lexer::{self, Line};
use super::{Finding, Tree, layers};

/// Lines that a file may have without saying why, and with it.
const LONG: usize = 600;
const TOO_LONG: usize = 900;

/// Code that is found nowhere, and what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!", "write it, or leave the function out until it is needed"),
    ("unimplemented!", "write it, or return an error that says what is missing"),
    ("dbg!", "take it out before you commit"),
    ("#[ignore", "make the test run, or delete it"),
    ("sleep(", "wait for the event itself; time is a parameter"),
];

/// What makes a test depend on time that passes, but in a file that says why with a line `//! Paced because ...`.
const PACED: &[&str] = &["sleep_until(", "interval(", "interval_at("];

/// What the core has none of.
const IMPURE: &[(&str, &str)] = &[
    ("std::fs", "files are read at the edge and their text is handed in"),
    ("std::env", "the environment is read at the edge"),
    ("std::net", "the network is asked at the edge, as the answer to a question"),
    ("std::process", "other programs are run at the edge"),
    ("SystemTime::now", "time is part of the input"),
    ("Instant::now", "a deadline is a closure of the budget"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts_named(".rs") {
        check_file(path, text, &mut findings);
    }
    findings
}

fn check_file(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let mut found = |line: usize, message: String| findings.push(Finding::new(path, line, message));
    if path.ends_with("/mod.rs") {
        found(1, "name the file for what it holds: `foo.rs` beside `foo/`, not `foo/mod.rs`".to_owned());
    }
    if !text.starts_with("//!") {
        found(1, "open the file with `//!` and a sentence that says what it holds".to_owned());
    }
    let count = text.lines().count();
    if count > TOO_LONG {
        found(count, format!("{count} lines: split the file, {TOO_LONG} are the most"));
    } else if count > LONG && !text.lines().any(|line| line.starts_with("//! Long because ")) {
        found(count, format!("{count} lines: split the file, or say why with a line `//! Long because ...`"));
    }
    let is_core = layers::is_core_source(path);
    let may_pace = text.lines().any(|line| line.starts_with("//! Paced because "));
    let mut is_test = path.split('/').any(|part| part == "tests" || part == "tests.rs");
    for (index, line) in lexer::lines(text).iter().enumerate() {
        // They are at the end of a file.
        is_test |= line.code.starts_with("mod tests {");
        for call in PACED {
            if is_test && !may_pace && has_call(&line.code, call) {
                let why = "wait for the event itself, or say why with a line `//! Paced because ...`";
                found(index + 1, format!("`{call}` has no place in a test: {why}"));
            }
        }
        for (call, advice) in FORBIDDEN {
            if has_call(&line.code, call) {
                found(index + 1, format!("`{call}` has no place here: {advice}"));
            }
        }
        for (call, advice) in IMPURE {
            if is_core && names(&line.code, call) {
                found(index + 1, format!("the core has no `{call}`: {advice}"));
            }
        }
        if let Some(word) = open_note(line) {
            found(
                index + 1,
                format!("`{word}` needs an issue, as in `{word}(#12)`; better do it, or leave it out"),
            );
        }
    }
}

/// Whether `call` stands in the code as a word of its own.
fn has_call(code: &str, call: &str) -> bool {
    let before = |index: usize| code.get(..index).and_then(|text| text.chars().next_back());
    code.match_indices(call).any(|(index, _)| !before(index).is_some_and(|c| c.is_alphanumeric() || c == '_'))
}

/// Whether the code names `path`, spelled out or in braces: `use std::{env, fs};`.
pub(super) fn names(code: &str, path: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let spelled = code.match_indices(path).any(|(index, _)| code.get(index + path.len()..).is_some_and(ends));
    let in_braces = path.strip_prefix("std::").is_some_and(|module| {
        let list = code.split_once("std::{").map_or("", |(_, list)| list);
        list.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == module)
    });
    spelled || in_braces
}

/// A note in a comment that names no issue.
fn open_note(line: &Line) -> Option<&'static str> {
    ["TODO", "FIXME", "XXX"].into_iter().find(|word| {
        let notes = line.comment.match_indices(word);
        notes.into_iter().any(|(index, _)| {
            !line.comment.get(index + word.len()..).is_some_and(|rest| rest.starts_with("(#"))
        })
    })
}
