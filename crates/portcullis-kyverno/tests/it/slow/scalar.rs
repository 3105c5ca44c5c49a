//! Scalar patterns.

use std::cmp::Ordering;
use std::sync::LazyLock;

use portcullis_gocompat::{Duration, Quantity};
use regex::Regex;
use serde_json::Value;

use super::{Fault, fits};

static RANGE: LazyLock<Regex> = LazyLock::new(|| range_with("-"));
static OUTSIDE: LazyLock<Regex> = LazyLock::new(|| range_with("!-"));

fn range_with(separator: &str) -> Regex {
    let end = r"([-|\+]?[0-9]+(?:\.[0-9]+)?[A-Za-z]*)";
    Regex::new(&format!("^{end}{separator}{end}$")).unwrap()
}

pub(crate) fn is_range(text: &str) -> bool {
    RANGE.is_match(text)
}

/// Whether `value` satisfies the scalar `pattern`.
pub(crate) fn matches(value: &Value, pattern: &Value, fault: Option<Fault>) -> bool {
    let integral = |number: f64| number.fract() == 0.0;
    match (pattern, value) {
        (Value::Array(_), _) => false,
        (Value::Object(_), _) => value.is_object(),
        (Value::String(pattern), _) => matches_text(value, pattern, fault),
        (Value::Bool(pattern), _) => value.as_bool() == Some(*pattern),
        (Value::Null, Value::Null | Value::Bool(false)) => true,
        (Value::Null, Value::Number(number)) => number.as_f64() == Some(0.0),
        (Value::Null, Value::String(text)) => text.is_empty(),
        (Value::Number(pattern), Value::Number(value)) => match (pattern.as_i64(), value.as_i64()) {
            (Some(pattern), Some(value)) => pattern == value,
            (None, None) => pattern.as_f64() == value.as_f64(),
            _ => pattern.as_f64() == value.as_f64() && integral(pattern.as_f64().unwrap()),
        },
        (Value::Number(pattern), Value::String(text)) => match pattern.as_i64() {
            Some(pattern) => text.parse() == Ok(pattern),
            None => text.parse().ok() == pattern.as_f64(),
        },
        _ => false,
    }
}

fn matches_text(value: &Value, pattern: &str, fault: Option<Fault>) -> bool {
    if value.as_str() == Some(pattern) {
        return true;
    }
    let atom = |atom: &str| matches_atom(value, atom.trim_matches(' '), fault);
    if fault == Some(Fault::BarBindsTighter) {
        return pattern.split('&').all(|any| any.trim_matches(' ').split('|').any(atom));
    }
    pattern.split('|').any(|all| all.trim_matches(' ').split('&').all(atom))
}

fn matches_atom(value: &Value, atom: &str, fault: Option<Fault>) -> bool {
    let range = |form: &Regex| {
        let ends = form.captures(atom)?;
        Some((ends[1].to_owned(), ends[2].to_owned()))
    };
    if atom.len() < 2 {
        return compare(value, "", atom, fault);
    }
    for operator in [">=", "<=", ">", "<", "!"] {
        if let Some(rest) = atom.strip_prefix(operator) {
            return compare(value, operator, rest.trim(), fault);
        }
    }
    if let Some((low, high)) = range(&OUTSIDE) {
        compare(value, "<", &low, fault) || compare(value, ">", &high, fault)
    } else if let Some((low, high)) = range(&RANGE) {
        compare(value, ">=", &low, fault) && compare(value, "<=", &high, fault)
    } else {
        compare(value, "", atom.trim(), fault)
    }
}

fn compare(value: &Value, operator: &str, rest: &str, fault: Option<Fault>) -> bool {
    let accepts = |ordering: Ordering| match operator {
        ">=" => ordering.is_ge(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        "<" => ordering.is_lt(),
        "!" => ordering.is_ne(),
        _ => ordering.is_eq(),
    };
    let amount = match value {
        Value::Null if fault == Some(Fault::NullIsNoZero) => None,
        Value::Null => Some("0".to_owned()),
        Value::Number(number) => Some(
            number.as_i64().map_or_else(|| format!("{:.6}", number.as_f64().unwrap()), |n| n.to_string()),
        ),
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    if let Some(amount) = &amount {
        if let (Ok(want), Ok(have)) = (Duration::parse(rest), Duration::parse(amount)) {
            return accepts(have.cmp(&want));
        }
        if let (Ok(want), Ok(have)) = (Quantity::parse(rest), Quantity::parse(amount)) {
            return accepts(have.cmp(&want));
        }
    }
    let text = match value {
        Value::Bool(value) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_i64().map_or_else(|| exponential(number), |n| n.to_string()),
        _ => return false,
    };
    match operator {
        "" => fits(rest, &text),
        "!" => !fits(rest, &text),
        _ => false,
    }
}

/// As Go's format `E`: `1.5E+00`.
fn exponential(number: &serde_json::Number) -> String {
    let text = format!("{:E}", number.as_f64().unwrap());
    let (digits, exponent) = text.split_once('E').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    format!("{digits}E{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
