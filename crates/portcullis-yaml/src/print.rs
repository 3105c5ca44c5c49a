//! Printing values as `sigs.k8s.io/yaml` does.

use std::fmt::{self, Write};

use portcullis_value::Value;

use crate::scalar::{self, Scalar};

/// `value` as a YAML document, with a line break at its end.
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
            scalar(out, value)?;
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
                scalar(out, *item)?;
                out.write_char('\n')?;
            }
        }
    }
    Ok(())
}

fn mapping(out: &mut impl Write, value: Value<'_>, spaces: usize, mut inline: bool) -> fmt::Result {
    for (key, item) in value.as_object().unwrap_or_default().iter() {
        if !std::mem::take(&mut inline) {
            indent(out, spaces)?;
        }
        scalar(out, Value::String(key))?;
        out.write_char(':')?;
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
                scalar(out, item)?;
                out.write_char('\n')?;
            }
        }
    }
    Ok(())
}

fn scalar(out: &mut impl Write, value: Value<'_>) -> fmt::Result {
    match value {
        Value::String(text) if plain(text) => out.write_str(text),
        Value::String(text) => out.write_str(&portcullis_value::json::quote(text)),
        _ => write!(out, "{value}"),
    }
}

fn plain(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'_' | b'-' | b' ');
    scalar::resolve(text) == Scalar::String
        && text.bytes().all(safe)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.ends_with(' ')
}
