//! Reading the JSON that machines write, without the general machinery of serde.
//!
//! Two thirds of a review's body are the strings of its object, and most of the rest is structure: read byte by byte, it
//! takes half of the instructions. Whatever is not plain here (a fault, a number that is no small integer) is left to
//! the general reader, so that there is one judge of what is wrong and how it is said.

use serde::de::DeserializeSeed as _;

use super::MAX_DEPTH;
use super::read::Seed;
use crate::object::sort_last_wins;
use crate::{Arena, Number, Object, Value};

/// The document, or `None` where the general reader has to look at it. Never another value than that one reads.
pub(super) fn read<'a>(arena: &'a Arena, text: &'a str) -> Option<Value<'a>> {
    let bytes = text.as_bytes();
    let mut reader = Reader { arena, text, bytes, at: 0, depth: 0, items: Vec::new(), entries: Vec::new() };
    let value = reader.value()?;
    reader.skip_blanks();
    (reader.at == bytes.len()).then_some(value)
}

struct Reader<'a> {
    arena: &'a Arena,
    text: &'a str,
    bytes: &'a [u8],
    /// The byte that is next.
    at: usize,
    depth: usize,
    /// Children of the lists and maps that are being read, innermost last.
    items: Vec<Value<'a>>,
    entries: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The next byte that is no blank, which is taken.
    fn take(&mut self) -> Option<u8> {
        self.skip_blanks();
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.take()? {
            b'"' => self.string().map(Value::String),
            b'{' => self.nested(Self::map),
            b'[' => self.nested(Self::list),
            b't' => self.word("rue", Value::Bool(true)),
            b'f' => self.word("alse", Value::Bool(false)),
            b'n' => self.word("ull", Value::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Option<Value<'a>>) -> Option<Value<'a>> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn word(&mut self, rest: &str, value: Value<'a>) -> Option<Value<'a>> {
        let end = self.at + rest.len();
        (self.bytes.get(self.at..end)? == rest.as_bytes()).then(|| {
            self.at = end;
            value
        })
    }

    fn list(&mut self) -> Option<Value<'a>> {
        let start = self.items.len();
        self.skip_blanks();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Value::Array(&[]));
        }
        loop {
            let item = self.value()?;
            self.items.push(item);
            match self.take()? {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        let array = Value::Array(self.arena.slice(self.items.get(start..)?));
        self.items.truncate(start);
        Some(array)
    }

    fn map(&mut self) -> Option<Value<'a>> {
        let start = self.entries.len();
        self.skip_blanks();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(Value::Object(Object::default()));
        }
        loop {
            if self.take()? != b'"' {
                return None;
            }
            let key = self.string()?;
            if self.take()? != b':' {
                return None;
            }
            let value = self.value()?;
            self.entries.push((key, value));
            match self.take()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        sort_last_wins(&mut self.entries, start);
        let entries = self.arena.slice(self.entries.get(start..)?);
        self.entries.truncate(start);
        Some(Value::Object(Object::from_sorted(entries)))
    }

    /// What stands before the next quote, backslash or control character, which is then next.
    fn plain(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.at = start + special(self.bytes.get(start..)?)?;
        self.text.get(start..self.at)
    }

    /// A string whose opening quote was taken.
    fn string(&mut self) -> Option<&'a str> {
        let plain = self.plain()?;
        match self.peek()? {
            b'"' => {
                self.at += 1;
                Some(plain)
            }
            b'\\' => self.escaped(plain),
            _ => None,
        }
    }

    /// A string that begins with `before` and has an escape next.
    fn escaped(&mut self, before: &str) -> Option<&'a str> {
        let mut text = before.to_owned();
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(self.arena.str(&text));
                }
                b'\\' => {
                    self.at += 1;
                    text.push(self.escape()?);
                    text.push_str(self.plain()?);
                }
                _ => return None,
            }
        }
    }

    /// The character of an escape whose backslash was taken.
    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let end = self.at + 4;
                let digits = self.bytes.get(self.at..end)?;
                let unit = digits
                    .iter()
                    .try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))?;
                self.at = end;
                // One half of a pair is no character: pairs are left to the general reader.
                char::from_u32(unit)?
            }
            _ => return None,
        })
    }

    /// A number whose first byte was taken: integers of up to 18 digits here, all others by the general reader.
    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at.checked_sub(1)?;
        let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        let length = self.bytes.get(start..)?.iter().take_while(is_part).count();
        self.at = start + length;
        let token = self.text.get(start..self.at)?;
        let digits = token.strip_prefix('-').unwrap_or(token);
        let is_plain = (1..=18).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (!digits.starts_with('0') || token == "0");
        if is_plain {
            return token.parse().ok().map(|integer| Value::Number(Number::Int(integer)));
        }
        let mut general = serde_json::Deserializer::from_str(token);
        let value = Seed::new(self.arena).deserialize(&mut general).ok()?;
        general.end().ok().map(|()| value)
    }
}

/// The place of the first quote, backslash or control character.
///
/// Eight bytes are looked at together: subtracting from each byte of a word borrows from its high bit where the byte is
/// small enough, which above the first such byte means nothing, but the first is what is asked for.
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES * 0x80;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = (is(b'"') | is(b'\\') | below(word, 0x20)) & HIGH;
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let place = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    Some(words.len() * 8 + place)
}
