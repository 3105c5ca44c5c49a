//! `mutate.foreach`: a patch for each element of a list.

use portcullis_model::Status;
use portcullis_value::{Arena, Value};

use super::{Patch, mutated};
use crate::context::ContextEntry;
use crate::ending::Ending;
use crate::foreach::ForEach;
use crate::scope::Scope;
use crate::variable::{Template, TemplatePath, VariableError, resolve_references};

/// What is done for an element.
#[derive(Debug)]
pub(super) struct ElementPatch {
    /// Whether the last element comes first.
    is_descending: bool,
    patch: Patch,
}

impl ElementPatch {
    /// Compiles an entry of `foreach`.
    ///
    /// The patches are substituted as a document of their own: references are resolved in it, and paths start there.
    pub(super) fn compile(entry: Value<'_>, namespace: &str) -> Self {
        let is_given = |key: &str| entry.get(key).is_some_and(|value| !value.is_null());
        let nested = entry.get("foreach").and_then(Value::as_array).unwrap_or_default();
        let patch = if nested.is_empty() {
            let arena = Arena::new();
            let keys = ["patchStrategicMerge", "patchesJson6902"];
            let mut patches = keys.into_iter().filter_map(|key| Some((key, entry.get(key)?))).collect();
            let document = arena.object(&mut patches);
            match resolve_references(&arena, document) {
                Ok(document) => Patch::compile(document, TemplatePath::default()),
                // A reference that leads nowhere: this template says so when it is used.
                Err(_) => Patch::Strategic(Template::compile(document)),
            }
        } else {
            Patch::ForEach(ForEach::compile(nested, namespace, |entry| Self::compile(entry, namespace)))
        };
        let is_descending = match entry.get("order").and_then(Value::as_str) {
            Some(order) if !order.is_empty() => order == "Descending",
            // What is merged comes to the front of a list: the first element has to be the last to come there.
            _ => is_given("patchStrategicMerge"),
        };
        Self { is_descending, patch }
    }
}

/// The context entries of `loops` and of those inside.
pub(super) fn context(loops: &[ForEach<ElementPatch>]) -> Vec<&ContextEntry> {
    let mut entries = Vec::new();
    for entry in loops {
        entries.extend(entry.context());
        if let Patch::ForEach(inner) = &entry.body.patch {
            entries.extend(context(inner));
        }
    }
    entries
}

/// Patches `object` for the elements of each list in turn.
///
/// An expression sees the object as it was before the list, a patch is applied to what the patches before it made.
///
/// # Errors
/// The evaluation has to wait for an answer.
pub(super) fn apply<'a>(
    loops: &'a [ForEach<ElementPatch>],
    object: Value<'a>,
    scope: &mut Scope<'a, '_, '_>,
) -> Result<Ending<'a>, VariableError> {
    let mut patched = None;
    let mut first_reason = None;
    for entry in loops {
        let list = &entry.list.source;
        let elements = match scope.elements(&entry.list) {
            Ok(elements) => elements,
            // COMPAT(kyverno): the reason comes twice.
            Err(error) => {
                let error = error.map_text(|text| format!("{text}: {text}"));
                return Ending::failed(&format!("failed to evaluate list {list}: "), error);
            }
        };
        for step in 0..elements.len() {
            let index = if entry.body.is_descending { elements.len() - 1 - step } else { step };
            let Some(element) = elements.get(index).filter(|element| !element.is_null()) else { continue };
            let current = patched.unwrap_or(object);
            let ending = entry.for_element(
                index,
                *element,
                scope,
                |body, scope| match entry.unmet(scope) {
                    Ok(None) => body.patch.apply(current, scope),
                    Ok(Some(reason)) => Ok(Ending::new(Status::Skip, "").with_explanation(Some(reason))),
                    Err(error) => Ending::failed(
                        &format!("failed to evaluate mutate.foreach[{index}].preconditions: "),
                        error,
                    ),
                },
                Ending::finding,
            );
            let ending = match ending {
                Ok(ending) => ending,
                Err(error) => Ending::failed("", error)?,
            };
            let reason = ending.explanation().filter(|_| scope.explain);
            let reason = reason.map(|reason| format!("element {index} of `{list}`: {reason}"));
            if ending.status == Status::Error {
                return Ok(ending.framed("failed to mutate elements: ").with_explanation(reason));
            }
            patched = ending.patched().or(patched);
            first_reason = first_reason.or(reason);
        }
        if elements.is_empty() && scope.explain {
            first_reason = first_reason.or_else(|| Some(format!("`{list}` has no elements")));
        }
        if let Some(patched) = patched {
            scope.set_mutated(patched);
        }
    }
    Ok(match patched {
        Some(patched) => mutated(patched),
        None => Ending::new(Status::Skip, "0 elements processed").with_explanation(first_reason),
    })
}
