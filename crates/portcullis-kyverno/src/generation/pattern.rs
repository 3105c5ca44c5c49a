//! What one object, or one set of copies, is made from.

use portcullis_model::{Purpose, Resource, ResourceQuery};
use portcullis_value::{Arena, Object, Value};

use super::Generation;
use super::labels::labelled;
use crate::scope::Scope;
use crate::selector::Selection;
use crate::variable::{Template, VariableError, map_at, text_at, without_nulls};

/// What a copy does not take over from its source: the server sets it for each object.
const SET_BY_SERVER: [&str; 5] = ["creationTimestamp", "managedFields", "resourceVersion", "selfLink", "uid"];

/// `data`, `clone` or `cloneList`, and where the objects go. It is substituted as a whole.
#[derive(Debug)]
pub(super) struct Pattern(Template);

/// An object that a pattern names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place<'a> {
    api_version: &'a str,
    kind: &'a str,
    /// Empty outside namespaces.
    namespace: &'a str,
    name: &'a str,
}

impl Place<'_> {
    fn query(self, purpose: Purpose) -> ResourceQuery {
        ResourceQuery {
            purpose,
            api_version: self.api_version.to_owned(),
            kind: self.kind.to_owned(),
            subresource: String::new(),
            namespace: Some(self.namespace.to_owned()),
            name: Some(self.name.to_owned()),
        }
    }
}

impl Pattern {
    /// Compiles the pattern that stands in `holder`, a generate block or an entry of its loops.
    pub(super) fn compile(holder: Value<'_>) -> Self {
        let keys = ["apiVersion", "kind", "namespace", "name", "data", "clone", "cloneList"];
        let mut entries: Vec<_> = keys.into_iter().filter_map(|key| Some((key, holder.get(key)?))).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let (arena, written) = (Arena::new(), Value::Object(Object::from_sorted(&entries)));
        let written = without_nulls(&arena, written.copy_to(&arena), &["clone", "cloneList"]);
        Self(Template::compile(written))
    }

    /// The objects that it makes for `trigger`.
    ///
    /// # Errors
    /// A variable has no value, a source is not there, or the evaluation has to wait for an answer.
    pub(super) fn objects<'a>(
        &'a self,
        generation: &'a Generation,
        trigger: Resource<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Vec<Value<'a>>, VariableError> {
        let wrap =
            |error: VariableError| error.map_text(|text| format!("variable substitution failed: {text}"));
        let pattern = self.0.render(scope).map_err(wrap)?;
        let text = |path: &[&str]| text_at(pattern, path).map_err(wrap);
        let place = Place {
            api_version: text(&["apiVersion"])?,
            kind: text(&["kind"])?,
            namespace: text(&["namespace"])?,
            name: text(&["name"])?,
        };
        for part in ["data", "clone", "cloneList"] {
            map_at(pattern, &[part]).map_err(wrap)?;
        }
        let kinds = pattern.path(&["cloneList", "kinds"]).and_then(Value::as_array).unwrap_or_default();
        let mut objects = Vec::new();
        let mut add = |object: Value<'a>, place: Place<'a>, source, scope: &mut Scope<'a, '_, '_>| {
            let is_there = !scope.resources(place.query(Purpose::Generate))?.is_empty();
            if !is_there || generation.synchronize {
                let object = placed(object, place, scope);
                objects.push(labelled(scope.arena(), object, &generation.origin, trigger, source));
            }
            Ok::<_, VariableError>(())
        };
        let source_name = text(&["clone", "name"])?;
        if !source_name.is_empty() {
            let (namespace, name) = (text(&["clone", "namespace"])?, source_name);
            let source = Place { namespace, name, ..place };
            // Nothing is copied onto itself.
            if source != place {
                let found = scope.resources(source.query(Purpose::Clone))?.first().copied();
                let found = found.ok_or_else(|| not_found(source))?;
                add(copied(found, place.namespace, scope), place, Some(Resource(found)), scope)?;
            }
        } else if !kinds.is_empty() {
            let home = text(&["cloneList", "namespace"])?;
            let selector = pattern.path(&["cloneList", "selector"]);
            let selection = selector.map(Selection::rendered).transpose().map_err(wrap)?;
            for kind in kinds {
                let kind = text_at(*kind, &[]).map_err(wrap)?;
                let (api_version, kind) = kind.rsplit_once('/').unwrap_or(("", kind));
                let of_kind = Place { api_version, kind, namespace: home, name: "" };
                let query = ResourceQuery { name: None, ..of_kind.query(Purpose::Clone) };
                for source in scope.resources(query)? {
                    scope.budget().step()?;
                    let resource = Resource(*source);
                    let is_selected =
                        selection.as_ref().is_none_or(|selection| selection.selects(resource.labels()));
                    if is_selected && resource.namespace() != place.namespace {
                        let place = Place { api_version, kind, name: resource.name(), ..place };
                        add(copied(*source, place.namespace, scope), place, Some(resource), scope)?;
                    }
                }
            }
        } else {
            add(pattern.get("data").unwrap_or_default(), place, None, scope)?;
        }
        Ok(objects)
    }
}

fn not_found(source: Place<'_>) -> VariableError {
    let Place { api_version, kind, namespace, name } = source;
    VariableError::unresolved(format!("source resource {api_version}/{kind}/{namespace}/{name} not found"))
}

/// What is copied of `source` into `namespace`.
fn copied<'a>(source: Value<'a>, namespace: &str, scope: &Scope<'a, '_, '_>) -> Value<'a> {
    let arena = scope.arena();
    let without = |object: Value<'a>, key: &str| object.without(arena, &["metadata", key]);
    let copy = SET_BY_SERVER.into_iter().fold(source, without);
    // Owners live in the namespace of what they own.
    if Resource(source).namespace() == namespace { copy } else { without(copy, "ownerReferences") }
}

/// `object` as the one at `place`.
fn placed<'a>(object: Value<'a>, place: Place<'a>, scope: &Scope<'a, '_, '_>) -> Value<'a> {
    let arena = scope.arena();
    let object = object
        .with(arena, &["apiVersion"], Value::String(place.api_version))
        .with(arena, &["kind"], Value::String(place.kind))
        .with(arena, &["metadata", "name"], Value::String(place.name));
    match place.namespace {
        "" => object.without(arena, &["metadata", "namespace"]),
        namespace => object.with(arena, &["metadata", "namespace"], Value::String(namespace)),
    }
}
