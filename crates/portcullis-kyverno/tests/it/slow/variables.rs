//! Variables: `{{ a.b.c }}`, with `|| 'text'` behind it for where there is none.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::Fault;

/// Why a variable has no value.
pub(crate) type Unresolved = String;

static VARIABLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{ (.*?) \}\}").unwrap());

/// Whether a variable stands in `document`.
pub(crate) fn are_in(document: &Value) -> bool {
    VARIABLE.is_match(&document.to_string())
}

/// What variables are read from.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) root: Value,
    pub(crate) is_delete: bool,
}

impl Scope {
    /// The scope with the variables of an element of a loop.
    pub(crate) fn with_element(&self, index: usize, element: &Value, fault: Option<Fault>) -> Self {
        let mut inner = self.clone();
        let level = (0..).find(|level| self.root.get(format!("element{level}")).is_none()).unwrap();
        inner.root[format!("element{level}")] = element.clone();
        inner.root[format!("elementIndex{level}")] = json!(index);
        if level == 0 || fault != Some(Fault::OuterElementsStay) {
            inner.root["element"] = element.clone();
            inner.root["elementIndex"] = json!(index);
        }
        inner
    }

    /// `document`, which stands at `path`, with the values of its variables.
    pub(crate) fn substitute(&self, document: &Value, path: &str) -> Result<Value, Unresolved> {
        match document {
            Value::Object(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                let filled = entries.into_iter().map(|(key, value)| {
                    let path = format!("{path}/{}", key.replace('/', "\\/"));
                    Ok((key.clone(), self.substitute(value, &path)?))
                });
                filled.collect::<Result<serde_json::Map<_, _>, _>>().map(Value::Object)
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| self.substitute(item, &format!("{path}/{index}"))).collect()
            }
            Value::String(text) => self.substitute_text(text, path),
            _ => Ok(document.clone()),
        }
    }

    fn substitute_text(&self, text: &str, path: &str) -> Result<Value, Unresolved> {
        let resolve = |expression: &str| {
            let expression = match self.is_delete {
                true => expression.replace("request.object", "request.oldObject"),
                false => expression.to_owned(),
            };
            self.query(&expression)
                .map_err(|text| format!("failed to resolve {expression} at path {path}: {text}"))
        };
        let mut literals = VARIABLE.split(text);
        let mut filled = literals.next().unwrap().to_owned();
        for (found, literal) in VARIABLE.captures_iter(text).zip(literals) {
            let value = resolve(&found[1])?;
            if found[0] == *text {
                return Ok(value);
            }
            filled += &value.as_str().map_or(value.to_string(), str::to_owned);
            filled += literal;
        }
        Ok(Value::from(filled))
    }

    /// The value of an expression.
    pub(crate) fn query(&self, expression: &str) -> Result<Value, Unresolved> {
        let Some((path, otherwise)) = expression.split_once(" || ") else { return self.walk(expression) };
        let value = self.walk(path).unwrap_or_default();
        let is_false = [json!(null), json!(false), json!(""), json!([]), json!({})].contains(&value);
        Ok(if is_false { json!(otherwise.trim_matches('\'')) } else { value })
    }

    fn walk(&self, path: &str) -> Result<Value, Unresolved> {
        let mut value = &self.root;
        for key in path.split('.') {
            value = match value {
                Value::Object(entries) => entries
                    .get(key)
                    .ok_or_else(|| format!("JMESPath query failed: Unknown key \"{key}\" in path"))?,
                _ => &Value::Null,
            };
        }
        Ok(value.clone())
    }
}
