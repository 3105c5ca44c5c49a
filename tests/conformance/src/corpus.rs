//! What a corpus is: a name and the cases read from its folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

/// A folder of cases with recorded answers.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// The first column of the score.
    pub(crate) name: &'static str,
    /// Reads the cases; `root` is the folder of all corpora.
    pub(crate) cases: fn(root: &Path) -> Result<Vec<Case>>,
}

/// What a case finds: nothing, or how the answer differs. The text may have several lines; the first is shown in lists.
pub(crate) type Finding = Result<(), String>;

/// One question with its recorded answer.
pub(crate) struct Case {
    /// Unique in its corpus and stable: the floor and the known differences name it.
    pub(crate) id: String,
    /// The second column of the score, such as the kind of question.
    pub(crate) class: String,
    run: Box<dyn FnOnce() -> Finding + Send>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Case({}, {})", self.id, self.class)
    }
}

impl Case {
    /// A case that passes when `run` returns `Ok`; a panic in it is a failure.
    pub(crate) fn new(
        id: impl Into<String>,
        class: impl Into<String>,
        run: impl FnOnce() -> Finding + Send + 'static,
    ) -> Case {
        Case { id: id.into(), class: class.into(), run: Box::new(run) }
    }

    pub(crate) fn run(self) -> Finding {
        (self.run)()
    }

    /// Whether `wanted` is this case's id, alone or behind the name of its corpus.
    pub(crate) fn is_named(&self, corpus: &str, wanted: &str) -> bool {
        wanted == self.id
            || wanted.strip_prefix(corpus).and_then(|rest| rest.strip_prefix('/')) == Some(self.id.as_str())
    }
}

impl Corpus {
    /// Reads the cases and checks that no two share an id.
    pub(crate) fn load(&self, root: &Path) -> Result<Vec<Case>> {
        let cases = (self.cases)(root).with_context(|| format!("cannot read the corpus `{}`", self.name))?;
        let mut ids = HashSet::new();
        for case in &cases {
            if !ids.insert(case.id.as_str()) {
                bail!("the corpus `{}` has two cases with the id `{}`", self.name, case.id);
            }
            if case.id.contains(['\t', '\n']) || case.class.contains(['\t', '\n']) {
                bail!("the id and class of `{}/{}` must not hold tabs or line ends", self.name, case.id);
            }
        }
        Ok(cases)
    }
}

/// Reads a text file; the error names it.
#[expect(clippy::disallowed_methods, reason = "the corpora are files, and the error names the path")]
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Reads a file that need be no text; the error names it.
#[expect(clippy::disallowed_methods, reason = "the corpora are files, and the error names the path")]
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The files of `folder` whose names begin with `prefix`, sorted; the error names the folder.
pub(crate) fn files(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot list `{}`", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a file of JSON Lines; the error names the file and the line.
pub(crate) fn read_json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = read_text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("`{}:{}`", path.display(), index + 1))
        })
        .collect()
}
