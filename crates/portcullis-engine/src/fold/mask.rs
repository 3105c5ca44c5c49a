//! Values of Secrets, which are never part of a text that leaves the review.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::Input;
use portcullis_value::{Arena, Value};

/// What stands in the place of a secret value.
const MASK: &str = "***";

/// Shorter values are no secret, and stand in every text.
const SHORTEST: usize = 4;

/// The values that are masked.
#[derive(Debug, Default)]
pub(crate) struct Mask<'a>(Vec<&'a str>);

impl<'a> Mask<'a> {
    /// Masks the values of a Secret, new and old, as they are written and decoded; of other kinds nothing.
    pub(crate) fn of(arena: &'a Arena, input: &Input<'a>) -> Self {
        if !(input.gvk.group.is_empty() && input.gvk.kind == "Secret") {
            return Self::default();
        }
        let objects = [input.object, input.old_object].into_iter().flatten();
        let maps = objects.flat_map(|object| [object.get("data"), object.get("stringData")]).flatten();
        let written = maps.filter_map(Value::as_object).flat_map(|map| map.iter());
        let mut values = Vec::new();
        for value in written.filter_map(|(_, value)| value.as_str()) {
            let decoded = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            values.extend(decoded.map(|text| arena.str(&text)));
            values.push(value);
        }
        values.retain(|value| value.len() >= SHORTEST);
        // A value that holds another is masked whole.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    /// `text` without the values.
    pub(crate) fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for value in &self.0 {
            if masked.contains(value) {
                masked = Cow::Owned(masked.replace(value, MASK));
            }
        }
        masked
    }
}
