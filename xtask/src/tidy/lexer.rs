//! Tells the code of a Rust file from its comments and its texts, as far as the checks need it.

/// A line of source, with the other parts left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Without comments, and with the contents of string and character literals left out.
    pub(super) code: String,
    /// What stands in comments.
    pub(super) comment: String,
}

#[derive(Clone, Copy)]
enum State {
    Code,
    LineComment,
    /// The depth of nested block comments.
    BlockComment(usize),
    Text,
    /// The number of `#` that close it.
    RawText(usize),
}

/// Splits a source into lines of code and comment.
pub(super) fn lines(source: &str) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    let mut state = State::Code;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let (next, taken) = step(state, rest);
        if c == '\n' {
            lines.push(Line::default());
        } else if let Some(line) = lines.last_mut() {
            let part = rest.get(..taken).unwrap_or_default();
            match (state, next) {
                (
                    State::LineComment | State::BlockComment(_),
                    State::LineComment | State::BlockComment(_),
                ) => {
                    line.comment.push_str(part);
                }
                (State::Code, State::Code | State::Text | State::RawText(_)) => line.code.push_str(part),
                _ => {}
            }
        }
        state = next;
        rest = rest.get(taken..).unwrap_or_default();
    }
    lines
}

/// The state after the next piece of `rest`, and the bytes of that piece. `rest` is not empty.
fn step(state: State, rest: &str) -> (State, usize) {
    let one = rest.chars().next().map_or(1, char::len_utf8);
    match state {
        State::Code if rest.starts_with("//") => (State::LineComment, 2),
        State::Code if rest.starts_with("/*") => (State::BlockComment(1), 2),
        State::Code if rest.starts_with('"') => (State::Text, 1),
        State::Code if rest.starts_with("r\"") || rest.starts_with("r#") => {
            let hashes = rest.bytes().skip(1).take_while(|byte| *byte == b'#').count();
            match rest.as_bytes().get(1 + hashes) {
                Some(b'"') => (State::RawText(hashes), 2 + hashes),
                // `r#type` is a name.
                _ => (State::Code, 1),
            }
        }
        State::Code if rest.starts_with('\'') => (State::Code, character(rest)),
        // A whole word at once, so that the `r` of `for"` does not open a raw text.
        State::Code => {
            let word =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum();
            (State::Code, one.max(word))
        }
        State::LineComment if rest.starts_with('\n') => (State::Code, 1),
        State::BlockComment(depth) if rest.starts_with("/*") => (State::BlockComment(depth + 1), 2),
        State::BlockComment(1) if rest.starts_with("*/") => (State::Code, 2),
        State::BlockComment(depth) if rest.starts_with("*/") => (State::BlockComment(depth - 1), 2),
        // A `\` before a line end is taken alone, so that the line is counted.
        State::Text if rest.starts_with('\\') && !rest.starts_with("\\\n") => {
            (State::Text, 1 + rest.chars().nth(1).map_or(0, char::len_utf8))
        }
        State::Text if rest.starts_with('"') => (State::Code, 1),
        State::RawText(hashes) if rest.starts_with('"') => {
            let closing = rest.bytes().skip(1).take(hashes).filter(|byte| *byte == b'#').count();
            if closing == hashes { (State::Code, 1 + hashes) } else { (state, 1) }
        }
        _ => (state, one),
    }
}

/// The bytes of the character literal at the front of `rest`, or 1 where the quote opens a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // Past the escaped character, up to the closing quote: `'\u{1F600}'` is the longest.
            chars.next();
            chars.take(10).find(|(_, c)| *c == '\'').map_or(1, |(index, _)| index + 1)
        }
        Some(_) => match chars.next() {
            Some((index, '\'')) => index + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, want: &[(&str, &str)]) {
        let lines = lines(source);
        let got: Vec<_> = lines.iter().map(|line| (line.code.as_str(), line.comment.as_str())).collect();
        assert_eq!(got, want, "{source}");
    }

    #[test]
    fn comments_are_told_from_code() {
        check("let a = 1; // one\nb", &[("let a = 1; ", " one"), ("b", "")]);
        check("a /* b /* c */ d */ e", &[("a  e", " b /* c */ d ")]);
        check("//! doc", &[("", "! doc")]);
    }

    #[test]
    fn texts_are_left_out() {
        check(r#"f("a // \" b")g"#, &[("f(\")g", "")]);
        check("f(r#\"a \" // b\"#)g", &[("f(r#\")g", "")]);
        check("r#type + for\"x\"", &[("r#type + for\"", "")]);
        check("f(\"a\\\nb\")", &[("f(\"", ""), (")", "")]);
    }

    #[test]
    fn a_quote_in_a_character_opens_no_text() {
        check(r#"f('"', '\'', '\u{22}') // x"#, &[("f('\"', '\\'', '\\u{22}') ", " x")]);
        check("fn f<'a>(x: &'a str) {} // y", &[("fn f<'a>(x: &'a str) {} ", " y")]);
    }
}
