//! Streams of documents: where one ends and the next begins, as Kubernetes' own reader sees it.
//!
//! A line that starts with `---` ends a document; after it only blanks or a comment may follow. Documents that hold
//! nothing but blanks and comments are passed over, so that a text never holds the separators of two. Directives
//! (`%YAML 1.1`) stay with the document they introduce.

use std::io::{self, BufRead};

use crate::{Error, Source};

/// How many bytes one document of a stream may have.
const MAX_DOCUMENT: usize = 64 << 20;

/// What a line of a stream means for the splitting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Blank, a comment or a directive: it begins no document.
    Idle,
    Content,
    Separator,
    /// `---` with something behind it.
    Crowded,
}

impl Line {
    fn of(line: &[u8]) -> Self {
        if let Some(rest) = line.strip_prefix(b"---") {
            return match rest.trim_ascii_start().first() {
                None | Some(b'#') => Line::Separator,
                Some(_) => Line::Crowded,
            };
        }
        match line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii_start().first() {
            None | Some(b'#') => Line::Idle,
            Some(b'%') if line.first() == Some(&b'%') => Line::Idle,
            Some(_) => Line::Content,
        }
    }
}

fn crowded(line: usize) -> Error {
    Error::new("something follows `---` on its line", (line, 4))
        .with_hint("put `---` on a line of its own; only a comment may follow it")
}

/// The documents of `text`.
pub fn documents(text: &str) -> Documents<'_> {
    Documents { rest: text, line: 1 }
}

/// See [`documents`].
#[derive(Clone, Debug)]
pub struct Documents<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Iterator for Documents<'t> {
    type Item = Result<Source<'t>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (text, mut first_line) = (self.rest, self.line);
        let (mut content, mut introduced) = (false, false);
        let mut trouble = None;
        let (mut start, mut end) = (0, 0);
        for line in text.split_inclusive('\n') {
            let kind = Line::of(line.as_bytes());
            if kind == Line::Separator {
                if content {
                    break;
                }
                if std::mem::replace(&mut introduced, true) {
                    (start, first_line) = (end, self.line);
                }
            }
            content |= matches!(kind, Line::Content | Line::Crowded);
            if kind == Line::Crowded && trouble.is_none() {
                trouble = Some(crowded(self.line));
            }
            end += line.len();
            self.line += 1;
        }
        self.rest = text.get(end..).unwrap_or_default();
        let source = Source::at_line(text.get(start..end).unwrap_or_default(), first_line);
        content.then(|| trouble.map_or(Ok(source), Err))
    }
}

/// Why a stream cannot go on, or one of its documents cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The document is passed over; the stream goes on.
    #[error(transparent)]
    Text(#[from] Error),
}

/// Splits what a reader yields into documents, holding one at a time.
#[derive(Debug)]
pub struct DocumentReader<R> {
    reader: R,
    line: usize,
    document: String,
    /// The first line of the next document, read already.
    pending: Vec<u8>,
    limit: usize,
    ended: bool,
}

impl<R: BufRead> DocumentReader<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            line: 1,
            document: String::new(),
            pending: Vec::new(),
            limit: MAX_DOCUMENT,
            ended: false,
        }
    }

    /// With another limit than 64 MiB for one document.
    pub fn limit(self, bytes: usize) -> Self {
        Self { limit: bytes, ..self }
    }

    /// The next document, if there is one. After an error of the text the stream goes on with the document after it.
    pub fn next_document(&mut self) -> Option<Result<Source<'_>, StreamError>> {
        if self.ended {
            return None;
        }
        let mut first_line = self.line;
        let mut bytes = std::mem::take(&mut self.document).into_bytes();
        bytes.clear();
        bytes.append(&mut self.pending);
        // What is pending is a separator.
        let mut introduced = !bytes.is_empty();
        self.line += usize::from(introduced);
        let mut content = false;
        let mut trouble = None;
        loop {
            let start = bytes.len();
            // One byte beyond the limit tells that it is passed.
            let room = (self.limit + 1).saturating_sub(start);
            match read_line(&mut self.reader, &mut bytes, room) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error.into()));
                }
            }
            let line = bytes.get(start..).unwrap_or_default();
            let kind = Line::of(line);
            if kind == Line::Separator {
                if content {
                    self.pending = bytes.split_off(start);
                    break;
                }
                if std::mem::replace(&mut introduced, true) {
                    bytes.drain(..start);
                    first_line = self.line;
                }
            }
            content |= matches!(kind, Line::Content | Line::Crowded);
            if kind == Line::Crowded && trouble.is_none() {
                trouble = Some(crowded(self.line));
            }
            self.line += 1;
            if bytes.len() > self.limit {
                let message = format!("document is larger than {} bytes", self.limit);
                let hint = "put `---` between objects: each is read by itself";
                trouble = Some(Error::new(message, (first_line, 1)).with_hint(hint));
                bytes.clear();
            }
        }
        if !content {
            return None;
        }
        if let Some(error) = trouble {
            return Some(Err(error.into()));
        }
        match utf_8(bytes, first_line) {
            Ok(text) => {
                self.document = text;
                Some(Ok(Source::at_line(&self.document, first_line)))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// The text of a document that begins on line `first_line`.
fn utf_8(bytes: Vec<u8>, first_line: usize) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = first_line + good.iter().filter(|byte| **byte == b'\n').count();
        Error::new("text is not UTF-8", (line, 1)).with_hint("save the file as UTF-8")
    })
}

/// Reads to the end of the line and appends at most `room` bytes of it to `line`, so that a line without an end takes
/// no more memory than that. Gives the bytes read, kept or not.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, room: usize) -> io::Result<usize> {
    let (mut read, mut room) = (0, room);
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(buffer.len(), |end| end + 1);
        let kept = buffer.get(..taken.min(room)).unwrap_or_default();
        line.extend_from_slice(kept);
        room -= kept.len();
        read += taken;
        reader.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(read);
        }
    }
}

/// How many documents `reader` yields, by their separators alone.
///
/// # Errors
/// What the reader fails with.
pub fn count_documents(mut reader: impl BufRead) -> io::Result<usize> {
    let (mut count, mut content, mut line) = (0, false, Vec::new());
    loop {
        line.clear();
        // A separator is told by its beginning.
        if read_line(&mut reader, &mut line, 4096)? == 0 {
            return Ok(count + usize::from(content));
        }
        match Line::of(&line) {
            Line::Separator => {
                count += usize::from(content);
                content = false;
            }
            Line::Content | Line::Crowded => content = true,
            Line::Idle => {}
        }
    }
}
