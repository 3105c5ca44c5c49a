//! An overlay with its anchors read.

use portcullis_value::{Budget, Exhausted, Object, OwnedValue, Pointer, Value};

use super::condition::Condition;
use crate::anchor::{Anchor, AnchorKind};

/// A `patchStrategicMerge` overlay, ready to be held against resources.
#[derive(Clone, Debug)]
pub struct Overlay {
    pub(super) root: Node,
}

/// Why an overlay cannot be read or held against a resource, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at `{path}`")]
pub struct OverlayError {
    pub problem: OverlayProblem,
    pub path: Pointer,
}

/// What is wrong with a place in an overlay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverlayProblem {
    /// COMPAT(kyverno): the reference writes such a key into the resource.
    #[error("the anchor `{0}` has no meaning in a patch")]
    Anchor(String),
    #[error("wrong node kind: expected SequenceNode")]
    NotAList,
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Nothing inside has an anchor.
    Plain(OwnedValue),
    Map(Map),
    List(Box<[Element]>),
}

#[derive(Clone, Debug)]
pub(super) struct Map {
    /// Global ones first.
    pub(super) conditions: Box<[Guard]>,
    /// What is written: what conditions add, then plain fields, then those that are added if they are absent.
    pub(super) fields: Box<[Field]>,
}

/// A condition on a key of the resource.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) key: Box<str>,
    pub(super) is_global: bool,
    pub(super) condition: Condition,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) key: Box<str>,
    pub(super) if_absent: bool,
    pub(super) node: Node,
}

/// An element of a list.
#[derive(Clone, Debug)]
pub(super) enum Element {
    Plain(OwnedValue),
    /// Held against each element of the resource.
    Anchored {
        node: Node,
        is_global: bool,
    },
}

impl Overlay {
    /// Reads an overlay.
    ///
    /// # Errors
    /// An anchor that means nothing here, and an overlay larger or deeper than `budget` allows.
    pub fn compile(overlay: Value<'_>, budget: &mut Budget<'_>) -> Result<Self, OverlayError> {
        compile(overlay, budget).map(|root| Self { root })
    }
}

fn compile(value: Value<'_>, budget: &mut Budget<'_>) -> Result<Node, OverlayError> {
    budget.step()?;
    budget.nested(|budget| match value {
        Value::Object(map) => compile_map(map, budget),
        Value::Array(items) => compile_list(items, budget),
        scalar => Ok(Node::Plain(scalar.into())),
    })
}

fn compile_map(map: Object<'_>, budget: &mut Budget<'_>) -> Result<Node, OverlayError> {
    let (mut guards, mut from_guards, mut fields, mut additions) = (vec![], vec![], vec![], vec![]);
    let mut is_plain = true;
    for (written, value) in map.iter() {
        let below = |error: OverlayError| error.below(written);
        let anchor = anchor(written).map_err(below)?;
        let (key, if_absent) = match anchor {
            None => (written, false),
            Some(Anchor { kind: AnchorKind::AddIfAbsent, key }) => (key, true),
            Some(Anchor { kind, key }) => {
                is_plain = false;
                let is_global = kind == AnchorKind::Global;
                let condition = if adds_fields(value) {
                    let node = compile(value, budget).map_err(below)?.without_conditions();
                    from_guards.push(Field { key: key.into(), if_absent: false, node });
                    Condition::Present
                } else {
                    // COMPAT(kyverno): the reference also merges a map or list that is a condition, wildcards
                    // and operators included.
                    Condition::compile(value, budget).map_err(|error| below(error.into()))?
                };
                guards.push(Guard { key: key.into(), is_global, condition });
                continue;
            }
        };
        let node = compile(value, budget).map_err(below)?;
        is_plain &= !if_absent && matches!(node, Node::Plain(_));
        let field = Field { key: key.into(), if_absent, node };
        if if_absent { additions.push(field) } else { fields.push(field) }
    }
    if is_plain {
        return Ok(Node::Plain(Value::Object(map).into()));
    }
    guards.sort_by_key(|guard| !guard.is_global);
    let fields = from_guards.into_iter().chain(fields).chain(additions).collect();
    Ok(Node::Map(Map { conditions: guards.into(), fields }))
}

fn compile_list(items: &[Value<'_>], budget: &mut Budget<'_>) -> Result<Node, OverlayError> {
    let mut elements = Vec::with_capacity(items.len());
    let mut is_plain = true;
    for (index, item) in items.iter().enumerate() {
        let node = compile(*item, budget).map_err(|error| error.below(&index.to_string()))?;
        elements.push(match node {
            Node::Plain(value) => Element::Plain(value),
            node => {
                is_plain = false;
                let is_global = node.has_global();
                Element::Anchored { node, is_global }
            }
        });
    }
    if is_plain {
        return Ok(Node::Plain(Value::Array(items).into()));
    }
    if !matches!(items, [Value::Object(_), ..]) {
        // COMPAT(kyverno): such a list is not looked into, and what has anchors is left out of it.
        elements.retain(|element| matches!(element, Element::Plain(_)));
    }
    Ok(Node::List(elements.into()))
}

/// The anchor that `key` is, if it has a meaning in an overlay.
fn anchor(key: &str) -> Result<Option<Anchor<'_>>, OverlayError> {
    let Some(anchor) = Anchor::parse(key) else { return Ok(None) };
    let is_known = match anchor.kind {
        AnchorKind::Condition | AnchorKind::Global => true,
        // What is in parentheses once more is a key like any other to a condition, and nothing to be written.
        AnchorKind::AddIfAbsent => Anchor::parse(anchor.key).is_none(),
        _ => false,
    };
    if !is_known {
        let problem = OverlayProblem::Anchor(anchor.to_string());
        return Err(OverlayError { problem, path: Pointer::root() });
    }
    Ok(Some(anchor))
}

/// Whether `value` is a map that itself adds fields.
fn adds_fields(value: Value<'_>) -> bool {
    let adds = |key| Anchor::parse(key).is_some_and(|anchor| anchor.kind == AnchorKind::AddIfAbsent);
    value.as_object().is_some_and(|map| map.keys().any(adds))
}

impl Node {
    /// COMPAT(kyverno): conditions beside what a condition adds are not tested.
    fn without_conditions(self) -> Self {
        match self {
            Node::Map(map) => Node::Map(Map { conditions: Box::default(), ..map }),
            node => node,
        }
    }

    /// Whether a global condition stands anywhere inside.
    fn has_global(&self) -> bool {
        match self {
            Node::Plain(_) => false,
            Node::Map(map) => {
                map.conditions.iter().any(|guard| guard.is_global)
                    || map.fields.iter().any(|field| field.node.has_global())
            }
            Node::List(elements) => {
                elements.iter().any(|element| matches!(element, Element::Anchored { is_global: true, .. }))
            }
        }
    }
}

impl OverlayError {
    /// The error as seen from the map or list that has `token` above it.
    pub(super) fn below(mut self, token: &str) -> Self {
        self.path.push_front(token);
        self
    }
}

impl<P: Into<OverlayProblem>> From<P> for OverlayError {
    fn from(problem: P) -> Self {
        Self { problem: problem.into(), path: Pointer::root() }
    }
}
