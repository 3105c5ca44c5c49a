//! Pattern trees with anchors.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use portcullis_kyverno::pattern::Verdict;
use regex::Regex;
use serde_json::{Map, Value};

use super::scalar::matches;
use super::{Fault, fits, show, type_name};

const CONDITION: &str = "conditional anchor mismatch";
const GLOBAL: &str = "global anchor mismatch";
const NEGATION: &str = "negation anchor matched in resource";

static ANCHOR: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^([+<=X^])?\((.+)\)$").unwrap());

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Violation,
    Negation,
    Mismatch,
    Skipped,
}

struct Failure {
    kind: Kind,
    path: String,
    text: String,
}

struct Slow {
    fault: Option<Fault>,
    met: BTreeMap<String, bool>,
}

/// Compares `resource` with `pattern`.
pub(crate) fn check(resource: &Value, pattern: &Value, fault: Option<Fault>) -> Verdict {
    let mut slow = Slow { fault, met: BTreeMap::new() };
    // Labels are rewritten in place, so that the walk needs a pattern of its own.
    let mut pattern = pattern.clone();
    let Err(failure) = slow.element(resource, &mut pattern, "/") else { return Verdict::Pass };
    let Failure { kind, path, text: message } = failure;
    if matches!(kind, Kind::Mismatch | Kind::Skipped) {
        return Verdict::Skip { message };
    }
    let missing = slow.met.values().any(|there| !there) && fault != Some(Fault::MissingAnchorIsFine);
    if path.is_empty() || (missing && !message.contains(NEGATION)) {
        return Verdict::Error { message };
    }
    Verdict::Fail { path, message }
}

/// The sign of an anchor and its key.
fn anchor(key: &str) -> Option<(String, String)> {
    let found = ANCHOR.captures(key.trim())?;
    let sign = found.get(1).map_or("", |sign| sign.as_str());
    Some((sign.to_owned(), found[2].to_owned()))
}

fn bare(key: &str) -> String {
    anchor(key).map_or(key.to_owned(), |(_, key)| key)
}

/// As far as this walk is concerned.
fn is_anchor(key: &str) -> bool {
    anchor(key).is_some_and(|(sign, _)| sign != "+")
}

fn holds_anchor(pattern: &Value) -> bool {
    match pattern {
        Value::Array(items) => items.iter().any(holds_anchor),
        Value::Object(entries) => entries.iter().any(|(key, value)| is_anchor(key) || holds_anchor(value)),
        _ => false,
    }
}

fn sorted_keys(entries: &Map<String, Value>) -> Vec<String> {
    let mut keys: Vec<_> = entries.keys().cloned().collect();
    keys.sort();
    keys
}

fn join(failures: Vec<Failure>) -> Result<(), Failure> {
    let text = failures.into_iter().map(|failure| failure.text).collect::<Vec<_>>().join("; ");
    Err(Failure { kind: Kind::Skipped, path: String::new(), text })
}

impl Slow {
    fn fail<T>(&self, path: &str, text: String) -> Result<T, Failure> {
        let mismatch = [CONDITION, GLOBAL].iter().any(|phrase| text.contains(phrase));
        let kind = if mismatch && self.fault != Some(Fault::TextsDoNotMatter) {
            Kind::Mismatch
        } else {
            Kind::Violation
        };
        Err(Failure { kind, path: path.to_owned(), text })
    }

    fn element(&mut self, value: &Value, pattern: &mut Value, path: &str) -> Result<(), Failure> {
        match (pattern, value) {
            (Value::Object(pattern), Value::Object(entries)) => self.map(entries, pattern, path),
            (Value::Object(_), _) => self.fail(path, format!(
                "pattern and resource have different structures. Path: {path}. Expected map[string]interface {{}}, found {}",
                type_name(value)
            )),
            (Value::Array(pattern), Value::Array(items)) => self.list(items, pattern, path),
            (Value::Array(_), _) => self.fail(path, format!(
                "validation rule failed at path {path}, resource does not satisfy the expected overlay pattern"
            )),
            (pattern, _) => self.scalar(value, pattern, path),
        }
    }

    fn scalar(&self, value: &Value, pattern: &Value, path: &str) -> Result<(), Failure> {
        let holds = match value {
            Value::Array(items) if self.fault == Some(Fault::OneItemIsEnough) => {
                items.is_empty() || items.iter().any(|item| matches(item, pattern, self.fault))
            }
            Value::Array(items) => items.iter().all(|item| matches(item, pattern, self.fault)),
            _ => matches(value, pattern, self.fault),
        };
        if holds {
            return Ok(());
        }
        let (value, pattern) = (show(value), show(pattern));
        self.fail(path, format!("resource value '{value}' does not match '{pattern}' at path {path}"))
    }

    fn list(&mut self, items: &[Value], pattern: &mut [Value], path: &str) -> Result<(), Failure> {
        let lengths = (items.len(), pattern.len());
        match pattern.first_mut() {
            None => self.fail(path, "pattern Array empty".to_owned()),
            Some(first @ Value::Object(_)) => {
                let mut skipped = Vec::new();
                let mut any_ok = false;
                for (index, item) in items.iter().enumerate() {
                    match self.element(item, first, &format!("{path}{index}/")) {
                        Ok(()) => any_ok = true,
                        Err(failure) if matches!(failure.kind, Kind::Mismatch | Kind::Skipped) => {
                            skipped.push(failure)
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                if !any_ok && !skipped.is_empty() { join(skipped) } else { Ok(()) }
            }
            Some(Value::Array(_)) => {
                if lengths.0 < lengths.1 {
                    return self.fail("", format!(
                        "validate Array failed, array length mismatch, resource Array len is {} and pattern Array len is {}",
                        lengths.0, lengths.1
                    ));
                }
                for (index, node) in pattern.iter_mut().enumerate() {
                    self.element(&items[index], node, &format!("{path}{index}/"))?;
                }
                Ok(())
            }
            Some(first) => self.scalar(&Value::Array(items.to_vec()), first, path),
        }
    }

    fn map(
        &mut self,
        entries: &Map<String, Value>,
        pattern: &mut Map<String, Value>,
        path: &str,
    ) -> Result<(), Failure> {
        let mut rewritten;
        let mut pattern = pattern;
        if self.fault == Some(Fault::LabelsAreNotRewritten) {
            rewritten = pattern.clone();
            pattern = &mut rewritten;
        }
        self.expand_tags(entries, pattern);
        let keys = sorted_keys(pattern);
        for key in &keys {
            if let Some((sign, bare)) = anchor(key)
                && ["", "^"].contains(&&*sign)
            {
                *self.met.entry(key.clone()).or_default() |= entries.contains_key(&bare);
            }
        }
        let (first, second): (Vec<_>, Vec<_>) = keys
            .into_iter()
            .partition(|key| anchor(key).is_some_and(|(sign, _)| ["", "^", "=", "X"].contains(&&*sign)));
        self.first_phase(entries, pattern, &first, path)?;
        let mut order: Vec<String> = Vec::new();
        for key in second {
            let front = is_anchor(&key) || holds_anchor(&pattern[&key]);
            if front && self.fault != Some(Fault::FieldsInOrder) {
                order.insert(0, key)
            } else {
                order.push(key)
            }
        }
        for key in order {
            self.field(entries, &key, &mut pattern[&key], path)?;
        }
        Ok(())
    }

    fn first_phase(
        &mut self,
        entries: &Map<String, Value>,
        pattern: &mut Map<String, Value>,
        keys: &[String],
        path: &str,
    ) -> Result<(), Failure> {
        let (mut skipped, mut any_ok, mut condition_failed) = (Vec::new(), false, false);
        for key in keys {
            match self.anchor(entries, key, &mut pattern[key], path) {
                Ok(()) => any_ok = true,
                Err(failure) => match failure.kind {
                    Kind::Mismatch => {
                        condition_failed = true;
                        skipped.push(failure);
                    }
                    Kind::Skipped => skipped.push(failure),
                    _ if condition_failed && self.fault != Some(Fault::ViolationsAfterCondition) => {}
                    _ => return Err(failure),
                },
            }
        }
        let kept = !any_ok || condition_failed || self.fault == Some(Fault::SkipsAreKept);
        if kept && !skipped.is_empty() { join(skipped) } else { Ok(()) }
    }

    fn anchor(
        &mut self,
        entries: &Map<String, Value>,
        key: &str,
        pattern: &mut Value,
        path: &str,
    ) -> Result<(), Failure> {
        let (sign, key) = anchor(key).unwrap();
        let path = format!("{path}{key}/");
        let mismatch = |text| Err(Failure { kind: Kind::Mismatch, path: path.clone(), text });
        match (&*sign, entries.get(&key)) {
            ("", None) => {
                mismatch(format!("{CONDITION}: conditional anchor key doesn't exist in the resource"))
            }
            (_, None) => Ok(()),
            ("", Some(value)) => match self.element(value, pattern, &path) {
                Ok(()) => Ok(()),
                Err(failure) => mismatch(format!("{CONDITION}: {}", failure.text)),
            },
            ("X", Some(_)) => {
                let text = format!("{NEGATION}: {path} is not allowed");
                Err(Failure { kind: Kind::Negation, path, text })
            }
            ("^", Some(value)) => self.existence(value, pattern, &path),
            (_, Some(value)) => self.element(value, pattern, &path),
        }
    }

    fn existence(&mut self, value: &Value, pattern: &mut Value, path: &str) -> Result<(), Failure> {
        let Value::Array(items) = value else {
            return self.fail(path, format!(
                "invalid resource type {}: Existence ^ () anchor can be used only on list/array type resource",
                type_name(value)
            ));
        };
        let name = type_name(pattern);
        let Value::Array(patterns) = pattern else {
            return self.fail(
                path,
                format!("invalid pattern type {name}: Pattern has to be of list to compare against resource"),
            );
        };
        let fault = self.fault;
        for pattern in patterns {
            if !pattern.is_object() {
                return self.fail(path, format!(
                    "invalid pattern type {name}: Pattern has to be of type map to compare against items in resource"
                ));
            }
            let mut holds = |(index, item)| self.element(item, pattern, &format!("{path}{index}/")).is_ok();
            let mut items = items.iter().enumerate();
            let found = match fault {
                Some(Fault::ExistenceMeansAll) => items.all(&mut holds),
                _ => items.any(&mut holds),
            };
            if !found {
                return self.fail(path, format!("existence anchor validation failed at path {path}"));
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        entries: &Map<String, Value>,
        key: &str,
        pattern: &mut Value,
        parent: &str,
    ) -> Result<(), Failure> {
        if is_anchor(key) {
            let key = bare(key);
            let path = format!("{parent}{key}/");
            let Some(value) = entries.get(&key) else { return Ok(()) };
            return self.element(value, pattern, &path).map_err(|failure| Failure {
                kind: Kind::Mismatch,
                path,
                text: format!("{GLOBAL}: {}", failure.text),
            });
        }
        let value = entries.get(key).unwrap_or(&Value::Null);
        if pattern == "*" {
            return if value.is_null() {
                self.fail(parent, format!("{parent}/{key} not found"))
            } else {
                Ok(())
            };
        }
        self.element(value, pattern, &format!("{parent}{key}/"))
    }

    fn expand_tags(&self, entries: &Map<String, Value>, pattern: &mut Map<String, Value>) {
        for tag in ["labels", "annotations"] {
            let Some(tags) =
                entries.get("metadata").and_then(|metadata| metadata.get(tag)).and_then(Value::as_object)
            else {
                continue;
            };
            let Some(metadata) = first_map(pattern, "metadata") else { continue };
            let Some(wanted) = first_map(metadata, tag) else { continue };
            let mut rewritten = Map::new();
            for key in sorted_keys(wanted) {
                if !wanted[&key].is_string() && self.fault != Some(Fault::LabelsKeepNumbers) {
                    continue;
                }
                let name = bare(&key);
                let mut fitting: Vec<_> = tags
                    .iter()
                    .filter(|(tag, value)| value.is_string() && key.contains(['*', '?']) && fits(&name, tag))
                    .map(|(tag, _)| tag)
                    .collect();
                fitting.sort();
                let new_key = match (fitting.first(), anchor(&key)) {
                    (None, _) => key.clone(),
                    (Some(tag), None) => (*tag).clone(),
                    (Some(tag), Some((sign, _))) => format!("{sign}({tag})"),
                };
                rewritten.insert(new_key, wanted[&key].clone());
            }
            *wanted = rewritten;
        }
    }
}

/// The map below the first key, in order, that is `key` without its anchor.
fn first_map<'p>(pattern: &'p mut Map<String, Value>, key: &str) -> Option<&'p mut Map<String, Value>> {
    let found = sorted_keys(pattern).into_iter().find(|written| bare(written) == key)?;
    pattern.get_mut(&found)?.as_object_mut()
}
