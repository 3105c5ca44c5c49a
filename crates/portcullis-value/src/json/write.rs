//! Writing JSON as Go's `encoding/json` writes it: keys sorted, numbers and escapes Go's.

use std::fmt::{self, Write};

use crate::{Arena, Value};

/// How JSON is laid out and escaped.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// Spaces per level; `None` for one line without blanks.
    indent: Option<usize>,
    /// Whether `<`, `>` and `&` are written `\u003c`, `\u003e` and `\u0026`, as Go does unless told otherwise.
    escape_html: bool,
}

impl Writer {
    /// One line, no blanks, HTML characters as they are.
    pub fn compact() -> Self {
        Self { indent: None, escape_html: false }
    }

    /// One entry a line, `spaces` spaces per level, as `json.MarshalIndent`.
    pub fn indented(spaces: usize) -> Self {
        Self { indent: Some(spaces), escape_html: false }
    }

    /// With HTML characters escaped.
    pub fn escape_html(self) -> Self {
        Self { escape_html: true, ..self }
    }

    /// Writes `value`.
    pub fn write(&self, out: &mut impl Write, value: Value<'_>) -> fmt::Result {
        self.node(out, value, 0)
    }

    /// The text of `value`.
    pub fn to_string(&self, value: Value<'_>) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, value);
        text
    }

    /// The text of `value` in `arena`.
    pub fn to_arena<'a>(&self, arena: &'a Arena, value: Value<'_>) -> &'a str {
        arena.str(&self.to_string(value))
    }

    fn node(&self, out: &mut impl Write, value: Value<'_>, level: usize) -> fmt::Result {
        match value {
            Value::Null => out.write_str("null"),
            Value::Bool(true) => out.write_str("true"),
            Value::Bool(false) => out.write_str("false"),
            Value::Number(number) => write!(out, "{number}"),
            Value::String(text) => write_quoted(out, text, self.escape_html),
            Value::Array([]) => out.write_str("[]"),
            Value::Object(object) if object.is_empty() => out.write_str("{}"),
            Value::Array(items) => {
                out.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    self.separate(out, index, level + 1)?;
                    self.node(out, *item, level + 1)?;
                }
                self.new_line(out, level)?;
                out.write_char(']')
            }
            Value::Object(object) => {
                out.write_char('{')?;
                for (index, (key, item)) in object.iter().enumerate() {
                    self.separate(out, index, level + 1)?;
                    write_quoted(out, key, self.escape_html)?;
                    out.write_str(if self.indent.is_some() { ": " } else { ":" })?;
                    self.node(out, item, level + 1)?;
                }
                self.new_line(out, level)?;
                out.write_char('}')
            }
        }
    }

    fn separate(&self, out: &mut impl Write, index: usize, level: usize) -> fmt::Result {
        if index > 0 {
            out.write_char(',')?;
        }
        self.new_line(out, level)
    }

    fn new_line(&self, out: &mut impl Write, level: usize) -> fmt::Result {
        match self.indent {
            Some(spaces) => write!(out, "\n{:width$}", "", width = spaces * level),
            None => Ok(()),
        }
    }
}

/// `text` as a JSON string, without HTML escapes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    let _ = write_quoted(&mut quoted, text, false);
    quoted
}

fn write_quoted(out: &mut impl Write, text: &str, escape_html: bool) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape: Option<&str> = match byte {
            b'"' => Some("\\\""),
            b'\\' => Some("\\\\"),
            b'\n' => Some("\\n"),
            b'\r' => Some("\\r"),
            b'\t' => Some("\\t"),
            0x08 => Some("\\b"),
            0x0c => Some("\\f"),
            0..0x20 => None,
            b'<' | b'>' | b'&' if escape_html => None,
            // U+2028 and U+2029 are E2 80 A8 and E2 80 A9; Go escapes them always.
            0xe2 if matches!(text.as_bytes().get(index + 1..index + 3), Some([0x80, 0xa8 | 0xa9])) => None,
            _ => continue,
        };
        out.write_str(text.get(plain..index).unwrap_or_default())?;
        plain = index + 1;
        match (escape, byte) {
            (Some(escape), _) => out.write_str(escape)?,
            (None, 0xe2) => {
                out.write_str(if text.as_bytes().get(index + 2) == Some(&0xa8) {
                    "\\u2028"
                } else {
                    "\\u2029"
                })?;
                plain = index + 3;
            }
            (None, _) => write!(out, "\\u{byte:04x}")?,
        }
    }
    out.write_str(text.get(plain..).unwrap_or_default())?;
    out.write_char('"')
}
