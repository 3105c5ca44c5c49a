//! Counts results by corpus and class.

use std::collections::BTreeMap;

use crate::known::Known;
use crate::runner::CaseResult;

/// A corpus that was run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) corpus: &'static str,
    pub(crate) results: Vec<CaseResult>,
}

/// How many cases of a class gave the recorded answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) passed: usize,
    /// Answered differently on purpose.
    pub(crate) known: usize,
    pub(crate) all: usize,
}

impl Score {
    pub(crate) fn failed(self) -> usize {
        self.all.saturating_sub(self.passed).saturating_sub(self.known)
    }

    pub(crate) fn add(&mut self, other: Score) {
        self.passed += other.passed;
        self.known += other.known;
        self.all += other.all;
    }
}

/// A case that failed and is not known to differ.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) id: &'a str,
    pub(crate) reason: &'a str,
}

/// The scores of one corpus.
#[derive(Debug)]
pub(crate) struct CorpusScores<'a> {
    pub(crate) name: &'static str,
    pub(crate) classes: BTreeMap<&'a str, Score>,
    pub(crate) failures: Vec<Failure<'a>>,
    /// The case that took longest.
    pub(crate) slowest: Option<&'a CaseResult>,
}

/// The scores of a run.
#[derive(Debug)]
pub(crate) struct Scores<'a> {
    pub(crate) corpora: Vec<CorpusScores<'a>>,
}

impl<'a> Scores<'a> {
    /// Counts the results. A failure with a row in `known` counts apart.
    pub(crate) fn of(runs: &'a [Run], known: &mut Known) -> Scores<'a> {
        let corpora = runs.iter().map(|run| CorpusScores::of(run, known)).collect();
        Scores { corpora }
    }

    /// All classes of all corpora together.
    pub(crate) fn total(&self) -> Score {
        let mut total = Score::default();
        for score in self.corpora.iter().flat_map(|corpus| corpus.classes.values()) {
            total.add(*score);
        }
        total
    }

    pub(crate) fn get(&self, corpus: &str, class: &str) -> Option<Score> {
        self.corpora.iter().find(|scores| scores.name == corpus)?.classes.get(class).copied()
    }

    pub(crate) fn ran(&self, corpus: &str) -> bool {
        self.corpora.iter().any(|scores| scores.name == corpus)
    }
}

impl<'a> CorpusScores<'a> {
    fn of(run: &'a Run, known: &mut Known) -> CorpusScores<'a> {
        let mut classes: BTreeMap<&str, Score> = BTreeMap::new();
        let mut failures = Vec::new();
        for result in &run.results {
            let score = classes.entry(&result.class).or_default();
            score.all += 1;
            match &result.finding {
                Ok(()) => score.passed += 1,
                Err(_) if known.covers(run.corpus, &result.id) => score.known += 1,
                Err(reason) => failures.push(Failure { id: &result.id, reason }),
            }
        }
        let slowest = run.results.iter().max_by_key(|result| result.took);
        CorpusScores { name: run.corpus, classes, failures, slowest }
    }
}
