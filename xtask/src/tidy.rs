//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! A check looks at a [`Tree`] and returns findings; the tests give it small trees made by hand.

mod layers;
mod lexer;
mod links;
mod machine;
mod sources;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail};

use crate::command::{command, output_of};
use crate::{files, no_arguments, output};

pub(crate) const HELP: &str = "\
Checks what no compiler checks, in the files that git tracks or would:

  layers        a crate depends on lower layers alone, the core (layers 0 to 4) on nothing of the edge
  dependencies  every dependency of the workspace has a row in docs/dependencies.md, and that of a crate is named in its
                sources
  sources       every .rs file opens with `//!` and has at most 600 lines, or says `//! Long because ...` (900 at
                most); no mod.rs; no todo!, dbg!, #[ignore], sleep; in tests no `sleep_until` or `interval` without a line
                `//! Paced because ...`; no TODO without an issue; no files, clock, environment, network in the core
  machine       no path or host of the machine that a file was written on
  links         every relative link in a Markdown file leads somewhere";

/// A file that breaks a rule, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// Counted from 1.
    line: usize,
    message: String,
}

impl Finding {
    fn new(file: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding { file: file.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// The text files of the repository, by their path from its root; files that are not text have none.
#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// What git tracks, and what it would track once added.
    fn of_repository() -> Result<Tree> {
        let listed = output_of(&mut command("git ls-files --cached --others --exclude-standard -z"))?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let full = files::root().join(path);
            // A file that is deleted but not yet staged is listed still.
            if full.is_file() {
                files.insert(path.to_owned(), files::read_if_text(&full)?);
            }
        }
        Ok(Tree { files })
    }

    /// Path and text of the text files.
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Path and text of the files whose name ends so.
    fn texts_named(&self, suffix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(suffix))
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether a file or folder lies there.
    fn has(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    }
}

pub(crate) fn run(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    let tree = Tree::of_repository()?;
    let mut findings = check(&tree);
    findings.extend(machine::check(&tree, &machine::places_of_this_machine()));
    findings.sort();
    for finding in &findings {
        output::line(&finding.to_string());
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("one finding"),
        many => bail!("{many} findings"),
    }
}

/// Everything but the check that asks the machine.
fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = layers::check(tree, layers::LAYERS);
    findings.extend(layers::check_used(tree));
    findings.extend(layers::check_documented(tree));
    findings.extend(sources::check(tree));
    findings.extend(links::check(tree));
    findings
}

#[cfg(test)]
mod tests;
