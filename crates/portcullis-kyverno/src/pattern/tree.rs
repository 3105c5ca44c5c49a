//! Compiled pattern trees: anchors read, keys in the order in which they are judged.

use portcullis_gocompat::wildcard::{Wildcard, contains_wildcard};
use portcullis_value::{Budget, Exhausted, Object, Value};

use super::scalar::Scalar;
use crate::anchor::{Anchor, AnchorKind, bare_key};

#[derive(Clone, Debug)]
pub(super) enum Node {
    Map(Map),
    /// Labels or annotations that are rewritten: their number in [`Tree::tags`].
    Tags(usize),
    List(Box<[Node]>),
    Scalar(Scalar),
}

/// A pattern of a map.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// The anchors, then the fields: together, since most walks go through both.
    entries: Box<[Entry]>,
    anchors: usize,
    /// The tags of this map's metadata, if any are rewritten.
    pub(super) tags: Option<Box<TagsOfMetadata>>,
}

/// The labels and the annotations of a metadata that are rewritten: their numbers in [`Tree::tags`].
#[derive(Clone, Debug)]
pub(super) struct TagsOfMetadata {
    pub(super) labels: Option<usize>,
    pub(super) annotations: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key to look up.
    pub(super) key: Box<str>,
    /// The key as written, if that is something else.
    written: Option<Box<str>>,
    /// Never [`AnchorKind::AddIfAbsent`], which means nothing here: such a key is looked up as written.
    pub(super) anchor: Option<AnchorKind>,
    /// Whether the entry or something below it has an anchor.
    holds_anchor: bool,
    pub(super) node: Node,
}

/// A pattern of labels or annotations that is rewritten.
#[derive(Clone, Debug)]
pub(super) struct Tags {
    pub(super) map: Map,
    /// The keys as written that hold wildcards, and the wildcards.
    pub(super) wild: Box<[(Box<str>, Wildcard)]>,
    /// Whether something is no text and is dropped.
    pub(super) drops: bool,
}

/// A whole pattern.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) root: Node,
    /// Labels and annotations that are rewritten when they meet a resource.
    pub(super) tags: Box<[Tags]>,
    /// Whether a text of the pattern holds the word `anchor`.
    pub(super) mentions_anchor: bool,
    /// Whether anchors go with what is no text in those labels and annotations.
    pub(super) drops_anchors: bool,
}

impl Node {
    /// The name of Go's type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Node::Map(_) | Node::Tags(_) | Node::Scalar(Scalar::Map) => "map[string]interface {}",
            Node::List(_) | Node::Scalar(Scalar::List) => "[]interface {}",
            Node::Scalar(Scalar::Null) => "<nil>",
            Node::Scalar(Scalar::Bool(_)) => "bool",
            Node::Scalar(Scalar::Int(_)) => "int64",
            Node::Scalar(Scalar::Float(_)) => "float64",
            Node::Scalar(Scalar::Text(_)) => "string",
        }
    }
}

impl Map {
    /// `entries` are sorted by the key as written.
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let (anchors, fields): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| !matches!(entry.anchor, None | Some(AnchorKind::Global)));
        let count = anchors.len();
        let entries = anchors.into_iter().chain(in_order(fields, |entry| entry.holds_anchor)).collect();
        Self { entries, anchors: count, tags: None }
    }

    /// All entries, in the order in which they are judged.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Condition, existence, equality and negation anchors, by the key as written.
    pub(super) fn anchors(&self) -> &[Entry] {
        self.entries.get(..self.anchors).unwrap_or_default()
    }

    /// All other keys: first, last key first, those that hold anchors.
    pub(super) fn fields(&self) -> &[Entry] {
        self.entries.get(self.anchors..).unwrap_or_default()
    }

    fn holds_anchor(&self) -> bool {
        self.entries.iter().any(|entry| entry.holds_anchor)
    }
}

impl Tags {
    pub(super) fn new(map: Map) -> Self {
        let wildcard = |entry: &Entry| (entry.raw().into(), Wildcard::new(bare_key(entry.raw())));
        let wild =
            map.entries().iter().filter(|entry| contains_wildcard(entry.raw())).map(wildcard).collect();
        let drops = map.entries().iter().any(|entry| !entry.is_text());
        Self { map, wild, drops }
    }
}

impl Entry {
    fn new(raw: &str, node: Node, holds_anchor: bool) -> Self {
        let anchor = Anchor::parse(raw).filter(|anchor| anchor.kind != AnchorKind::AddIfAbsent);
        let key = anchor.map_or(raw, |anchor| anchor.key);
        Self {
            key: key.into(),
            written: (key != raw).then(|| raw.into()),
            anchor: anchor.map(|anchor| anchor.kind),
            holds_anchor: anchor.is_some() || holds_anchor,
            node,
        }
    }

    /// This entry under another key.
    pub(super) fn renamed(&self, raw: &str) -> Self {
        Self::new(raw, self.node.clone(), false)
    }

    /// Whether the pattern is a text, which is what stays of labels and annotations.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.node, Node::Scalar(Scalar::Text(_)))
    }

    /// The key as written, with its anchor.
    pub(super) fn raw(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.key)
    }
}

/// Puts what holds anchors first, last key first, and the rest of the sorted fields behind it.
///
/// COMPAT(kyverno): there, keys that hold anchors are pushed to the front of the sorted list one after the other.
pub(super) fn in_order<E>(sorted: Vec<E>, holds_anchor: impl Fn(&E) -> bool) -> Vec<E> {
    let (mut front, rest): (Vec<_>, Vec<_>) = sorted.into_iter().partition(holds_anchor);
    front.reverse();
    front.extend(rest);
    front
}

/// Where a map stands: only the labels and annotations of metadata are rewritten.
#[derive(Clone, Copy, PartialEq)]
enum Position {
    Anywhere,
    Metadata,
    Tags,
}

/// Reads a pattern tree.
#[derive(Default)]
struct Compiler {
    tags: Vec<Tags>,
    mentions_anchor: bool,
}

impl Tree {
    pub(crate) fn compile(pattern: Value<'_>, budget: &mut Budget<'_>) -> Result<Self, Exhausted> {
        let mut compiler = Compiler::default();
        let (root, _) = compiler.node(pattern, Position::Anywhere, budget)?;
        let Compiler { tags, mentions_anchor } = compiler;
        let dropped = |entry: &Entry| entry.holds_anchor && !entry.is_text();
        let drops_anchors = tags.iter().any(|tags| tags.map.entries().iter().any(dropped));
        Ok(Self { root, tags: tags.into(), mentions_anchor, drops_anchors })
    }
}

impl Compiler {
    /// The node, and whether it holds an anchor.
    fn node(
        &mut self,
        pattern: Value<'_>,
        position: Position,
        budget: &mut Budget<'_>,
    ) -> Result<(Node, bool), Exhausted> {
        budget.step()?;
        match pattern {
            Value::Object(object) => {
                let map = budget.nested(|budget| self.map(object, position, budget))?;
                let holds_anchor = map.holds_anchor();
                if position == Position::Tags {
                    let tags = Tags::new(map);
                    if tags.drops || !tags.wild.is_empty() {
                        self.tags.push(tags);
                        return Ok((Node::Tags(self.tags.len() - 1), holds_anchor));
                    }
                    return Ok((Node::Map(tags.map), holds_anchor));
                }
                Ok((Node::Map(map), holds_anchor))
            }
            Value::Array(items) => {
                let mut any_holds_anchor = false;
                let mut nodes = Vec::with_capacity(items.len());
                for item in items {
                    let (node, holds_anchor) =
                        budget.nested(|budget| self.node(*item, Position::Anywhere, budget))?;
                    any_holds_anchor |= holds_anchor;
                    nodes.push(node);
                }
                Ok((Node::List(nodes.into()), any_holds_anchor))
            }
            scalar => {
                self.read_text(scalar.as_str().unwrap_or_default(), budget)?;
                Ok((Node::Scalar(Scalar::compile(scalar)), false))
            }
        }
    }

    fn map(
        &mut self,
        object: Object<'_>,
        position: Position,
        budget: &mut Budget<'_>,
    ) -> Result<Map, Exhausted> {
        let mut entries = Vec::with_capacity(object.len());
        let mut tags = None;
        let mut seen = Vec::new();
        for (raw, value) in object.iter() {
            self.read_text(raw, budget)?;
            let key = bare_key(raw);
            let below = match (position, key) {
                // Of several keys that mean the same, only the first counts.
                _ if seen.contains(&key) => Position::Anywhere,
                (_, "metadata") => Position::Metadata,
                (Position::Metadata, "labels" | "annotations") => Position::Tags,
                _ => Position::Anywhere,
            };
            let (node, holds_anchor) = self.node(value, below, budget)?;
            match (&node, below) {
                (Node::Map(metadata), Position::Metadata) => {
                    let (labels, annotations) = (metadata.tags("labels"), metadata.tags("annotations"));
                    let is_any = labels.or(annotations).is_some();
                    tags = is_any.then(|| Box::new(TagsOfMetadata { labels, annotations }));
                    seen.push(key);
                }
                (_, Position::Metadata | Position::Tags) => seen.push(key),
                _ => {}
            }
            entries.push(Entry::new(raw, node, holds_anchor));
        }
        Ok(Map { tags, ..Map::new(entries) })
    }

    fn read_text(&mut self, text: &str, budget: &mut Budget<'_>) -> Result<(), Exhausted> {
        budget.steps(text.len() as u64)?;
        self.mentions_anchor = self.mentions_anchor || text.contains("anchor");
        Ok(())
    }
}

impl Map {
    /// The number of the labels or annotations (`tag`) of this metadata, if they are rewritten.
    fn tags(&self, tag: &str) -> Option<usize> {
        self.entries.iter().find_map(|entry| match entry.node {
            Node::Tags(number) if bare_key(entry.raw()) == tag => Some(number),
            _ => None,
        })
    }
}
