//! Files of the command line's own kinds, read strictly: a field that nobody reads is a mistake.

use portcullis_model::{Diagnostic, closest};
use portcullis_value::{Object, Pointer, Value};

/// What was found wrong while a file was read.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Diagnostic>);

/// What is wrong with a file that is [`is_of_old`].
pub(super) const OF_OLD: &str = "uses a deprecated schema: it has no `apiVersion` and `kind`";

/// Whether a file says neither its version nor its kind, as they did not once.
pub(super) fn is_of_old(document: Value<'_>) -> bool {
    let fields = Fields::new(document.as_object().unwrap_or_default(), Pointer::root());
    let is_missing = |field| matches!(fields.get(field), None | Some(Value::String("")));
    is_missing("apiVersion") || is_missing("kind")
}

/// A map of the file, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'v> {
    object: Object<'v>,
    path: Pointer,
}

impl Problems {
    /// Finds it wrong that a file of this `kind` does not say so.
    pub(super) fn refuse_of_old(&mut self, document: Value<'_>, kind: &str) {
        if is_of_old(document) {
            let hint = format!("begin it with `apiVersion: cli.kyverno.io/v1alpha1` and `kind: {kind}`");
            self.0.push(Diagnostic::error(Pointer::root(), format!("the file {OF_OLD}")).with_hint(hint));
        }
    }

    fn wrong_type(&mut self, path: Pointer, want: &str, value: Value<'_>) {
        self.0.push(Diagnostic::error(path, format!("expected {want}, found a {}", value.kind())));
    }

    /// The map `value` at `path`, which may have the fields `known`. Null is a map without entries.
    pub(crate) fn fields<'v>(&mut self, value: Value<'v>, path: Pointer, known: &[&str]) -> Fields<'v> {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => Object::default(),
            _ => {
                self.wrong_type(path.clone(), "a map", value);
                Object::default()
            }
        };
        for key in object.keys().filter(|key| !known.iter().any(|field| field.eq_ignore_ascii_case(key))) {
            let problem = Diagnostic::error(below(&path, key), format!("unknown field `{key}`")).at_key();
            let hint = match closest(key, known.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("fields here are {}", known.join(", ")),
            };
            self.0.push(problem.with_hint(hint));
        }
        Fields { object, path }
    }
}

impl<'v> Fields<'v> {
    /// A map whose keys are the user's own.
    pub(crate) fn new(object: Object<'v>, path: Pointer) -> Self {
        Self { object, path }
    }

    /// The names of its fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'v str> + use<'v> {
        self.object.keys()
    }

    /// The value of `field`; its case plays no part, as in Go's decoder. `None` where it is missing or null.
    pub(crate) fn get(&self, field: &str) -> Option<Value<'v>> {
        let exact = self.object.get(field);
        let found = exact.or_else(|| {
            self.object.iter().find(|(key, _)| key.eq_ignore_ascii_case(field)).map(|entry| entry.1)
        });
        found.filter(|value| !value.is_null())
    }

    /// The path of `field`.
    pub(crate) fn path(&self, field: &str) -> Pointer {
        below(&self.path, field)
    }

    /// The text of `field`; empty where it is missing.
    pub(crate) fn text(&self, field: &str, problems: &mut Problems) -> &'v str {
        match self.get(field) {
            None => "",
            Some(Value::String(text)) => text,
            Some(value) => {
                problems.wrong_type(self.path(field), "a string", value);
                ""
            }
        }
    }

    /// Whether `field` is true; it is not where it is missing.
    pub(crate) fn flag(&self, field: &str, problems: &mut Problems) -> bool {
        match self.get(field) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(value) => {
                problems.wrong_type(self.path(field), "a boolean", value);
                false
            }
        }
    }

    /// The elements of `field` with their paths; none where it is missing.
    pub(crate) fn list(&self, field: &str, problems: &mut Problems) -> Vec<(Value<'v>, Pointer)> {
        let path = self.path(field);
        match self.get(field) {
            None => Vec::new(),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (*item, below(&path, &index.to_string())))
                .collect(),
            Some(value) => {
                problems.wrong_type(path, "a list", value);
                Vec::new()
            }
        }
    }

    /// The texts that `field` lists.
    pub(crate) fn texts(&self, field: &str, problems: &mut Problems) -> Vec<&'v str> {
        let mut texts = Vec::new();
        for (item, path) in self.list(field, problems) {
            match item {
                Value::String(text) => texts.push(text),
                value => problems.wrong_type(path, "a string", value),
            }
        }
        texts
    }

    /// The map `field`; empty where it is missing.
    pub(crate) fn map(&self, field: &str, problems: &mut Problems) -> Object<'v> {
        match self.get(field) {
            None => Object::default(),
            Some(Value::Object(object)) => object,
            Some(value) => {
                problems.wrong_type(self.path(field), "a map", value);
                Object::default()
            }
        }
    }
}

/// The path of `key` in the map at `path`.
pub(super) fn below(path: &Pointer, key: &str) -> Pointer {
    let mut path = path.clone();
    path.push(key);
    path
}
