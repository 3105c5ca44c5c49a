//! The corpus `kyverno-cli`: the tests of policies that people have, a folder each, run by `portcullis test`.
//!
//! Compared are the summary and the exit code, with what the reference's command line said of the same folder.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command_line;
use crate::corpus::{Case, Corpus, Finding, read_json_lines, read_text};

pub(crate) const CORPUS: Corpus = Corpus { name: "kyverno-cli", cases };

/// The kinds of policies in a folder that is run; each of them has to be one of these.
const KINDS: &[&str] = &[
    "kpol-validate",
    "kpol-podsecurity",
    "kpol-mutate",
    "kpol-mutate-existing",
    "kpol-generate",
    "kpol-manifests",
];

/// Whether folders of `class` are run: kinds of policies with `+` between.
pub(crate) fn is_run(class: &str) -> bool {
    class.split('+').all(|kind| KINDS.contains(&kind))
}

#[derive(Deserialize)]
struct Recorded {
    folder: String,
    args: Vec<String>,
    exit: u8,
    stdout: String,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut recorded = HashMap::new();
    for row in read_json_lines::<Recorded>(&root.join("cli-output/cases.jsonl"))? {
        if row.args == ["test", ".", "--remove-color"] {
            recorded.insert(row.folder.clone(), row);
        }
    }
    let manifest = read_text(&root.join("kyverno-cli/MANIFEST.tsv"))?;
    let mut cases = Vec::new();
    for line in manifest.lines().skip(1) {
        let [folder, class, need, ..] = *line.split('\t').collect::<Vec<_>>() else { continue };
        if need != "offline" || !is_run(class) {
            continue;
        }
        let recorded =
            recorded.remove(folder).with_context(|| format!("no answer is recorded for `{folder}`"))?;
        let place = root.join("kyverno-cli").join(folder);
        cases.push(Case::new(folder, class, move || check(&recorded, &place)));
    }
    Ok(cases)
}

fn check(recorded: &Recorded, folder: &Path) -> Finding {
    let left = command_line::run(&recorded.args, folder);
    let summary =
        |text: &str| text.lines().find(|line| line.starts_with("Test Summary: ")).map(str::to_owned);
    let (want, got) = (summary(&recorded.stdout), summary(&left.stdout));
    if want == got && recorded.exit == left.exit {
        return Ok(());
    }
    let show = |summary: Option<String>, exit| format!("{} (exit {exit})", summary.unwrap_or_default());
    let (want, got) = (show(want, recorded.exit), show(got, left.exit));
    Err(format!("want {want} | got {got}\n{}{}", left.stdout, left.stderr))
}
