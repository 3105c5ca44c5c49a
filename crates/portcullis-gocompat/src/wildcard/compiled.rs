//! Wildcards that are looked at once and used often.

use std::fmt;

use portcullis_value::{Budget, Exhausted};

use super::{contains_wildcard, matches, matches_within};

/// A pattern whose shape is known: most fix only how a text starts, ends or what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildcard {
    pattern: Box<str>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Literal,
    /// One `*`, at this byte: what stands before it starts the text, what stands behind it ends it.
    Ends(usize),
    /// `*middle*`
    Contains,
    /// `?*`
    NotEmpty,
    Other,
}

impl Wildcard {
    pub fn new(pattern: &str) -> Self {
        let stars = pattern.bytes().filter(|byte| *byte == b'*').count();
        let middle = pattern.strip_prefix('*').and_then(|rest| rest.strip_suffix('*'));
        let shape = match pattern.find('*') {
            _ if !contains_wildcard(pattern) => Shape::Literal,
            _ if pattern == "?*" => Shape::NotEmpty,
            Some(star) if stars == 1 && !pattern.contains('?') => Shape::Ends(star),
            _ if middle.is_some_and(|middle| !contains_wildcard(middle)) => Shape::Contains,
            _ => Shape::Other,
        };
        Self { pattern: pattern.into(), shape }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether the pattern has a `*` or `?`.
    pub fn is_literal(&self) -> bool {
        self.shape == Shape::Literal
    }

    /// As [`matches()`].
    pub fn matches(&self, text: &str) -> bool {
        match self.shape {
            Shape::Other => matches(&self.pattern, text),
            _ => self.matches_shape(text),
        }
    }

    /// As [`matches_within`], in fewer steps.
    pub fn matches_within(&self, text: &str, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        if self.shape == Shape::Other {
            return matches_within(&self.pattern, text, budget);
        }
        budget.steps(1 + text.len() as u64 / 16)?;
        Ok(self.matches_shape(text))
    }

    fn matches_shape(&self, text: &str) -> bool {
        match self.shape {
            Shape::Literal => *self.pattern == *text,
            Shape::Ends(star) => {
                let (start, end) = self.pattern.split_at_checked(star).unwrap_or_default();
                let end = end.strip_prefix('*').unwrap_or_default();
                text.strip_prefix(start).is_some_and(|rest| rest.ends_with(end))
            }
            Shape::Contains => text.contains(self.pattern.trim_matches('*')),
            Shape::NotEmpty => !text.is_empty(),
            Shape::Other => false,
        }
    }
}

impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_known_shape_changes_nothing(pattern in "[aé*?]{0,5}", text in "[aéb]{0,6}") {
            let wildcard = Wildcard::new(&pattern);
            prop_assert_eq!(wildcard.matches(&text), matches(&pattern, &text));
            prop_assert_eq!(wildcard.matches_within(&text, &mut Budget::default()), Ok(matches(&pattern, &text)));
            prop_assert_eq!(wildcard.is_literal(), !contains_wildcard(&pattern));
            prop_assert_eq!(wildcard.as_str(), pattern);
        }
    }

    #[test]
    fn common_patterns_look_at_little_of_a_long_text() {
        let text = "a".repeat(100_000) + ":latest";
        for pattern in ["*:latest", "a*", "a*t", "*:*", "?*", "*"] {
            let mut budget = Budget::default();
            assert_eq!(Wildcard::new(pattern).matches_within(&text, &mut budget), Ok(true), "`{pattern}`");
            assert!(budget.left().steps > 990_000, "`{pattern}`");
        }
    }
}
