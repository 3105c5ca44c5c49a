//! Documents of an input, one at a time, and what is wrong with those that cannot be read.

use portcullis_value::{Arena, Value, json};
use portcullis_yaml::{DocumentReader, Marks, Source, StreamError};

use super::inputs::Input;
use crate::diagnostics::{self, Reporter};
use crate::surroundings::Stream;

/// Calls `visit` with each document of `input`; tells of those that are none. Returns how many errors were told.
///
/// # Errors
/// Those of `visit`, which end the reading.
pub(crate) fn each<E>(
    input: &mut Input,
    stderr: &mut Stream<'_>,
    mut visit: impl FnMut(Source<'_>, &mut Stream<'_>) -> Result<usize, E>,
) -> Result<usize, E> {
    let name = input.name.clone();
    let reader = match input.open() {
        Ok(reader) => reader,
        Err(error) => {
            diagnostics::file_error(stderr, &error);
            return Ok(1);
        }
    };
    let mut reader = DocumentReader::new(reader);
    let mut errors = 0;
    while let Some(document) = reader.next_document() {
        errors += match document {
            Ok(source) => visit(source, stderr)?,
            Err(error) => {
                let mut reporter = Reporter::new(&name, stderr);
                match error {
                    StreamError::Io(error) => reporter.io(&error),
                    StreamError::Text(error) => {
                        reporter.at_line(error.line(), error.column(), error.message(), error.hint());
                    }
                }
                reporter.errors()
            }
        };
    }
    Ok(errors)
}

/// Reads a document; tells why where it is none, and of keys that stand twice.
pub(crate) fn read<'a>(
    arena: &'a Arena,
    source: Source<'a>,
    reporter: &mut Reporter<'_, '_>,
) -> Option<Value<'a>> {
    if let Some(value) = read_json(arena, source.text()) {
        return Some(value);
    }
    match source.read(arena) {
        Ok(document) => {
            document.duplicates.iter().for_each(|duplicate| reporter.duplicate(source, duplicate));
            Some(document.value)
        }
        Err(error) => {
            reporter.syntax(source, &error);
            None
        }
    }
}

/// Reads a document and says nothing where it is none.
pub(crate) fn read_quietly<'a>(arena: &'a Arena, source: Source<'a>) -> Option<Value<'a>> {
    read_json(arena, source.text()).or_else(|| source.read(arena).ok().map(|document| document.value))
}

/// The value of a text that is JSON. It is YAML too, and quicker read as what it is; but only the YAML reader tells
/// where a key stands twice.
pub(crate) fn read_json<'a>(arena: &'a Arena, text: &'a str) -> Option<Value<'a>> {
    text.trim_ascii_start().starts_with('{').then(|| json::read_unique(arena, text).ok().flatten()).flatten()
}

/// Where an object stands in a document: indexes of `items`, the outermost list first. Empty for the document itself.
pub(crate) type Place = [usize];

/// The marks of the object at `place` of a document, whose own are `marks`.
pub(crate) fn marks_at<'m>(marks: Marks<'m>, place: &Place) -> Marks<'m> {
    let item = |list: Marks<'m>, index: &usize| list.child("items")?.child(&index.to_string());
    place.iter().try_fold(marks, item).unwrap_or(marks)
}

/// Calls `visit` with the objects of a document and where each stands: the document itself or, if it is a list as the
/// API server answers with (a kind that ends in `List`, and no name), its items, and the items of lists among them.
///
/// The items of a typed list (`PodList`) may leave out `apiVersion` and `kind`, as the API server does.
///
/// # Errors
/// Those of `visit`, which end the walk.
pub(crate) fn objects<'a, E>(
    arena: &'a Arena,
    document: Value<'a>,
    visit: &mut impl FnMut(Value<'a>, &Place) -> Result<(), E>,
) -> Result<(), E> {
    walk(arena, document, &mut Vec::new(), visit)
}

/// Reading has bounded the depth.
fn walk<'a, E>(
    arena: &'a Arena,
    value: Value<'a>,
    place: &mut Vec<usize>,
    visit: &mut impl FnMut(Value<'a>, &Place) -> Result<(), E>,
) -> Result<(), E> {
    let Some(items) = items(value) else { return visit(value, place) };
    for (index, item) in items.iter().enumerate() {
        place.push(index);
        walk(arena, typed(arena, *item, value), place, visit)?;
        place.pop();
    }
    Ok(())
}

fn items(value: Value<'_>) -> Option<&[Value<'_>]> {
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    let has_name = value.path(&["metadata", "name"]).is_some();
    (is_list && !has_name).then(|| value.get("items").and_then(Value::as_array)).flatten()
}

/// An item with the `apiVersion` and `kind` of its list, if the list has a type and the item states neither.
fn typed<'a>(arena: &'a Arena, item: Value<'a>, list: Value<'a>) -> Value<'a> {
    let text = |value: Value<'a>, key| value.get(key).and_then(Value::as_str);
    let kind = text(list, "kind").and_then(|kind| kind.strip_suffix("List")).unwrap_or_default();
    if kind.is_empty() || item.as_object().is_none() || item.get("kind").or(item.get("apiVersion")).is_some()
    {
        return item;
    }
    let version = Value::String(text(list, "apiVersion").unwrap_or_default());
    item.with(arena, &["apiVersion"], version).with(arena, &["kind"], Value::String(kind))
}
