//! Strategic merge: a partial document is laid over a resource, lists merge by their keys.
//!
//! The rules are those of kustomize (`kyaml/yaml/merge2`, lists growing at the front), which Kyverno's
//! `patchStrategicMerge` is defined by:
//!
//! - maps merge field by field; `null` deletes a field; a scalar replaces a scalar; other kinds do not mix;
//! - a list is replaced, unless the [`Type`] of the resource gives it keys: then elements of equal keys merge and
//!   come first, in the order of the overlay, and the rest of the resource's elements follows;
//! - `$patch: delete`, `$patch: replace` and `$patch: merge` in a map direct what becomes of the map, and as the only key
//!   of a list element of the list; `$setElementOrder` and other directives of Kubernetes are ordinary keys.
//!
//! Merging is no deeper than the deeper of the two documents, whose depth their readers bound.

mod collapse;
mod pairs;
mod schema;

use std::borrow::Cow;

use portcullis_value::{Arena, Budget, Exhausted, Kind, Object, Pointer, Value};

use crate::fields::merge_fields;

pub use collapse::collapse_pairs;
pub use schema::{Field, PLAIN, Type};

/// The key of a directive.
const DIRECTIVE: &str = "$patch";

/// Why an overlay cannot be laid over a resource, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at `{path}`")]
pub struct Error {
    pub problem: Problem,
    /// In the overlay.
    pub path: Pointer,
}

/// What is wrong with a place in an overlay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("wrong node kind: expected {} but got {}", node_kind(*.expected), node_kind(*.found))]
    WrongKind { expected: Kind, found: Kind },
    #[error("unknown patch strategy `{0}`")]
    UnknownDirective(String),
    /// COMPAT(kyverno): the reference drops every element of the resource instead.
    #[error("element has no merge key `{0}`")]
    NoMergeKey(&'static str),
    #[error("the patch deletes the whole resource")]
    NothingLeft,
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// The name that YAML libraries for Go give a kind of node.
fn node_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Object => "MappingNode",
        Kind::Array => "SequenceNode",
        _ => "ScalarNode",
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self { problem, path: Pointer::root() }
    }
}

impl From<Exhausted> for Error {
    fn from(exhausted: Exhausted) -> Self {
        Problem::from(exhausted).into()
    }
}

/// `resource` with `overlay` laid over it, lists merged as the kind of `resource` has it.
///
/// The result [is the same](Value::is_same) value as `resource` if the overlay changes nothing.
///
/// # Errors
/// Kinds that do not mix, an unknown directive, a list element without its merge key, an exhausted `budget`: it pays for
/// the nodes of the overlay, the elements they are looked for among, and the maps and lists that are made.
pub fn merge<'a>(
    arena: &'a Arena,
    resource: Value<'a>,
    overlay: Value<'a>,
    budget: &mut Budget<'_>,
) -> Result<Value<'a>, Error> {
    merge_as(Type::of(resource), arena, resource, overlay, budget)
}

/// [`merge`] of a part of a resource, which is of type `ty`.
///
/// # Errors
/// As [`merge`].
pub fn merge_as<'a>(
    ty: &'static Type,
    arena: &'a Arena,
    resource: Value<'a>,
    overlay: Value<'a>,
    budget: &mut Budget<'_>,
) -> Result<Value<'a>, Error> {
    let mut merger = Merger { arena, budget };
    let merged = merger.node(Field::Map(ty), Some(resource), overlay)?;
    merged.ok_or_else(|| Problem::NothingLeft.into())
}

struct Merger<'a, 'b, 't> {
    arena: &'a Arena,
    budget: &'b mut Budget<'t>,
}

/// A value, or that there is none any more.
type Merged<'a> = Result<Option<Value<'a>>, Error>;

impl<'a> Merger<'a, '_, '_> {
    fn node(&mut self, field: Field, before: Option<Value<'a>>, patch: Value<'a>) -> Merged<'a> {
        self.budget.step()?;
        match (before.unwrap_or_default(), patch) {
            (_, Value::Null) => Ok(None),
            (Value::Null, patch) => self.added(field, patch),
            (Value::Object(before), Value::Object(patch)) => self.map(field, before, patch),
            (Value::Array(before), Value::Array(patch)) => self.list(field, before, patch),
            (before, patch) if node_kind(before.kind()) != node_kind(patch.kind()) => {
                Err(Problem::WrongKind { expected: before.kind(), found: patch.kind() }.into())
            }
            // COMPAT(kyverno): what is written over a string becomes one, for it keeps the quotes.
            (Value::String(_), Value::Number(_) | Value::Bool(_)) => {
                Ok(Some(Value::String(self.arena.format(format_args!("{patch}")))))
            }
            (_, patch) => Ok(Some(patch)),
        }
    }

    /// What becomes of `patch` where the resource has nothing.
    fn added(&mut self, field: Field, patch: Value<'a>) -> Merged<'a> {
        match patch {
            // COMPAT(kyverno): a directive that is null is none here, and unknown where there is a map to patch.
            Value::Object(map) => match map.get(DIRECTIVE).filter(|it| !it.is_null()).map(|_| directive(map))
            {
                Some(Ok(Some(Directive::Delete))) => Ok(None),
                Some(Err(error)) => Err(error),
                _ => self.fields(field, Object::default(), map).map(|map| Some(Value::Object(map))),
            },
            Value::Array(items) => match field {
                Field::Keyed { keys, element } => {
                    let mut items: Vec<_> = items.iter().copied().enumerate().collect();
                    // COMPAT(kyverno): in a new list elements without a key displace those with one, and a
                    // directive is such an element.
                    if items.iter().any(|(_, item)| is_keyless(keys, *item)) {
                        items.retain(|(_, item)| is_keyless(keys, *item));
                    }
                    let items = self.keyed_list(keys, element, &[], &items)?;
                    Ok(Some(self.arena.array(&items)))
                }
                _ => Ok(Some(patch)),
            },
            scalar => Ok(Some(scalar)),
        }
    }

    fn map(&mut self, field: Field, before: Object<'a>, patch: Object<'a>) -> Merged<'a> {
        let before = match directive(patch)? {
            Some(Directive::Delete) => return Ok(None),
            Some(Directive::Replace) => Object::default(),
            Some(Directive::Merge) | None => before,
        };
        self.fields(field, before, patch).map(|map| Some(Value::Object(map)))
    }

    /// The fields of `before` and of `patch`, merged where both have them.
    fn fields(&mut self, field: Field, before: Object<'a>, patch: Object<'a>) -> Result<Object<'a>, Error> {
        let ty = match field {
            Field::Map(ty) => ty,
            _ => &PLAIN,
        };
        let merged = merge_fields(self.arena, before, patch, |key, old, new| match key {
            DIRECTIVE => Ok(old),
            _ => self.node(ty.field(key), old, new).map_err(|error| error.below(key)),
        })?;
        if !Value::Object(merged).is_same(Value::Object(before)) {
            self.budget.bytes(size_of_val(merged.entries()))?;
        }
        Ok(merged)
    }

    fn list(&mut self, field: Field, before: &'a [Value<'a>], patch: &'a [Value<'a>]) -> Merged<'a> {
        let kept = match field {
            Field::Keyed { .. } | Field::Set => match list_directive(patch)? {
                Some(Directive::Delete) => return Ok(None),
                Some(Directive::Replace) => &[],
                Some(Directive::Merge) | None => before,
            },
            _ => {
                let replaced = if before == patch { before } else { patch };
                return Ok(Some(Value::Array(replaced)));
            }
        };
        let patch: Vec<_> =
            patch.iter().copied().enumerate().filter(|(_, item)| !is_list_directive(*item)).collect();
        let merged = match field {
            Field::Keyed { keys, element } => self.keyed_list(keys, element, kept, &patch)?,
            _ => self.set(kept, &patch)?,
        };
        let unchanged = merged.len() == before.len()
            && merged.iter().zip(before).all(|(merged, before)| merged.is_same(*before));
        if unchanged {
            return Ok(Some(Value::Array(before)));
        }
        self.budget.bytes(size_of_val(&*merged))?;
        Ok(Some(self.arena.array(&merged)))
    }

    /// The scalars of `patch`, then those of `before` that are not among them.
    fn set(&mut self, before: &[Value<'a>], patch: &[(usize, Value<'a>)]) -> Result<Vec<Value<'a>>, Error> {
        let mut merged: Vec<Value<'a>> = Vec::with_capacity(before.len() + patch.len());
        for item in patch.iter().map(|(_, item)| item).chain(before) {
            self.budget.steps(merged.len() as u64)?;
            if !merged.contains(item) {
                merged.push(*item);
            }
        }
        Ok(merged)
    }

    /// The elements of `patch`, merged with those of `before` they are the same as, then the rest of `before`.
    fn keyed_list(
        &mut self,
        keys: &'static [&'static str],
        element: &'static Type,
        before: &[Value<'a>],
        patch: &[(usize, Value<'a>)],
    ) -> Result<Vec<Value<'a>>, Error> {
        let [key] = keys else {
            return match keys.first_chunk() {
                Some(keys) => self.pairs(keys, element, before, patch),
                None => self.set(before, patch),
            };
        };
        struct Slot<'a> {
            rank: usize,
            value: Option<Value<'a>>,
        }
        let mut slots: Vec<_> = before
            .iter()
            .enumerate()
            .map(|(index, value)| Slot { rank: patch.len() + index, value: Some(*value) })
            .collect();
        for (rank, &(index, item)) in patch.iter().enumerate() {
            self.budget.steps(slots.len() as u64)?;
            let below = |error: Error| error.below(&index.to_string());
            let Value::Object(map) = item else {
                let problem = Problem::WrongKind { expected: Kind::Object, found: item.kind() };
                return Err(below(problem.into()));
            };
            if is_keyless(keys, item) {
                match () {
                    () if before.is_empty() => slots.push(Slot { rank, value: Some(item) }),
                    () if map.is_empty() => {}
                    () => return Err(below(Problem::NoMergeKey(key).into())),
                }
                continue;
            }
            let wanted = key_text(item, key);
            let mut found = false;
            for slot in &mut slots {
                let Some(old) = slot.value.filter(|old| key_text(*old, key) == wanted) else { continue };
                found = true;
                // COMPAT(kyverno): an element with `$patch: replace` comes to the front and is left as it is.
                if directive(map).map_err(below)? != Some(Directive::Replace) {
                    slot.value = self.node(Field::Map(element), Some(old), item).map_err(below)?;
                }
                // A key that stands several times is patched wherever it stands.
                slot.rank = slot.rank.min(rank);
            }
            if !found {
                let value = self.added(Field::Map(element), item).map_err(below)?;
                slots.push(Slot { rank, value });
            }
        }
        slots.sort_by_key(|slot| slot.rank);
        Ok(slots.into_iter().filter_map(|slot| slot.value).collect())
    }
}

/// Whether `item` is a map that has none of the keys.
fn is_keyless(keys: &[&str], item: Value<'_>) -> bool {
    item.as_object().is_some_and(|map| keys.iter().all(|key| map.get(key).is_none_or(Value::is_null)))
}

/// The scalar under `key` as it is written, by which elements are told apart; empty where there is none.
fn key_text<'v>(item: Value<'v>, key: &str) -> Cow<'v, str> {
    match item.get(key) {
        Some(Value::String(text)) => text.into(),
        Some(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar.to_string().into(),
        _ => "".into(),
    }
}

/// What `$patch` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Delete,
    Replace,
    Merge,
}

fn directive(map: Object<'_>) -> Result<Option<Directive>, Error> {
    Ok(match map.get(DIRECTIVE) {
        None => None,
        Some(Value::String("delete")) => Some(Directive::Delete),
        Some(Value::String("replace")) => Some(Directive::Replace),
        Some(Value::String("merge")) => Some(Directive::Merge),
        Some(Value::String(other)) => return Err(Problem::UnknownDirective(other.to_owned()).into()),
        Some(other) => return Err(Problem::UnknownDirective(other.to_string()).into()),
    })
}

/// Whether `item` is a list element that holds nothing but a directive, which is for the list then.
fn is_list_directive(item: Value<'_>) -> bool {
    item.as_object().is_some_and(|map| map.len() == 1 && map.contains_key(DIRECTIVE))
}

fn list_directive(items: &[Value<'_>]) -> Result<Option<Directive>, Error> {
    match items.iter().find(|item| is_list_directive(**item)) {
        Some(Value::Object(map)) => directive(*map),
        _ => Ok(None),
    }
}

impl Error {
    /// The error as seen from the map or list that has `token` above it.
    fn below(mut self, token: &str) -> Self {
        self.path.push_front(token);
        self
    }
}
