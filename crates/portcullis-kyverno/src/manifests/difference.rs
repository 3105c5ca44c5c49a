//! In what an object differs from its manifest.

use portcullis_gocompat::quantity::Quantity;
use portcullis_gocompat::wildcard;
use portcullis_model::Resource;
use portcullis_value::{Arena, Value};

use super::filled::Filler;
use super::{key, text};
use crate::scope::Scope;
use crate::variable::VariableError;

/// How many differences are told.
const MAX_TOLD: usize = 50;

/// Fields that the policy lets differ, of some objects.
#[derive(Debug)]
pub(super) struct IgnoredFields {
    /// None for all objects.
    objects: Box<[ObjectPattern]>,
    fields: Box<[Box<str>]>,
}

/// What an object must be, each part with wildcards; `None` where any will do.
#[derive(Debug)]
struct ObjectPattern {
    group: Option<Box<str>>,
    version: Option<Box<str>>,
    kind: Option<Box<str>>,
    name: Option<Box<str>>,
    namespace: Option<Box<str>>,
}

impl IgnoredFields {
    /// Compiles an entry of `ignoreFields`.
    pub(super) fn compile(entry: Value<'_>) -> Self {
        let list = |key| entry.get(key).and_then(Value::as_array).unwrap_or_default();
        let objects = list("objects").iter().map(|object| {
            let part = |key| text(*object, key).map(Box::from);
            let (group, version, kind) = (part("group"), part("version"), part("kind"));
            ObjectPattern { group, version, kind, name: part("name"), namespace: part("namespace") }
        });
        let fields = list("fields").iter().filter_map(|field| field.as_str().map(Box::from));
        Self { objects: objects.collect(), fields: fields.collect() }
    }

    fn is_for(&self, object: Resource<'_>) -> bool {
        self.objects.is_empty() || self.objects.iter().any(|pattern| pattern.matches(object))
    }
}

impl ObjectPattern {
    fn matches(&self, object: Resource<'_>) -> bool {
        let gvk = object.gvk();
        [
            (&self.group, gvk.group),
            (&self.version, gvk.version),
            (&self.kind, gvk.kind),
            (&self.name, object.name()),
            (&self.namespace, object.namespace()),
        ]
        .into_iter()
        .all(|(pattern, part)| pattern.as_ref().is_none_or(|pattern| wildcard::matches(pattern, part)))
    }
}

/// One field that is not as it was signed.
#[derive(Debug)]
pub(super) struct Difference<'a> {
    /// Where it is, with dots: `spec.ports.0.port`.
    pub(super) key: String,
    before: Option<Value<'a>>,
    after: Option<Value<'a>>,
}

/// The differences between `manifest` and `object`, in the order of their keys: those of fields that neither the API server
/// fills in nor the policy ignores.
///
/// # Errors
/// A limit was run into.
pub(super) fn between<'a>(
    manifest: Value<'a>,
    object: Resource<'a>,
    domain: &str,
    ignored: &[IgnoredFields],
    scope: &mut Scope<'a, '_, '_>,
) -> Result<Vec<Difference<'a>>, VariableError> {
    let fields = ignored.iter().filter(|entry| entry.is_for(object)).flat_map(|entry| &entry.fields);
    let mut walk = Walk {
        path: Vec::new(),
        filler: Filler::new(object, domain),
        ignored: fields.map(|field| &**field).collect(),
        found: Vec::new(),
    };
    walk.node(Some(manifest), Some(object.0), scope)?;
    Ok(walk.found)
}

/// `differences` in JSON, as the reference's library writes them.
pub(super) fn to_json<'a>(differences: &[Difference<'a>], arena: &'a Arena) -> String {
    let items: Vec<Value<'a>> = differences
        .iter()
        .take(MAX_TOLD)
        .map(|difference| {
            let values = arena.object(&mut vec![
                ("after", difference.after.unwrap_or_default()),
                ("before", difference.before.unwrap_or_default()),
            ]);
            arena.object(&mut vec![("key", arena.string(&difference.key)), ("values", values)])
        })
        .collect();
    key::json(arena.object(&mut vec![("items", arena.array(&items))]))
}

struct Walk<'a, 'p> {
    path: Vec<PathPart<'a>>,
    filler: Filler<'a, 'p>,
    ignored: Vec<&'p str>,
    found: Vec<Difference<'a>>,
}

/// A key of a map, or a place in a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum PathPart<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Walk<'a, '_> {
    /// Compares what stands at the path in hand. A list or map that only one of them has is told field by field; an empty one
    /// is a value of its own, since it may mean much: `podSelector: {}`.
    fn node(
        &mut self,
        before: Option<Value<'a>>,
        after: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<(), VariableError> {
        scope.budget().step()?;
        let before = before.filter(|value| !value.is_null());
        let after = after.filter(|value| !value.is_null());
        match (before, after) {
            (Some(Value::Object(_)), Some(Value::Object(_))) => {
                scope.nested(|scope| self.maps(before, after, scope))
            }
            (Some(Value::Array(_)), Some(Value::Array(_))) => {
                scope.nested(|scope| self.lists(before, after, scope))
            }
            (Some(Value::Object(object)), None) | (None, Some(Value::Object(object)))
                if !object.is_empty() =>
            {
                scope.nested(|scope| self.maps(before, after, scope))
            }
            (Some(Value::Array([_, ..])), None) | (None, Some(Value::Array([_, ..]))) => {
                scope.nested(|scope| self.lists(before, after, scope))
            }
            _ => self.leaf(before, after, scope),
        }
    }

    fn maps(
        &mut self,
        before: Option<Value<'a>>,
        after: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<(), VariableError> {
        let before = before.and_then(Value::as_object).unwrap_or_default();
        let after = after.and_then(Value::as_object).unwrap_or_default();
        let added = after.keys().filter(|key| !before.contains_key(key));
        let mut keys: Vec<&'a str> = before.keys().chain(added).collect();
        keys.sort_unstable();
        for key in keys {
            self.path.push(PathPart::Key(key));
            self.node(before.get(key), after.get(key), scope)?;
            self.path.pop();
        }
        Ok(())
    }

    fn lists(
        &mut self,
        before: Option<Value<'a>>,
        after: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<(), VariableError> {
        let before = before.and_then(Value::as_array).unwrap_or_default();
        let after = after.and_then(Value::as_array).unwrap_or_default();
        for index in 0..before.len().max(after.len()) {
            self.path.push(PathPart::Index(index));
            self.node(before.get(index).copied(), after.get(index).copied(), scope)?;
            self.path.pop();
        }
        Ok(())
    }

    fn leaf(
        &mut self,
        before: Option<Value<'a>>,
        after: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<(), VariableError> {
        if before == after
            || self.filler.fills(&self.path, before, after)
            || (holds_quantities(&self.path) && is_same_quantity(before, after))
        {
            return Ok(());
        }
        let key = dotted(&self.path);
        for field in &self.ignored {
            if covers(field, &key, scope)? {
                return Ok(());
            }
        }
        scope.spend_bytes(key.len())?;
        self.found.push(Difference { key, before, after });
        Ok(())
    }
}

fn dotted(path: &[PathPart<'_>]) -> String {
    let parts = path.iter().map(|part| match part {
        PathPart::Key(key) => (*key).to_owned(),
        PathPart::Index(index) => index.to_string(),
    });
    parts.collect::<Vec<_>>().join(".")
}

/// Whether `field`, with wildcards, is the field `key` or one that holds it.
fn covers(field: &str, key: &str, scope: &mut Scope<'_, '_, '_>) -> Result<bool, VariableError> {
    let below = format!("{field}.*");
    Ok(wildcard::matches_within(field, key, scope.budget())?
        || wildcard::matches_within(&below, key, scope.budget())?)
}

/// Whether quantities stand at `path`, which the API server writes in their shortest form.
fn holds_quantities(path: &[PathPart<'_>]) -> bool {
    matches!(
        path,
        [.., PathPart::Key("limits" | "requests" | "capacity" | "hard"), PathPart::Key(_)]
            | [.., PathPart::Key("sizeLimit" | "divisor")]
    )
}

fn is_same_quantity(before: Option<Value<'_>>, after: Option<Value<'_>>) -> bool {
    let quantity = |value: Option<Value<'_>>| match value? {
        Value::String(text) => Quantity::parse(text).ok(),
        value => value.as_i64().map(Quantity::from),
    };
    quantity(before).is_some_and(|before| quantity(after) == Some(before))
}
