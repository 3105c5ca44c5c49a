//! What a scalar means: the rules of YAML 1.1 as `go.yaml.in/yaml/v2` applies them.

use portcullis_value::{Arena, Number, Value};

/// What a plain scalar, or one with a tag, reads as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// `.inf`, `-.inf`, `.nan`: fit for a key, but no JSON value.
    NotFinite(f64),
    /// `<<`: as a key it merges, as a value it is a string.
    Merge,
    String,
}

impl Scalar {
    /// The value of a scalar of this text; `None` if JSON has no such number.
    pub(crate) fn to_value(self, text: &str) -> Option<Value<'_>> {
        Some(match self {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Number(number) => Value::Number(settle(number)),
            Scalar::NotFinite(_) => return None,
            Scalar::Merge | Scalar::String => Value::String(text),
        })
    }

    /// The key that a scalar of this text is, as `sigs.k8s.io/yaml` writes it; `None` if it cannot be one.
    pub(crate) fn to_key<'a>(self, arena: &'a Arena, text: &'a str) -> Option<&'a str> {
        Some(match self {
            Scalar::Null | Scalar::Number(Number::Uint(_)) => return None,
            Scalar::Bool(true) => "true",
            Scalar::Bool(false) => "false",
            Scalar::Number(Number::Int(value)) => arena.format(format_args!("{value}")),
            // A key keeps only the digits of a single.
            #[expect(clippy::cast_possible_truncation, reason = "that is what the reference does")]
            Scalar::Number(Number::Float(value)) | Scalar::NotFinite(value) => float_key(arena, value as f32),
            Scalar::Merge | Scalar::String => text,
        })
    }
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`, but YAML's names for what is not finite.
fn float_key(arena: &Arena, value: f32) -> &str {
    if value.is_nan() {
        return ".nan";
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            arena.format(format_args!("{digits}e{sign}{:02}", exponent.abs()))
        }
        _ => arena.format(format_args!("{value}")),
    }
}

/// What `text` reads as when it stands plain.
pub(crate) fn resolve(text: &str) -> Scalar {
    match text.as_bytes().first() {
        None => Scalar::Null,
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(text),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(text),
        Some(b'<') if text == "<<" => Scalar::Merge,
        Some(_) => Scalar::String,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::String,
    }
}

fn number(text: &str) -> Scalar {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Scalar::NotFinite(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::NotFinite(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::NotFinite(f64::NEG_INFINITY),
        _ => {}
    }
    // Underscores may stand anywhere; behind a leading dot only between digits.
    let underscores = text.contains('_');
    if underscores && text.starts_with('.') && !between_digits(text, '_') {
        return Scalar::String;
    }
    let stripped;
    let digits = if underscores {
        stripped = text.replace('_', "");
        &stripped
    } else {
        text
    };
    let number = integer(digits).or_else(|| float(digits).map(Number::Float));
    number.map_or(Scalar::String, Scalar::Number)
}

/// Whether a digit stands before and behind every `mark`.
fn between_digits(text: &str, mark: char) -> bool {
    let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let mut parts = text.split(mark).peekable();
    while let Some(part) = parts.next() {
        let Some(next) = parts.peek() else { break };
        if !digit(part.bytes().next_back()) || !digit(next.bytes().next()) {
            return false;
        }
    }
    true
}

/// Go's `strconv.ParseInt` and `ParseUint` in base 0: decimal, or a prefix for base 2, 8 or 16; a leading zero is octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, signed, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, true, text.get(1..)?),
        b'+' => (false, true, text.get(1..)?),
        _ => (false, false, text),
    };
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, unsigned.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, unsigned.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, unsigned.get(2..)?),
        [b'0', _, ..] => (8, unsigned.get(1..)?),
        _ => (10, unsigned),
    };
    // Rust's own parsing takes a sign, Go's does not after the prefix.
    if !digits.as_bytes().first()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Number::Int);
    }
    let number = Number::from(magnitude);
    // ParseUint takes no sign.
    (!signed || matches!(number, Number::Int(_))).then_some(number)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, unless it is beyond a double.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let well_formed = (digits(whole) && (fraction.is_empty() || digits(fraction)))
        || (whole.is_empty() && digits(fraction));
    let exponent_well_formed =
        exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    if !well_formed || !exponent_well_formed {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// What a number is after its way through JSON: a double that Go prints without fraction and exponent is read as an
/// integer again, if it fits 64 bits signed.
fn settle(number: Number) -> Number {
    let Number::Float(value) = number else { return number };
    if value.fract() != 0.0 || value.abs() >= 9_223_372_036_854_775_808.0 || is_negative_zero(value) {
        return number;
    }
    integer(&number.to_string()).unwrap_or(number)
}

fn is_negative_zero(value: f64) -> bool {
    value == 0.0 && value.is_sign_negative()
}

/// Whether `text` is a date, or a date and a time, in one of the forms that `go.yaml.in/yaml/v2` knows.
pub(crate) fn is_timestamp(text: &str) -> bool {
    let date_end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, time) = text.split_at_checked(date_end).unwrap_or_default();
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Some(month), Some(day)) = (short_number(month), short_number(day)) else { return false };
    if year.len() != 4 {
        return false;
    }
    let Some(year) = digits(year).then(|| year.parse::<u32>().unwrap_or_default()) else { return false };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day) && (time.is_empty() || is_time(time))
}

/// `T15:4:5.999Z`, `T15:4:5+01:00`, or ` 15:4:5` without a zone.
fn is_time(text: &str) -> bool {
    let local = text.starts_with(' ');
    let Some(text) = text.get(1..) else { return false };
    let clock = if local {
        text
    } else if let Some(clock) = text.strip_suffix('Z') {
        clock
    } else {
        let Some((clock, zone)) = text.rfind(['+', '-']).and_then(|sign| text.split_at_checked(sign)) else {
            return false;
        };
        let zone_well_formed = matches!(zone.as_bytes(), [_, _, _, b':', _, _])
            && zone.split(['+', '-', ':']).skip(1).all(|part| short_number(part).is_some());
        if !zone_well_formed {
            return false;
        }
        clock
    };
    let mut parts = clock.split(':');
    let (Some(hour), Some(minute), Some(second), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let below = |text: &str, limit: u32| short_number(text).is_some_and(|number| number < limit);
    below(hour, 24) && below(minute, 60) && below(second, 60) && digits(fraction)
}

/// A number of one or two digits.
fn short_number(text: &str) -> Option<u32> {
    (digits(text) && text.len() <= 2).then(|| text.parse().ok()).flatten()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
