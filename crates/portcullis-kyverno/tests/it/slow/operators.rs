//! Operators of conditions.

use std::cmp::Ordering;

use portcullis_gocompat::semver::Version;
use portcullis_gocompat::{Duration, Quantity};
use serde_json::{Number, Value};

use super::scalar::{is_range, matches};
use super::{Fault, fits, show};

/// Whether `operator` holds between `key` and `value`; `None` where there is no answer.
pub(crate) fn holds(operator: &str, key: &Value, value: &Value, fault: Option<Fault>) -> Option<bool> {
    if key.is_null() {
        return Some(false);
    }
    let accepts = |ordering: Option<Ordering>| {
        ordering.is_some_and(|ordering| match operator.trim_start_matches("Duration") {
            "GreaterThan" => ordering.is_gt(),
            "GreaterThanOrEquals" => ordering.is_ge(),
            "LessThan" => ordering.is_lt(),
            _ => ordering.is_le(),
        })
    };
    match operator {
        "Equal" | "Equals" => Some(equal(key, value, fault)),
        "NotEqual" | "NotEquals" => Some(!equal(key, value, fault)),
        "In" | "NotIn" => old_membership(operator == "In", key, value),
        "AnyIn" | "AllIn" | "AnyNotIn" | "AllNotIn" => Some(membership(operator, key, value, fault)),
        _ if operator.starts_with("Duration") => {
            let nanoseconds = |value: &Value| match value {
                Value::String(text) => duration(text),
                _ => seconds(value),
            };
            Some(accepts(nanoseconds(key).zip(nanoseconds(value)).map(|(key, value)| key.cmp(&value))))
        }
        _ => Some(accepts(order(key, value, fault))),
    }
}

fn duration(text: &str) -> Option<i128> {
    Duration::parse(text).ok().map(|duration| i128::from(duration.0))
}

fn seconds(value: &Value) -> Option<i128> {
    let number = value.as_number()?;
    Some(number.as_i64().map_or_else(|| number.as_f64().unwrap().trunc() as i128, i128::from) * 1_000_000_000)
}

/// Of a pair in which one is a duration and the other one, too, or a number.
fn durations(key: &Value, value: &Value, fault: Option<Fault>) -> Option<(i128, i128)> {
    let duration = |value: &Value| value.as_str().filter(|text| *text != "0").and_then(duration);
    let seconds =
        |value: &Value| if fault == Some(Fault::SecondsAreNoDuration) { None } else { seconds(value) };
    match (duration(key), duration(value)) {
        (None, None) => None,
        (Some(key), Some(value)) => Some((key, value)),
        (Some(key), None) => Some((key, seconds(value)?)),
        (None, Some(value)) => Some((seconds(key)?, value)),
    }
}

/// By value; an integer that is none has no integer.
fn same_number(a: &Number, b: &Number) -> bool {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

fn equal(key: &Value, value: &Value, fault: Option<Fault>) -> bool {
    match (key, value) {
        (Value::Bool(key), Value::Bool(value)) => key == value,
        (Value::Number(key), Value::Number(value)) => same_number(key, value),
        (Value::Number(key), Value::String(value)) => match key.as_i64() {
            Some(key) => value.parse() == Ok(key),
            None => value.parse().ok() == key.as_f64(),
        },
        (Value::String(text), _) => {
            if let Some((key, value)) = durations(key, value, fault) {
                return key == value;
            }
            let Value::String(value) = value else { return false };
            match (Quantity::parse(text), Quantity::parse(value)) {
                (Ok(key), Ok(value)) => key == value,
                (Ok(_), Err(_)) => false,
                _ => fits(value, text),
            }
        }
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
            identical(key, value, fault)
        }
        _ => false,
    }
}

fn identical(a: &Value, b: &Value, fault: Option<Fault>) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            (a.is_i64() == b.is_i64() || fault == Some(Fault::NumbersAreEqual)) && same_number(a, b)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| identical(a, b, fault))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| identical(a, b, fault)))
        }
        _ => a == b,
    }
}

fn order(key: &Value, value: &Value, fault: Option<Fault>) -> Option<Ordering> {
    if !key.is_string() && !key.is_number() {
        return None;
    }
    if let Some((key, value)) = durations(key, value, fault) {
        return Some(key.cmp(&value));
    }
    match (key, value) {
        (Value::String(text), _) => {
            if let Value::String(value) = value
                && let (Ok(key), Ok(value)) = (Quantity::parse(text), Quantity::parse(value))
            {
                return Some(key.cmp(&value));
            }
            if let Ok(number) = text.parse::<f64>() {
                // Never an integer, so that it compares as a float.
                return order(&Value::Number(Number::from_f64(number)?), value, fault);
            }
            let version = |text: &str| Version::parse(text).ok();
            Some(version(text)?.cmp(&version(value.as_str()?)?))
        }
        (Value::Number(key), Value::Number(value)) => match (key.as_i64(), value.as_i64()) {
            (Some(key), Some(value)) => Some(key.cmp(&value)),
            _ => key.as_f64()?.partial_cmp(&value.as_f64()?),
        },
        (Value::Number(key), Value::String(value)) => key.as_f64()?.partial_cmp(&value.parse().ok()?),
        _ => None,
    }
}

/// What a text lists: nothing if it is JSON of another kind, itself if it is no JSON.
fn listed(text: &str) -> Option<(Vec<String>, bool)> {
    let Ok(json) = serde_json::from_str::<Value>(text) else { return Some((vec![text.to_owned()], false)) };
    match json {
        Value::Null => Some((Vec::new(), true)),
        Value::Array(items) => {
            let text = |item: &Value| match item {
                Value::Null => Some(String::new()),
                _ => item.as_str().map(str::to_owned),
            };
            Some((items.iter().map(text).collect::<Option<_>>()?, true))
        }
        _ => None,
    }
}

fn membership(operator: &str, key: &Value, value: &Value, fault: Option<Fault>) -> bool {
    let negated = operator.ends_with("NotIn");
    let both_ways =
        |key: &str, item: &str| fits(item, key) || (fits(key, item) && fault != Some(Fault::KeysAreLiteral));
    let in_range = |key: &str, range: &str| matches(&Value::from(key), &Value::from(range), None);
    let Value::Array(keys) = key else {
        if key.is_object() {
            return false;
        }
        let key = show(key);
        let found = match value {
            Value::Array(items) => Some(items.iter().any(|item| both_ways(&key, &show(item)))),
            Value::String(text) if fits(text, &key) => Some(true),
            Value::String(text) if is_range(text) => Some(in_range(&key, text)),
            Value::String(text) => listed(text).map(|(texts, _)| texts.contains(&key)),
            _ => None,
        };
        return found.is_some_and(|found| found != negated);
    };
    let keys: Vec<_> = keys.iter().map(show).collect();
    let items = match value {
        Value::Array(items) => items.iter().map(show).collect(),
        Value::Number(_) | Value::Bool(_) if operator.starts_with("Any") => vec![show(value)],
        Value::String(text) if keys == [text.as_str()] => return !negated,
        Value::String(text) if is_range(text) => {
            let outside = text.replacen('-', "!-", 1);
            return match operator {
                "AnyIn" => keys.iter().any(|key| in_range(key, text)),
                "AllIn" => keys.iter().all(|key| in_range(key, text)),
                "AnyNotIn" => keys.iter().any(|key| in_range(key, &outside)),
                _ => !keys.iter().any(|key| in_range(key, text)),
            };
        }
        Value::String(text) => match listed(text) {
            Some((texts, _)) => texts,
            None => return false,
        },
        _ => return false,
    };
    let is_in = |key: &String| items.iter().any(|item| both_ways(key, item));
    match operator {
        "AnyIn" => keys.iter().any(is_in),
        "AllIn" => keys.iter().all(is_in),
        "AnyNotIn" => !keys.iter().all(is_in),
        _ if fault == Some(Fault::AllNotInNegatesAllIn) => !keys.iter().all(is_in),
        _ => !keys.iter().any(is_in),
    }
}

fn old_membership(wanted: bool, key: &Value, value: &Value) -> Option<bool> {
    let Value::Array(keys) = key else {
        if key.is_object() {
            return Some(false);
        }
        let key = show(key);
        let found = match value {
            Value::Array(items) => {
                Some(items.iter().map(show).any(|item| fits(&item, &key) || fits(&key, &item)))
            }
            Value::String(text) if fits(text, &key) => Some(true),
            Value::String(text) => listed(text).and_then(|(texts, json)| json.then(|| texts.contains(&key))),
            _ => None,
        };
        return Some(found == Some(wanted));
    };
    let keys: Vec<_> = keys.iter().map(|key| key.as_str()).collect::<Option<_>>()?;
    let items: Option<Vec<String>> = match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::String(text) if keys == [text.as_str()] => return Some(true),
        Value::String(text) => listed(text).and_then(|(texts, json)| json.then_some(texts)),
        _ => None,
    };
    let Some(items) = items else { return Some(false) };
    let all_in = keys.iter().all(|key| items.iter().any(|item| item == key));
    Some(all_in == wanted)
}
