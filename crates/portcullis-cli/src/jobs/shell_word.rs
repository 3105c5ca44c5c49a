//! A value as somebody writes it in a shell.

use std::borrow::Cow;

/// `value` as one word of a command that is to be copied: in quotes, unless it needs none.
pub(super) fn shell_word(value: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=,".contains(letter);
    match !value.is_empty() && value.chars().all(is_plain) {
        true => Cow::Borrowed(value),
        false => Cow::Owned(format!("'{}'", value.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(
            ["plan.json", "a b", "it's", ""].map(shell_word),
            ["plan.json", "'a b'", r"'it'\''s'", "''"]
        );
    }
}
