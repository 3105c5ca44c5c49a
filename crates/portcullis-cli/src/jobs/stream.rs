//! Jobs from a stream of JSON: lists of any size, and documents one after the other.

use std::io::{self, Read};
use std::str;

use portcullis_retention::{Alike, Interest, JobFacts, NotAJob, read_job, scan_job};
use portcullis_value::json::{self, Lists, Part, Stop};
use portcullis_value::{Arena, Value};

/// How much of the stream is held at once, to begin with.
const BUFFER: usize = 256 << 10;
/// The largest Job that is read; of lists there is no limit.
const LARGEST_JOB: usize = 64 << 20;

/// The kinds of lists that Jobs come in.
const LIST: &str = "List";
const JOB_LIST: &str = "JobList";

/// Longer than anything that a scanner takes at once.
const END: [u8; 16] = [b' '; 16];

/// Why a stream cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("{}", portcullis_cluster::system_reason(.0))]
    Read(io::Error),
    #[error("there is nothing in it")]
    Empty,
    #[error("it is not text in UTF-8")]
    NotText,
    #[error("it ends in the middle of {}", after(.0))]
    CutShort(u64),
    #[error("it is no JSON{} at byte {byte}: {error}", past(.number))]
    Fault { number: u64, byte: u64, error: String },
    #[error("item {number}{} is no Job: {error}", called(.name))]
    NotAJob { number: u64, name: Option<String>, error: NotAJob },
    #[error("it is neither a list of Jobs, which has `items`, nor a Job: {0}")]
    NoList(NotAJob),
    #[error("it is a `{0}` without a list under `items`")]
    NoItems(Box<str>),
    #[error("it holds a `{0}`, not Jobs")]
    OtherList(String),
    #[error("a Job in it is larger than {LARGEST_JOB} bytes")]
    TooLarge,
    /// Who is told of the Jobs cannot take one.
    #[error("{0}")]
    Taker(String),
    #[error("{0}")]
    Full(#[from] portcullis_retention::Full),
}

fn past(items: &u64) -> String {
    if *items == 0 { String::new() } else { format!(" after item {items},") }
}

fn called(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(", `{name}`,")).unwrap_or_default()
}

fn after(items: &u64) -> String {
    match items {
        0 => "the first item".to_owned(),
        1 => "the list, after its first item".to_owned(),
        items => format!("the list, after {items} items"),
    }
}

impl StreamError {
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            StreamError::Empty | StreamError::CutShort(_) => Some(
                "the command that wrote it may have failed: `kubectl get jobs -A -o json > jobs.json` alone shows that",
            ),
            StreamError::Fault { .. }
            | StreamError::NotText
            | StreamError::NotAJob { .. }
            | StreamError::NoList(_)
            | StreamError::NoItems(_)
            | StreamError::OtherList(_) => Some("give a list of Jobs as JSON: `kubectl get jobs -A -o json`"),
            _ => None,
        }
    }
}

/// What was in a stream beside its Jobs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Items that are of another kind.
    pub(crate) others: u64,
    /// Where the list goes on, if it does: the stream holds a part of it.
    pub(crate) continues: Option<Continues>,
}

/// The rest of a list that was asked for in pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Continues {
    /// What to ask for the next page with.
    pub(crate) token: String,
    /// How many items are left, where that was said.
    pub(crate) remaining: Option<i64>,
}

/// Reads all Jobs of `reader`; `each` is told of every one, with its text.
///
/// # Errors
/// The stream cannot be read to its end, or holds something else.
pub(crate) fn read(
    reader: &mut dyn Read,
    interest: &Interest,
    each: &mut dyn FnMut(&JobFacts<'_>, &str) -> Result<(), StreamError>,
) -> Result<Ends, StreamError> {
    let mut window = Window::new(reader);
    let mut jobs =
        Jobs { lists: Lists::default(), interest, each, number: 0, documents: 0, ends: Ends::default() };
    let mut offset = 0;
    loop {
        window.fill()?;
        let text = window.text()?;
        let (taken, stop) = jobs.take(text)?;
        offset += taken as u64;
        match stop {
            Stop::CutShort if !window.is_at_end => {}
            Stop::CutShort
                if jobs.lists.is_inside() || !text.get(taken..).unwrap_or_default().trim().is_empty() =>
            {
                return Err(StreamError::CutShort(jobs.number));
            }
            Stop::CutShort if jobs.documents == 0 => return Err(StreamError::Empty),
            Stop::CutShort => return Ok(jobs.ends),
            Stop::Fault => return Err(jobs.fault(text.get(taken..).unwrap_or_default(), offset)),
        }
        window.drop_front(taken);
    }
}

/// The part of the stream that is in memory.
struct Window<'r> {
    reader: &'r mut dyn Read,
    bytes: Vec<u8>,
    /// How many of the bytes were read.
    length: usize,
    is_at_end: bool,
}

impl<'r> Window<'r> {
    fn new(reader: &'r mut dyn Read) -> Self {
        Self { reader, bytes: vec![0; BUFFER], length: 0, is_at_end: false }
    }

    /// Reads on, with more room where what is there fills it.
    fn fill(&mut self) -> Result<(), StreamError> {
        if self.is_at_end {
            return Ok(());
        }
        if self.length == self.bytes.len() {
            if self.bytes.len() >= LARGEST_JOB {
                return Err(StreamError::TooLarge);
            }
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        while let Some(room) = self.bytes.get_mut(self.length..).filter(|room| !room.is_empty()) {
            match self.reader.read(room) {
                Ok(0) => {
                    self.end();
                    break;
                }
                Ok(read) => self.length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StreamError::Read(error)),
            }
        }
        Ok(())
    }

    /// Nothing more comes: blanks tell what is no JSON from what may go on.
    fn end(&mut self) {
        if !self.is_at_end {
            self.is_at_end = true;
            self.bytes.truncate(self.length);
            self.bytes.extend_from_slice(&END);
            self.length = self.bytes.len();
        }
    }

    /// What is there, without a character of which a part is missing.
    fn text(&self) -> Result<&str, StreamError> {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        let valid = match str::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(error) if error.error_len().is_none() && !self.is_at_end => error.valid_up_to(),
            Err(_) => return Err(StreamError::NotText),
        };
        bytes.get(..valid).and_then(|bytes| str::from_utf8(bytes).ok()).ok_or(StreamError::NotText)
    }

    fn drop_front(&mut self, taken: usize) {
        self.bytes.copy_within(taken..self.length, 0);
        self.length -= taken;
    }
}

struct Jobs<'i> {
    lists: Lists,
    interest: &'i Interest,
    each: &'i mut dyn FnMut(&JobFacts<'_>, &str) -> Result<(), StreamError>,
    /// How many items were taken.
    number: u64,
    documents: u64,
    ends: Ends,
}

impl Jobs<'_> {
    /// Takes what is complete in `text`; says how much that was, and what stopped it.
    fn take(&mut self, text: &str) -> Result<(usize, Stop), StreamError> {
        let mut taken = 0;
        let mut alike = Alike::default();
        loop {
            let rest = text.get(taken..).unwrap_or_default();
            let interest = self.interest;
            let part = self.lists.next(rest, |scanner| {
                scanner.skip_blanks();
                let start = scanner.at();
                let facts = scan_job(scanner, interest, &mut alike)?;
                Some((facts, rest.get(start..scanner.at())?))
            });
            match part {
                Ok((part, length)) => {
                    taken += length;
                    self.part(part)?;
                }
                Err(stop) => return Ok((taken, stop)),
            }
        }
    }

    fn part<'t>(&mut self, part: Part<'t, (JobFacts<'t>, &'t str)>) -> Result<(), StreamError> {
        match part {
            Part::Item((facts, text)) => {
                self.number += 1;
                (self.each)(&facts, text)
            }
            Part::Unread(text) => {
                self.number += 1;
                self.unread(text)
            }
            Part::Document(text) => {
                self.documents += 1;
                self.number += 1;
                self.document(text)
            }
            Part::End => {
                self.documents += 1;
                Ok(())
            }
            Part::Member("metadata", text) => {
                self.ends.continues = self.ends.continues.take().or_else(|| continues(text));
                Ok(())
            }
            Part::Member("kind", text) => match text.trim_matches('"') {
                LIST | JOB_LIST => Ok(()),
                other => Err(StreamError::OtherList(other.to_owned())),
            },
            Part::Member(..) => Ok(()),
        }
    }

    /// An item that is not written plainly, or is of another kind.
    fn unread(&mut self, text: &str) -> Result<(), StreamError> {
        match read_job(&Arena::new(), text, self.interest) {
            Ok(facts) => (self.each)(&facts, text),
            Err(NotAJob::Kind(_)) => {
                self.ends.others += 1;
                Ok(())
            }
            Err(error) => Err(StreamError::NotAJob { number: self.number, name: name(text), error }),
        }
    }

    /// A document that is no list. That of another kind is no empty list: an API server may have said what is wrong.
    fn document(&mut self, text: &str) -> Result<(), StreamError> {
        match read_job(&Arena::new(), text, self.interest) {
            Ok(facts) => (self.each)(&facts, text),
            Err(NotAJob::Kind(kind)) if matches!(&*kind, LIST | JOB_LIST) => Err(StreamError::NoItems(kind)),
            Err(error) => Err(StreamError::NoList(error)),
        }
    }

    /// Why `text`, which is `offset` bytes into the stream and at whose start a part ought to be, is none.
    fn fault(&self, text: &str, offset: u64) -> StreamError {
        // Behind a part stands a comma, which belongs between two.
        let rest = text.trim_start();
        let byte = |at: usize| offset + (text.len() - at) as u64;
        let rest = match rest.strip_prefix(',') {
            Some(rest) => rest,
            None if self.lists.is_behind_part() => {
                let byte = byte(rest.len()) + 1;
                return StreamError::Fault { number: self.number, byte, error: "expected `,`".to_owned() };
            }
            None => rest,
        };
        let opening = self.lists.opening();
        let document = format!("{opening}{rest}");
        let Err(error) = json::read(&Arena::new(), &document) else {
            return StreamError::CutShort(self.number);
        };
        let line: usize =
            document.split_inclusive('\n').take(error.line.saturating_sub(1)).map(str::len).sum();
        let at = (line + error.column).saturating_sub(opening.len()).max(1);
        StreamError::Fault {
            number: self.number,
            byte: byte(rest.len()) + at as u64,
            error: error.to_string(),
        }
    }
}

/// The namespace and name of what cannot be read as a Job, as far as it says them.
fn name(document: &str) -> Option<String> {
    let arena = Arena::new();
    let metadata = json::read(&arena, document).ok()?.get("metadata")?;
    let word = |key| metadata.get(key).and_then(Value::as_str).filter(|word| !word.is_empty());
    let namespace = word("namespace").map(|namespace| format!("{namespace}/")).unwrap_or_default();
    Some(namespace + word("name")?)
}

/// Where a list goes on, by its metadata.
fn continues(metadata: &str) -> Option<Continues> {
    let arena = Arena::new();
    let metadata = json::read(&arena, metadata).ok()?;
    let token = metadata.get("continue").and_then(Value::as_str).filter(|token| !token.is_empty())?;
    let remaining = metadata.get("remainingItemCount").and_then(Value::as_i64);
    Some(Continues { token: token.to_owned(), remaining })
}

#[cfg(test)]
mod tests;
