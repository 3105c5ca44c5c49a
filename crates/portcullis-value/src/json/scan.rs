//! Going through the JSON that machines write, without the general machinery of serde.
//!
//! Two thirds of a review's body are the strings of its object, and most of the rest is structure: gone through in pieces of
//! sixteen bytes, it takes a quarter of the instructions. Whatever is not plain here (a fault, half of a surrogate pair by itself, more than
//! [`MAX_DEPTH`] levels) is left to the general reader, so that there is one judge of what is wrong and how it is said.

use serde::de::DeserializeSeed as _;
use wide::u8x16;

use super::MAX_DEPTH;
use super::read::Seed;
use crate::{Arena, Number};

/// The bytes of the longest token that is taken at once or not at all: both halves of a character, without a backslash.
const LONGEST_ESCAPE: usize = 11;

/// A place in a JSON text. Every method is `None` where the text is not plain, or not what is asked for.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// The byte that is next.
    at: usize,
    /// How many blanks were passed over.
    blanks: usize,
    depth: usize,
}

/// A list or a map that was taken: how it is written, the blanks in it, and how deep it stood.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken<'a> {
    text: &'a str,
    blanks: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    /// The start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, blanks: 0, depth: 0 }
    }

    /// Takes a map; `member` is told each of its keys and takes its value.
    pub fn members(&mut self, mut member: impl FnMut(&'a str, &mut Self) -> Option<()>) -> Option<()> {
        if self.take()? != b'{' {
            return None;
        }
        self.rest_of_map(&mut |scanner| {
            let key = scanner.unescaped()?;
            scanner.colon()?;
            member(key, scanner)
        })
    }

    /// Takes a list; `item` takes each of its items.
    pub fn items(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.take()? != b'[' {
            return None;
        }
        self.rest_of_list(&mut item)
    }

    /// Takes what `value` takes, or `null`, which is then the `None` inside.
    pub fn optional<T>(&mut self, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        self.skip_blanks();
        if self.peek()? != b'n' {
            return value(self).map(Some);
        }
        self.at += 1;
        self.word("ull").map(|()| None)
    }

    /// Takes a string that has no escapes.
    pub fn string(&mut self) -> Option<&'a str> {
        if self.take()? != b'"' {
            return None;
        }
        self.unescaped()
    }

    /// Takes `true` or `false`.
    pub fn bool(&mut self) -> Option<bool> {
        match self.take()? {
            b't' => self.word("rue").map(|()| true),
            b'f' => self.word("alse").map(|()| false),
            _ => None,
        }
    }

    /// Takes any value and gives its text.
    pub fn raw(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at)
    }

    /// Takes what `value` takes, and gives the text of it too.
    pub fn with_text<T>(&mut self, value: impl FnOnce(&mut Self) -> Option<T>) -> Option<(T, &'a str)> {
        self.skip_blanks();
        let start = self.at;
        let taken = value(self)?;
        Some((taken, self.text.get(start..self.at)?))
    }

    /// Takes any value.
    pub fn skip(&mut self) -> Option<()> {
        match self.take()? {
            b'"' => self.rest_of_string(),
            b'{' => self.rest_of_map(&mut |scanner| {
                scanner.rest_of_string()?;
                scanner.colon()?;
                scanner.skip()
            }),
            b'[' => self.rest_of_list(&mut Self::skip),
            b't' => self.word("rue"),
            b'f' => self.word("alse"),
            b'n' => self.word("ull"),
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            _ => None,
        }
    }

    /// Takes any value. Where the text goes on as `last` does, it is the same value, and is not gone through again.
    pub fn skip_like(&mut self, last: &mut Taken<'a>) -> Option<()> {
        self.skip_blanks();
        let rest = self.text.get(self.at..)?;
        if !last.text.is_empty() && self.depth <= last.depth && rest.starts_with(last.text) {
            self.at += last.text.len();
            self.blanks += last.blanks;
            return Some(());
        }
        let (start, blanks) = (self.at, self.blanks);
        self.skip()?;
        // A number may begin with another one.
        if rest.starts_with(['{', '[']) {
            let text = self.text.get(start..self.at)?;
            *last = Taken { text, blanks: self.blanks - blanks, depth: self.depth };
        }
        Some(())
    }

    /// Takes a map and gives its text. Only strings and brackets are looked at: whether the rest is JSON is for the one to
    /// say who reads the text.
    pub fn extent(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let start = self.at;
        (self.peek()? == b'{').then_some(())?;
        let mut depth = 0_usize;
        // Every bit of it is set while what comes next is in a string.
        let mut within = 0_u32;
        loop {
            let block = Block::new(self.bytes.get(self.at..)?)?;
            // Up to a backslash, after which a quote ends nothing.
            let backslashes = block.places(|bytes| is(bytes, b'\\'));
            let before = lowest(backslashes).wrapping_sub(1);
            // Of each quote all bits from it on are turned: those of strings stay set, with the quotes that begin them.
            let mut strings = block.places(|bytes| is(bytes, b'"')) & before;
            for distance in [1, 2, 4, 8, 16] {
                strings ^= strings << distance;
            }
            strings ^= within;
            let faults = block.places(is_control) & strings & before;
            // Brackets differ from braces in one bit.
            let ends = block.places(|bytes| is(bytes | u8x16::splat(0x20), b'}'));
            let begins = block.places(|bytes| is(bytes | u8x16::splat(0x20), b'{'));
            let mut brackets = (begins | ends) & before & !strings;
            while brackets != 0 {
                let bracket = lowest(brackets);
                brackets ^= bracket;
                if ends & bracket == 0 {
                    depth += 1;
                } else if depth > 1 {
                    depth -= 1;
                } else {
                    (faults & bracket.wrapping_sub(1) == 0).then_some(())?;
                    self.at += bracket.trailing_zeros() as usize + 1;
                    return self.text.get(start..self.at);
                }
            }
            (faults == 0).then_some(())?;
            within = (strings >> 31).wrapping_neg();
            self.at += backslashes.trailing_zeros() as usize;
            if backslashes != 0 {
                self.at += 1;
                if within != 0 {
                    self.escape()?;
                }
            }
        }
    }

    /// The byte that is next, counted from the start of the text.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes were taken, without the blanks between tokens.
    pub fn taken(&self) -> usize {
        self.at - self.blanks
    }

    /// Whether what stopped the scanner may be the end of the text: with more of it, it might go on.
    pub fn is_cut_short(&self) -> bool {
        self.at + LONGEST_ESCAPE > self.bytes.len()
    }

    /// Whether nothing but blanks is left.
    pub fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.at == self.bytes.len()
    }

    /// Takes the rest of a map whose brace was taken; `member` takes what follows the quote that begins a key.
    pub(super) fn rest_of_map(&mut self, member: &mut impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.enter()?;
        let mut next = self.take()?;
        if next != b'}' {
            loop {
                (next == b'"').then_some(())?;
                member(self)?;
                match self.take()? {
                    b',' => next = self.take()?,
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Takes the rest of a list whose bracket was taken, `item` each of its items.
    pub(super) fn rest_of_list(&mut self, item: &mut impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.enter()?;
        self.skip_blanks();
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                item(self)?;
                match self.take()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Goes on at another place, outside of every list and map.
    pub(super) fn go_to(&mut self, at: usize) {
        (self.at, self.depth) = (at, 0);
    }

    fn enter(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    /// Takes blanks.
    pub fn skip_blanks(&mut self) {
        let start = self.at;
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        self.blanks += self.at - start;
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes the next byte.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Takes the next byte that is no blank.
    #[inline]
    pub(super) fn take(&mut self) -> Option<u8> {
        let byte = self.next()?;
        if byte > b' ' {
            return Some(byte);
        }
        self.at -= 1;
        self.skip_blanks();
        self.next()
    }

    #[inline]
    pub(super) fn colon(&mut self) -> Option<()> {
        (self.take()? == b':').then_some(())
    }

    /// Takes the rest of a word whose first letter was taken.
    pub(super) fn word(&mut self, rest: &str) -> Option<()> {
        let end = self.at + rest.len();
        (self.bytes.get(self.at..end)? == rest.as_bytes()).then(|| self.at = end)
    }

    /// Takes what stands before the next quote, backslash or control character, which is then next.
    pub(super) fn plain(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.find_special()?;
        self.text.get(start..self.at)
    }

    /// Takes the rest of a string whose quote was taken. Nothing is taken of one that holds an escape.
    #[inline]
    pub(super) fn unescaped(&mut self) -> Option<&'a str> {
        let Some(end) = special(self.bytes, self.at) else {
            self.at = self.bytes.len();
            return None;
        };
        let text = self.text.get(self.at..end)?;
        (self.bytes.get(end) == Some(&b'"')).then(|| {
            self.at = end + 1;
            text
        })
    }

    /// Goes to the next quote, backslash or control character, or to the end where there is none.
    #[inline]
    fn find_special(&mut self) -> Option<()> {
        let place = special(self.bytes, self.at);
        self.at = place.unwrap_or(self.bytes.len());
        place.map(|_| ())
    }

    /// Takes the rest of a string whose quote was taken.
    #[inline]
    fn rest_of_string(&mut self) -> Option<()> {
        self.find_special()?;
        match self.next()? {
            b'"' => Some(()),
            b'\\' => self.rest_of_escaped(),
            _ => None,
        }
    }

    /// Takes the rest of a string of which a backslash was taken: few have any.
    #[cold]
    fn rest_of_escaped(&mut self) -> Option<()> {
        loop {
            self.escape()?;
            self.find_special()?;
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => {}
                _ => return None,
            }
        }
    }

    /// The character of an escape whose backslash was taken.
    pub(super) fn escape(&mut self) -> Option<char> {
        Some(match self.next()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.utf16_unit()?;
                match char::from_u32(unit) {
                    Some(character) => character,
                    None => self.second_half(unit)?,
                }
            }
            _ => return None,
        })
    }

    /// Takes the four digits after `\u`.
    fn utf16_unit(&mut self) -> Option<u32> {
        let end = self.at + 4;
        let digits = self.bytes.get(self.at..end)?;
        let unit =
            digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))?;
        self.at = end;
        Some(unit)
    }

    /// Takes the second half of a character whose first half was taken.
    fn second_half(&mut self, first: u32) -> Option<char> {
        if (self.next()?, self.next()?) != (b'\\', b'u') {
            return None;
        }
        let halves = [first, self.utf16_unit()?].map(u16::try_from);
        let [Ok(first), Ok(second)] = halves else { return None };
        char::decode_utf16([first, second]).next()?.ok()
    }

    /// Takes the rest of a number whose first byte was taken, and gives all of it: where it is no small integer, as the
    /// general reader finds it to be one.
    pub(super) fn number(&mut self) -> Option<Number> {
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
            return token.parse().ok().map(Number::Int);
        }
        let mut general = serde_json::Deserializer::from_str(token);
        let value = Seed::new(&Arena::new()).deserialize(&mut general).ok()?.as_number()?;
        general.end().ok().map(|()| value)
    }
}

/// The place of the first quote, backslash or control character from `at` on. Sixteen bytes are looked at together.
#[inline]
fn special(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    while let Some(lanes) = bytes.get(at..)?.first_chunk() {
        let lanes = u8x16::new(*lanes);
        let found = (is(lanes, b'"') | is(lanes, b'\\') | is_control(lanes)).to_bitmask();
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += 16;
    }
    special_at_end(bytes.get(at..)?).map(|place| at + place)
}

/// The same of the last bytes of a text, which the strings of few documents reach.
#[cold]
fn special_at_end(rest: &[u8]) -> Option<usize> {
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
}

/// As many bytes of a text as a word has bits.
struct Block([u8x16; 2]);

impl Block {
    /// What `rest` begins with, if anything; behind its end stand zeros.
    #[inline]
    fn new(rest: &[u8]) -> Option<Self> {
        let mut bytes = [[0; 16]; 2];
        match rest.first_chunk::<32>() {
            Some(block) => bytes.as_flattened_mut().copy_from_slice(block),
            None => bytes.as_flattened_mut().get_mut(..rest.len())?.copy_from_slice(rest),
        }
        (!rest.is_empty()).then(|| Self(bytes.map(u8x16::new)))
    }

    /// A bit for each byte that `test` marks, the lowest for the first.
    #[inline]
    fn places(&self, test: impl Fn(u8x16) -> u8x16) -> u32 {
        let [first, second] = self.0;
        test(first).to_bitmask() | test(second).to_bitmask() << 16
    }
}

/// Marks the bytes that are `byte`.
#[inline]
fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

/// Marks control characters.
#[inline]
fn is_control(bytes: u8x16) -> u8x16 {
    bytes.simd_lt(u8x16::splat(0x20))
}

/// The lowest of the bits that are set.
#[inline]
fn lowest(bits: u32) -> u32 {
    bits & bits.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where the map that `text` begins with ends, byte by byte.
    fn end(text: &str) -> Option<usize> {
        let mut scanner = Scanner::new(text);
        let mut depth = 0_usize;
        loop {
            match scanner.next()? {
                b'"' => scanner.rest_of_string()?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => return Some(scanner.at),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn a_map_ends_where_its_brackets_and_strings_say(
            rest in r#"([{}\[\]":, a\n\\]|[a-z]{1,9}|"[a-z:{}\[\]]{0,40}"|\\["\\/nq]|\\u[0-9a-g]{4}|é|\{"a":\[|\x01){0,60}"#,
        ) {
            let text = format!("{{{rest}");
            prop_assert_eq!(Scanner::new(&text).extent(), end(&text).and_then(|end| text.get(..end)), "{}", text);
        }

        #[test]
        fn a_string_ends_at_its_first_special_byte(text in "[a-zé]{0,40}[\"\\\\\n\u{7f}]?[a-z\"]{0,20}", at in 0_usize..70) {
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let rest = text.as_bytes().get(at..);
            let want = rest.and_then(|rest| rest.iter().position(is_special)).map(|place| at + place);
            prop_assert_eq!(special(text.as_bytes(), at), want);
        }
    }
}
