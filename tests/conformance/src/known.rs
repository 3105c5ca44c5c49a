//! The known differences: cases that are answered differently on purpose, each with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::corpus::read_text;
use crate::score::Run;

/// The rows of `known-differences.tsv`, by `CORPUS/ID`.
#[derive(Debug, Default)]
pub(crate) struct Known {
    rows: BTreeMap<String, Row>,
}

#[derive(Debug)]
struct Row {
    reason: String,
    /// Whether a case of this run differed as the row says.
    seen: bool,
}

impl Known {
    pub(crate) fn read(path: &Path) -> Result<Known> {
        Known::parse(&read_text(path)?).with_context(|| format!("cannot read `{}`", path.display()))
    }

    /// Parses rows of case and reason; a line that opens with `#` is a comment.
    pub(crate) fn parse(text: &str) -> Result<Known> {
        let mut rows = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let Some((case, reason)) = line.split_once('\t') else {
                bail!("line {number}: expected `CORPUS/ID`, a tab and the reason");
            };
            if !case.contains('/') || reason.trim().is_empty() {
                bail!("line {number}: expected `CORPUS/ID`, a tab and the reason");
            }
            let row = Row { reason: reason.to_owned(), seen: false };
            if rows.insert(case.to_owned(), row).is_some() {
                bail!("line {number}: `{case}` stands twice");
            }
        }
        Ok(Known { rows })
    }

    /// Whether a failing case is known to differ; remembers that it was asked.
    pub(crate) fn covers(&mut self, corpus: &str, id: &str) -> bool {
        match self.rows.get_mut(&format!("{corpus}/{id}")) {
            Some(row) => {
                row.seen = true;
                true
            }
            None => false,
        }
    }

    /// The rows that a case of this run needed: case and reason.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows.iter().filter(|(_, row)| row.seen).map(|(case, row)| (case.as_str(), row.reason.as_str()))
    }

    /// A sentence for each row that no case of this run needed: the case passes, or is gone.
    pub(crate) fn stale(&self, runs: &[Run]) -> Vec<String> {
        let corpus_of =
            |case: &str| case.split_once('/').map_or(String::new(), |(corpus, _)| corpus.to_owned());
        let ran = |case: &str| runs.iter().any(|run| run.corpus == corpus_of(case));
        let stale = self.rows.iter().filter(|(case, row)| !row.seen && ran(case));
        stale
            .map(|(case, _)| {
                format!("`{case}` does not differ any more: take its row out of known-differences.tsv")
            })
            .collect()
    }
}
