//! Holding an overlay against a resource: which of it applies, without anchors.

use portcullis_model::explain::{Part, Recorder, Step};
use portcullis_patch::strategic::{self, Field as Schema, PLAIN, Problem, Type};
use portcullis_value::{Arena, Budget, Exhausted, Value};

use super::Error;
use super::condition::Condition;
use super::overlay::{Element, Guard, Map, Node, Overlay, OverlayError, OverlayProblem};
use crate::pattern::Path;

impl Overlay {
    /// The overlay that is left for `resource`: conditions tested and gone, fields that are there not added, elements
    /// with anchors made into one for each element of the resource they are for. `None` if nothing is left.
    pub(super) fn resolve<'a>(
        &'a self,
        arena: &'a Arena,
        resource: Value<'a>,
        recorder: Option<&Recorder>,
        budget: &mut Budget<'_>,
    ) -> Result<Option<Value<'a>>, Error> {
        let mut resolver = Resolver { arena, budget, recorder };
        match resolver.node(&self.root, Schema::Map(Type::of(resource)), Some(resource), &Path::Root) {
            Ok(overlay) => Ok(overlay),
            Err(Stop::Condition | Stop::Global) => Ok(None),
            Err(Stop::Error(error)) => Err(error),
        }
    }
}

/// Why there is no overlay for a part of a resource.
enum Stop {
    /// A condition does not hold: the list element around it is not for this element of the resource. Outside lists
    /// nothing of the overlay applies.
    Condition,
    /// A global condition does not hold: nothing of the overlay applies unless it holds for another element.
    Global,
    Error(Error),
}

impl From<Exhausted> for Stop {
    fn from(exhausted: Exhausted) -> Self {
        Stop::Error(exhausted.into())
    }
}

struct Resolver<'a, 'b, 't> {
    arena: &'a Arena,
    budget: &'b mut Budget<'t>,
    recorder: Option<&'b Recorder>,
}

/// What is left of a node; `None` if there were only conditions, or fields that are there.
type Resolved<'a> = Result<Option<Value<'a>>, Stop>;

impl<'a> Resolver<'a, '_, '_> {
    /// `path` is the place of `resource`, for those who read what happened.
    fn node(
        &mut self,
        node: &'a Node,
        schema: Schema,
        resource: Option<Value<'a>>,
        path: &Path<'_>,
    ) -> Resolved<'a> {
        self.budget.step()?;
        match node {
            Node::Plain(value) => Ok(Some(value.borrow(self.arena))),
            Node::Map(map) => self.map(map, schema, resource, path),
            Node::List(elements) => self.list(elements, schema, resource, path),
        }
    }

    fn map(
        &mut self,
        map: &'a Map,
        schema: Schema,
        resource: Option<Value<'a>>,
        path: &Path<'_>,
    ) -> Resolved<'a> {
        let child = |key: &str| resource.and_then(|resource| resource.get(key));
        for guard in &map.conditions {
            let holds = match child(&guard.key) {
                Some(value) => guard.condition.holds(value, self.budget)?,
                None => false,
            };
            if let Some(recorder) = self.recorder {
                recorder.add(guard_step(guard, child(&guard.key), holds, path, recorder));
            }
            if !holds {
                return Err(if guard.is_global { Stop::Global } else { Stop::Condition });
            }
        }
        let ty = match schema {
            Schema::Map(ty) => ty,
            _ => &PLAIN,
        };
        let mut entries = Vec::with_capacity(map.fields.len());
        for field in &map.fields {
            let current = child(&field.key);
            if field.if_absent
                && let Some(value) = current
            {
                if let Some(recorder) = self.recorder {
                    let about = Path::Key(path, &format!("+({})", field.key)).dotted();
                    let step = Step::new(Part::Anchor, about).seen(recorder.show(value));
                    recorder.add(step.note("it is there already"));
                }
                continue;
            }
            let value = self
                .node(&field.node, ty.field(&field.key), current, &Path::Key(path, &field.key))
                .map_err(|stop| stop.below(&field.key))?;
            entries.extend(value.map(|value| (&*field.key, value)));
        }
        Ok((!entries.is_empty()).then(|| self.arena.object(&mut entries)))
    }

    fn list(
        &mut self,
        elements: &'a [Element],
        schema: Schema,
        resource: Option<Value<'a>>,
        path: &Path<'_>,
    ) -> Resolved<'a> {
        let items = match resource {
            None => None,
            Some(Value::Null) => Some(&[][..]),
            Some(Value::Array(items)) => Some(items),
            Some(_) if elements.iter().all(|element| matches!(element, Element::Plain(_))) => None,
            Some(_) => return Err(OverlayError::from(OverlayProblem::NotAList).into()),
        };
        let mut target = Target::new(schema, items.unwrap_or_default());
        for (index, element) in elements.iter().enumerate() {
            match element {
                Element::Plain(value) => target.front.push(value.borrow(self.arena)),
                Element::Anchored { node, is_global } => {
                    self.element(node, *is_global, items, &mut target, path)
                        .map_err(|stop| stop.below(&index.to_string()))?;
                }
            }
        }
        let elements = target.finish();
        Ok((!elements.is_empty()).then(|| self.arena.array(&elements)))
    }

    /// Holds an element with anchors against each of `items`, or against nothing if the resource has no such list.
    fn element(
        &mut self,
        node: &'a Node,
        is_global: bool,
        items: Option<&'a [Value<'a>]>,
        target: &mut Target<'a>,
        path: &Path<'_>,
    ) -> Result<(), Stop> {
        let schema = Schema::Map(target.element_type());
        let Some(items) = items else {
            // COMPAT(kyverno): nothing is added to a list that is not there, not even for an element without conditions.
            return match self.node(node, schema, None, path) {
                Ok(_) | Err(Stop::Condition) => Ok(()),
                Err(stop) => Err(stop),
            };
        };
        let (mut holds_for_one, mut fails_for_one) = (false, false);
        for (index, item) in items.iter().enumerate() {
            match self.node(node, schema, Some(*item), &Path::Index(path, index)) {
                Ok(_) if is_global => holds_for_one = true,
                Ok(Some(patch)) => target.patch(self.arena, self.budget, index, *item, patch)?,
                Ok(None) | Err(Stop::Condition) => {}
                Err(Stop::Global) => fails_for_one = true,
                Err(Stop::Error(error)) => return Err(Stop::Error(error)),
            }
        }
        if fails_for_one && !holds_for_one { Err(Stop::Global) } else { Ok(()) }
    }
}

/// The step of a condition on a key of the map at `path`.
fn guard_step(
    guard: &Guard,
    value: Option<Value<'_>>,
    holds: bool,
    path: &Path<'_>,
    recorder: &Recorder,
) -> Step {
    let sign = if guard.is_global { "<" } else { "" };
    let about = Path::Key(path, &format!("{sign}({})", guard.key)).dotted();
    let step = Step::new(Part::Anchor, about).found(holds);
    let step = match &guard.condition {
        Condition::Text(text) => step.wanted(text.source()),
        Condition::Tree(_) => step,
        Condition::Present => step.wanted("to be there"),
    };
    match value {
        Some(value) => step.seen(recorder.show(value)),
        None => step.note("the key is not there"),
    }
}

/// `merged` with each null that `patch` has in a map.
///
/// COMPAT(kyverno): the reference replaces a list whose elements are known by nothing, where a null is a value like any other.
fn nulls_written<'a>(
    arena: &'a Arena,
    merged: Value<'a>,
    patch: Value<'a>,
    budget: &mut Budget<'_>,
) -> Result<Value<'a>, Exhausted> {
    let mut result = merged;
    for (key, value) in patch.as_object().unwrap_or_default().iter() {
        budget.step()?;
        let written = match (value, merged.get(key)) {
            (Value::Null, _) => Value::Null,
            (Value::Object(_), Some(inner @ Value::Object(_))) => {
                budget.nested(|budget| nulls_written(arena, inner, value, budget))?
            }
            _ => continue,
        };
        result = result.with(arena, &[key], written);
    }
    Ok(result)
}

/// The list that elements with anchors are written to.
struct Target<'a> {
    schema: Schema,
    /// Elements of the overlay as they are to be merged: those written without anchors.
    front: Vec<Value<'a>>,
    /// Those that anchors made, which come after.
    generated: Vec<Value<'a>>,
    /// In a list that is replaced as a whole: the elements of the resource, patched.
    items: Vec<Option<Value<'a>>>,
    is_patched: bool,
}

impl<'a> Target<'a> {
    fn new(schema: Schema, items: &[Value<'a>]) -> Self {
        let items = match schema {
            Schema::Keyed { .. } => Vec::new(),
            _ => items.iter().copied().map(Some).collect(),
        };
        Self { schema, front: Vec::new(), generated: Vec::new(), items, is_patched: false }
    }

    fn element_type(&self) -> &'static Type {
        match self.schema {
            Schema::Keyed { element, .. } => element,
            _ => &PLAIN,
        }
    }

    /// Takes the patch for the element `item` of the resource, at `index`.
    fn patch(
        &mut self,
        arena: &'a Arena,
        budget: &mut Budget<'_>,
        index: usize,
        item: Value<'a>,
        patch: Value<'a>,
    ) -> Result<(), Stop> {
        // COMPAT(kyverno): an element without a name is not patched, whatever the list is keyed by; and a name in the
        // overlay does not select, the element keeps its own.
        let name = item.get("name").unwrap_or_default();
        if matches!(name, Value::Null | Value::String("")) {
            return Ok(());
        }
        let patch = patch.with(arena, &["name"], name);
        if let Schema::Keyed { keys, .. } = self.schema {
            // A list of one key knows the element by it, written or not.
            let own = match keys {
                [key] if patch.get(key).is_none() => item.get(key).map(|value| (*key, value)),
                _ => None,
            };
            self.generated.push(own.map_or(patch, |(key, value)| patch.with(arena, &[key], value)));
            return Ok(());
        }
        self.is_patched = true;
        let Some(slot) = self.items.get_mut(index) else { return Ok(()) };
        let Some(old) = *slot else { return Ok(()) };
        *slot = match strategic::merge_as(&PLAIN, arena, old, patch, budget) {
            Ok(merged) => Some(nulls_written(arena, merged, patch, budget)?),
            Err(error) if error.problem == Problem::NothingLeft => None,
            Err(error) => return Err(Stop::Error(error.into())),
        };
        Ok(())
    }

    /// The elements to merge.
    fn finish(self) -> Vec<Value<'a>> {
        let mut elements = self.front;
        elements.extend(self.generated);
        if self.is_patched {
            elements.extend(self.items.into_iter().flatten());
        }
        elements
    }
}

impl Stop {
    /// The error as seen from the map or list that has `token` above it.
    fn below(self, token: &str) -> Self {
        match self {
            Stop::Error(Error::Overlay(error)) => Stop::Error(Error::Overlay(error.below(token))),
            other => other,
        }
    }
}

impl From<OverlayError> for Stop {
    fn from(error: OverlayError) -> Self {
        Stop::Error(error.into())
    }
}
