//! Values of Secrets, which are never part of a text that leaves the review.

use std::borrow::Cow;

use portcullis_model::Input;
use portcullis_value::Value;

/// What stands in the place of a secret value.
const MASK: &str = "***";

/// Shorter values are no secret, and stand in every text.
const SHORTEST: usize = 4;

/// The values that are masked.
#[derive(Debug, Default)]
pub(crate) struct Mask<'a>(Vec<&'a str>);

impl<'a> Mask<'a> {
    /// Masks the values of a Secret, new and old; of other kinds nothing.
    pub(crate) fn of(input: &Input<'a>) -> Self {
        if !(input.gvk.group.is_empty() && input.gvk.kind == "Secret") {
            return Self::default();
        }
        let objects = [input.object, input.old_object].into_iter().flatten();
        let maps = objects.flat_map(|object| [object.get("data"), object.get("stringData")]).flatten();
        let mut values: Vec<&str> = maps
            .filter_map(Value::as_object)
            .flat_map(|map| map.iter().filter_map(|(_, value)| value.as_str()))
            .filter(|value| value.len() >= SHORTEST)
            .collect();
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
