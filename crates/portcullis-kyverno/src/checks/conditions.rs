//! Preconditions and deny conditions.

use portcullis_model::closest;
use portcullis_value::Value;

use super::document::{Document, Rule, given, list, text};
use super::finder::{Finder, Note};
use crate::condition::operator;
use crate::variable::has_variable;

const OPERATIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];

/// Where a rule has conditions whose form the CRD leaves open.
const OPEN: [&[&str]; 2] = [&["preconditions"], &["validate", "deny", "conditions"]];

/// The lists of a rule in whose items the CRD leaves the form of conditions open, and where these are in an item.
const OPEN_IN_ITEMS: [(&[&str], &[&str]); 3] = [
    (&["mutate", "targets"], &["preconditions"]),
    (&["validate", "foreach"], &["deny", "conditions"]),
    (&["verifyImages"], &["validate", "deny", "conditions"]),
];

/// Conditions that no decoder makes sense of.
pub(super) fn check_form(document: &Document<'_>, finder: &mut Finder) {
    for rule in &document.rules {
        finder.at(&rule.pointer(), |finder| {
            for path in OPEN {
                check_form_at(rule.value, path, finder);
            }
            for (items, path) in OPEN_IN_ITEMS {
                check_form_in(rule.value, items, path, finder);
            }
        });
    }
}

/// What `path` leads to from each item of the list at `items`, loops in loops included.
fn check_form_in(holder: Value<'_>, items: &[&str], path: &[&str], finder: &mut Finder) {
    let Some(Value::Array(list)) = holder.path(items) else { return };
    finder.at(&items.iter().copied().collect(), |finder| {
        for (index, item) in list.iter().enumerate() {
            finder.below(index, |finder| {
                check_form_at(*item, path, finder);
                check_form_in(*item, &["foreach"], path, finder);
            });
        }
    });
}

fn check_form_at(holder: Value<'_>, path: &[&str], finder: &mut Finder) {
    let conditions = holder.path(path).filter(|conditions| !conditions.is_null());
    if conditions.is_some_and(|conditions| !is_decodable(conditions)) {
        finder
            .error("failed to unmarshal Conditions")
            .under(path)
            .hint("write `any:` or `all:` with a list of conditions: key, operator, value");
    }
}

/// Whether Go's types of conditions take the value: `{any: [], all: []}` or, as of old, a list.
fn is_decodable(conditions: Value<'_>) -> bool {
    let is_text = |value: Option<Value<'_>>| matches!(value, None | Some(Value::Null | Value::String(_)));
    let is_condition = |condition: &Value<'_>| match condition {
        Value::Null => true,
        Value::Object(_) => is_text(condition.get("operator")) && is_text(condition.get("message")),
        _ => false,
    };
    let is_list = |value: Option<Value<'_>>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.iter().all(is_condition),
        Some(_) => false,
    };
    match conditions {
        Value::Array(_) => is_list(Some(conditions)),
        Value::Object(parts) => is_list(parts.get("any")) && is_list(parts.get("all")),
        _ => false,
    }
}

/// The conditions of `value`, each with the path as the reference writes it behind `name`.
fn each<'a>(
    value: Value<'a>,
    name: &str,
    finder: &mut Finder,
    mut look: impl FnMut(Value<'a>, &str, &mut Finder),
) {
    for (index, condition) in value.as_array().unwrap_or_default().iter().enumerate() {
        finder.below(index, |finder| look(*condition, &format!("{name}[{index}]"), finder));
    }
    for key in ["any", "all"] {
        for (index, condition) in list(value, key).iter().enumerate() {
            finder.item(key, index, |finder| look(*condition, &format!("{name}.{key}[{index}]"), finder));
        }
    }
}

/// The rule's preconditions and deny conditions, `finder` being at the rule.
pub(super) fn check(rule: &Rule<'_>, finder: &mut Finder) {
    // COMPAT(kyverno): the reference says `validate.preconditions`, whatever the rule does.
    for (path, name) in OPEN.into_iter().zip(["validate.preconditions", "validate.deny.conditions"]) {
        let Some(conditions) = rule.given(path).filter(|conditions| is_decodable(*conditions)) else {
            continue;
        };
        finder.at(&path.iter().copied().collect(), |finder| {
            each(conditions, name, finder, |condition, place, finder| {
                check_condition(condition, &format!("path: spec.rules[{}].{place}.", rule.index), finder);
            });
        });
    }
}

fn check_condition(condition: Value<'_>, frame: &str, finder: &mut Finder) {
    if finder.is_full() {
        return;
    }
    let operator = text(condition, "operator");
    let (key, value) = (given(condition, "key"), given(condition, "value"));
    let missing = [("key", key.is_none()), ("operator", operator.is_empty()), ("value", value.is_none())];
    if let Some((missing, _)) = missing.iter().find(|(_, is_missing)| *is_missing) {
        finder
            .error("entered value of `key`, `value` or `operator` is missing or misspelled")
            .framed(format_args!("{frame}: "))
            .hint(missing_hint(condition, missing));
        return;
    }
    let operators = operator::names();
    if !operators.contains(&operator) {
        let quoted: Vec<_> = operators.iter().map(|operator| format!("\"{operator}\"")).collect();
        finder
            .error(format!("entered value of `operator` is invalid. valid values: [{}]", quoted.join(" ")))
            .under(["operator"])
            // COMPAT(kyverno): the reference says `any` for a condition of `all`, too.
            .framed(format_args!("{}: ", frame.replace(".all[", ".any[")))
            .suggest(closest(operator, operators));
        return;
    }
    let is_operation = |key: &str| key.replace(' ', "") == "{{request.operation}}";
    if key.and_then(Value::as_str).is_some_and(is_operation) {
        check_operation(value.unwrap_or_default(), frame, finder);
    }
}

fn missing_hint(condition: Value<'_>, missing: &str) -> String {
    let unknown = condition
        .as_object()
        .unwrap_or_default()
        .keys()
        .find(|key| !KEYS.contains(key) && closest(key, [missing]).is_some());
    match unknown {
        Some(unknown) => format!("`{missing}` is missing: did you write `{unknown}` for it?"),
        None => format!("`{missing}` is missing"),
    }
}

/// What `request.operation` is compared with must be an operation.
fn check_operation(value: Value<'_>, frame: &str, finder: &mut Finder) {
    let is_operation = |text: &str| OPERATIONS.contains(&text) || has_variable(text);
    let refuse = |text: &str, place: String, finder: &mut Finder| {
        finder
            .error(format!(
                "unknown value '{text}' found under the 'value' field. Only the following values are allowed: \
                 [CREATE, UPDATE, DELETE, CONNECT]"
            ))
            .framed(format_args!("{frame}{place}: "))
            .suggest(closest(text, OPERATIONS));
    };
    finder.below("value", |finder| match value {
        Value::String(text) if !is_operation(text) => refuse(text, format!("value: {text}"), finder),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                match item.as_str() {
                    Some(text) if !is_operation(text) => {
                        finder.below(index, |finder| refuse(text, format!("value[{index}]"), finder));
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    });
}

const KEYS: [&str; 4] = ["key", "operator", "value", "message"];

/// What the reference takes without a word, and what it calls deprecated; `finder` is at the rule.
pub(super) fn warn(rule: &Rule<'_>, finder: &mut Finder) {
    for path in OPEN {
        let Some(conditions) = rule.given(path).filter(|conditions| is_decodable(*conditions)) else {
            continue;
        };
        let is_deny = path.len() > 1;
        finder.at(&path.iter().copied().collect(), |finder| {
            warn_of_parts(conditions, finder);
            each(conditions, "", finder, |condition, _, finder| {
                warn_of_keys(condition, finder);
                if is_deny {
                    warn_of_operator(condition, finder);
                }
            });
        });
    }
    finder.below("validate", |finder| {
        warn_in_foreach(rule.value.get("validate").unwrap_or_default(), finder);
    });
    finder.below("mutate", |finder| {
        warn_in_foreach(rule.value.get("mutate").unwrap_or_default(), finder);
    });
}

fn warn_in_foreach(holder: Value<'_>, finder: &mut Finder) {
    for (index, entry) in list(holder, "foreach").iter().enumerate() {
        finder.item("foreach", index, |finder| {
            for path in [&["preconditions"][..], &["deny", "conditions"]] {
                let conditions = entry.path(path).unwrap_or_default();
                finder.at(&path.iter().copied().collect(), |finder| {
                    each(conditions, "", finder, |condition, _, finder| warn_of_operator(condition, finder));
                });
            }
            warn_in_foreach(*entry, finder);
        });
    }
}

/// Anything but `any` and `all` is read by nobody.
fn warn_of_parts(conditions: Value<'_>, finder: &mut Finder) {
    let Some(parts) = conditions.as_object().filter(|_| !finder.is_full()) else { return };
    for key in parts.keys().filter(|key| !["any", "all"].contains(key)) {
        let note = finder
            .warning(format!("unknown field `{key}`: the conditions below it are not looked at"))
            .under([key])
            .about_key();
        suggest_or(note, closest(key, ["any", "all"]), "conditions stand below `any` or `all`");
    }
    if parts.get("any") == Some(Value::Array(&[])) {
        finder.warning("an empty list of `any` never holds").under(["any"]);
    }
}

fn warn_of_keys(condition: Value<'_>, finder: &mut Finder) {
    if finder.is_full() {
        return;
    }
    for key in condition.as_object().unwrap_or_default().keys().filter(|key| !KEYS.contains(key)) {
        let note =
            finder.warning(format!("unknown field `{key}`: it is not looked at")).under([key]).about_key();
        suggest_or(note, closest(key, KEYS), "a condition has `key`, `operator`, `value` and `message`");
    }
}

fn suggest_or(note: Note<'_>, close: Option<&str>, hint: &str) {
    match close {
        Some(_) => note.suggest(close),
        None => note.hint(hint),
    };
}

fn warn_of_operator(condition: Value<'_>, finder: &mut Finder) {
    let operator = text(condition, "operator");
    let instead = match operator {
        "In" => r#"["AllIn" "AnyIn"]"#,
        "NotIn" => r#"["AllNotIn" "AnyNotIn"]"#,
        _ => return,
    };
    finder
        .warning(format!(
            "Operator {operator} has been deprecated and will be removed soon. Use these instead: {instead}"
        ))
        .under(["operator"])
        .verbatim();
}
