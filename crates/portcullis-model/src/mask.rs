//! Values of Secrets, which are never part of a text that leaves an evaluation.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_value::{Arena, Object, Value};

use crate::{Evaluation, Input, Resource, SideEffect};

/// Shorter values are no secret within other text, and stand in every text.
const SHORTEST: usize = 4;

/// Where there are more values than this, nothing is looked through: everything is masked.
const MOST: usize = 1_000;

/// Of a value that is shown no more nodes are looked through, and no longer texts: what is beyond is masked whole.
const MOST_NODES: usize = 1_000;
const LONGEST: usize = 16 << 10;

/// The values that are masked. The default masks nothing.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// The longest first: a value that holds another is masked whole.
    values: Vec<String>,
}

impl Mask {
    /// What stands in the place of a secret value.
    pub const TEXT: &'static str = "***";

    /// Masks the values of a Secret, new and old, as they are written and decoded; of other kinds nothing.
    pub fn of(input: &Input<'_>) -> Self {
        let mut mask = Self::default();
        if input.gvk.group.is_empty() && input.gvk.kind == "Secret" {
            [input.object, input.old_object]
                .into_iter()
                .flatten()
                .for_each(|object| mask.hide_values(object));
            mask.settle();
        }
        mask
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Masks the values of the Secret that `document` is, or of those that it lists.
    pub fn hide(&mut self, document: Value<'_>) {
        let is_of = |document: Value<'_>, kind: &str| {
            let gvk = Resource(document).gvk();
            gvk.group.is_empty() && gvk.kind == kind
        };
        let is_list = is_of(document, "SecretList");
        let items = match document {
            Value::Array(items) => items,
            document => document.get("items").and_then(Value::as_array).unwrap_or_default(),
        };
        for item in std::iter::once(&document).chain(items) {
            // The items of a list do not name their kind.
            if is_list || is_of(*item, "Secret") {
                self.hide_values(*item);
            }
        }
        self.settle();
    }

    /// Masks every text in `value`.
    pub fn hide_all(&mut self, value: Value<'_>) {
        self.add_all(value);
        self.settle();
    }

    fn hide_values(&mut self, secret: Value<'_>) {
        for key in ["data", "stringData"] {
            self.add_all(secret.get(key).unwrap_or_default());
        }
    }

    /// Reading has bounded the depth.
    fn add_all(&mut self, value: Value<'_>) {
        match value {
            Value::String("") => {}
            Value::String(text) => {
                let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                self.values.extend(decoded.filter(|text| !text.is_empty()));
                self.values.push(text.to_owned());
            }
            Value::Array(items) => items.iter().for_each(|item| self.add_all(*item)),
            Value::Object(object) => object.iter().for_each(|(_, item)| self.add_all(item)),
            _ => {}
        }
    }

    fn settle(&mut self) {
        self.values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.values.dedup();
    }

    /// `text` without the values.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.values.len() > MOST {
            return Cow::Borrowed(Self::TEXT);
        }
        let mut masked = Cow::Borrowed(text);
        for value in self.values.iter().take_while(|value| value.len() >= SHORTEST) {
            if masked.contains(value) {
                masked = Cow::Owned(masked.replace(value, Self::TEXT));
            }
        }
        masked
    }

    /// Masks the texts of `evaluation`, which people read: messages, reasons, properties. Objects stay as they are.
    pub fn apply_to(&self, evaluation: &mut Evaluation<'_>) {
        if self.is_empty() {
            return;
        }
        let mask = |text: &mut String| {
            if let Cow::Owned(masked) = self.apply(text) {
                *text = masked;
            }
        };
        for outcome in &mut evaluation.outcomes {
            if let Cow::Owned(masked) = self.apply(&outcome.message) {
                outcome.message = masked.into();
            }
            outcome.explanation.as_mut().map(mask);
            outcome.properties.iter_mut().for_each(|(_, text)| mask(text));
            if let Some(SideEffect::Generated { failure, .. }) = outcome.side_effect.as_deref_mut() {
                failure.as_mut().map(mask);
            }
        }
        evaluation.not_applied.iter_mut().for_each(|(_, reason)| mask(reason));
    }

    /// `value` as JSON without the values, short ones included where they are a text by themselves.
    pub fn json(&self, value: Value<'_>) -> String {
        let arena = Arena::new();
        self.apply(&self.masked(&arena, value, &mut 0).to_string()).into_owned()
    }

    fn masked<'a>(&self, arena: &'a Arena, value: Value<'a>, nodes: &mut usize) -> Value<'a> {
        *nodes += 1;
        if *nodes > MOST_NODES {
            return Value::String(Self::TEXT);
        }
        match value {
            Value::String(text) if text.len() > LONGEST || self.values.iter().any(|value| value == text) => {
                Value::String(Self::TEXT)
            }
            Value::String(text) => match self.apply(text) {
                Cow::Owned(masked) => Value::String(arena.str(&masked)),
                Cow::Borrowed(masked) => Value::String(masked),
            },
            Value::Array(items) => {
                let items: Vec<_> =
                    items.iter().take(MOST_NODES).map(|item| self.masked(arena, *item, nodes)).collect();
                arena.array(&items)
            }
            Value::Object(object) => {
                let entries = object.iter().take(MOST_NODES);
                let entries: Vec<_> =
                    entries.map(|(key, item)| (key, self.masked(arena, item, nodes))).collect();
                Value::Object(Object::from_sorted(arena.slice(&entries)))
            }
            value => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_value::json;

    use super::*;

    fn read<'a>(arena: &'a Arena, text: &'a str) -> Value<'a> {
        json::read(arena, text).unwrap()
    }

    #[test]
    fn the_values_of_a_secret_are_masked_as_they_are_written_and_decoded() {
        let arena = Arena::new();
        let secret = read(
            &arena,
            r#"{"apiVersion":"v1","kind":"Secret","data":{"password":"aHVudGVyMg=="},"stringData":{"pin":"12"}}"#,
        );
        let mut mask = Mask::default();
        mask.hide(secret);
        assert_eq!(mask.apply("it is hunter2, aHVudGVyMg== that is"), "it is ***, *** that is");
        assert_eq!(
            mask.json(secret),
            r#"{"apiVersion":"v1","data":{"password":"***"},"kind":"Secret","stringData":{"pin":"***"}}"#
        );
        // A short one stands in every text.
        assert_eq!(mask.apply("at 12 o'clock"), "at 12 o'clock");
    }

    #[test]
    fn the_items_of_a_list_of_secrets_need_not_say_what_they_are() {
        let arena = Arena::new();
        let items = r#"[{"data":{"a":"first"}},{"data":{"a":"second"}}]"#;
        let mut mask = Mask::default();
        mask.hide(read(
            &arena,
            arena.str(&format!(r#"{{"apiVersion":"v1","kind":"ConfigMapList","items":{items}}}"#)),
        ));
        assert_eq!(mask.apply("first and second"), "first and second");
        mask.hide(read(
            &arena,
            arena.str(&format!(r#"{{"apiVersion":"v1","kind":"SecretList","items":{items}}}"#)),
        ));
        assert_eq!(mask.apply("first and second"), "*** and ***");
    }

    #[test]
    fn a_secret_with_too_many_values_masks_everything() {
        let arena = Arena::new();
        let data: Vec<_> = (0..=MOST).map(|number| format!(r#""k{number}":"value{number}""#)).collect();
        let text = format!(r#"{{"apiVersion":"v1","kind":"Secret","data":{{{}}}}}"#, data.join(","));
        let mut mask = Mask::default();
        mask.hide(read(&arena, &text));
        assert_eq!(mask.apply("anything"), "***");
    }
}
