//! What a scalar means: the rules of YAML 1.1 as `go.yaml.in/yaml/v2` applies them.

use portcullis_value::{Number, Value};

/// What a plain scalar, or one with a tag, reads as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// `.inf`, `-.inf`, `.nan`: fit for a key, but no JSON value.
    NotFinite(f64),
    String,
}

/// What `text` reads as when it stands plain.
pub(crate) fn resolve(text: &str) -> Scalar {
    let Some(first) = text.as_bytes().first() else { return Scalar::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        _ => Scalar::String,
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
    let without_underscores;
    let digits = if text.contains('_') && !text.starts_with('.') {
        without_underscores = text.replace('_', "");
        &without_underscores
    } else {
        text
    };
    if let Some(integer) = integer(digits) {
        return Scalar::Number(integer);
    }
    match float(digits) {
        Some(value) => Scalar::Number(settle(value)),
        None => Scalar::String,
    }
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
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
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

/// The number that a double becomes on its way through JSON: what Go prints without fraction or exponent is read
/// as an integer again, if it fits 64 bits signed.
fn settle(value: f64) -> Number {
    let number = Number::Float(value);
    if value.fract() != 0.0
        || value.abs() >= 9_223_372_036_854_775_808.0
        || (value == 0.0 && value.is_sign_negative())
    {
        return number;
    }
    integer(&number.to_string()).unwrap_or(number)
}

/// The value of a scalar of this meaning and text; `None` for what JSON cannot hold.
pub(crate) fn to_value(scalar: Scalar, text: &str) -> Option<Value<'_>> {
    match scalar {
        Scalar::Null => Some(Value::Null),
        Scalar::Bool(value) => Some(Value::Bool(value)),
        Scalar::Number(number) => Some(Value::Number(number)),
        Scalar::NotFinite(_) => None,
        Scalar::String => Some(Value::String(text)),
    }
}
