//! Texts as Go reads and prints them.

use std::borrow::Cow;

use portcullis_value::{Arena, Value, json};

/// The JSON document `text`, as Go's decoder reads it: half of a surrogate pair is U+FFFD.
pub(crate) fn read_json<'a>(arena: &'a Arena, text: &'a str) -> Result<Value<'a>, String> {
    let mended = match mend_surrogates(text) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => arena.str(&text),
    };
    json::read(arena, mended)
        .map_err(|error| portcullis_gocompat::json::error(text).unwrap_or_else(|| error.to_string()))
}

/// The string that the JSON text `quoted` stands for.
pub(crate) fn read_json_string(quoted: &str) -> Result<String, String> {
    let arena = Arena::new();
    match read_json(&arena, quoted)? {
        Value::String(text) => Ok(text.to_owned()),
        other => Err(format!("expected a string, got {}", other.kind())),
    }
}

/// `json` with every escape that is half of a surrogate pair replaced by `\ufffd`.
fn mend_surrogates(json: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        let Some(unit) = escaped_unit(json, at) else {
            // The backslash and what it escapes; a longer character is passed over at the next search.
            at += 2;
            while !json.is_char_boundary(at) {
                at += 1;
            }
            continue;
        };
        match unit {
            0xd800..0xdc00 if matches!(escaped_unit(json, at + 6), Some(0xdc00..0xe000)) => at += 12,
            0xd800..0xe000 => {
                mended.push_str(json.get(kept..at).unwrap_or_default());
                mended.push_str("\\ufffd");
                at += 6;
                kept = at;
            }
            _ => at += 6,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(json.get(kept..).unwrap_or_default());
    Cow::Owned(mended)
}

/// The UTF-16 unit that is escaped at `at`.
fn escaped_unit(json: &str, at: usize) -> Option<u32> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    u32::from_str_radix(digits, 16).ok()
}

/// `char` as Go's `strconv.QuoteRuneToASCII` prints it.
pub(crate) fn go_quoted_char(char: char) -> String {
    match char {
        '\x07' => r"'\a'".to_owned(),
        '\x08' => r"'\b'".to_owned(),
        '\x0b' => r"'\v'".to_owned(),
        '\x0c' => r"'\f'".to_owned(),
        '\n' => r"'\n'".to_owned(),
        '\r' => r"'\r'".to_owned(),
        '\t' => r"'\t'".to_owned(),
        '\'' | '\\' => format!("'\\{char}'"),
        ' '..='~' => format!("'{char}'"),
        '\0'..='\x7f' => format!("'\\x{:02x}'", u32::from(char)),
        '\0'..='\u{ffff}' => format!("'\\u{:04x}'", u32::from(char)),
        _ => format!("'\\U{:08x}'", u32::from(char)),
    }
}

/// `number` as Kyverno prints it where a string is meant: in single precision, never with an exponent.
///
/// COMPAT(kyverno): 123456789 is "123456790".
pub(crate) fn single_precision(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "single precision is the point")]
    let number = number as f32;
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_is_the_replacement_character() {
        for (quoted, text) in [
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ud83dx\ude00y""#, "\u{fffd}x\u{fffd}y"),
            (r#""\\ud83d""#, r"\ud83d"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
        ] {
            assert_eq!(read_json_string(quoted).unwrap(), text);
        }
    }

    #[test]
    fn characters_are_quoted_in_ascii() {
        for (char, text) in
            [('?', "'?'"), ('ü', r"'\u00fc'"), ('😀', r"'\U0001f600'"), ('\0', r"'\x00'"), ('\'', r"'\''")]
        {
            assert_eq!(go_quoted_char(char), text);
        }
    }

    #[test]
    fn numbers_meant_as_text_have_single_precision() {
        for (number, text) in
            [(123.0, "123"), (1.5, "1.5"), (123_456_789.0, "123456790"), (16_777_217.0, "16777216")]
        {
            assert_eq!(single_precision(number), text);
        }
    }
}
