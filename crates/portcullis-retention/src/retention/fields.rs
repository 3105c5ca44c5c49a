//! Reading a map field by field: every mistake is told, with its place, and none twice.

use std::collections::BTreeSet;

use portcullis_model::{Diagnostic, closest};
use portcullis_value::{Object, Pointer, Value};

/// A map of a document. A field that is `null` is not given.
pub(super) struct Fields<'a, 'e> {
    fields: Object<'a>,
    path: Pointer,
    /// The fields that were asked for, which are the ones there can be.
    known: Vec<&'static str>,
    errors: &'e mut Vec<Diagnostic>,
}

impl<'a, 'e> Fields<'a, 'e> {
    /// The map at `path` of `document`; the empty one where there is none.
    pub(super) fn of(document: Value<'a>, path: &[&'static str], errors: &'e mut Vec<Diagnostic>) -> Self {
        let mut place = Pointer::root();
        path.iter().for_each(|token| place.push(token));
        let value = document.path(path).filter(|value| !value.is_null());
        let fields = value.and_then(Value::as_object).unwrap_or_default();
        if let Some(other) = value.filter(|value| value.as_object().is_none()) {
            errors.push(Diagnostic::error(place.clone(), format!("this is a {}, not a map", other.kind())));
        }
        Self { fields, path: place, known: Vec::new(), errors }
    }

    /// These fields there can be too.
    pub(super) fn known(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    pub(super) fn given(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.known.push(name);
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&mut self, name: &'static str, hint: &str) -> Option<Value<'a>> {
        let given = self.given(name);
        if given.is_none() {
            let missing = Diagnostic::error(self.path.clone(), format!("`{name}` is missing"));
            self.errors.push(missing.with_hint(hint));
        }
        given
    }

    /// The value that was read of the field `name`; an error about it is told.
    pub(super) fn checked<T>(&mut self, name: &str, read: Option<Result<T, String>>) -> Option<T> {
        match read? {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.push(Diagnostic::error(self.at(name), message));
                None
            }
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.given(name)?;
        let read = self.checked(name, Some(text(value)));
        if let (Value::Bool(_) | Value::Number(_), Some(told)) = (value, self.errors.last_mut()) {
            told.hint = Some(Diagnostic::IN_QUOTES.to_owned());
        }
        read
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let read = self.given(name).map(|value| {
            value.as_bool().ok_or_else(|| format!("this is a {}, not `true` or `false`", value.kind()))
        });
        self.checked(name, read)
    }

    /// A whole number of at least `least`.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, name: &'static str, least: i64) -> Option<T> {
        let read = self.given(name).map(|value| {
            let number = value.as_i64().filter(|number| *number >= least);
            number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
                format!("`{value}` is no number that this can be: write a whole one of at least {least}")
            })
        });
        self.checked(name, read)
    }

    pub(super) fn one_of<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let read = found.ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            format!("`{text}` is none of {}", words.join(", "))
        });
        self.checked(name, Some(read))
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> BTreeSet<Box<str>> {
        let read = self.given(name).map(|value| {
            let items = value.as_array().ok_or_else(|| format!("this is a {}, not a list", value.kind()))?;
            items.iter().map(|item| text(*item).map(Box::from)).collect()
        });
        self.checked(name, read).unwrap_or_default()
    }

    /// Tells of fields that there are none of.
    pub(super) fn finish(self) {
        for name in self.fields.keys().filter(|name| !self.known.contains(name)) {
            let unknown = Diagnostic::error(self.at(name), format!("there is no field `{name}`")).at_key();
            let near = closest(name, self.known.iter().copied());
            self.errors.push(match near {
                Some(near) => unknown.with_hint(format!("did you mean `{near}`?")),
                None => unknown,
            });
        }
    }

    fn at(&self, name: &str) -> Pointer {
        let mut place = self.path.clone();
        place.push(name);
        place
    }
}

fn text(value: Value<'_>) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("this is a {}, not a text", value.kind()))
}
