//! The recorded floor: the score that each class has reached and must not fall below.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::corpus::read_text;
use crate::score::Scores;

const HEAD: &str = "# The score that each class has reached: corpus, class, passed, all. `cargo xtask conformance --raise` writes it.\n";

/// The rows of `floor.tsv`, by corpus and class.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    rows: BTreeMap<(String, String), Row>,
}

#[derive(Debug)]
struct Row {
    passed: usize,
    all: usize,
}

impl Floor {
    pub(crate) fn read(path: &Path) -> Result<Floor> {
        Floor::parse(&read_text(path)?).with_context(|| format!("cannot read `{}`", path.display()))
    }

    pub(crate) fn parse(text: &str) -> Result<Floor> {
        let mut rows = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let columns: Vec<&str> = line.split('\t').collect();
            let [corpus, class, passed, all] = columns.as_slice() else {
                bail!("line {}: expected corpus, class, passed and all, with tabs between", index + 1);
            };
            let number = |text: &str| text.parse().with_context(|| format!("line {}: `{text}`", index + 1));
            let row = Row { passed: number(passed)?, all: number(all)? };
            rows.insert(((*corpus).to_owned(), (*class).to_owned()), row);
        }
        Ok(Floor { rows })
    }

    /// A sentence for each score below its floor. Corpora that did not run are left out.
    pub(crate) fn broken_by(&self, scores: &Scores<'_>) -> Vec<String> {
        let mut broken = Vec::new();
        for ((corpus, class), row) in &self.rows {
            if !scores.ran(corpus) {
                continue;
            }
            match scores.get(corpus, class) {
                None => broken
                    .push(format!("`{corpus}` has no class `{class}` any more: its floor is {}", row.passed)),
                Some(score) if score.passed < row.passed => broken.push(format!(
                    "`{corpus}` `{class}` passes {} of {}: its floor is {} of {}",
                    score.passed, score.all, row.passed, row.all
                )),
                Some(_) => {}
            }
        }
        broken
    }

    /// Takes every score that is above its floor, and every new class. Nothing is lowered: a floor that must fall is
    /// edited by hand, and the reason stands in the commit.
    pub(crate) fn raise(&mut self, scores: &Scores<'_>) {
        for corpus in &scores.corpora {
            for (class, score) in &corpus.classes {
                let key = (corpus.name.to_owned(), (*class).to_owned());
                let row = self.rows.entry(key).or_insert(Row { passed: 0, all: 0 });
                if score.passed >= row.passed {
                    *row = Row { passed: score.passed, all: score.all };
                }
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the error names the path")]
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.to_text()).with_context(|| format!("cannot write `{}`", path.display()))
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for ((corpus, class), row) in &self.rows {
            let _ = writeln!(text, "{corpus}\t{class}\t{}\t{}", row.passed, row.all);
        }
        text
    }
}
