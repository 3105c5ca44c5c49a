//! `GreaterThan` and its kin: numbers, durations, quantities, versions.

use std::cmp::Ordering;

use portcullis_gocompat::semver::Version;
use portcullis_gocompat::strconv::parse_float;
use portcullis_gocompat::{Duration, Quantity};
use portcullis_value::{Budget, Exhausted, Number, Value};

/// How `key` compares with `value`; `None` if they do not.
pub(super) fn compare(
    key: Value<'_>,
    value: Value<'_>,
    budget: &mut Budget<'_>,
) -> Result<Option<Ordering>, Exhausted> {
    let key = match key {
        Value::Number(key) => return compare_number(key, value, budget),
        Value::String(key) => key,
        _ => return Ok(None),
    };
    charge(Value::String(key), budget)?;
    charge(value, budget)?;
    if let Some(ordering) = compare_if_duration(Value::String(key), value, budget)? {
        return Ok(Some(ordering));
    }
    if let (Some(key), Some(value)) = (Quantity::read(key), value.as_str().and_then(Quantity::read)) {
        return Ok(Some(key.cmp(&value)));
    }
    if let Some(key) = parse_float(key) {
        return compare_number(Number::Float(key), value, budget);
    }
    let version = |text: &str| Version::parse(text).ok();
    Ok(version(key).zip(value.as_str().and_then(version)).map(|(key, value)| key.cmp(&value)))
}

fn compare_number(
    key: Number,
    value: Value<'_>,
    budget: &mut Budget<'_>,
) -> Result<Option<Ordering>, Exhausted> {
    Ok(match value {
        Value::Number(value) => match (key, value) {
            (Number::Int(key), Number::Int(value)) => Some(key.cmp(&value)),
            (key, value) => key.as_f64().partial_cmp(&value.as_f64()),
        },
        Value::String(text) => match compare_if_duration(Value::Number(key), value, budget)? {
            Some(ordering) => Some(ordering),
            None => parse_float(text).and_then(|value| key.as_f64().partial_cmp(&value)),
        },
        _ => None,
    })
}

/// How the operators for durations compare: numbers are seconds, texts must be durations.
pub(super) fn compare_durations(
    key: Value<'_>,
    value: Value<'_>,
    budget: &mut Budget<'_>,
) -> Result<Option<Ordering>, Exhausted> {
    charge(key, budget)?;
    charge(value, budget)?;
    let nanoseconds = |value: Value<'_>| match value {
        Value::String(text) => duration(text),
        other => seconds(other),
    };
    Ok(nanoseconds(key).zip(nanoseconds(value)).map(|(key, value)| key.cmp(&value)))
}

/// How two values compare of which one is a duration with a unit, and the other one too or a number of seconds.
pub(super) fn compare_if_duration(
    key: Value<'_>,
    value: Value<'_>,
    budget: &mut Budget<'_>,
) -> Result<Option<Ordering>, Exhausted> {
    charge(key, budget)?;
    charge(value, budget)?;
    let with_unit = |value: Value<'_>| value.as_str().filter(|text| *text != "0").and_then(duration);
    Ok(match (with_unit(key), with_unit(value)) {
        (Some(key), Some(value)) => Some(key.cmp(&value)),
        (Some(key), None) => seconds(value).map(|value| key.cmp(&value)),
        (None, Some(value)) => seconds(key).map(|key| key.cmp(&value)),
        (None, None) => None,
    })
}

/// In nanoseconds.
fn duration(text: &str) -> Option<i128> {
    Duration::read(text).map(|duration| i128::from(duration.0))
}

/// In nanoseconds. Fractions of a second are dropped.
///
/// COMPAT(kyverno): what is longer than 292 years wraps around, as Go's durations do.
fn seconds(value: Value<'_>) -> Option<i128> {
    let whole = match value.as_number()? {
        Number::Int(value) => value,
        #[expect(clippy::cast_possible_truncation, reason = "fractions are dropped, and the cast saturates")]
        number => number.as_f64() as i64,
    };
    Some(whole.wrapping_mul(Duration::SECOND.0).into())
}

fn charge(value: Value<'_>, budget: &mut Budget<'_>) -> Result<(), Exhausted> {
    budget.steps(value.as_str().map_or(1, |text| text.len() as u64))
}
