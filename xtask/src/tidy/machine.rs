//! No file tells which machine it was written on.

use std::path::Path;

use super::{Finding, Tree};
use crate::files;

/// Where a machine keeps what its users own.
const HOMES: &[&str] = &["home", "Users"];

/// Folders that say nothing of a machine.
const COMMON: &[&str] = &["/", "/tmp", "/usr", "/opt", "/srv", "/var", "/mnt"];

/// What a name of a host ends with that only a private network knows.
const PRIVATE: &[&str] = &[".internal", ".intranet", ".lan", ".corp"];

/// The folder that the repository lies in, when it says something.
pub(super) fn places_of_this_machine() -> Vec<String> {
    let parent = files::root().parent().and_then(Path::to_str);
    let telling = parent.filter(|path| !COMMON.contains(path));
    telling.map(|path| format!("{path}/")).into_iter().collect()
}

/// Checks every text file but the lock file, whose sources are checked instead.
pub(super) fn check(tree: &Tree, places: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate() {
            let message =
                if path.ends_with("Cargo.lock") { foreign_source(line) } else { foreign(line, places) };
            findings.extend(message.map(|message| Finding::new(path, index + 1, message)));
        }
    }
    findings
}

fn foreign(line: &str, places: &[String]) -> Option<String> {
    let homes = HOMES.iter().map(|home| format!("/{home}/"));
    for place in places.iter().cloned().chain(homes) {
        if line.match_indices(&place).any(|(index, _)| starts_path(line, index)) {
            return Some(format!(
                "`{place}` is a folder of one machine: write the path from the root of the repository"
            ));
        }
    }
    let host = hosts(line).find(|host| PRIVATE.iter().any(|end| host.ends_with(end)))?;
    Some(format!("`{host}` is a host of one network: name a public one, or an example under `example.com`"))
}

/// Whether what stands before `index` lets a path begin there: `a/home/b` goes on with one.
fn starts_path(line: &str, index: usize) -> bool {
    let before = line.get(..index).and_then(|text| text.chars().next_back());
    !before.is_some_and(|c| c.is_alphanumeric() || "._-}$)".contains(c))
}

/// The hosts of the URLs in a line.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.split("://")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || "-.".contains(c))).next())
}

fn foreign_source(line: &str) -> Option<String> {
    let source = line.strip_prefix("source = \"")?.trim_end_matches('"');
    if source == "registry+https://github.com/rust-lang/crates.io-index" {
        return None;
    }
    Some(format!("`{source}` is not crates.io: take the dependency from there"))
}
