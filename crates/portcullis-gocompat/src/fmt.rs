//! How Go's `fmt` prints values.

use std::fmt::{self, Display, Formatter, Write};
use std::sync::LazyLock;

use portcullis_value::{Number, Value};

use crate::strconv::{FloatFormat, write_float};

/// The value as Go's `%v` prints what its JSON decoder made of it: `<nil>`, `map[a:1 b:2]`, `[a b]`, `1e+06`.
pub fn display(value: Value<'_>) -> impl Display {
    Verb(value)
}

struct Verb<'a>(Value<'a>);

impl Display for Verb<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("<nil>"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(Number::Int(value)) => write!(f, "{value}"),
            Value::Number(Number::Uint(value)) => write!(f, "{value}"),
            Value::Number(Number::Float(value)) => write_float(f, value, FloatFormat::General, None),
            Value::String(text) => f.write_str(text),
            Value::Array(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    separate(f, index)?;
                    Verb(*item).fmt(f)?;
                }
                f.write_char(']')
            }
            Value::Object(object) => {
                f.write_str("map[")?;
                for (index, (key, item)) in object.iter().enumerate() {
                    separate(f, index)?;
                    write!(f, "{key}:")?;
                    Verb(item).fmt(f)?;
                }
                f.write_char(']')
            }
        }
    }
}

fn separate(f: &mut Formatter<'_>, index: usize) -> fmt::Result {
    if index > 0 { f.write_char(' ') } else { Ok(()) }
}

/// What `unicode.IsPrint` holds printable beyond ASCII.
#[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test that quotes")]
static PRINTABLE: LazyLock<::regex::Regex> =
    LazyLock::new(|| ::regex::Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").expect("a valid pattern"));

/// The text in double quotes as `%q` and `strconv.Quote` write it.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        push_quoted(&mut quoted, letter);
    }
    quoted.push('"');
    quoted
}

/// The character in single quotes, as Go's JSON decoder names it.
pub(crate) fn quote_char(letter: char) -> String {
    let mut quoted = String::from("'");
    match letter {
        '\'' => quoted.push_str("\\'"),
        '"' => quoted.push('"'),
        _ => push_quoted(&mut quoted, letter),
    }
    quoted.push('\'');
    quoted
}

fn push_quoted(quoted: &mut String, letter: char) {
    let escape = match letter {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\x0c' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x0b' => "\\v",
        ' '..='~' => return quoted.push(letter),
        _ if !letter.is_ascii() && PRINTABLE.is_match(letter.encode_utf8(&mut [0; 4])) => {
            return quoted.push(letter);
        }
        _ => {
            let code = u32::from(letter);
            // Writing to a string cannot fail.
            let _ = match code {
                0..0x80 => write!(quoted, "\\x{code:02x}"),
                0x80..0x1_0000 => write!(quoted, "\\u{code:04x}"),
                _ => write!(quoted, "\\U{code:08x}"),
            };
            return;
        }
    };
    quoted.push_str(escape);
}

/// The text in double quotes as Go's `time` package writes it: every byte that is no printable ASCII as `\xNN`.
pub(crate) fn quote_ascii(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            b' '..=0x7f => quoted.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(quoted, "\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use portcullis_value::{Arena, json};

    use super::*;

    #[track_caller]
    fn check(json: &str, want: &str) {
        let arena = Arena::new();
        assert_eq!(display(json::read(&arena, json).unwrap()).to_string(), want);
    }

    #[test]
    fn values_print_as_go_prints_them() {
        check("null", "<nil>");
        check(r#"{"b":[1,2.5,null],"a":{"x":true}}"#, "map[a:map[x:true] b:[1 2.5 <nil>]]");
        check(r#"["a b","c",[]]"#, "[a b c []]");
        check(
            "[1000000, 1000000.0, 80.0, 1e20, 0.00001, -0.0, 18446744073709551615]",
            "[1000000 1e+06 80 1e+20 1e-05 -0 18446744073709551615]",
        );
        check("{}", "map[]");
    }

    #[test]
    fn quoting_escapes_what_cannot_be_seen() {
        assert_eq!(quote("a\"b\\c\n\t\0\x07\x7f"), r#""a\"b\\c\n\t\x00\a\x7f""#);
        assert_eq!(quote("é日😀\u{a0}\u{feff}\u{e0001}"), r#""é日😀\u00a0\ufeff\U000e0001""#);
    }
}
