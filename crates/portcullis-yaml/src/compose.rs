//! From tokens to values: the grammar, anchors and aliases, merge keys, limits.
//!
//! Long because the grammar is one family of functions that call each other.

use std::collections::HashMap;

use portcullis_value::{Arena, Object, Value};

use crate::marks::Marking;
use crate::read::{Duplicate, MAX_ALIAS_NODES, MAX_DEPTH};
use crate::scalar::{self, Scalar};
use crate::scan::{Kind, Scanner, Token};
use crate::tag::Tag;
use crate::{Error, Place};

/// Reads the first document of a text, noting the places of nodes as `M` does.
pub(crate) struct Composer<'a, M: Marking<'a>> {
    arena: &'a Arena,
    scanner: Scanner<'a>,
    names: HashMap<&'a str, usize>,
    anchors: Vec<Anchor<'a, M>>,
    /// Nodes so far, those that aliases made and the document itself included.
    nodes: usize,
    alias_nodes: usize,
    depth: usize,
    /// Children of the collections that are being read, innermost last, as in the JSON reader.
    items: Vec<(Value<'a>, M)>,
    entries: Vec<Entry<'a, M>>,
    duplicates: Vec<Duplicate<'a>>,
    /// Where the last token ended that holds something.
    end: u32,
}

/// Where a node stands, which decides how it may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Block,
    /// Key or value of a block mapping: a list may begin at the column of the map.
    BlockEntry,
    Flow,
}

#[derive(Clone, Copy)]
struct Anchor<'a, M> {
    /// `None` while the node is being read.
    content: Option<Content<'a>>,
    mark: M,
    /// How many nodes it is made of.
    size: usize,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Scalar(Scalar, &'a str),
    Collection(Value<'a>),
}

#[derive(Clone, Copy)]
struct Node<'a, M> {
    content: Content<'a>,
    mark: M,
}

#[derive(Clone, Copy)]
struct Entry<'a, M> {
    key: &'a str,
    place: Place,
    value: Value<'a>,
    mark: M,
    /// It came with `<<`.
    merged: bool,
}

#[derive(Clone, Copy)]
enum Key<'a> {
    Text(&'a str),
    Merge,
}

/// An anchor and a tag, where a node has them.
#[derive(Clone, Copy, Default)]
struct Properties<'a> {
    anchor: Option<&'a str>,
    tag: Option<Tag>,
}

/// What a composer made of a document.
pub(crate) struct Composed<'a, M> {
    pub(crate) value: Value<'a>,
    pub(crate) mark: M,
    pub(crate) duplicates: Vec<Duplicate<'a>>,
    pub(crate) unread: Option<Place>,
}

impl<'a, M: Marking<'a>> Composer<'a, M> {
    /// Reads the first document of `text`, which begins on `line`.
    pub(crate) fn compose(arena: &'a Arena, text: &'a str, line: u32) -> Result<Composed<'a, M>, Error> {
        let mut composer = Self {
            arena,
            scanner: Scanner::new(arena, text, line)?,
            names: HashMap::new(),
            anchors: Vec::new(),
            nodes: 1,
            alias_nodes: 0,
            depth: 0,
            items: Vec::new(),
            entries: Vec::new(),
            duplicates: Vec::new(),
            end: 0,
        };
        let (value, mark) = composer.document()?;
        let next = composer.scanner.peek()?;
        let unread = (!ends_document(next.kind)).then_some(next.place);
        let mut duplicates = composer.duplicates;
        duplicates.sort_by_key(|duplicate| duplicate.first.start);
        Ok(Composed { value, mark, duplicates, unread })
    }

    fn document(&mut self) -> Result<(Value<'a>, M), Error> {
        let mut token = self.scanner.peek()?;
        let directives = token.kind == Kind::Directive;
        while token.kind == Kind::Directive {
            self.take(token);
            token = self.scanner.peek()?;
        }
        if token.kind == Kind::DocumentStart {
            self.take(token);
            let next = self.scanner.peek()?;
            return if ends_document(next.kind) {
                Ok(self.nothing(next.place))
            } else {
                self.node(Context::Block)
            };
        }
        if directives {
            return Err(error("`---` must follow a directive", token.place));
        }
        if token.kind == Kind::StreamEnd { Ok(self.nothing(token.place)) } else { self.node(Context::Block) }
    }

    fn take(&mut self, token: Token<'a>) {
        self.scanner.take();
        if token.place.start < token.place.end {
            self.end = token.place.end;
        }
    }

    /// A node as a value.
    fn node(&mut self, context: Context) -> Result<(Value<'a>, M), Error> {
        let token = self.scanner.peek()?;
        // Most nodes are scalars without a tag.
        let scalar = match token.kind {
            Kind::Plain(text) => Some((scalar::resolve(text), text)),
            Kind::Quoted(text) => Some((Scalar::String, text)),
            _ => None,
        };
        if let Some((scalar, text)) = scalar {
            self.take(token);
            self.nodes += 1;
            return Ok((to_value(scalar, text, token.place)?, M::scalar(token.place)));
        }
        let node = self.any_node(context)?;
        let value = match node.content {
            Content::Scalar(scalar, text) => to_value(scalar, text, token.place)?,
            Content::Collection(value) => value,
        };
        Ok((value, node.mark))
    }

    fn any_node(&mut self, context: Context) -> Result<Node<'a, M>, Error> {
        let token = self.scanner.peek()?;
        if let Kind::Alias(name) = token.kind {
            self.take(token);
            return self.alias(name, token.place);
        }
        let properties = self.properties()?;
        let Some(name) = properties.anchor else { return self.content(context, token, properties) };
        let index = self.anchors.len();
        // A mark is needed before there is one; it is not seen while `content` is missing.
        self.anchors.push(Anchor { content: None, mark: M::scalar(token.place), size: 0 });
        self.names.insert(name, index);
        let nodes = self.nodes;
        let node = self.content(context, token, properties)?;
        if let Some(anchor) = self.anchors.get_mut(index) {
            *anchor = Anchor { content: Some(node.content), mark: node.mark, size: self.nodes - nodes };
        }
        Ok(node)
    }

    fn alias(&mut self, name: &str, place: Place) -> Result<Node<'a, M>, Error> {
        let Some(anchor) = self.names.get(name).and_then(|index| self.anchors.get(*index)) else {
            return Err(error(format!("there is no anchor `&{name}` before this"), place)
                .with_hint("put a value that begins with `*` in quotes"));
        };
        let content = anchor
            .content
            .ok_or_else(|| error(format!("the value of anchor `&{name}` holds itself"), place))?;
        self.nodes += 1 + anchor.size;
        self.alias_nodes += anchor.size;
        // COMPAT(go-yaml): more than 99 in 100 nodes made by aliases are refused, unless the document is small.
        let excessive =
            self.alias_nodes > 100 && self.nodes > 1000 && self.alias_nodes * 100 > self.nodes * 99;
        if excessive || self.alias_nodes > MAX_ALIAS_NODES {
            return Err(error(format!("aliases make more than {MAX_ALIAS_NODES} values"), place)
                .with_hint("write the values out, or put them into several documents"));
        }
        Ok(Node { content, mark: anchor.mark.moved_to(place) })
    }

    /// An anchor and a tag in either order.
    fn properties(&mut self) -> Result<Properties<'a>, Error> {
        let mut properties = Properties::default();
        loop {
            let token = self.scanner.peek()?;
            match token.kind {
                Kind::Anchor(name) if properties.anchor.is_none() => properties.anchor = Some(name),
                Kind::Tag(tag) if properties.tag.is_none() => {
                    properties.tag = Some(
                        tag.ok_or_else(|| error("the handle of this tag is not declared", token.place))?,
                    );
                }
                _ => return Ok(properties),
            }
            self.take(token);
        }
    }

    /// A node behind its properties. `first` is the first token of it all.
    fn content(
        &mut self,
        context: Context,
        first: Token<'a>,
        properties: Properties<'a>,
    ) -> Result<Node<'a, M>, Error> {
        let token = self.scanner.peek()?;
        let in_block = context != Context::Flow;
        let collection = match token.kind {
            Kind::Plain(text) | Kind::Quoted(text) => {
                self.take(token);
                let plain = matches!(token.kind, Kind::Plain(_));
                return self.scalar(properties, text, plain, token.place);
            }
            Kind::Entry if context == Context::BlockEntry => self.entries_at_column_of_map(first.place)?,
            Kind::SequenceStart if in_block => self.block_sequence(first.place)?,
            Kind::MappingStart if in_block => self.block_mapping(first.place)?,
            Kind::FlowSequenceStart => self.flow_sequence(token, first.place)?,
            Kind::FlowMappingStart => self.flow_mapping(token, first.place)?,
            _ if properties.anchor.is_some() || properties.tag.is_some() => {
                return self.scalar(properties, "", true, empty_at(token.place));
            }
            _ => return Err(error("a value is missing", token.place)),
        };
        let (value, mark) = collection;
        Ok(Node { content: Content::Collection(value), mark })
    }

    fn scalar(
        &mut self,
        properties: Properties<'a>,
        text: &'a str,
        plain: bool,
        place: Place,
    ) -> Result<Node<'a, M>, Error> {
        self.nodes += 1;
        let (scalar, text) = match properties.tag {
            Some(tag) => tag.apply(self.arena, text).map_err(|message| error(message, place))?,
            None if plain => (scalar::resolve(text), text),
            None => (Scalar::String, text),
        };
        Ok(Node { content: Content::Scalar(scalar, text), mark: M::scalar(place) })
    }

    /// A node that nothing was written for.
    fn nothing(&mut self, place: Place) -> (Value<'a>, M) {
        self.nodes += 1;
        (Value::Null, M::scalar(empty_at(place)))
    }

    fn enter(&mut self, place: Place) -> Result<(), Error> {
        self.nodes += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let error = error(format!("nested deeper than {MAX_DEPTH} levels"), place);
            return Err(error.with_hint("no object of Kubernetes is that deep"));
        }
        Ok(())
    }

    fn block_sequence(&mut self, start: Place) -> Result<(Value<'a>, M), Error> {
        self.enter(start)?;
        self.scanner.take();
        let base = self.items.len();
        loop {
            let token = self.scanner.peek()?;
            self.take(token);
            match token.kind {
                Kind::Entry => {
                    let next = self.scanner.peek()?;
                    let item = match next.kind {
                        Kind::Entry | Kind::BlockEnd => self.nothing(next.place),
                        _ => self.node(Context::Block)?,
                    };
                    self.items.push(item);
                }
                Kind::BlockEnd => return Ok(self.finish_sequence(start, base)),
                _ => return Err(misaligned("`-` is missing before a list item", token.place)),
            }
        }
    }

    /// A block sequence that is not indented against the map it stands in; it ends where the map goes on.
    fn entries_at_column_of_map(&mut self, start: Place) -> Result<(Value<'a>, M), Error> {
        self.enter(start)?;
        let base = self.items.len();
        loop {
            let token = self.scanner.peek()?;
            if token.kind != Kind::Entry {
                return Ok(self.finish_sequence(start, base));
            }
            self.take(token);
            let next = self.scanner.peek()?;
            let item = match next.kind {
                Kind::Entry | Kind::Key | Kind::Value | Kind::BlockEnd => self.nothing(next.place),
                _ => self.node(Context::Block)?,
            };
            self.items.push(item);
        }
    }

    fn block_mapping(&mut self, start: Place) -> Result<(Value<'a>, M), Error> {
        self.enter(start)?;
        self.scanner.take();
        let base = self.entries.len();
        loop {
            let token = self.scanner.peek()?;
            self.take(token);
            match token.kind {
                Kind::Key => {
                    let next = self.scanner.peek()?;
                    let key = match next.kind {
                        Kind::Key | Kind::Value | Kind::BlockEnd => return Err(null_key(next.place)),
                        _ => self.key(Context::BlockEntry)?,
                    };
                    self.entry(key, next.place, Context::BlockEntry)?;
                }
                Kind::BlockEnd => return Ok(self.finish_mapping(start, base)),
                _ => return Err(misaligned("a key is missing", token.place)),
            }
        }
    }

    fn flow_sequence(&mut self, opening: Token<'a>, start: Place) -> Result<(Value<'a>, M), Error> {
        self.enter(start)?;
        self.take(opening);
        let base = self.items.len();
        loop {
            let mut token = self.scanner.peek()?;
            if token.kind != Kind::FlowSequenceEnd && self.items.len() > base {
                if token.kind != Kind::FlowEntry {
                    return Err(unclosed("`,` or `]` is missing in a list", opening.place, token));
                }
                self.take(token);
                token = self.scanner.peek()?;
            }
            let item = match token.kind {
                Kind::FlowSequenceEnd => {
                    self.take(token);
                    return Ok(self.finish_sequence(start, base));
                }
                Kind::Key => self.pair(token)?,
                _ => self.node(Context::Flow)?,
            };
            self.items.push(item);
        }
    }

    /// `key: value` as an item of a flow sequence: a map of one entry.
    fn pair(&mut self, key_token: Token<'a>) -> Result<(Value<'a>, M), Error> {
        let start = self.scanner.peek()?.place;
        self.enter(start)?;
        self.take(key_token);
        let base = self.entries.len();
        let next = self.scanner.peek()?;
        let key = match next.kind {
            Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd => return Err(null_key(next.place)),
            _ => self.key(Context::Flow)?,
        };
        self.entry(key, next.place, Context::Flow)?;
        Ok(self.finish_mapping(start, base))
    }

    fn flow_mapping(&mut self, opening: Token<'a>, start: Place) -> Result<(Value<'a>, M), Error> {
        self.enter(start)?;
        self.take(opening);
        let base = self.entries.len();
        let mut first = true;
        loop {
            let mut token = self.scanner.peek()?;
            if token.kind != Kind::FlowMappingEnd && !std::mem::take(&mut first) {
                if token.kind != Kind::FlowEntry {
                    return Err(unclosed("`,` or `}` is missing in a map", opening.place, token));
                }
                self.take(token);
                token = self.scanner.peek()?;
            }
            match token.kind {
                Kind::FlowMappingEnd => {
                    self.take(token);
                    return Ok(self.finish_mapping(start, base));
                }
                Kind::Key => {
                    self.take(token);
                    let next = self.scanner.peek()?;
                    let key = match next.kind {
                        Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd => {
                            return Err(null_key(next.place));
                        }
                        _ => self.key(Context::Flow)?,
                    };
                    self.entry(key, next.place, Context::Flow)?;
                }
                _ => {
                    let key = self.key(Context::Flow)?;
                    let place = self.scanner.peek()?.place;
                    let value = self.nothing(place);
                    self.put(key, token.place, value, false)?;
                }
            }
        }
    }

    fn key(&mut self, context: Context) -> Result<Key<'a>, Error> {
        let token = self.scanner.peek()?;
        if let Kind::Quoted(text) = token.kind {
            self.take(token);
            self.nodes += 1;
            return Ok(Key::Text(text));
        }
        let (scalar, text) = if let Kind::Plain(text) = token.kind {
            self.take(token);
            self.nodes += 1;
            (scalar::resolve(text), text)
        } else if let Content::Scalar(scalar, text) = self.any_node(context)?.content {
            (scalar, text)
        } else {
            return Err(error("a list or map cannot be a key", token.place)
                .with_hint("put `{{ }}` in quotes: without them it is a map within a map"));
        };
        if scalar == Scalar::Merge && !matches!(token.kind, Kind::Alias(_)) {
            return Ok(Key::Merge);
        }
        self.key_text(scalar, text, token.place)
    }

    /// A key as Kubernetes writes it: YAML knows keys of all types, JSON only strings.
    fn key_text(&self, scalar: Scalar, text: &'a str, place: Place) -> Result<Key<'a>, Error> {
        match scalar.to_key(self.arena, text) {
            Some(text) => Ok(Key::Text(text)),
            None if scalar == Scalar::Null => Err(null_key(place)),
            None => Err(error(format!("`{text}` is too large a number for a key"), place)),
        }
    }

    /// The value that follows `key`, and both into the map that is being read.
    fn entry(&mut self, key: Key<'a>, place: Place, context: Context) -> Result<(), Error> {
        let token = self.scanner.peek()?;
        let value = if token.kind == Kind::Value {
            self.take(token);
            let next = self.scanner.peek()?;
            let missing = match context {
                Context::Flow => {
                    matches!(next.kind, Kind::FlowEntry | Kind::FlowMappingEnd | Kind::FlowSequenceEnd)
                }
                _ => matches!(next.kind, Kind::Key | Kind::Value | Kind::BlockEnd),
            };
            if missing {
                self.nothing(next.place)
            } else {
                let is_alias = matches!(next.kind, Kind::Alias(_));
                let value = self.node(context)?;
                return self.put(key, place, value, is_alias);
            }
        } else {
            self.nothing(token.place)
        };
        self.put(key, place, value, false)
    }

    fn put(
        &mut self,
        key: Key<'a>,
        place: Place,
        (value, mark): (Value<'a>, M),
        is_alias: bool,
    ) -> Result<(), Error> {
        let Key::Text(key) = key else { return self.merge(place, value, mark, is_alias) };
        self.entries.push(Entry { key, place, value, mark, merged: false });
        Ok(())
    }

    /// Puts the entries of a map, or of each map in a list (the first has the last word), into the map being read.
    fn merge(&mut self, place: Place, value: Value<'a>, mark: M, is_alias: bool) -> Result<(), Error> {
        match value {
            Value::Object(object) => {
                self.merge_object(place, object, mark);
                Ok(())
            }
            Value::Array(items) if !is_alias => {
                for (index, item) in items.iter().enumerate().rev() {
                    let object = item.as_object().ok_or_else(|| not_mergeable(place))?;
                    self.merge_object(place, object, mark.item(index));
                }
                Ok(())
            }
            _ => Err(not_mergeable(place)),
        }
    }

    fn merge_object(&mut self, place: Place, object: Object<'a>, mark: M) {
        for (key, value) in object.iter() {
            let (key_place, mark) = mark.entry(key, place);
            self.entries.push(Entry { key, place: key_place, value, mark, merged: true });
        }
    }

    fn finish_sequence(&mut self, start: Place, base: usize) -> (Value<'a>, M) {
        self.depth -= 1;
        let items = self.items.get(base..).unwrap_or_default();
        let place = Place { end: self.end, ..start };
        let value = Value::Array(self.arena.slice_of(items.iter().map(|item| item.0)));
        let mark = M::sequence(self.arena, place, items.iter().map(|item| item.1));
        self.items.truncate(base);
        (value, mark)
    }

    fn finish_mapping(&mut self, start: Place, base: usize) -> (Value<'a>, M) {
        self.depth -= 1;
        let place = Place { end: self.end, ..start };
        self.sort_entries(base);
        let entries = self.entries.get(base..).unwrap_or_default();
        let pairs = self.arena.slice_of(entries.iter().map(|entry| (entry.key, entry.value)));
        let mark =
            M::mapping(self.arena, place, entries.iter().map(|entry| (entry.key, entry.place, entry.mark)));
        self.entries.truncate(base);
        (Value::Object(Object::from_sorted(pairs)), mark)
    }

    /// Sorts the entries from `base` on, keeps the last of equal keys and notes those that were written twice.
    fn sort_entries(&mut self, base: usize) {
        let entries = self.entries.get_mut(base..).unwrap_or_default();
        if entries.is_sorted_by(|a, b| a.key < b.key) {
            return;
        }
        // The sort is stable: of equal keys the last one written comes last.
        entries.sort_by(|a, b| a.key.cmp(b.key));
        let mut kept = base;
        let mut index = base;
        while let Some(group) =
            self.entries.get(index..).and_then(|rest| rest.chunk_by(|a, b| a.key == b.key).next())
        {
            let mut written = group.iter().filter(|entry| !entry.merged);
            if let (Some(first), Some(last)) = (written.next(), written.next_back()) {
                self.duplicates.push(Duplicate { key: first.key, first: first.place, last: last.place });
            }
            index += group.len();
            self.entries.swap(kept, index - 1);
            kept += 1;
        }
        self.entries.truncate(kept);
    }
}

/// Whether a document that has begun ends before a token of this kind.
fn ends_document(kind: Kind<'_>) -> bool {
    matches!(kind, Kind::StreamEnd | Kind::DocumentStart | Kind::DocumentEnd | Kind::Directive)
}

fn to_value<'a>(scalar: Scalar, text: &'a str, place: Place) -> Result<Value<'a>, Error> {
    scalar.to_value(text).ok_or_else(|| {
        error(format!("`{text}` is a number that JSON does not have"), place).with_hint("put it in quotes")
    })
}

fn empty_at(place: Place) -> Place {
    Place { end: place.start, ..place }
}

fn error(message: impl Into<Box<str>>, place: Place) -> Error {
    Error::new(message, (place.line as usize, place.column as usize))
}

fn null_key(place: Place) -> Error {
    error("null cannot be a key", place).with_hint("put the key in quotes")
}

fn not_mergeable(place: Place) -> Error {
    error("only a map or a list of maps can be merged with `<<`", place)
}

fn misaligned(message: &'static str, place: Place) -> Error {
    error(message, place).with_hint("check that the lines above begin at the same column")
}

fn unclosed(message: &str, opening: Place, token: Token<'_>) -> Error {
    error(format!("{message} that begins on line {}", opening.line), token.place)
}
