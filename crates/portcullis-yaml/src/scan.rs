//! From text to tokens, by the rules of YAML 1.1 as `go.yaml.in/yaml/v2` applies them.
//!
//! Indentation becomes tokens here, and so do mapping keys, of which one knows only at the `:` behind them: until
//! then the tokens wait in a queue.

mod properties;
mod scalars;

use std::collections::VecDeque;

use portcullis_value::Arena;

use crate::tag::Tag;
use crate::text::{self, BLANK, BREAK, WIDE, class};
use crate::{Error, Place};

/// How many characters a key and what stands before its `:` may have.
const MAX_KEY: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    StreamEnd,
    Directive,
    DocumentStart,
    DocumentEnd,
    SequenceStart,
    MappingStart,
    /// The end of a block sequence or block mapping.
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    /// `-`
    Entry,
    /// `,`
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    /// `None` if the tag's handle is not declared.
    Tag(Option<Tag>),
    Plain(&'a str),
    Quoted(&'a str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) place: Place,
}

/// What may turn out to be a key, should `:` follow it: one per level of flow collections.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// The number of its first token, counted from the beginning of the text.
    token: usize,
    place: Place,
    possible: bool,
    /// Its first token stays in the queue until it is known whether it is a key.
    awaited: bool,
    /// It stands where only a key can stand.
    required: bool,
}

pub(crate) struct Scanner<'a> {
    arena: &'a Arena,
    text: &'a str,
    /// Without characters of more than one byte, a column is a difference of offsets.
    ascii: bool,
    position: usize,
    line: u32,
    line_start: usize,
    /// Up to where characters of this line are counted, and how many there are.
    counted: (usize, usize),
    queue: VecDeque<Token<'a>>,
    /// How many tokens were taken out of the queue.
    taken: usize,
    /// The column after that of the innermost block collection; 0 outside of any.
    level: usize,
    outer_levels: Vec<usize>,
    // INVARIANT: never empty, ascending by token number; the last one belongs to the current flow level.
    candidates: Vec<Candidate>,
    key_allowed: bool,
    /// Whether `%YAML` was seen, and the handles of `%TAG` with their prefixes.
    versioned: bool,
    prefixes: Vec<(&'a str, &'a str)>,
    scratch: String,
}

impl<'a> Scanner<'a> {
    /// A scanner of `text`, which begins on `line`.
    pub(crate) fn new(arena: &'a Arena, text: &'a str, line: u32) -> Result<Self, Error> {
        let mut scanner = Self {
            arena,
            text,
            ascii: true,
            position: 0,
            line,
            line_start: 0,
            counted: (0, 0),
            queue: VecDeque::with_capacity(8),
            taken: 0,
            level: 0,
            outer_levels: Vec::new(),
            candidates: Vec::with_capacity(8),
            key_allowed: true,
            versioned: false,
            prefixes: Vec::new(),
            scratch: String::new(),
        };
        scanner.open_flow_level();
        scanner.skip_byte_order_marks();
        if u32::try_from(text.len()).is_err() {
            return Err(scanner.error("text is larger than 4 GiB"));
        }
        match text::inspect(text) {
            Ok(ascii) => scanner.ascii = ascii,
            Err(offset) => {
                while scanner.position < offset {
                    scanner.advance_line(offset);
                }
                return Err(scanner
                    .error("text holds a control character")
                    .with_hint("write it as an escape within double quotes, such as \"\\x1b\""));
            }
        }
        Ok(scanner)
    }

    /// COMPAT(go-yaml): a byte order mark takes no column, but a second one does.
    fn skip_byte_order_marks(&mut self) {
        let mark = "\u{feff}";
        if self.text.starts_with(mark) {
            self.position = mark.len();
            self.line_start = self.position;
            self.counted = (self.position, 0);
            if self.slice(self.position, self.text.len()).starts_with(mark) {
                self.position += mark.len();
            }
        }
    }

    /// The next token, which stays.
    pub(crate) fn peek(&mut self) -> Result<Token<'a>, Error> {
        loop {
            match self.queue.front() {
                Some(token) if !self.head_may_be_key()? => return Ok(*token),
                _ => self.fetch()?,
            }
        }
    }

    /// Takes the token that was peeked.
    pub(crate) fn take(&mut self) {
        self.queue.pop_front();
        self.taken += 1;
    }

    /// Whether a key token may yet have to be put before the head of the queue.
    fn head_may_be_key(&self) -> Result<bool, Error> {
        // The common case first: a block collection of scalars.
        if let [candidate] = self.candidates.as_slice()
            && !candidate.possible
        {
            return Ok(false);
        }
        let index = self.candidates.partition_point(|candidate| candidate.token < self.taken);
        match self.candidates.get(index) {
            Some(candidate) if candidate.token == self.taken && candidate.awaited => self.is_live(candidate),
            _ => Ok(false),
        }
    }

    /// Whether a `:` at this position could still belong to `candidate`.
    fn is_live(&self, candidate: &Candidate) -> Result<bool, Error> {
        if !candidate.possible {
            return Ok(false);
        }
        if candidate.place.line == self.line
            && self.is_key_length(candidate.place.start as usize, self.position)
        {
            return Ok(true);
        }
        if candidate.required {
            return Err(self.missing_colon(candidate.place));
        }
        Ok(false)
    }

    fn missing_colon(&self, key: Place) -> Error {
        Error::new("`:` is missing behind a key", (key.line as usize, key.column as usize))
    }

    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_to_token()?;
        let column = self.column();
        self.unroll(column + 1);
        let start = self.here();
        match self.byte(self.position) {
            0 if self.position >= self.text.len() => self.fetch_stream_end(),
            b'%' if column == 0 => self.fetch_directive(start),
            b'-' if column == 0 && self.is_document_marker() => self.fetch_marker(start, Kind::DocumentStart),
            b'.' if column == 0 && self.is_document_marker() => self.fetch_marker(start, Kind::DocumentEnd),
            b'[' => self.fetch_flow_start(start, Kind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(start, Kind::FlowMappingStart),
            b']' => self.fetch_flow_end(start, Kind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(start, Kind::FlowMappingEnd),
            b',' => {
                self.drop_candidate()?;
                self.key_allowed = true;
                self.push_indicator(start, Kind::FlowEntry);
                Ok(())
            }
            b'-' if self.is_gap(self.position + 1) => self.fetch_entry(start, column),
            b'?' if !self.in_block() || self.is_gap(self.position + 1) => self.fetch_key(start, column),
            b':' if !self.in_block() || self.is_gap(self.position + 1) => self.fetch_value(start, column),
            b'*' | b'&' => self.fetch_anchor(start),
            b'!' => self.fetch_tag(start),
            b'|' | b'>' if self.in_block() => self.fetch_block_scalar(start),
            b'\'' | b'"' => self.fetch_quoted(start),
            b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => Err(self.cannot_start()),
            _ => self.fetch_plain(start),
        }
    }

    fn cannot_start(&self) -> Error {
        match self.byte(self.position) {
            b'\t' => self.error("found a tab where only blanks may indent").with_hint("indent with blanks"),
            byte => self
                .error(format!("`{}` cannot start a value", char::from(byte)))
                .with_hint("put the value in quotes"),
        }
    }

    /// Skips blanks, comments and line breaks.
    fn skip_to_token(&mut self) -> Result<(), Error> {
        loop {
            // A tab does not indent: it is a blank only where the line has begun already.
            let tab_is_blank = !self.in_block() || !self.key_allowed;
            loop {
                match self.byte(self.position) {
                    b' ' => self.position += 1,
                    b'\t' if tab_is_blank => self.position += 1,
                    _ => break,
                }
            }
            if self.byte(self.position) == b'#' {
                self.skip_line_rest();
            }
            if self.take_break().is_none() {
                return Ok(());
            }
            if self.in_block() {
                self.key_allowed = true;
            }
        }
    }

    fn fetch_stream_end(&mut self) -> Result<(), Error> {
        self.unroll(0);
        self.drop_candidate()?;
        self.key_allowed = false;
        let place = self.here();
        self.push(Kind::StreamEnd, place);
        // As if a line break ended the text: nothing before it can be a key any more.
        self.line = self.line.saturating_add(1);
        Ok(())
    }

    fn fetch_marker(&mut self, start: Place, kind: Kind<'a>) -> Result<(), Error> {
        self.unroll(0);
        self.drop_candidate()?;
        self.key_allowed = false;
        self.position += 3;
        self.push(kind, start);
        Ok(())
    }

    fn fetch_flow_start(&mut self, start: Place, kind: Kind<'a>) -> Result<(), Error> {
        self.save_candidate(start)?;
        self.open_flow_level();
        self.push_indicator(start, kind);
        self.key_allowed = true;
        Ok(())
    }

    fn fetch_flow_end(&mut self, start: Place, kind: Kind<'a>) -> Result<(), Error> {
        self.drop_candidate()?;
        if !self.in_block()
            && let Some(inner) = self.candidates.pop()
            && let Some(outer) = self.candidates.last_mut()
        {
            // COMPAT(go-yaml): a collection in which nothing could have been a key, such as `[]`, is not waited for.
            outer.awaited &= outer.token != inner.token;
        }
        self.key_allowed = false;
        self.push_indicator(start, kind);
        Ok(())
    }

    fn fetch_entry(&mut self, start: Place, column: usize) -> Result<(), Error> {
        if self.in_block() {
            if !self.key_allowed {
                return Err(self
                    .error("a list cannot begin here")
                    .with_hint("begin the list on a line of its own"));
            }
            self.roll(column, Kind::SequenceStart, start, None);
        }
        self.drop_candidate()?;
        self.key_allowed = true;
        self.push_indicator(start, Kind::Entry);
        Ok(())
    }

    fn fetch_key(&mut self, start: Place, column: usize) -> Result<(), Error> {
        if self.in_block() {
            if !self.key_allowed {
                return Err(self.error("a key cannot stand here"));
            }
            self.roll(column, Kind::MappingStart, start, None);
        }
        self.drop_candidate()?;
        self.key_allowed = self.in_block();
        self.push_indicator(start, Kind::Key);
        Ok(())
    }

    fn fetch_value(&mut self, start: Place, column: usize) -> Result<(), Error> {
        let candidate = self.candidates.last().copied();
        match candidate {
            Some(candidate) if self.is_live(&candidate)? => {
                // What was not waited for may be gone from the queue; the grammar then has no use for the key.
                let index = candidate.token.checked_sub(self.taken).unwrap_or(self.queue.len());
                let key = Place { end: candidate.place.start, ..candidate.place };
                self.queue.insert(index, Token { kind: Kind::Key, place: key });
                if self.in_block() {
                    let column = candidate.place.column as usize - 1;
                    self.roll(column, Kind::MappingStart, key, Some(index));
                }
                self.forget_candidate();
                self.key_allowed = false;
            }
            _ => {
                if self.in_block() {
                    if !self.key_allowed {
                        return Err(self.error("`:` cannot stand here").with_hint(
                            "put a value that holds `: ` in quotes, begin a map on a line of its own",
                        ));
                    }
                    self.roll(column, Kind::MappingStart, start, None);
                }
                self.key_allowed = self.in_block();
            }
        }
        self.push_indicator(start, Kind::Value);
        Ok(())
    }

    /// Whether the position is outside of `[]` and `{}`.
    fn in_block(&self) -> bool {
        self.candidates.len() == 1
    }

    fn open_flow_level(&mut self) {
        let token = self.taken + self.queue.len();
        let place = self.here();
        self.candidates.push(Candidate { token, place, possible: false, awaited: false, required: false });
    }

    /// Notes that what begins at `start` may be a key.
    fn save_candidate(&mut self, start: Place) -> Result<(), Error> {
        if self.key_allowed { self.replace_candidate(start, true) } else { Ok(()) }
    }

    fn replace_candidate(&mut self, start: Place, possible: bool) -> Result<(), Error> {
        self.drop_candidate()?;
        let required = self.in_block() && self.level == start.column as usize;
        let token = self.taken + self.queue.len();
        if let Some(candidate) = self.candidates.last_mut() {
            *candidate = Candidate { token, place: start, possible, awaited: true, required };
        }
        Ok(())
    }

    /// Pushes a scalar from `start` to `end`, at once as a key if `:` follows. `allowed` tells whether a key may stand
    /// there. Only what follows the scalar in the same line can leave that open.
    fn push_scalar(&mut self, kind: Kind<'a>, start: Place, end: usize, allowed: bool) -> Result<(), Error> {
        let scalar = Token { kind, place: Place { end: offset(end), ..start } };
        if !allowed {
            self.queue.push_back(scalar);
            return Ok(());
        }
        let next = end + self.blanks_at(end);
        let byte = self.byte(next);
        let is_key = byte == b':'
            && (!self.in_block() || self.is_gap(next + 1))
            && start.line == self.line
            && self.is_key_length(start.start as usize, next);
        let is_value =
            byte == b'#' || self.is_break(next) || (!self.in_block() && matches!(byte, b',' | b']' | b'}'));
        self.replace_candidate(start, !is_key && !is_value)?;
        if is_value && self.in_block() && self.level == start.column as usize {
            return Err(self.missing_colon(start));
        }
        if !is_key {
            self.queue.push_back(scalar);
            return Ok(());
        }
        let place = Place { end: start.start, ..start };
        self.roll(start.column as usize - 1, Kind::MappingStart, place, None);
        self.queue.push_back(Token { kind: Kind::Key, place });
        self.queue.push_back(scalar);
        self.position = next;
        let place = self.here();
        self.push_indicator(place, Kind::Value);
        self.key_allowed = false;
        Ok(())
    }

    /// How many blanks stand at `position`.
    fn blanks_at(&self, position: usize) -> usize {
        let rest = self.text.as_bytes().get(position..).unwrap_or_default();
        rest.iter().take_while(|byte| class(**byte) & BLANK != 0).count()
    }

    fn is_key_length(&self, start: usize, end: usize) -> bool {
        let length = end - start;
        length <= MAX_KEY
            || (!self.ascii && length <= 4 * MAX_KEY && text::count_chars(self.bytes(start, end)) <= MAX_KEY)
    }

    fn drop_candidate(&mut self) -> Result<(), Error> {
        match self.candidates.last() {
            Some(candidate) if candidate.possible && candidate.required => {
                Err(self.missing_colon(candidate.place))
            }
            _ => {
                self.forget_candidate();
                Ok(())
            }
        }
    }

    fn forget_candidate(&mut self) {
        if let Some(candidate) = self.candidates.last_mut() {
            candidate.possible = false;
        }
    }

    /// Begins a block collection at `column` unless one is open there; its token goes to `index` of the queue.
    fn roll(&mut self, column: usize, kind: Kind<'a>, place: Place, index: Option<usize>) {
        if !self.in_block() || self.level > column {
            return;
        }
        self.outer_levels.push(self.level);
        self.level = column + 1;
        let place = Place { end: place.start, ..place };
        self.queue.insert(index.unwrap_or(self.queue.len()), Token { kind, place });
    }

    /// Ends the block collections that are deeper than `level`. Within `[]` and `{}` indentation means nothing.
    fn unroll(&mut self, level: usize) {
        while self.in_block() && self.level > level {
            let place = self.here();
            self.push(Kind::BlockEnd, place);
            self.level = self.outer_levels.pop().unwrap_or(0);
        }
    }

    fn push(&mut self, kind: Kind<'a>, start: Place) {
        let place = Place { end: offset(self.position), ..start };
        self.queue.push_back(Token { kind, place });
    }

    /// Pushes a token of one byte that stands at the position.
    fn push_indicator(&mut self, start: Place, kind: Kind<'a>) {
        self.position += 1;
        self.push(kind, start);
    }

    /// The byte at `position`; 0 beyond the end (the text itself holds none).
    fn byte(&self, position: usize) -> u8 {
        self.text.as_bytes().get(position).copied().unwrap_or(0)
    }

    fn bytes(&self, from: usize, to: usize) -> &'a [u8] {
        self.text.as_bytes().get(from..to).unwrap_or_default()
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.position..).unwrap_or_default()
    }

    /// Whether a blank, a line break or the end is at `position`.
    fn is_gap(&self, position: usize) -> bool {
        class(self.byte(position)) & BLANK != 0 || self.is_break(position)
    }

    /// Whether a line break or the end is at `position`.
    fn is_break(&self, position: usize) -> bool {
        match class(self.byte(position)) {
            flags if flags & BREAK != 0 => true,
            flags if flags & WIDE != 0 => {
                text::line_break(self.text.as_bytes().get(position..).unwrap_or_default()).is_some()
            }
            _ => false,
        }
    }

    /// Whether `---` or `...` stands here by itself. The caller knows that this is the beginning of a line.
    fn is_document_marker(&self) -> bool {
        matches!(self.bytes(self.position, self.position + 3), b"---" | b"...")
            && self.is_gap(self.position + 3)
    }

    fn skip_line_rest(&mut self) {
        while !self.is_break(self.position) {
            self.position += 1;
        }
    }

    /// Goes to the beginning of the next line, or to `limit` if that is before.
    fn advance_line(&mut self, limit: usize) {
        while self.position < limit && !self.is_break(self.position) {
            self.position += 1;
        }
        if self.position < limit {
            self.take_break();
        }
    }

    /// Takes a line break and tells what it reads as.
    fn take_break(&mut self) -> Option<&'static str> {
        let (length, reading) = text::line_break(self.rest())?;
        self.position += length;
        self.line = self.line.saturating_add(1);
        self.line_start = self.position;
        self.counted = (self.position, 0);
        Some(reading)
    }

    /// How many characters stand before the position on its line.
    fn column(&mut self) -> usize {
        if self.ascii {
            return self.position - self.line_start;
        }
        let (from, count) = self.counted;
        self.counted = (self.position, count + text::count_chars(self.bytes(from, self.position)));
        self.counted.1
    }

    fn here(&mut self) -> Place {
        let column = offset(self.column()).saturating_add(1);
        let position = offset(self.position);
        Place { line: self.line, column, start: position, end: position }
    }

    /// An error at the position.
    fn error(&self, message: impl Into<Box<str>>) -> Error {
        let column = text::count_chars(self.bytes(self.line_start, self.position));
        Error::new(message, (self.line as usize, column + 1))
    }
}

/// An offset into the text, which is known to fit.
fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
