//! What is shown of a test that failed: the ends of the logs, and last the reason, all of it short, since of a long run people
//! see the end. The whole is kept in files.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, anyhow};

use crate::files;

/// Names the folder that keeps the logs of tests that failed; `cargo xtask e2e` sets it.
const VARIABLE: &str = "PORTCULLIS_FAILURES";

/// How many lines are shown: of the log of each component of the control plane, and of all others together.
const OF_COMPONENTS: usize = 1;
const OF_OTHERS: usize = 20;

/// How many characters of a line are shown, and of a reason at its beginning and at its end.
const LINE: usize = 220;
const REASON: (usize, usize) = (1_500, 500);

/// What lasts longer than a test, and what of it is for programs to read.
const COMPONENTS: [&str; 6] =
    ["etcd", "folder", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"];
const AUDIT: &str = "audit.log";

/// Keeps all logs in this folder, and shows the ends of those that are not empty.
pub(crate) fn show_logs(folder: &Path, test: &str) {
    let mut names = logs(folder);
    // What is likely to tell comes last.
    names.sort_by_key(|name| (!is_component(name), name.clone()));
    let others = names.iter().filter(|name| !is_component(name)).count().max(1);
    for name in names {
        let log = files::read(&folder.join(&name)).unwrap_or_else(|error| format!("{error:#}"));
        keep(test, &name, &log);
        if log.is_empty() || name == AUDIT {
            continue;
        }
        let count = if is_component(&name) { OF_COMPONENTS } else { OF_OTHERS.div_ceil(others) };
        say(&format!("---- end of {name}\n{}", last_lines(&log, count)));
    }
    if let Some(kept) = kept(test) {
        say(&format!("---- all logs: {}", kept.display()));
    }
}

/// Removes the logs of what a test has run, all of which has ended: they are nothing to the next one.
pub(crate) fn forget_logs(folder: &Path) {
    for name in logs(folder).iter().filter(|name| !is_component(name)) {
        // What is left would be shown once too often.
        let _ = files::remove(&folder.join(name));
    }
}

/// The names of the logs in this folder.
fn logs(folder: &Path) -> Vec<String> {
    let mut names = files::names_in(folder).unwrap_or_default();
    names.retain(|name| name.ends_with(".log"));
    names
}

fn is_component(log: &str) -> bool {
    log == AUDIT || COMPONENTS.iter().any(|name| log.strip_suffix(".log") == Some(name))
}

/// The reason of a failure, cut in the middle where it is long.
pub(crate) fn shortened(error: &Error, test: &str) -> Error {
    let reason = format!("{error:#}");
    let (begin, end) = REASON;
    let count = reason.chars().count();
    if count <= begin + end {
        return anyhow!(reason);
    }
    keep(test, "reason.txt", &reason);
    let first: String = reason.chars().take(begin).collect();
    let last: String = reason.chars().skip(count - end).collect();
    anyhow!("{first}\n[... {} characters ...]\n{last}", count - begin - end)
}

/// The last lines of a text, each cut.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(count);
    let cut = |line: &&str| line.chars().take(LINE).collect::<String>();
    lines.iter().skip(skipped).map(cut).collect::<Vec<_>>().join("\n")
}

/// The folder that keeps what there is of a test, where there is one.
#[expect(clippy::disallowed_methods, reason = "the task runner hands the folder over in the environment")]
fn kept(test: &str) -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(|folder| PathBuf::from(folder).join(test))
}

fn keep(test: &str, name: &str, text: &str) {
    let write = |folder: &Path| -> Result<()> { files::write(&folder.join(name), text) };
    if let Some(folder) = kept(test)
        && let Err(error) = files::make_folder(&folder).and_then(|()| write(&folder))
    {
        say(&format!("{error:#}"));
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the test runner captures what is printed so, and shows it after a failure"
)]
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_keeps_its_beginning_and_its_end() {
        let told = shortened(&anyhow!("{}", "x".repeat(9_999)).context("waited in vain"), "test").to_string();
        assert!(told.starts_with("waited in vain: xxx") && told.ends_with("xxx"), "{told}");
        assert!(told.chars().count() < 2_100, "{told}");
        assert_eq!(shortened(&anyhow!("short"), "test").to_string(), "short");
    }

    #[test]
    fn the_last_lines_of_a_log_are_cut() {
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines(&"y".repeat(999), 2).len(), LINE);
    }
}
