//! Variables: `{{ a.b.c }}`, with `|| 'text'` behind it for where there is none, and the entries of `context` that are
//! variables.

use std::cell::{Cell, RefCell};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::Fault;
use super::policy::items;

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
    pub(crate) is_delete: bool,
    root: RefCell<Value>,
    /// The entries of `context`, those of loops behind those of what is around, and whether each is loaded.
    entries: RefCell<Vec<(Value, bool)>>,
    /// How many of the entries may be loaded.
    level: Cell<usize>,
    fault: Option<Fault>,
}

impl Scope {
    pub(crate) fn new(root: Value, is_delete: bool, context: &Value, fault: Option<Fault>) -> Self {
        let scope = Self {
            is_delete,
            root: RefCell::new(root),
            entries: RefCell::default(),
            level: Cell::new(0),
            fault,
        };
        scope.declare(context);
        scope
    }

    fn declare(&self, context: &Value) {
        self.entries.borrow_mut().extend(items(context).iter().map(|entry| (entry.clone(), false)));
        self.level.set(self.entries.borrow().len());
    }

    pub(crate) fn set_object(&self, object: &Value) {
        self.root.borrow_mut()["request"]["object"] = object.clone();
    }

    /// The scope as if `object` were just being created. What is loaded stays.
    pub(crate) fn as_created(&self, object: &Value) -> Self {
        let scope = Self { is_delete: false, ..self.clone() };
        scope.root.borrow_mut()["request"] = json!({ "operation": "CREATE", "object": object });
        scope
    }

    /// The scope with the variables of an element of a loop, and the entries that `context` has for it.
    pub(crate) fn with_element(&self, index: usize, element: &Value, context: &Value) -> Self {
        let inner = self.clone();
        let mut root = inner.root.borrow_mut();
        let level = (0..).find(|level| root.get(format!("element{level}")).is_none()).unwrap();
        root[format!("element{level}")] = element.clone();
        root[format!("elementIndex{level}")] = json!(index);
        if level == 0 || self.fault != Some(Fault::OuterElementsStay) {
            root["element"] = element.clone();
            root["elementIndex"] = json!(index);
        }
        drop(root);
        inner.declare(context);
        inner
    }

    /// Makes anew what was first asked for in `inner`, the scope of an element, and belongs to what is around it.
    pub(crate) fn leave(&self, inner: &Self) {
        let known = self.entries.borrow().len();
        for index in 0..known {
            let (entry, was_loaded) = self.entries.borrow()[index].clone();
            if !was_loaded && inner.entries.borrow()[index].1 && self.fault != Some(Fault::LoopsForget) {
                // What fails is missing from now on.
                let value = self.load(index, &entry["variable"], entry["name"].as_str().unwrap());
                if let Ok(value) = value {
                    self.root.borrow_mut()[entry["name"].as_str().unwrap()] = value;
                }
                self.entries.borrow_mut()[index].1 = true;
            }
        }
    }

    /// Loads the entries that `expression` mentions, in order and once.
    fn load_for(&self, expression: &str) -> Result<(), Unresolved> {
        for index in 0..self.level.get() {
            let (entry, is_loaded) = self.entries.borrow()[index].clone();
            let name = entry["name"].as_str().unwrap();
            let mention = Regex::new(&format!(r"(?:\A|\z|\s|[^.0-9A-Za-z]){name}\b")).unwrap();
            let eager = self.fault == Some(Fault::EntriesAreLoadedAtOnce);
            if is_loaded || !(mention.is_match(expression) || eager) {
                continue;
            }
            self.entries.borrow_mut()[index].1 = true;
            let value = self.load(index, &entry["variable"], name)?;
            self.root.borrow_mut()[name] = value;
        }
        Ok(())
    }

    /// The value of the entry at `index`, which sees those before it.
    fn load(&self, index: usize, variable: &Value, name: &str) -> Result<Value, Unresolved> {
        let level = self.level.replace(index);
        let value = self.variable(variable, name);
        self.level.set(level);
        value
    }

    fn variable(&self, variable: &Value, name: &str) -> Result<Value, Unresolved> {
        let part = |part: &str| {
            let written = variable.get(part);
            let filled = written.map(|written| self.substitute(written, "")).transpose();
            filled.map_err(|text| {
                format!("failed to substitute variables in context entry {name} {part}: {text}")
            })
        };
        let path = part("jmesPath")?;
        let default = part("default")?;
        let found = match (part("value")?, path.as_ref().and_then(Value::as_str)) {
            (Some(value), None) => value,
            (Some(value), Some(path)) => match (walk(&value, path), default) {
                (Ok(found), _) => found,
                (Err(_), Some(default)) => default,
                (Err(text), None) => {
                    return Err(format!("failed to apply jmespath {path} to variable {name}: {text}"));
                }
            },
            (None, Some(path)) => match (self.query(path), default) {
                (Ok(Value::Null) | Err(_), Some(default)) => default,
                (Ok(found), _) => found,
                (Err(text), None) => return Err(format!("failed to query jmespath {path}: {text}")),
            },
            (None, None) => default.unwrap_or_default(),
        };
        if found.is_null() {
            return Err(format!("failed to add context entry for variable {name} since it evaluated to nil"));
        }
        Ok(found)
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
        self.load_for(expression)?;
        let root = self.root.borrow();
        let Some((path, otherwise)) = expression.split_once(" || ") else { return walk(&root, expression) };
        let value = walk(&root, path).unwrap_or_default();
        let is_false = [json!(null), json!(false), json!(""), json!([]), json!({})].contains(&value);
        Ok(if is_false { json!(otherwise.trim_matches('\'')) } else { value })
    }
}

fn walk(document: &Value, path: &str) -> Result<Value, Unresolved> {
    let mut value = document;
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
