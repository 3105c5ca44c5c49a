//! Printing values as `sigs.k8s.io/yaml` does.

use std::fmt::{self, Write};

use portcullis_value::Value;

use crate::key_order;
use crate::scalar::{self, Scalar};

/// `value` as a YAML document, with a line break at its end.
///
/// Kubernetes reads it back as the same value. Keys are in [their order](crate::key_order), lists in maps are not
/// indented, text of several lines is a block, and nothing is folded. COMPAT(kyverno): Go's printer folds long lines; a
/// path or a command folded in the middle is of no use to anybody.
pub fn to_string(value: Value<'_>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, value);
    text
}

/// Writes `value` as a YAML document, with a line break at its end.
///
/// # Errors
/// What `out` fails with.
pub fn write(out: &mut impl Write, value: Value<'_>) -> fmt::Result {
    match value {
        Value::Array(items) if !items.is_empty() => sequence(out, items, 0, false),
        Value::Object(object) if !object.is_empty() => mapping(out, value, 0, false),
        _ => {
            scalar(out, value, 0)?;
            out.write_char('\n')
        }
    }
}

fn indent(out: &mut impl Write, spaces: usize) -> fmt::Result {
    write!(out, "{:spaces$}", "")
}

fn sequence(out: &mut impl Write, items: &[Value<'_>], spaces: usize, mut inline: bool) -> fmt::Result {
    for item in items {
        if !std::mem::take(&mut inline) {
            indent(out, spaces)?;
        }
        out.write_str("- ")?;
        match item {
            Value::Array(items) if !items.is_empty() => sequence(out, items, spaces + 2, true)?,
            Value::Object(object) if !object.is_empty() => mapping(out, *item, spaces + 2, true)?,
            _ => {
                scalar(out, *item, spaces + 2)?;
                out.write_char('\n')?;
            }
        }
    }
    Ok(())
}

fn mapping(out: &mut impl Write, value: Value<'_>, spaces: usize, mut inline: bool) -> fmt::Result {
    let mut entries: Vec<_> = value.as_object().unwrap_or_default().iter().collect();
    entries.sort_by(|one, other| key_order(one.0, other.0));
    for (key, item) in entries {
        if !std::mem::take(&mut inline) {
            indent(out, spaces)?;
        }
        write_key(out, key, spaces)?;
        match item {
            Value::Array(items) if !items.is_empty() => {
                out.write_char('\n')?;
                sequence(out, items, spaces, false)?;
            }
            Value::Object(object) if !object.is_empty() => {
                out.write_char('\n')?;
                mapping(out, item, spaces + 2, false)?;
            }
            _ => {
                out.write_char(' ')?;
                scalar(out, item, spaces + 2)?;
                out.write_char('\n')?;
            }
        }
    }
    Ok(())
}

/// The longest key that readers must accept without a question mark before it, in characters.
const LONGEST_SIMPLE_KEY: usize = 1024;

fn write_key(out: &mut impl Write, key: &str, spaces: usize) -> fmt::Result {
    let mut text = String::new();
    match style(key) {
        Style::Block => write_double_quoted(&mut text, key)?,
        other => write_text(&mut text, key, other, spaces)?,
    }
    if text.chars().count() >= LONGEST_SIMPLE_KEY {
        write!(out, "? {text}\n{:spaces$}:", "")
    } else {
        write!(out, "{text}:")
    }
}

fn scalar(out: &mut impl Write, value: Value<'_>, spaces: usize) -> fmt::Result {
    match value {
        Value::String(text) => write_text(out, text, style(text), spaces),
        _ => write!(out, "{value}"),
    }
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
    /// `|`, for text of several lines.
    Block,
}

/// The style that Go's printer chooses.
fn style(text: &str) -> Style {
    let Some(first) = text.chars().next() else { return Style::Double };
    let last = text.chars().next_back().unwrap_or(first);
    if text.chars().any(|character| !is_printable(character)) {
        return Style::Double;
    }
    if text.contains('\n') {
        // A block shows no blank at the end of a line.
        let hides = text.contains(" \n") || last == ' ';
        return if hides { Style::Double } else { Style::Block };
    }
    if scalar::resolve(text) != Scalar::String || text == "=" || text == "<<" || is_time_like(text) {
        return Style::Double;
    }
    let second = text.chars().nth(1);
    let is_indicator = match first {
        '-' | '?' | ':' => second.is_none_or(|second| second == ' '),
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
            true
        }
        _ => false,
    };
    let ends =
        first == ' ' || last == ' ' || last == ':' || text.starts_with("---") || text.starts_with("...");
    if is_indicator || ends || text.contains(": ") || text.contains(" #") {
        return Style::Single;
    }
    Style::Plain
}

/// What Go's printer writes as it stands; all else, control characters above all, it escapes.
fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
        // Line breaks of their own, which readers fold.
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{85}')
}

/// Whether older readers take the text for a time or for a number to the base of 60.
fn is_time_like(text: &str) -> bool {
    is_sexagesimal(text) || is_timestamp(text)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`.
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let Some((first, places)) = whole.split_once(':') else { return false };
    let is_place = |place: &str| match place.as_bytes() {
        [digit] | [b'0'..=b'5', digit] => digit.is_ascii_digit(),
        _ => false,
    };
    first.starts_with(|first: char| first.is_ascii_digit())
        && digits(first)
        && places.split(':').all(is_place)
        && digits(fraction)
}

/// `2024-01-31`, with a time behind it or not.
fn is_timestamp(text: &str) -> bool {
    let is_number =
        |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    let (date, time) = match text.split_once([' ', 'T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let is_date =
        parts.next().is_some_and(|year| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()))
            && parts.next().is_some_and(is_number)
            && parts.next().is_some_and(is_number);
    let is_time = |time: &str| {
        let time = time.split_once(['Z', '+', '-']).map_or(time, |(time, _)| time);
        let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
        whole.split(':').count() == 3 && whole.split(':').all(is_number)
    };
    is_date && time.is_none_or(is_time)
}

fn write_text(out: &mut impl Write, text: &str, style: Style, spaces: usize) -> fmt::Result {
    match style {
        Style::Plain => out.write_str(text),
        Style::Single => write!(out, "'{}'", text.replace('\'', "''")),
        Style::Double => write_double_quoted(out, text),
        Style::Block => {
            let body = text.trim_end_matches('\n');
            // A block begins at its first character that is no blank, unless it says where.
            out.write_str(if text.starts_with([' ', '\n']) { "|2" } else { "|" })?;
            out.write_str(match text.len() - body.len() {
                0 => "-",
                1 if !body.is_empty() => "",
                _ => "+",
            })?;
            for line in body.split('\n') {
                out.write_char('\n')?;
                if !line.is_empty() {
                    indent(out, spaces.max(2))?;
                    out.write_str(line)?;
                }
            }
            // The break that ends the block is the caller's; those beyond the first are text.
            (1..text.len() - body.len()).try_for_each(|_| out.write_char('\n'))
        }
    }
}

fn write_double_quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(out, "\\{character}")?,
            '\n' => out.write_str("\\n")?,
            _ if is_printable(character) => out.write_char(character)?,
            '\0' => out.write_str("\\0")?,
            '\u{7}' => out.write_str("\\a")?,
            '\u{8}' => out.write_str("\\b")?,
            '\t' => out.write_str("\\t")?,
            '\u{b}' => out.write_str("\\v")?,
            '\u{c}' => out.write_str("\\f")?,
            '\r' => out.write_str("\\r")?,
            '\u{1b}' => out.write_str("\\e")?,
            '\u{85}' => out.write_str("\\N")?,
            '\u{2028}' => out.write_str("\\L")?,
            '\u{2029}' => out.write_str("\\P")?,
            ..='\u{ff}' => write!(out, "\\x{:02X}", u32::from(character))?,
            ..='\u{ffff}' => write!(out, "\\u{:04X}", u32::from(character))?,
            _ => write!(out, "\\U{:08X}", u32::from(character))?,
        }
    }
    out.write_char('"')
}
