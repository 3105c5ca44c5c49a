//! Values of Secrets, which are never part of a text that leaves an evaluation.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_value::{Arena, Object, OwnedValue, Value, json};

use crate::explain::{self, CUT};
use crate::{Answer, Answers, Evaluation, Input, Resource, SideEffect};

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

    /// Masks the values of the Secrets that are among `answers`: what was looked up, targets, sources of clones.
    pub fn of_answers(answers: &Answers) -> Self {
        let (mut mask, arena) = (Self::default(), Arena::new());
        for answer in answers.values() {
            if let Answer::Value(value) = answer
                && Self::is_needed_for(value)
            {
                mask.hide_unsettled(value.borrow(&arena));
            }
        }
        mask.settle();
        mask
    }

    /// Whether `document` is a Secret or lists some. It is seen before it is borrowed, which costs the more the larger it is.
    pub fn is_needed_for(document: &OwnedValue) -> bool {
        fn get<'d>(document: &'d OwnedValue, key: &str) -> Option<&'d OwnedValue> {
            let OwnedValue::Object(entries) = document else { return None };
            entries.iter().find(|(name, _)| **name == *key).map(|(_, value)| value)
        }
        let is_secret = |document: &OwnedValue| {
            get(document, "kind").and_then(OwnedValue::as_str).is_some_and(|kind| kind.starts_with("Secret"))
        };
        let items = match document {
            OwnedValue::Array(_) => Some(document),
            document => get(document, "items"),
        };
        let items = match items {
            Some(OwnedValue::Array(items)) => &**items,
            _ => &[],
        };
        is_secret(document) || items.iter().any(is_secret)
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Masks the values of the Secret that `document` is, or of those that it lists.
    pub fn hide(&mut self, document: Value<'_>) {
        self.hide_unsettled(document);
        self.settle();
    }

    fn hide_unsettled(&mut self, document: Value<'_>) {
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
    }

    /// Masks every text in `value`.
    pub fn hide_all(&mut self, value: Value<'_>) {
        // Beyond that everything is masked.
        if self.values.len() <= MOST {
            self.add_all(value);
            self.settle();
        }
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
                decoded.filter(|text| !text.is_empty()).into_iter().for_each(|text| self.add(text));
                self.add(text.to_owned());
            }
            Value::Array(items) => items.iter().for_each(|item| self.add_all(*item)),
            Value::Object(object) => object.iter().for_each(|(_, item)| self.add_all(item)),
            _ => {}
        }
    }

    /// Adds a value as it is, and as it stands in JSON, with characters of HTML escaped and without.
    fn add(&mut self, value: String) {
        let quoted = json::quote(&value);
        let in_json = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        let escaped = in_json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        let others = [in_json, &escaped].into_iter().filter(|text| *text != value);
        self.values.extend(others.map(str::to_owned));
        self.values.push(value);
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
        if !self.is_empty() && masked.contains(CUT) {
            Cow::Owned(self.without_beginnings(&masked))
        } else {
            masked
        }
    }

    /// `text` without the beginnings of values that were cut where it was shortened.
    fn without_beginnings(&self, text: &str) -> String {
        let mut parts = text.split(CUT).peekable();
        let mut result = String::with_capacity(text.len());
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                result.push_str(part);
                break;
            }
            let longest = self.values.iter().filter_map(|value| beginning_at_end(part, value)).max();
            let (kept, mark) = match longest.and_then(|length| part.get(..part.len() - length)) {
                Some(kept) => (kept, Self::TEXT),
                None => (part, ""),
            };
            result.extend([kept, mark, CUT]);
        }
        result
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
            for (name, text) in &mut outcome.properties {
                if let Cow::Owned(masked) = self.apply(name) {
                    *name = masked.into();
                }
                mask(text);
            }
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

/// How much of the beginning of `value` stands at the end of `text`, if enough to tell something; no more than is left of a
/// text that was cut.
fn beginning_at_end(text: &str, value: &str) -> Option<usize> {
    let most = text.len().min(value.len()).min(4 * explain::LONGEST);
    (SHORTEST..=most).rev().find(|length| value.get(..*length).is_some_and(|begin| text.ends_with(begin)))
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
    fn a_value_is_masked_in_json_and_where_it_was_cut() {
        let arena = Arena::new();
        let read = |text| json::read(&arena, text).unwrap();
        let secret = read(
            r#"{"apiVersion":"v1","kind":"Secret","stringData":{"a":"one\"two","html":"<three>","long":"abcdefghijklmnop"}}"#,
        );
        let mut mask = Mask::default();
        mask.hide(secret);
        assert_eq!(mask.apply(r#"is {"a":"one\"two"}"#), r#"is {"a":"***"}"#);
        assert_eq!(
            mask.apply("`x` is \"abcdefg ..., or \"abcde ... and abc ..."),
            "`x` is \"*** ..., or \"*** ... and abc ..."
        );
        assert_eq!(mask.apply(r#"{"html":"\u003cthree\u003e"}, <three>"#), r#"{"html":"***"}, ***"#);
        assert_eq!(mask.apply("abcdefg"), "abcdefg");
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
