//! Reading the JSON that machines write into an arena, as a [`Scanner`] goes through it.

use super::scan::Scanner;
use crate::object::sort_last_wins;
use crate::{Arena, Object, Value};

/// Room for the entries of most documents, so that it is taken once.
const ENTRIES: usize = 64;

/// The document, or `None` where the general reader has to look at it. Never another value than that one reads.
pub(super) fn read<'a>(arena: &'a Arena, text: &'a str) -> Option<Value<'a>> {
    let mut scanner = Scanner::new(text);
    let mut reader = Reader { arena, items: Vec::new(), entries: Vec::with_capacity(ENTRIES) };
    let value = reader.value(&mut scanner)?;
    scanner.is_at_end().then_some(value)
}

struct Reader<'a> {
    arena: &'a Arena,
    /// Children of the lists and maps that are being read, innermost last.
    items: Vec<Value<'a>>,
    entries: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, scanner: &mut Scanner<'a>) -> Option<Value<'a>> {
        match scanner.take()? {
            b'"' => self.string(scanner).map(Value::String),
            b'{' => self.map(scanner),
            b'[' => self.list(scanner),
            b't' => scanner.word("rue").map(|()| Value::Bool(true)),
            b'f' => scanner.word("alse").map(|()| Value::Bool(false)),
            b'n' => scanner.word("ull").map(|()| Value::Null),
            b'-' | b'0'..=b'9' => scanner.number().map(Value::Number),
            _ => None,
        }
    }

    fn list(&mut self, scanner: &mut Scanner<'a>) -> Option<Value<'a>> {
        let start = self.items.len();
        scanner.rest_of_list(&mut |scanner| {
            let item = self.value(scanner)?;
            self.items.push(item);
            Some(())
        })?;
        let array = self.arena.array(self.items.get(start..)?);
        self.items.truncate(start);
        Some(array)
    }

    fn map(&mut self, scanner: &mut Scanner<'a>) -> Option<Value<'a>> {
        let start = self.entries.len();
        scanner.rest_of_map(&mut |scanner| {
            let key = self.string(scanner)?;
            scanner.colon()?;
            let value = self.value(scanner)?;
            self.entries.push((key, value));
            Some(())
        })?;
        sort_last_wins(&mut self.entries, start);
        let entries = self.arena.slice(self.entries.get(start..)?);
        self.entries.truncate(start);
        Some(Value::Object(Object::from_sorted(entries)))
    }

    /// A string whose opening quote was taken.
    fn string(&mut self, scanner: &mut Scanner<'a>) -> Option<&'a str> {
        let plain = scanner.plain()?;
        match scanner.next()? {
            b'"' => Some(plain),
            b'\\' => self.escaped(plain, scanner),
            _ => None,
        }
    }

    /// A string that begins with `before`, and of which a backslash was taken.
    fn escaped(&mut self, before: &str, scanner: &mut Scanner<'a>) -> Option<&'a str> {
        let mut text = before.to_owned();
        loop {
            text.push(scanner.escape()?);
            text.push_str(scanner.plain()?);
            match scanner.next()? {
                b'"' => return Some(self.arena.str(&text)),
                b'\\' => {}
                _ => return None,
            }
        }
    }
}
