//! Scalars: plain, quoted, and the blocks behind `|` and `>`.

use super::{Kind, Scanner};
use crate::text::{BLANK, BREAK, COLON, FLOW, QUOTE, WIDE, class};
use crate::{Error, Place};

impl<'a> Scanner<'a> {
    pub(super) fn fetch_plain(&mut self, start: Place) -> Result<(), Error> {
        let allowed = std::mem::replace(&mut self.key_allowed, false);
        let (text, end) = self.plain()?;
        self.push_scalar(Kind::Plain(text), start, end, allowed)
    }

    pub(super) fn fetch_quoted(&mut self, start: Place) -> Result<(), Error> {
        let allowed = std::mem::replace(&mut self.key_allowed, false);
        let quote = self.byte(self.position);
        self.position += 1;
        let text = match self.simple_quoted(quote) {
            Some(text) => text,
            None => {
                let mut scratch = std::mem::take(&mut self.scratch);
                scratch.clear();
                self.quoted(quote, start, &mut scratch)?;
                let text = self.arena.str(&scratch);
                self.scratch = scratch;
                text
            }
        };
        self.push_scalar(Kind::Quoted(text), start, self.position, allowed)
    }

    pub(super) fn fetch_block_scalar(&mut self, start: Place) -> Result<(), Error> {
        self.drop_candidate()?;
        self.key_allowed = true;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let end = self.block_scalar(&mut scratch)?;
        let text = self.arena.str(&scratch);
        self.scratch = scratch;
        self.push(Kind::Quoted(text), start);
        if let Some(token) = self.queue.back_mut() {
            token.place.end = super::offset(end);
        }
        Ok(())
    }

    /// A plain scalar and where its last word ends. The blanks and lines behind it are passed over.
    fn plain(&mut self) -> Result<(&'a str, usize), Error> {
        let start = self.position;
        let mut end = self.words();
        // What stands on one line only is borrowed.
        let mut joined: Option<String> = None;
        loop {
            let gap = self.gap(self.level)?;
            if gap.breaks.is_none() || !self.plain_goes_on() {
                if gap.breaks.is_some() {
                    self.key_allowed = true;
                }
                break;
            }
            let text = joined.get_or_insert_with(|| self.slice(start, end).to_owned());
            gap.fold_into(text);
            let line_start = self.position;
            end = self.words();
            text.push_str(self.slice(line_start, end));
        }
        let text = match joined {
            Some(text) => self.arena.str(&text),
            None => self.slice(start, end),
        };
        Ok((text, end))
    }

    /// Whether the line that begins at the position continues a plain scalar.
    fn plain_goes_on(&mut self) -> bool {
        let column = self.column();
        let first = self.byte(self.position);
        let ends = first == b'#'
            || self.is_break(self.position)
            || (column == 0 && self.is_document_marker())
            || (self.in_block() && column < self.level)
            || (first == b':' && self.is_gap(self.position + 1))
            || (!self.in_block() && class(first) & FLOW != 0);
        !ends
    }

    /// Goes past the words of a plain scalar on this line and the blanks behind them; tells where the last word ends.
    fn words(&mut self) -> usize {
        let stops =
            if self.in_block() { BLANK | BREAK | WIDE | COLON } else { BLANK | BREAK | WIDE | COLON | FLOW };
        let mut position = self.position;
        loop {
            let flags = loop {
                let flags = class(self.byte(position)) & stops;
                if flags != 0 {
                    break flags;
                }
                position += 1;
            };
            if flags & BLANK != 0 {
                let end = position;
                while class(self.byte(position)) & BLANK != 0 {
                    position += 1;
                }
                let next = self.byte(position);
                let ends = next == b'#'
                    || self.is_break(position)
                    || (next == b':' && self.is_gap(position + 1))
                    || (!self.in_block() && class(next) & FLOW != 0);
                if ends {
                    self.position = position;
                    return end;
                }
                continue;
            }
            let goes_on = (flags & COLON != 0 && !self.is_gap(position + 1))
                || (flags & WIDE != 0 && !self.is_break(position));
            if !goes_on {
                self.position = position;
                return position;
            }
            position += 1;
        }
    }

    /// Takes blanks and line breaks. In a line after the first, a tab before column `indent` is an error.
    fn gap(&mut self, indent: usize) -> Result<Gap, Error> {
        let mut gap = Gap::default();
        loop {
            if class(self.byte(self.position)) & BLANK != 0 {
                if gap.breaks.is_some() && self.byte(self.position) == b'\t' && self.column() < indent {
                    return Err(self.cannot_start());
                }
                self.position += 1;
            } else if let Some(reading) = self.take_break() {
                gap.add(reading);
            } else {
                return Ok(gap);
            }
        }
    }

    /// A quoted scalar without escapes, doubled quotes and line breaks, and the quote behind it.
    fn simple_quoted(&mut self, quote: u8) -> Option<&'a str> {
        let mut position = self.position;
        loop {
            let byte = self.byte(position);
            let flags = class(byte) & (QUOTE | BREAK | WIDE);
            if flags == 0 || (flags & WIDE != 0 && !self.is_break(position)) {
                position += 1;
            } else if byte == quote && (quote == b'"' || self.byte(position + 1) != quote) {
                let text = self.slice(self.position, position);
                self.position = position + 1;
                return Some(text);
            } else if (byte == b'\'' && quote == b'"') || (matches!(byte, b'"' | b'\\') && quote == b'\'') {
                position += 1;
            } else {
                return None;
            }
        }
    }

    /// The rest of a quoted scalar, into `out`.
    fn quoted(&mut self, quote: u8, start: Place, out: &mut String) -> Result<(), Error> {
        let mut line_begins = false;
        loop {
            if line_begins && self.position == self.line_start && self.is_document_marker() {
                return Err(self.error("found `---` or `...` within a quoted value"));
            }
            line_begins = false;
            // A stretch without anything special; blanks at its end count only if no line break follows.
            let from = self.position;
            let mut position = from;
            let byte = loop {
                let byte = self.byte(position);
                let flags = class(byte) & (QUOTE | BREAK | WIDE);
                if flags != 0 && (flags & WIDE == 0 || self.is_break(position)) {
                    break byte;
                }
                position += 1;
            };
            self.position = position;
            let stretch = self.slice(from, position);
            if self.is_break(position) {
                if position >= self.text.len() {
                    let place = (start.line as usize, start.column as usize);
                    return Err(Error::new("a quoted value does not end", place));
                }
                out.push_str(stretch.trim_end_matches([' ', '\t']));
                self.gap(0)?.fold_into(out);
                line_begins = true;
                continue;
            }
            out.push_str(stretch);
            match byte {
                b'\'' if quote == b'\'' && self.byte(position + 1) == b'\'' => {
                    out.push('\'');
                    self.position += 2;
                }
                byte if byte == quote => {
                    self.position += 1;
                    return Ok(());
                }
                b'\\' if quote == b'"' => {
                    line_begins = self.escape(out)?;
                }
                _ => {
                    out.push(char::from(byte));
                    self.position += 1;
                }
            }
        }
    }

    /// An escape within double quotes; tells whether it was one of a line break.
    fn escape(&mut self, out: &mut String) -> Result<bool, Error> {
        if self.position + 1 < self.text.len() && self.is_break(self.position + 1) {
            self.position += 1;
            self.take_break();
            let gap = self.gap(0)?;
            out.push_str(gap.breaks.unwrap_or_default());
            out.push_str(&gap.more);
            return Ok(true);
        }
        let digits = match self.byte(self.position + 1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            other => {
                let Some(character) = simple_escape(other) else {
                    return Err(self
                        .error("unknown escape within double quotes")
                        .with_hint("write `\\\\` for a backslash, or use single quotes"));
                };
                out.push(character);
                self.position += 2;
                return Ok(false);
            }
        };
        let code = self.slice(self.position + 2, self.position + 2 + digits);
        let well_formed = code.len() == digits && code.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = if well_formed { u32::from_str_radix(code, 16).ok() } else { None };
        let character = code
            .ok_or_else(|| self.error(format!("escape needs {digits} hexadecimal digits")))
            .and_then(|code| {
            char::from_u32(code).ok_or_else(|| {
                self.error("escape is no character")
                    .with_hint("a character beyond U+FFFF is written `\\U0001F600`, not as a pair")
            })
        })?;
        out.push(character);
        self.position += 2 + digits;
        Ok(false)
    }

    /// The text of a block scalar, into `out`, and where its last line ends.
    fn block_scalar(&mut self, out: &mut String) -> Result<usize, Error> {
        let literal = self.byte(self.position) == b'|';
        self.position += 1;
        let (chomping, indent) = self.block_header()?;
        let mut indent = indent.map(|columns| self.level.saturating_sub(1) + columns);
        let mut end = self.position;
        let mut breaks = String::new();
        self.block_breaks(&mut indent, &mut breaks)?;
        let indent = indent.unwrap_or(0);
        let mut line_break = "";
        let mut after_blank = false;
        while self.column() == indent && self.position < self.text.len() {
            let blank = class(self.byte(self.position)) & BLANK != 0;
            if literal || after_blank || blank || line_break != "\n" {
                out.push_str(line_break);
            } else if breaks.is_empty() {
                out.push(' ');
            }
            out.push_str(&breaks);
            breaks.clear();
            after_blank = blank;
            let from = self.position;
            self.skip_line_rest();
            end = self.position;
            out.push_str(self.slice(from, end));
            line_break = self.take_break().unwrap_or_default();
            self.block_breaks(&mut Some(indent), &mut breaks)?;
        }
        if chomping != Chomping::Strip {
            out.push_str(line_break);
        }
        if chomping == Chomping::Keep {
            out.push_str(&breaks);
        }
        Ok(end)
    }

    /// What stands behind `|` or `>` on its line: how to end, and by how many columns to indent.
    fn block_header(&mut self) -> Result<(Chomping, Option<usize>), Error> {
        let (mut chomping, mut indent) = (None, None);
        loop {
            match self.byte(self.position) {
                b'+' if chomping.is_none() => chomping = Some(Chomping::Keep),
                b'-' if chomping.is_none() => chomping = Some(Chomping::Strip),
                byte @ b'1'..=b'9' if indent.is_none() => indent = Some(usize::from(byte - b'0')),
                _ => break,
            }
            self.position += 1;
        }
        while class(self.byte(self.position)) & BLANK != 0 {
            self.position += 1;
        }
        if self.byte(self.position) == b'#' {
            self.skip_line_rest();
        }
        if !self.is_break(self.position) {
            return Err(self
                .error("only a comment may follow `|` or `>` on its line")
                .with_hint("put a value that begins with `|` or `>` in quotes"));
        }
        self.take_break();
        Ok((chomping.unwrap_or(Chomping::Clip), indent))
    }

    /// Takes the indentation of a block scalar's lines, and lines that hold nothing else. An indentation that is not
    /// known yet is that of the deepest line so far.
    fn block_breaks(&mut self, indent: &mut Option<usize>, breaks: &mut String) -> Result<(), Error> {
        let mut deepest = 0;
        loop {
            let mut column = self.column();
            while indent.is_none_or(|indent| column < indent) && self.byte(self.position) == b' ' {
                self.position += 1;
                column += 1;
            }
            deepest = deepest.max(column);
            if indent.is_none_or(|indent| column < indent) && self.byte(self.position) == b'\t' {
                return Err(self.cannot_start());
            }
            match self.take_break() {
                Some(reading) => breaks.push_str(reading),
                None => break,
            }
        }
        if indent.is_none() {
            *indent = Some(deepest.max(self.level).max(1));
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Clip,
    Strip,
    Keep,
}

/// Line breaks between two lines of a scalar.
#[derive(Default)]
struct Gap {
    /// The first.
    breaks: Option<&'static str>,
    /// All others.
    more: String,
}

impl Gap {
    fn add(&mut self, reading: &'static str) {
        match self.breaks {
            None => self.breaks = Some(reading),
            Some(_) => self.more.push_str(reading),
        }
    }

    /// One line break becomes a blank; of several the first is dropped.
    fn fold_into(&self, out: &mut String) {
        match self.breaks {
            Some("\n") if self.more.is_empty() => out.push(' '),
            Some("\n") | None => {}
            Some(other) => out.push_str(other),
        }
        out.push_str(&self.more);
    }
}

fn simple_escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'0' => '\0',
        b'a' => '\x07',
        b'b' => '\x08',
        b't' | b'\t' => '\t',
        b'n' => '\n',
        b'v' => '\x0b',
        b'f' => '\x0c',
        b'r' => '\r',
        b'e' => '\x1b',
        b' ' => ' ',
        b'"' => '"',
        b'\'' => '\'',
        b'\\' => '\\',
        b'N' => '\u{85}',
        b'_' => '\u{a0}',
        b'L' => '\u{2028}',
        b'P' => '\u{2029}',
        _ => return None,
    })
}
