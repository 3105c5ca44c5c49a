//! The elements of loops as variables: `element` and `elementIndex`, and with the level of the loop at their end.

use portcullis_model::explain::{Part, Step};
use portcullis_value::{Arena, Exhausted, Object, Value};

use super::Scope;
use crate::context::ContextEntry;
use crate::variable::{Compiled, VariableError};

/// The variables of the element and its place in the loop at a level, for the levels that are seen.
const LEVELS: [(&str, &str); 3] =
    [("element0", "elementIndex0"), ("element1", "elementIndex1"), ("element2", "elementIndex2")];

/// The variables of an element in a loop, from which those of the next are made by setting four values.
pub(super) struct Frame<'a> {
    /// The variables around the loop.
    around: Object<'a>,
    level: usize,
    inside: Object<'a>,
    /// Where the four values are: the element twice, its place twice.
    places: [usize; 4],
}

impl<'a> Frame<'a> {
    fn new(
        around: Object<'a>,
        level: usize,
        inside: Object<'a>,
        variables: &[(&str, Value<'a>); 4],
    ) -> Option<Self> {
        let mut places = [0; 4];
        for (place, (name, _)) in places.iter_mut().zip(variables) {
            *place = inside.keys().position(|key| key == *name)?;
        }
        Some(Self { around, level, inside, places })
    }

    fn is_for(&self, around: Object<'a>, level: usize) -> bool {
        self.level == level && Value::Object(self.around).is_same(Value::Object(around))
    }

    /// The variables with another element at `index`.
    fn filled(&self, arena: &'a Arena, element: Value<'a>, index: Value<'a>) -> Object<'a> {
        let mut entries = arena.vec(self.inside.len());
        entries.extend_from_slice_copy(self.inside.entries());
        for (place, value) in self.places.into_iter().zip([element, element, index, index]) {
            if let Some(entry) = entries.get_mut(place) {
                entry.1 = value;
            }
        }
        Object::from_sorted(entries.into_bump_slice())
    }
}

impl<'a> Scope<'a, '_, '_> {
    /// The elements of the list that `list` finds; what is no list is a list of one.
    ///
    /// # Errors
    /// In the reference's words: it finds nothing.
    pub(crate) fn elements(&mut self, list: &'a Compiled) -> Result<&'a [Value<'a>], VariableError> {
        let found = self.query_compiled(list).map(|found| match found {
            Value::Array(items) => items,
            single => self.arena.slice(&[single]),
        });
        if let Some(recorder) = self.recorder {
            let step = Step::new(Part::Loop, &*list.source);
            recorder.add(match &found {
                Ok([]) => step.note("there are no elements"),
                Ok([_]) => step.note("1 element"),
                Ok(elements) => step.note(format!("{} elements", elements.len())),
                Err(error) => step.found(false).note(error.to_string()),
            });
        }
        found
    }

    /// Runs `inner` for one element of a loop: with `entries` as context after that of the rule. What it sets is
    /// forgotten afterwards.
    ///
    /// # Errors
    /// Those of `inner`, and too many elements.
    pub(crate) fn for_element<T>(
        &mut self,
        index: usize,
        element: Value<'a>,
        entries: &'a [ContextEntry],
        inner: impl FnOnce(&mut Self) -> Result<T, VariableError>,
    ) -> Result<T, VariableError> {
        self.elements = self.elements.checked_sub(1).ok_or(Exhausted::Steps)?;
        self.budget.step()?;
        let (root, loaded) = (self.root, self.loaded.clone());
        self.entries.extend(entries);
        self.loaded.resize(self.entries.len(), false);
        self.level = self.entries.len();
        self.set_element(index, element);
        let with_element = Value::Object(self.root);
        self.loops += 1;
        let result = self.nested(inner);
        self.loops -= 1;
        let inner_root = std::mem::replace(&mut self.root, root);
        self.level = loaded.len();
        self.entries.truncate(self.level);
        self.loaded.truncate(self.level);
        let nothing_was_set = with_element.is_same(Value::Object(inner_root)) && self.loaded == loaded;
        let kept = if nothing_was_set { Ok(()) } else { self.keep_loaded(&loaded, inner_root) };
        result.and_then(|result| kept.map(|()| result))
    }

    fn set_element(&mut self, index: usize, element: Value<'a>) {
        let (level, arena) = (self.loops, self.arena);
        let index = Value::from(i64::try_from(index).unwrap_or(i64::MAX));
        let (of_level, index_of_level) = match LEVELS.get(level) {
            Some(names) => *names,
            None => (
                arena.format(format_args!("element{level}")),
                arena.format(format_args!("elementIndex{level}")),
            ),
        };
        let variables =
            [("element", element), (of_level, element), ("elementIndex", index), (index_of_level, index)];
        self.root = match &self.frame {
            // Most elements come to stand where the one before stood.
            Some(frame) if frame.is_for(self.root, level) => frame.filled(arena, element, index),
            _ => {
                let root = self.root.with_sorted(arena, &variables);
                self.frame = Frame::new(self.root, level, root, &variables);
                root
            }
        };
    }

    /// Keeps what was first asked for in a loop and belongs to what is around it: the context of the rule, and
    /// `images`. `loaded_before` tells which entries were loaded before, `inner` is the state in the loop.
    ///
    /// COMPAT(kyverno): a variable is evaluated anew, without the element; where that cannot be, later elements do
    /// not have it.
    fn keep_loaded(&mut self, loaded_before: &[bool], inner: Object<'a>) -> Result<(), VariableError> {
        for (index, was_loaded) in loaded_before.iter().enumerate() {
            let is_loaded = self.loaded.get(index).copied().unwrap_or_default();
            let Some(entry) = self.entries.get(index).copied().filter(|_| is_loaded && !was_loaded) else {
                continue;
            };
            let value = if entry.is_variable() {
                match self.load(index, entry) {
                    Err(VariableError::Unresolved { .. }) => None,
                    loading => loading?,
                }
            } else {
                inner.get(&entry.name)
            };
            if let Some(value) = value {
                self.set(&entry.name, value);
            }
        }
        let is_same_request = match (self.get("request"), inner.get("request")) {
            (Some(outer), Some(inner)) => outer.is_same(inner),
            _ => false,
        };
        if let Some(images) = inner.get("images").filter(|_| is_same_request && self.get("images").is_none())
        {
            self.set("images", images);
        }
        Ok(())
    }
}
