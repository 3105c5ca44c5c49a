//! Patterns with `*` and `?`, as Kyverno matches names, labels and values.

mod compiled;

use std::convert::Infallible;

pub use compiled::Wildcard;
use portcullis_value::{Budget, Exhausted};

/// Whether the whole of `text` fits `pattern`.
///
/// `*` stands for any run of characters, the empty one and `/` included, `?` for exactly one character (Unicode
/// code point). Nothing else is special: no escapes, no classes. Takes at most `pattern.len() * text.len()` steps.
pub fn matches(pattern: &str, text: &str) -> bool {
    if !contains_wildcard(pattern) {
        return pattern == text;
    }
    match run(pattern, text, || Ok::<(), Infallible>(())) {
        Ok(matched) => matched,
    }
}

/// [`matches()`] that spends a step of `budget` per character looked at.
pub fn matches_within(pattern: &str, text: &str, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    if !contains_wildcard(pattern) {
        budget.steps(1 + pattern.len() as u64 / 16)?;
        return Ok(pattern == text);
    }
    run(pattern, text, || budget.step())
}

/// Whether `text` has a `*` or `?`.
pub fn contains_wildcard(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'*' | b'?'))
}

fn run<E>(pattern: &str, text: &str, mut step: impl FnMut() -> Result<(), E>) -> Result<bool, E> {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // What follows the last `*`, and the text from which to try it. An earlier `*` never needs another try: whatever
    // a longer run of it could reach, the last one reaches too.
    let mut retry = None;
    loop {
        step()?;
        let here = text.clone();
        match (pattern.next(), text.next()) {
            (Some('*'), _) => {
                if pattern.as_str().is_empty() {
                    return Ok(true);
                }
                retry = Some((pattern.clone(), here.clone()));
                text = here;
            }
            (Some('?'), Some(_)) => {}
            (Some(want), Some(got)) if want == got => {}
            (None, None) => return Ok(true),
            _ => {
                let Some((after_star, from)) = &mut retry else { return Ok(false) };
                if from.next().is_none() {
                    return Ok(false);
                }
                (pattern, text) = (after_star.clone(), from.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, want: bool) {
        assert_eq!(matches(pattern, text), want, "`{pattern}` on `{text}`");
    }

    #[test]
    fn star_is_any_run_and_question_mark_one_character() {
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("?*", "", false);
        check("a?c", "ac", false);
        check("a?c", "abc", true);
        check("a?", "aé", true);
        check("naïve?", "naïve", false);
        check("registry.corp/*", "registry.corp/team/app:1", true);
        check("*:latest", "nginx:1.25", false);
        check("*ab*ab", "abab", true);
        check("*ab*ab", "aab", false);
        check("**?**?", "ab", true);
    }

    #[test]
    fn nothing_else_is_special() {
        check("[ab]", "a", false);
        check("a.b", "axb", false);
        check(r"\*", "*", false);
        check(r"\*", r"\x", true);
    }

    #[test]
    fn many_stars_end_when_the_budget_does() {
        let (pattern, text) = ("*a".repeat(40) + "b", "a".repeat(100_000));
        assert!(!matches(&pattern, &text));
        assert_eq!(matches_within(&pattern, &text, &mut Budget::default()), Ok(false));
        let mut small =
            Budget::new(portcullis_value::Limits { steps: 1000, ..Default::default() }, &|| false);
        assert_eq!(matches_within(&pattern, &text, &mut small), Err(Exhausted::Steps));
    }

    /// The definition, word for word; exponential.
    fn obvious(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            (['*', rest @ ..], _) => (0..=text.len()).any(|length| obvious(rest, &text[length..])),
            (['?', rest @ ..], [_, tail @ ..]) => obvious(rest, tail),
            ([want, rest @ ..], [got, tail @ ..]) => want == got && obvious(rest, tail),
            ([], []) => true,
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[aé*?]{0,7}", text in "[aéb]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), obvious(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn the_counted_form_says_the_same(pattern in ".{0,10}", text in ".{0,10}") {
            prop_assert_eq!(matches_within(&pattern, &text, &mut Budget::default()), Ok(matches(&pattern, &text)));
        }
    }
}
