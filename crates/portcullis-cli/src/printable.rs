//! Text of documents made fit to print.
//!
//! Names and messages are chosen by whoever wrote the object. Control characters in them could recolour a terminal,
//! move its cursor, or forge a line of results; characters that reverse the reading direction could hide what stands
//! there. All are printed as escapes.

use std::borrow::Cow;

/// `text` on one line: control characters escaped, line breaks too.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// `text` with its line breaks, each followed by `indent` so that no line of it begins where ours do.
pub(crate) fn message<'t>(text: &'t str, indent: &str) -> Cow<'t, str> {
    let text = escaped(text.trim_end(), |character| character == '\n');
    if text.contains('\n') { Cow::Owned(text.replace('\n', &format!("\n{indent}"))) } else { text }
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let hostile = |character: char| is_hostile(character) && !keep(character);
    if !text.contains(hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hostile(character) { escaped.extend(character.escape_default()) } else { escaped.push(character) }
    }
    Cow::Owned(escaped)
}

fn is_hostile(character: char) -> bool {
    // Tabs are harmless and common in messages. The second range are the marks of reading direction.
    (character.is_control() && character != '\t')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_are_printed_as_text() {
        assert_eq!(line("a\u{1b}[31mred\nb"), "a\\u{1b}[31mred\\nb");
        assert_eq!(line("plain ü ✓"), "plain ü ✓");
        assert_eq!(line("\u{202e}evil"), "\\u{202e}evil");
    }

    #[test]
    fn a_message_keeps_its_lines_and_none_begins_at_the_margin() {
        assert_eq!(message("one\npass: 1\r\n", "    "), "one\n    pass: 1");
        assert_eq!(message("a\u{7f}", ""), "a\\u{7f}");
    }
}
