//! Reading the JSON that machines write into an arena, token by token as a [`Scanner`] takes them.
//!
//! The lists and maps around the place that is read are kept on a stack: a call for each of them, and for each of their
//! values, would cost more than taking the tokens does.

use super::MAX_DEPTH;
use super::scan::Scanner;
use crate::object::{beginning, sort_last_wins};
use crate::{Arena, Object, Value};

/// How many bytes an entry takes at least, and how many entries the maps around a value have in many documents: there is
/// room for so many. The allocator takes its time over blocks of more than a kilobyte.
const SHORTEST_ENTRY: usize = 6;
const ENTRIES: usize = 24;
/// The same of the lists and maps themselves.
const LEVELS: usize = 16;

/// The document, or `None` where the general reader has to look at it. Never another value than that one reads.
pub(super) fn read<'a>(arena: &'a Arena, text: &'a str) -> Option<Value<'a>> {
    let mut scanner = Scanner::new(text);
    let mut reader = Reader {
        arena,
        around: Vec::with_capacity(LEVELS),
        items: Vec::new(),
        entries: Vec::with_capacity(ENTRIES.min(text.len() / SHORTEST_ENTRY)),
    };
    let value = reader.value(&mut scanner)?;
    scanner.is_at_end().then_some(value)
}

/// What is needed while it reads does not lie in the arena, where all that a list outgrows would stay.
struct Reader<'a> {
    arena: &'a Arena,
    /// The lists and maps that are being read, innermost last.
    around: Vec<Around>,
    /// Items of the lists.
    items: Vec<Value<'a>>,
    /// Entries of the maps; the last one of the innermost has its key alone until its value is read.
    entries: Vec<Entry<'a>>,
}

/// An entry of a map.
struct Entry<'a> {
    /// What the key begins with, by which most keys are put in order.
    beginning: u64,
    key: &'a str,
    value: Value<'a>,
}

/// A list or a map, and how many items or entries those around it had when it began.
#[derive(Clone, Copy)]
enum Around {
    List(usize),
    Map(usize),
}

impl<'a> Reader<'a> {
    fn value(&mut self, scanner: &mut Scanner<'a>) -> Option<Value<'a>> {
        loop {
            // A value begins here.
            let mut value = match scanner.take()? {
                b'"' => Value::String(self.string(scanner)?),
                b'{' => {
                    self.enter(Around::Map(self.entries.len()))?;
                    match scanner.take()? {
                        b'"' => {
                            self.key(scanner)?;
                            continue;
                        }
                        b'}' => self.leave()?,
                        _ => return None,
                    }
                }
                b'[' => {
                    self.enter(Around::List(self.items.len()))?;
                    scanner.skip_blanks();
                    if scanner.peek()? != b']' {
                        continue;
                    }
                    scanner.next()?;
                    self.leave()?
                }
                b't' => scanner.word("rue").map(|()| Value::Bool(true))?,
                b'f' => scanner.word("alse").map(|()| Value::Bool(false))?,
                b'n' => scanner.word("ull").map(|()| Value::Null)?,
                b'-' | b'0'..=b'9' => scanner.number().map(Value::Number)?,
                _ => return None,
            };
            // And ends here: what is around it goes on, or ends with it.
            loop {
                match self.around.last() {
                    None => return Some(value),
                    Some(Around::Map(_)) => {
                        self.entries.last_mut()?.value = value;
                        match scanner.take()? {
                            b',' if scanner.take()? == b'"' => {
                                self.key(scanner)?;
                                break;
                            }
                            b'}' => value = self.leave()?,
                            _ => return None,
                        }
                    }
                    Some(Around::List(_)) => {
                        self.items.push(value);
                        match scanner.take()? {
                            b',' => break,
                            b']' => value = self.leave()?,
                            _ => return None,
                        }
                    }
                }
            }
        }
    }

    /// Begins a list or a map.
    fn enter(&mut self, around: Around) -> Option<()> {
        (self.around.len() < MAX_DEPTH).then(|| self.around.push(around))
    }

    /// Ends the innermost list or map, and gives it.
    fn leave(&mut self) -> Option<Value<'a>> {
        Some(match self.around.pop()? {
            Around::List(start) => {
                let array = self.arena.array(self.items.get(start..)?);
                self.items.truncate(start);
                array
            }
            Around::Map(start) => {
                let entries = self.entries.get_mut(start..)?;
                let unique = sort_last_wins(entries, |a, b| {
                    a.beginning.cmp(&b.beginning).then_with(|| a.key.cmp(b.key))
                });
                let entries = entries.get(..unique)?.iter().map(|entry| (entry.key, entry.value));
                let entries = self.arena.slice_of(entries);
                self.entries.truncate(start);
                Value::Object(Object::from_sorted(entries))
            }
        })
    }

    /// Begins an entry whose opening quote was taken: its value comes next.
    fn key(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        let key = self.string(scanner)?;
        scanner.colon()?;
        self.entries.push(Entry { beginning: beginning(key.as_bytes()), key, value: Value::Null });
        Some(())
    }

    /// A string whose opening quote was taken.
    #[inline]
    fn string(&mut self, scanner: &mut Scanner<'a>) -> Option<&'a str> {
        match scanner.unescaped() {
            Some(text) => Some(text),
            None => self.escaped(scanner),
        }
    }

    /// A string with escapes whose opening quote was taken.
    #[cold]
    fn escaped(&mut self, scanner: &mut Scanner<'a>) -> Option<&'a str> {
        let mut text = scanner.plain()?.to_owned();
        loop {
            match scanner.next()? {
                b'"' => return Some(self.arena.str(&text)),
                b'\\' => text.push(scanner.escape()?),
                _ => return None,
            }
            text.push_str(scanner.plain()?);
        }
    }
}
