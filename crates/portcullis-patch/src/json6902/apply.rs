//! Applying a patch.

use std::borrow::Cow;

use portcullis_value::json::MAX_DEPTH;
use portcullis_value::{Arena, Budget, Exhausted, Number, Object, Value};

use super::container::{self, is_container};
use super::error::{ApplyError, ChildError};
use super::{Operation, Patch};

/// Where an application is more lenient than the RFC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Removing what is not there is no error (`AllowMissingPathOnRemove`).
    pub missing_path_on_remove: bool,
    /// Adding makes the maps and lists that lead to the place; lists are padded with `null` (`EnsurePathExistsOnAdd`).
    pub ensure_path_on_add: bool,
}

impl Options {
    /// Both leniencies: what Kyverno applies patches with.
    pub const LENIENT: Options = Options { missing_path_on_remove: true, ensure_path_on_add: true };
}

impl<'a> Patch<'a> {
    /// `document` with all operations applied in order.
    ///
    /// Takes from `budget` a step for each node that is moved, copied or added, and the bytes of the maps and lists
    /// that are made anew.
    ///
    /// # Errors
    /// That of the first operation that does not apply: a path that leads nowhere, a failed test, an exhausted
    /// `budget`, a document that would be deeper than [`MAX_DEPTH`].
    pub fn apply(
        &self,
        arena: &'a Arena,
        document: Value<'a>,
        options: Options,
        budget: &mut Budget<'_>,
    ) -> Result<Value<'a>, ApplyError> {
        let mut editor = Editor { arena, options, budget };
        self.operations.iter().try_fold(document, |document, operation| editor.apply(document, operation))
    }
}

/// A path taken apart: the tokens that lead to a map or list, and the key or index in it.
struct Path<'p> {
    text: &'p str,
    parents: Vec<Cow<'p, str>>,
    key: Cow<'p, str>,
}

impl<'p> Path<'p> {
    /// What stands before the first `/` does not count, as in the library.
    fn new(text: &'p str) -> Result<Self, Exhausted> {
        let mut parents: Vec<_> = text.split('/').skip(1).take(MAX_DEPTH + 1).map(unescape).collect();
        if parents.len() > MAX_DEPTH {
            return Err(Exhausted::Depth);
        }
        let key = parents.pop().unwrap_or_default();
        Ok(Self { text, parents, key })
    }
}

fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(token)
    }
}

/// The error of a path that leads nowhere.
fn missing(operation: &'static str, field: &'static str, path: &str) -> ApplyError {
    ApplyError::MissingPath { operation, field, path: path.to_owned() }
}

/// As [`missing`], of the operations whose message quotes the path.
fn missing_quoted(operation: &'static str, field: &'static str, path: &str) -> ApplyError {
    ApplyError::MissingPath { operation, field, path: format!("{path:?}") }
}

/// Adds to an error of a child what was done to it and where.
fn at(what: &str, path: &str) -> impl FnOnce(ChildError) -> ApplyError {
    let context = format!("error in {what}: '{path}'");
    |problem| ApplyError::Child { context, problem }
}

struct Editor<'a, 'b, 't> {
    arena: &'a Arena,
    options: Options,
    budget: &'b mut Budget<'t>,
}

type Edited<'a> = Result<Value<'a>, ApplyError>;

impl<'a> Editor<'a, '_, '_> {
    fn apply(&mut self, document: Value<'a>, operation: &Operation<'a>) -> Edited<'a> {
        self.budget.steps(1 + operation.path().len() as u64)?;
        let path = Path::new(operation.path())?;
        match *operation {
            Operation::Add { value, .. } => self.add(document, &path, value),
            Operation::Remove { .. } => self.remove(document, &path),
            Operation::Replace { value, .. } => self.replace(document, &path, value),
            Operation::Move { from, .. } => self.relocate(document, &Path::new(from)?, &path),
            Operation::Copy { from, .. } => self.copy(document, &Path::new(from)?, &path),
            Operation::Test { value, .. } => test(document, &path, value).map(|()| document),
        }
    }

    fn add(&mut self, mut document: Value<'a>, path: &Path<'_>, value: Value<'a>) -> Edited<'a> {
        self.measure(value, path.parents.len() + 1)?;
        if path.text.is_empty() {
            return if is_container(value) { Ok(value) } else { Err(ApplyError::NotAContainer) };
        }
        if self.options.ensure_path_on_add {
            // COMPAT(kyverno): what is added below the empty key of the document is lost.
            if path.parents.first().is_some_and(|token| token.is_empty()) {
                return Ok(document);
            }
            document = self.ensure(document, &path.parents, &path.key)?;
        }
        let parent =
            find(document, path).ok_or_else(|| missing_quoted("add", "doc is missing path", path.text))?;
        let parent =
            container::insert(self.arena, parent, &path.key, value).map_err(at("add for path", path.text))?;
        self.put(document, &path.parents, parent)
    }

    fn remove(&mut self, document: Value<'a>, path: &Path<'_>) -> Edited<'a> {
        let lenient = self.options.missing_path_on_remove;
        let Some(parent) = find(document, path) else {
            let error = missing_quoted("remove", "doc is missing path", path.text);
            return if lenient { Ok(document) } else { Err(error) };
        };
        match container::remove(self.arena, parent, &path.key) {
            Ok(parent) => self.put(document, &path.parents, parent),
            Err(ChildError::NoKey(_) | ChildError::NoIndex(_)) if lenient => Ok(document),
            Err(problem) => Err(at("remove for path", path.text)(problem)),
        }
    }

    fn replace(&mut self, document: Value<'a>, path: &Path<'_>, value: Value<'a>) -> Edited<'a> {
        self.measure(value, path.parents.len() + 1)?;
        if path.text.is_empty() {
            return if is_container(value) { Ok(value) } else { Err(ApplyError::ScalarDocument) };
        }
        let parent =
            find(document, path).ok_or_else(|| missing("replace", "doc is missing path", path.text))?;
        container::read(parent, &path.key)
            .map_err(|_| missing("replace", "doc is missing key", path.text))?;
        let parent = container::set(self.arena, parent, &path.key, value)
            .map_err(at("replace for path", path.text))?;
        self.put(document, &path.parents, parent)
    }

    fn relocate(&mut self, document: Value<'a>, from: &Path<'_>, path: &Path<'_>) -> Edited<'a> {
        if from.text.is_empty() {
            return Err(ApplyError::MoveDocument);
        }
        let parent =
            find(document, from).ok_or_else(|| missing("move", "doc is missing from path", from.text))?;
        let value = source(parent, from).map_err(at("move for path", &from.key))?;
        self.measure(value, path.parents.len() + 1)?;
        let parent = match container::remove(self.arena, parent, &from.key) {
            Err(ChildError::NoKey(_)) if self.options.missing_path_on_remove => parent,
            removed => removed.map_err(at("move for path", &from.key))?,
        };
        let document = self.put(document, &from.parents, parent)?;
        let parent = find(document, path)
            .ok_or_else(|| missing("move", "doc is missing destination path", path.text))?;
        let parent = container::insert(self.arena, parent, &path.key, value)
            .map_err(at("move for path", path.text))?;
        self.put(document, &path.parents, parent)
    }

    fn copy(&mut self, document: Value<'a>, from: &Path<'_>, path: &Path<'_>) -> Edited<'a> {
        let parent = find(document, from)
            .ok_or_else(|| missing_quoted("copy", "doc is missing from path", from.text))?;
        let value = match from.text {
            "" => document,
            _ => source(parent, from).map_err(at("copy for from", from.text))?,
        };
        self.measure(value, path.parents.len() + 1)?;
        let parent = find(document, path)
            .ok_or_else(|| missing("copy", "doc is missing destination path", path.text))?;
        // COMPAT(kyverno): a copy to the whole document goes to its empty key.
        let parent = container::insert(self.arena, parent, &path.key, value).map_err(|problem| {
            ApplyError::Child { context: "error while adding value during copy".to_owned(), problem }
        })?;
        self.put(document, &path.parents, parent)
    }

    /// `document` with the maps and lists of `parents` there, made where they are missing, and fit for `key`.
    ///
    /// What cannot be made is left out: the path is then found to lead nowhere.
    fn ensure(&mut self, document: Value<'a>, parents: &[Cow<'_, str>], key: &str) -> Edited<'a> {
        let Some((token, rest)) = parents.split_first() else { return Ok(document) };
        match container::get(document, token).unwrap_or_default() {
            // COMPAT(kyverno): what is made is not found again by a key with an escape in it.
            Value::Null if matches!(token, Cow::Owned(_)) => Ok(document),
            Value::Null => {
                let child = self.new_parent(rest.first().map_or(key, |next| next))?;
                let child = self.ensure(child, rest, key)?;
                let parent = match document {
                    Value::Array(items) => self.pad(items, container::index(token).unwrap_or_default())?,
                    _ => document,
                };
                Ok(container::insert(self.arena, parent, token, child).unwrap_or(parent))
            }
            old if is_container(old) => {
                let new = self.ensure(old, rest, key)?;
                if new.is_same(old) {
                    return Ok(document);
                }
                self.put(document, std::slice::from_ref(token), new)
            }
            _ => Err(ApplyError::NotAContainer),
        }
    }

    /// An empty map, or a list if `key` is an index, with as many `null` as it takes to reach it.
    fn new_parent(&mut self, key: &str) -> Edited<'a> {
        match container::index(key) {
            None if key != "-" => Ok(Value::Object(Object::default())),
            Some(index @ ..-1) => Err(at("add for path", key)(ChildError::NoIndex(index))),
            index => self.pad(&[], index.unwrap_or_default()),
        }
    }

    /// `items` with `null` at its end until it has `len` elements.
    fn pad(&mut self, items: &'a [Value<'a>], len: i64) -> Edited<'a> {
        let len = usize::try_from(len).unwrap_or_default();
        if len <= items.len() {
            return Ok(Value::Array(items));
        }
        self.budget.bytes(len.saturating_mul(size_of::<Value<'_>>()))?;
        let mut items = items.to_vec();
        items.resize(len, Value::Null);
        Ok(self.arena.array(&items))
    }

    /// `document` with `parent` in the place that `parents` lead to, which is there. Pays for what is copied.
    fn put(&mut self, document: Value<'a>, parents: &[Cow<'_, str>], parent: Value<'a>) -> Edited<'a> {
        let changed = match parents.split_first() {
            None => parent,
            Some((token, rest)) => {
                let child = container::get(document, token).unwrap_or_default();
                let child = self.put(child, rest, parent)?;
                container::set(self.arena, document, token, child).map_err(at("put for path", token))?
            }
        };
        self.budget.bytes(match changed {
            Value::Array(items) => size_of_val(items),
            Value::Object(map) => size_of_val(map.entries()),
            _ => 0,
        })?;
        Ok(changed)
    }

    /// Pays for the nodes of `value`, which is to have `above` maps and lists around it.
    ///
    /// Counting every node of a copy keeps copies of copies from growing without bound, though they take no memory.
    fn measure(&mut self, value: Value<'_>, above: usize) -> Result<(), Exhausted> {
        if above >= MAX_DEPTH && is_container(value) {
            return Err(Exhausted::Depth);
        }
        self.budget.step()?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.measure(*item, above + 1)),
            Value::Object(map) => map.iter().try_for_each(|(_, value)| self.measure(value, above + 1)),
            _ => Ok(()),
        }
    }
}

/// The map or list that `path` leads to.
///
/// COMPAT(kyverno): an empty key leads nowhere, and so does a path without any `/`.
fn find<'a>(document: Value<'a>, path: &Path<'_>) -> Option<Value<'a>> {
    if !path.text.is_empty() && !path.text.contains('/') {
        return None;
    }
    path.parents
        .iter()
        .try_fold(
            document,
            |value, token| {
                if token.is_empty() { None } else { container::get(value, token).ok() }
            },
        )
        .filter(|value| is_container(*value))
}

/// What is read at the end of `path`, which leads to `parent`.
///
/// COMPAT(kyverno): the empty key of a map below the document holds null.
fn source<'a>(parent: Value<'a>, path: &Path<'_>) -> Result<Value<'a>, ChildError> {
    match parent {
        Value::Object(_) if path.key.is_empty() && !path.parents.is_empty() => Ok(Value::Null),
        _ => container::read(parent, &path.key),
    }
}

fn test(document: Value<'_>, path: &Path<'_>, want: Value<'_>) -> Result<(), ApplyError> {
    let found = if path.text.is_empty() {
        document
    } else {
        let parent = find(document, path).ok_or_else(|| missing("test", "is missing path", path.text))?;
        match source(parent, path) {
            Ok(found) => found,
            Err(ChildError::NoKey(_)) => Value::Null,
            Err(problem) => return Err(at("test for path", path.text)(problem)),
        }
    };
    if is_equal_as_written(found, want) { Ok(()) } else { Err(ApplyError::TestFailed(path.text.to_owned())) }
}

/// Equality of documents whose numbers are compared as text.
///
/// A whole number in the document is one without a fraction, however it is held; one in the patch is what was
/// written without a fraction.
fn is_equal_as_written(found: Value<'_>, want: Value<'_>) -> bool {
    match (found, want) {
        (Value::Number(found), Value::Number(want)) => {
            found == want && (is_printed_whole(found) == want.is_integer())
        }
        (Value::Array(found), Value::Array(want)) => {
            found.len() == want.len()
                && found.iter().zip(want).all(|(found, want)| is_equal_as_written(*found, *want))
        }
        (Value::Object(found), Value::Object(want)) => {
            found.len() == want.len()
                && found
                    .iter()
                    .zip(want.iter())
                    .all(|((key, found), (other, want))| key == other && is_equal_as_written(found, want))
        }
        _ => found == want,
    }
}

/// Whether Go prints `number` as an integer.
fn is_printed_whole(number: Number) -> bool {
    number.is_integer() || (number.as_f64().trunc() == number.as_f64() && number.as_f64().abs() < 1e21)
}
