//! The journal of a sweep: what was about to be done to which Job, and what came of it, line by line.
//!
//! ```json
//! {"at":"2026-09-25T09:00:00Z","cluster":"5b6c..","mode":"delete","plan":"sha256:.."}
//! {"at":"2026-09-25T09:00:01Z","fate":"intended","name":"report-1","namespace":"team-a","uid":"0d3f1f0e-.."}
//! {"at":"2026-09-25T09:00:01Z","fate":"done","name":"report-1","namespace":"team-a","uid":"0d3f1f0e-.."}
//! ```
//!
//! The last line about a Job counts. A line that a power cut has torn is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Item;
use crate::plan::{Digest, Mode, time};

/// What became of a planned Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is about to be touched: whether it was, is not known yet.
    Intended,
    /// It was not touched after all.
    Withdrawn,
    /// It was deleted, or given its TTL: the API server said so.
    Done,
    /// The answer was lost, and the Job is gone since, or has its TTL.
    Presumed,
    /// It was gone before it was touched.
    Gone,
    /// It is not what was planned any more; it was not touched.
    Skipped,
    /// Whether others of its group came back could not be seen; it was not touched.
    Waiting,
    /// It is what was planned, and something beside its manifest protects it, as what it owns; it was not touched.
    Guarded,
    /// The API server refused; it was not touched.
    Refused,
    /// No answer came, and it is not known what it would have been.
    Unknown,
}

impl Fate {
    /// Whether the Job is gone, or will be, by what was done here.
    pub fn is_ours(self) -> bool {
        matches!(self, Fate::Done | Fate::Presumed)
    }

    /// Whether another try would change nothing.
    fn is_final(self) -> bool {
        matches!(self, Fate::Done | Fate::Presumed | Fate::Gone | Fate::Skipped)
    }

    /// Whether the Job may have been touched, for all that is known.
    pub fn is_doubtful(self) -> bool {
        matches!(self, Fate::Intended | Fate::Unknown)
    }

    /// Whether it counts as an error.
    pub fn is_error(self) -> bool {
        matches!(self, Fate::Refused | Fate::Unknown)
    }
}

/// The first line: what this is the journal of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// In seconds since 1970-01-01 UTC, by the API server's clock.
    #[serde(with = "time")]
    pub at: i64,
    /// The uid of the namespace kube-system.
    pub cluster: String,
    pub mode: Mode,
    pub plan: Digest,
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(with = "time")]
    at: i64,
    fate: Fate,
    /// Who made it, where the plan does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    manager: String,
    name: String,
    namespace: String,
    uid: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
}

/// The last that is written about a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// In seconds since 1970-01-01 UTC.
    pub at: i64,
    pub fate: Fate,
    /// Who made it, where the plan does not say.
    pub manager: String,
    pub namespace: String,
    pub name: String,
    pub why: String,
}

/// A journal that was read.
#[derive(Clone, Debug)]
pub struct Journal {
    pub header: Header,
    /// By uid.
    entries: BTreeMap<String, Entry>,
    /// How many bytes of the text are whole lines; what stands behind them is to be cut off before more is written.
    pub length: usize,
}

/// Why a text is no journal.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the journal is none: {reason}")]
pub struct JournalError {
    line: usize,
    reason: String,
}

impl Header {
    /// The line, with its end.
    ///
    /// # Errors
    /// The time is beyond what can be written.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

impl Journal {
    /// A journal in which nothing but its header is written.
    pub fn new(header: Header) -> Self {
        Self { header, entries: BTreeMap::new(), length: 0 }
    }

    /// Reads a journal; `None` where not even its header was written.
    ///
    /// # Errors
    /// A line that is not the last cannot be read.
    pub fn read(text: &str) -> Result<Option<Self>, JournalError> {
        let mut journal: Option<Journal> = None;
        let mut length = 0;
        let mut lines = text.split_inclusive('\n').enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            let read = match &mut journal {
                None => serde_json::from_str(line).map(|header| journal = Some(Journal::new(header))),
                Some(journal) => serde_json::from_str(line).map(|line| journal.add(line)),
            };
            match read {
                Ok(()) if line.ends_with('\n') => length += line.len(),
                _ if lines.peek().is_none() => break,
                Ok(()) => {}
                Err(error) => return Err(JournalError { line: index + 1, reason: error.to_string() }),
            }
        }
        // A header without its end may be half of one.
        Ok(journal.filter(|_| length > 0).map(|journal| Journal { length, ..journal }))
    }

    fn add(&mut self, line: Line) {
        let Line { at, fate, manager, name, namespace, uid, why } = line;
        self.entries.insert(uid, Entry { at, fate, manager, namespace, name, why });
    }

    /// The last that is written about the Job with this uid.
    pub fn entry(&self, uid: &str) -> Option<&Entry> {
        self.entries.get(uid)
    }

    /// All entries with their uids, in the order of these.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(uid, entry)| (&**uid, entry))
    }
}

impl Entry {
    /// Whether nothing is to be done about the Job any more.
    pub(super) fn is_final(&self) -> bool {
        self.fate.is_final()
    }
}

/// Adds the line about `item`, which `manager` made, to `text`.
pub(super) fn write(text: &mut String, at: i64, item: &Item, manager: &str, fate: Fate, why: &str) {
    let line = Line {
        at,
        fate,
        manager: if item.manager.is_empty() { manager.to_owned() } else { String::new() },
        name: item.name.clone(),
        namespace: item.namespace.clone(),
        uid: item.uid.clone(),
        why: why.to_owned(),
    };
    // A time that is too far off to be written comes from no clock; the Job matters more.
    let line = serde_json::to_string(&line)
        .or_else(|_| serde_json::to_string(&Line { at: 0, ..line }))
        .unwrap_or_default();
    text.push_str(&line);
    text.push('\n');
}
