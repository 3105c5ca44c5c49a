//! Conditions of an overlay: `(key): value` and `<(key): value`.

use std::borrow::Cow;

use portcullis_model::Numbers;
use portcullis_value::{Budget, Exhausted, Value};

use crate::pattern::text::Text;
use crate::pattern::{Pattern, Verdict};

/// What the value of a condition asks of the resource.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// A scalar, compared with scalars as text: `5` holds for `"5"`, `"1*"` for 10, `null` for null alone.
    Text(Text),
    /// A map or list, compared as `validate.pattern` does.
    Tree(Pattern),
    /// A map that adds fields: the key must be there.
    Present,
}

impl Condition {
    pub(super) fn compile(pattern: Value<'_>, budget: &mut Budget<'_>) -> Result<Self, Exhausted> {
        match text_of(pattern) {
            Some(text) => Ok(Condition::Text(Text::compile(&text))),
            None => Pattern::compile(pattern, budget).map(Condition::Tree),
        }
    }

    /// Whether it holds for `value`, which the resource has.
    pub(super) fn holds(&self, value: Value<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        let text = text_of(value);
        match (self, &text) {
            (Condition::Present, _) => Ok(true),
            (Condition::Text(pattern), Some(text)) => pattern.matches_text(text, budget),
            (Condition::Text(_), None) => Ok(false),
            (Condition::Tree(pattern), text) => {
                let value = text.as_deref().map_or(value, Value::String);
                // Numbers inside come from a plain JSON decoder.
                Ok(pattern.check(value, Numbers::Floats, budget)? == Verdict::Pass)
            }
        }
    }
}

/// The characters of a scalar, without quotes.
fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Array(_) | Value::Object(_) => None,
        scalar => Some(Cow::Owned(scalar.to_string())),
    }
}
