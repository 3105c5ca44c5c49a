//! `In` and its kin: is a value, or what is in a list, among others.

use std::borrow::Cow;

use portcullis_gocompat::{fmt::display, wildcard};
use portcullis_value::{Arena, Budget, Exhausted, Value, json};

use super::OperatorError;
use crate::pattern::text::{is_range, matches_text};

/// How many items of the key an operator asks for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Quantifier {
    Any,
    All,
}

/// `AnyIn`, `AllIn` and, not `inside`, `AnyNotIn`, `AllNotIn`.
pub(super) fn holds(
    quantifier: Quantifier,
    key: Value<'_>,
    value: Value<'_>,
    inside: bool,
    budget: &mut Budget<'_>,
) -> Result<bool, Exhausted> {
    match key {
        Value::Null | Value::Object(_) => Ok(false),
        Value::Array(items) => list_holds(quantifier, items, value, inside, budget),
        scalar => {
            let key = text(scalar, budget)?;
            let found = match value {
                // A range matches its own text, too.
                Value::String(range) if is_range(range) => Some(matches_text(&key, range, budget)?),
                _ => find(&key, value, Some(false), budget)?,
            };
            Ok(found == Some(inside))
        }
    }
}

/// `In` and, not `inside`, `NotIn`: no ranges, and the items of a list must be there to the letter.
pub(super) fn holds_literally(
    key: Value<'_>,
    value: Value<'_>,
    inside: bool,
    budget: &mut Budget<'_>,
) -> Result<bool, OperatorError> {
    match key {
        Value::Null | Value::Object(_) => Ok(false),
        Value::Array(items) => list_holds_literally(items, value, inside, budget),
        scalar => Ok(find(&text(scalar, budget)?, value, None, budget)? == Some(inside)),
    }
}

/// Whether `key` is in `value`, a list of wildcards, one wildcard or a JSON list in a text; `None` if the value cannot
/// be looked into. `plain` is the answer for a text that does not fit and is no JSON.
fn find(
    key: &str,
    value: Value<'_>,
    plain: Option<bool>,
    budget: &mut Budget<'_>,
) -> Result<Option<bool>, Exhausted> {
    match value {
        Value::Array(items) => is_among(key, items, budget).map(Some),
        Value::String(pattern) => {
            if wildcard::matches_within(pattern, key, budget)? {
                return Ok(Some(true));
            }
            match Listed::read(pattern, budget)? {
                Listed::Texts(texts) => Ok(Some(texts.iter().any(|text| **text == *key))),
                Listed::OtherJson => Ok(None),
                Listed::NoJson => Ok(plain),
            }
        }
        _ => Ok(None),
    }
}

fn list_holds(
    quantifier: Quantifier,
    key: &[Value<'_>],
    value: Value<'_>,
    inside: bool,
    budget: &mut Budget<'_>,
) -> Result<bool, Exhausted> {
    match value {
        Value::Array(items) => {
            quantify(quantifier, key, inside, budget, |key, budget| is_among(key, items, budget))
        }
        // COMPAT(kyverno): `AllIn` and `AllNotIn` take no number and no boolean.
        Value::Number(_) | Value::Bool(_) if quantifier == Quantifier::Any => {
            quantify(quantifier, key, inside, budget, |key, budget| is_among(key, &[value], budget))
        }
        Value::String(only) if is_alone(key, only, budget)? => Ok(inside),
        Value::String(range) if is_range(range) => {
            // COMPAT(kyverno): outside is what the range with its first dash negated says, which is another range if
            // the dash is a sign.
            if quantifier == Quantifier::Any && !inside {
                let outside = range.replacen('-', "!-", 1);
                return quantify(quantifier, key, true, budget, |key, budget| {
                    matches_text(key, &outside, budget)
                });
            }
            quantify(quantifier, key, inside, budget, |key, budget| matches_text(key, range, budget))
        }
        Value::String(text) => match Listed::read(text, budget)? {
            Listed::Texts(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| Value::String(text)).collect();
                quantify(quantifier, key, inside, budget, |key, budget| is_among(key, &texts, budget))
            }
            Listed::OtherJson => Ok(false),
            Listed::NoJson => {
                quantify(quantifier, key, inside, budget, |key, budget| is_among(key, &[value], budget))
            }
        },
        _ => Ok(false),
    }
}

/// Whether `only` is the one item of `key`, as text.
fn is_alone(key: &[Value<'_>], only: &str, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    match key {
        [item] => Ok(text(*item, budget)? == only),
        _ => Ok(false),
    }
}

/// Whether `test` gives `wanted` for any or all items.
fn quantify(
    quantifier: Quantifier,
    items: &[Value<'_>],
    wanted: bool,
    budget: &mut Budget<'_>,
    test: impl Fn(&str, &mut Budget<'_>) -> Result<bool, Exhausted>,
) -> Result<bool, Exhausted> {
    for item in items {
        let holds = test(&text(*item, budget)?, budget)? == wanted;
        if holds == (quantifier == Quantifier::Any) {
            return Ok(holds);
        }
    }
    Ok(quantifier == Quantifier::All)
}

fn list_holds_literally(
    key: &[Value<'_>],
    value: Value<'_>,
    inside: bool,
    budget: &mut Budget<'_>,
) -> Result<bool, OperatorError> {
    if !key.iter().all(|item| matches!(item, Value::String(_))) {
        return Err(OperatorError::ItemIsNoString);
    }
    let listed;
    let texts: Vec<&str> = match value {
        Value::Array(items) if items.iter().all(|item| matches!(item, Value::String(_))) => {
            items.iter().filter_map(|item| item.as_str()).collect()
        }
        // COMPAT(kyverno): a single item equal to the text is both in it and not in it.
        Value::String(text) if matches!(key, [Value::String(only)] if *only == text) => return Ok(true),
        Value::String(text) => match Listed::read(text, budget)? {
            Listed::Texts(texts) => {
                listed = texts;
                listed.iter().map(|text| &**text).collect()
            }
            Listed::OtherJson | Listed::NoJson => return Ok(false),
        },
        _ => return Ok(false),
    };
    for item in key.iter().filter_map(|item| item.as_str()) {
        budget.steps(texts.len() as u64)?;
        if !texts.contains(&item) {
            // COMPAT(kyverno): `NotIn` holds as soon as one item is missing.
            return Ok(!inside);
        }
    }
    Ok(inside)
}

/// Whether `key` fits one of `items` as a wildcard, or one of them fits `key`.
fn is_among(key: &str, items: &[Value<'_>], budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    // A key without wildcards fits nothing but itself, which fits it.
    let key_is_wild = wildcard::contains_wildcard(key);
    for item in items {
        let item = text(*item, budget)?;
        if wildcard::matches_within(&item, key, budget)?
            || (key_is_wild && wildcard::matches_within(key, &item, budget)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The value as Go's `fmt.Sprint` prints it.
fn text<'v>(value: Value<'v>, budget: &mut Budget<'_>) -> Result<Cow<'v, str>, Exhausted> {
    budget.step()?;
    Ok(match value {
        Value::String(text) => Cow::Borrowed(text),
        other => {
            let printed = display(other).to_string();
            budget.steps(printed.len() as u64)?;
            Cow::Owned(printed)
        }
    })
}

/// What a text is that may hold a list.
enum Listed {
    /// A JSON list of strings, in which null is the empty string; or null, which is an empty list.
    Texts(Vec<Box<str>>),
    OtherJson,
    NoJson,
}

impl Listed {
    fn read(text: &str, budget: &mut Budget<'_>) -> Result<Self, Exhausted> {
        budget.steps(text.len() as u64)?;
        let arena = Arena::new();
        let texts = match json::read(&arena, text) {
            Ok(Value::Null) => Some(Vec::new()),
            Ok(Value::Array(items)) => {
                let text = |item: &Value<'_>| match item {
                    Value::Null => Some(Box::default()),
                    Value::String(text) => Some(Box::from(*text)),
                    _ => None,
                };
                items.iter().map(text).collect()
            }
            Err(_) if !json::is_valid(text) => return Ok(Listed::NoJson),
            Ok(_) | Err(_) => None,
        };
        Ok(texts.map_or(Listed::OtherJson, Listed::Texts))
    }
}
