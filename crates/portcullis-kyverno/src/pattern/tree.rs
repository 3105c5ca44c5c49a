//! Compiled pattern trees: anchors read, keys in the order in which they are judged.

use portcullis_gocompat::wildcard;
use portcullis_value::{Budget, Exhausted, Object, Value};

use super::scalar::Scalar;
use crate::anchor::{Anchor, AnchorKind, bare_key};

#[derive(Clone, Debug)]
pub(super) enum Node {
    Map(Map),
    List(Box<[Node]>),
    Scalar(Scalar),
}

/// A pattern of a map.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// Condition, existence, equality and negation anchors, by the key as written.
    pub(super) anchors: Box<[Entry]>,
    /// All other keys, in the order of [`in_order`].
    pub(super) fields: Box<[Entry]>,
    /// Whether this map has metadata whose labels or annotations are rewritten when it meets a resource.
    pub(super) has_tags: bool,
    /// Labels or annotations that may be rewritten have a number of their own within the pattern.
    pub(super) rewrite: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key as written, with its anchor.
    pub(super) raw: Box<str>,
    /// The key to look up.
    pub(super) key: Box<str>,
    /// Never [`AnchorKind::AddIfAbsent`], which means nothing here: such a key is looked up as written.
    pub(super) anchor: Option<AnchorKind>,
    pub(super) node: Node,
}

impl Node {
    /// The name of Go's type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Node::Map(_) | Node::Scalar(Scalar::Map) => "map[string]interface {}",
            Node::List(_) | Node::Scalar(Scalar::List) => "[]interface {}",
            Node::Scalar(Scalar::Null) => "<nil>",
            Node::Scalar(Scalar::Bool(_)) => "bool",
            Node::Scalar(Scalar::Int(_)) => "int64",
            Node::Scalar(Scalar::Float(_)) => "float64",
            Node::Scalar(Scalar::Text(_)) => "string",
        }
    }

    /// Whether an anchor stands anywhere in the pattern.
    fn has_anchor(&self) -> bool {
        match self {
            Node::Map(map) => {
                !map.anchors.is_empty()
                    || map.fields.iter().any(|entry| entry.anchor.is_some() || entry.node.has_anchor())
            }
            Node::List(items) => items.iter().any(Node::has_anchor),
            Node::Scalar(_) => false,
        }
    }
}

impl Map {
    /// `entries` are sorted by the key as written.
    pub(super) fn new(entries: Vec<Entry>, rewrite: Option<usize>) -> Self {
        let (anchors, fields): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| !matches!(entry.anchor, None | Some(AnchorKind::Global)));
        Self { anchors: anchors.into(), fields: in_order(fields), has_tags: false, rewrite }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.anchors.iter().chain(&self.fields)
    }

    /// The labels or annotations (`tag`) of the metadata of this map, if they may be rewritten.
    pub(super) fn tags(&self, tag: &str) -> Option<(usize, &Map)> {
        let maps = self.maps("metadata").flat_map(|metadata| metadata.maps(tag));
        maps.filter_map(|map| Some((map.rewrite?, map))).next()
    }

    /// The maps below the keys that are `key` without their anchors.
    fn maps(&self, key: &str) -> impl Iterator<Item = &Map> {
        self.entries().filter(move |entry| bare_key(&entry.raw) == key).filter_map(|entry| {
            match &entry.node {
                Node::Map(map) => Some(map),
                _ => None,
            }
        })
    }
}

impl Entry {
    pub(super) fn new(raw: &str, node: Node) -> Self {
        let anchor = Anchor::parse(raw).filter(|anchor| anchor.kind != AnchorKind::AddIfAbsent);
        let key = anchor.map_or(raw, |anchor| anchor.key);
        Self { raw: raw.into(), key: key.into(), anchor: anchor.map(|anchor| anchor.kind), node }
    }
}

/// Puts what holds anchors first, last key first, and the rest after it, first key first.
///
/// COMPAT(kyverno): its order, in which such keys are pushed to the front of the sorted list one after the other.
fn in_order(sorted: Vec<Entry>) -> Box<[Entry]> {
    let (mut front, rest): (Vec<_>, Vec<_>) =
        sorted.into_iter().partition(|entry| entry.anchor.is_some() || entry.node.has_anchor());
    front.reverse();
    front.extend(rest);
    front.into()
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
pub(super) struct Compiler {
    /// How many maps may be rewritten.
    rewrites: usize,
    /// Whether a text of the pattern holds the word `anchor`.
    pub(super) mentions_anchor: bool,
}

impl Compiler {
    pub(super) fn compile(&mut self, pattern: Value<'_>, budget: &mut Budget<'_>) -> Result<Node, Exhausted> {
        self.node(pattern, Position::Anywhere, budget)
    }

    fn node(
        &mut self,
        pattern: Value<'_>,
        position: Position,
        budget: &mut Budget<'_>,
    ) -> Result<Node, Exhausted> {
        budget.step()?;
        match pattern {
            Value::Object(object) => {
                budget.nested(|budget| self.map(object, position, budget)).map(Node::Map)
            }
            Value::Array(items) => {
                let items = items.iter();
                let nodes = budget.nested(|budget| {
                    items.map(|item| self.node(*item, Position::Anywhere, budget)).collect()
                });
                nodes.map(Node::List)
            }
            scalar => {
                self.read_text(scalar.as_str().unwrap_or_default(), budget)?;
                Ok(Node::Scalar(Scalar::compile(scalar)))
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
        let mut tagged = Vec::new();
        for (raw, value) in object.iter() {
            self.read_text(raw, budget)?;
            let key = bare_key(raw);
            // Of several keys that mean the same, only the first is rewritten.
            let below = match (position, key) {
                (_, "metadata") if !tagged.contains(&key) => Position::Metadata,
                (Position::Metadata, "labels" | "annotations") if !tagged.contains(&key) => Position::Tags,
                _ => Position::Anywhere,
            };
            if below != Position::Anywhere {
                tagged.push(key);
            }
            entries.push(Entry::new(raw, self.node(value, below, budget)?));
        }
        let rewrite = (position == Position::Tags && entries.iter().any(is_rewritten)).then(|| {
            self.rewrites += 1;
            self.rewrites
        });
        let mut map = Map::new(entries, rewrite);
        map.has_tags = map.tags("labels").is_some() || map.tags("annotations").is_some();
        Ok(map)
    }

    fn read_text(&mut self, text: &str, budget: &mut Budget<'_>) -> Result<(), Exhausted> {
        budget.steps(text.len() as u64)?;
        self.mentions_anchor = self.mentions_anchor || text.contains("anchor");
        Ok(())
    }
}

/// Whether an entry of labels or annotations changes or goes when it meets a resource.
fn is_rewritten(entry: &Entry) -> bool {
    wildcard::contains_wildcard(&entry.raw) || !matches!(entry.node, Node::Scalar(Scalar::Text(_)))
}
