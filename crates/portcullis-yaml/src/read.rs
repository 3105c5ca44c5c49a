//! From events to values.

use granit_parser::{Event, Parser};
use portcullis_value::{Arena, Object, Value};

use crate::Error;
use crate::marks::{Marks, Place};
use crate::scalar::{self, Scalar};

/// How deep lists and maps may be nested in one another.
pub const MAX_DEPTH: usize = 256;

/// How many nodes the aliases of a document may make.
pub const MAX_ALIAS_NODES: usize = 10_000;

/// Reads the first document of `text`. An empty text is `null`.
///
/// # Errors
/// What `sigs.k8s.io/yaml` refuses, and what goes beyond [`MAX_DEPTH`] or [`MAX_ALIAS_NODES`].
pub fn read<'a>(arena: &'a Arena, text: &'a str) -> Result<Value<'a>, Error> {
    Source::new(text).read(arena).map(|document| document.value)
}

/// The text of one document and the line of its stream on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'t> {
    text: &'t str,
    line: usize,
}

/// What a text holds.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    pub value: Value<'a>,
    /// Keys that stand twice in one map, in the order of the text.
    pub duplicates: Vec<Duplicate<'a>>,
}

/// What a text holds, and where it stands.
#[derive(Clone, Debug)]
pub struct MarkedDocument<'a> {
    pub value: Value<'a>,
    pub marks: Marks<'a>,
    /// Keys that stand twice in one map, in the order of the text.
    pub duplicates: Vec<Duplicate<'a>>,
}

/// A key that was written twice in one map. The last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate<'a> {
    pub key: &'a str,
    /// The one that is passed over.
    pub first: Place,
    /// The one that counts.
    pub last: Place,
}

impl<'t> Source<'t> {
    /// A text that begins on line 1.
    pub fn new(text: &'t str) -> Self {
        Self::at_line(text, 1)
    }

    /// A text that begins on `line` of its stream.
    pub fn at_line(text: &'t str, line: usize) -> Self {
        Self { text, line }
    }

    /// The text.
    pub fn text(self) -> &'t str {
        self.text
    }

    /// The line of the stream on which the text begins, counted from 1.
    pub fn line(self) -> usize {
        self.line
    }

    /// Reads the first document of the text.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read<'a>(self, arena: &'a Arena) -> Result<Document<'a>, Error>
    where
        't: 'a,
    {
        let marked = self.read_marked(arena)?;
        Ok(Document { value: marked.value, duplicates: marked.duplicates })
    }

    /// Reads the first document of the text and notes where everything stands.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read_marked<'a>(self, arena: &'a Arena) -> Result<MarkedDocument<'a>, Error>
    where
        't: 'a,
    {
        let mut composer = Composer {
            arena,
            parser: Parser::new_from_str(self.text),
            line: self.line,
            anchors: Vec::new(),
            duplicates: Vec::new(),
        };
        let node = loop {
            match composer.next()? {
                (Event::StreamStart | Event::DocumentStart(..) | Event::Comment(..), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, place) => {
                    break Node { value: Value::Null, marks: Marks::scalar(place), key: None };
                }
                (event, place) => break composer.node(event, place)?,
            }
        };
        Ok(MarkedDocument { value: node.value, marks: node.marks, duplicates: composer.duplicates })
    }
}

#[derive(Clone, Copy)]
struct Node<'a> {
    value: Value<'a>,
    marks: Marks<'a>,
    /// The text, if it is a plain scalar without a tag.
    key: Option<&'a str>,
}

struct Composer<'a> {
    arena: &'a Arena,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    line: usize,
    anchors: Vec<(usize, Node<'a>)>,
    duplicates: Vec<Duplicate<'a>>,
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Error> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let at = |offset: Option<usize>| u32::try_from(offset.unwrap_or(0)).unwrap_or(u32::MAX);
                let place = Place {
                    line: at(Some(span.start.line() + self.line - 1)),
                    column: at(Some(span.start.col() + 1)),
                    start: at(span.start.byte_offset()),
                    end: at(span.end.byte_offset()),
                };
                Ok((event, place))
            }
            Some(Err(error)) => Err(Error::new(
                error.info(),
                (error.marker().line() + self.line - 1, error.marker().col() + 1),
            )),
            None => Err(Error::new("unexpected end", (self.line, 1))),
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place) -> Result<Node<'a>, Error> {
        match event {
            Event::Alias(id) => {
                let found = self.anchors.iter().rev().find(|anchor| anchor.0 == id).map(|anchor| anchor.1);
                found
                    .map(|node| Node { marks: node.marks.moved_to(place), ..node })
                    .ok_or_else(|| self.error("anchor contains itself", place))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let text: &'a str = match text {
                    std::borrow::Cow::Borrowed(text) => text,
                    std::borrow::Cow::Owned(text) => self.arena.str(&text),
                };
                let plain = style == granit_parser::ScalarStyle::Plain && tag.is_none();
                let scalar = if plain { scalar::resolve(text) } else { Scalar::String };
                let value = scalar::to_value(scalar, text)
                    .ok_or_else(|| self.error(&format!("`{text}` is no JSON value"), place))?;
                let node = Node { value, marks: Marks::scalar(place), key: plain.then_some(text) };
                self.anchors.push((anchor, node));
                Ok(node)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (mut items, mut marks) = (Vec::new(), Vec::new());
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (Event::Comment(..), _) => {}
                        (event, place) => {
                            let item = self.node(event, place)?;
                            items.push(item.value);
                            marks.push(item.marks);
                        }
                    }
                }
                let marks = Marks::sequence(self.arena, place, &marks);
                let node = Node { value: self.arena.array(&items), marks, key: None };
                self.anchors.push((anchor, node));
                Ok(node)
            }
            Event::MappingStart(_, anchor, _) => {
                let mut entries: Vec<(&'a str, Place, Node<'a>)> = Vec::new();
                loop {
                    let (event, key_place) = self.next()?;
                    if matches!(event, Event::Comment(..)) {
                        continue;
                    }
                    if event == Event::MappingEnd {
                        break;
                    }
                    let key = self.node(event, key_place)?;
                    let value = loop {
                        match self.next()? {
                            (Event::Comment(..), _) => {}
                            (event, place) => break self.node(event, place)?,
                        }
                    };
                    if key.key == Some("<<") {
                        let maps = match value.value {
                            Value::Array(items) => items,
                            _ => &[value.value],
                        };
                        for map in maps.iter().rev() {
                            let Some(object) = map.as_object() else {
                                return Err(
                                    self.error("map merge requires map or sequence of maps", key_place)
                                );
                            };
                            for (key, item) in object.iter() {
                                let marks = value.marks.child(key).unwrap_or(value.marks);
                                entries.push((key, key_place, Node { value: item, marks, key: None }));
                            }
                        }
                        continue;
                    }
                    let text = match key.value {
                        Value::String(text) => text,
                        Value::Bool(_) | Value::Number(_) => self.arena.str(&key.value.to_string()),
                        _ => return Err(self.error("key must be a string, number or boolean", key_place)),
                    };
                    entries.push((text, key_place, value));
                }
                entries.sort_by(|a, b| a.0.cmp(b.0));
                let mut kept: Vec<(&'a str, Place, Node<'a>)> = Vec::new();
                for entry in entries {
                    match kept.last_mut() {
                        Some(last) if last.0 == entry.0 => {
                            self.duplicates.push(Duplicate { key: entry.0, first: last.1, last: entry.1 });
                            *last = entry;
                        }
                        _ => kept.push(entry),
                    }
                }
                let values: Vec<_> = kept.iter().map(|entry| (entry.0, entry.2.value)).collect();
                let marks: Vec<_> = kept.iter().map(|entry| (entry.0, entry.1, entry.2.marks)).collect();
                let node = Node {
                    value: Value::Object(Object::from_sorted(self.arena.slice(&values))),
                    marks: Marks::mapping(self.arena, place, &marks),
                    key: None,
                };
                self.anchors.push((anchor, node));
                Ok(node)
            }
            _ => Err(self.error("unexpected event", place)),
        }
    }

    fn error(&self, message: &str, place: Place) -> Error {
        Error::new(message, (place.line as usize, place.column as usize))
    }
}
