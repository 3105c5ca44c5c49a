//! The document being checked, and what surrounds `spec`: kind, version, metadata.

use portcullis_model::{Resource, closest};
use portcullis_value::{Pointer, Value, json};

use super::Kinds;
use super::finder::Finder;
use crate::schema::{self, SPEC, Shape, Version};

/// The value of `key`, unless it is null, which Go's decoder takes for absent.
pub(super) fn given<'a>(value: Value<'a>, key: &str) -> Option<Value<'a>> {
    value.get(key).filter(|value| !value.is_null())
}

/// The text of `key`, empty if there is none.
pub(super) fn text<'a>(value: Value<'a>, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The list of `key`, empty if there is none.
pub(super) fn list<'a>(value: Value<'a>, key: &str) -> &'a [Value<'a>] {
    value.get(key).and_then(Value::as_array).unwrap_or_default()
}

/// The texts in the list of `key`.
pub(super) fn texts<'a>(value: Value<'a>, key: &str) -> impl Iterator<Item = &'a str> {
    list(value, key).iter().filter_map(|item| item.as_str())
}

/// A ClusterPolicy or Policy.
pub(super) struct Document<'a> {
    pub(super) root: Value<'a>,
    pub(super) spec: Value<'a>,
    pub(super) rules: Vec<Rule<'a>>,
    /// Whether it is a Policy, and so limited to its namespace.
    pub(super) is_namespaced: bool,
    pub(super) namespace: &'a str,
    /// Whether it is used in background scans.
    pub(super) background: bool,
    /// What the cluster serves, if there is one.
    pub(super) kinds: Option<&'a dyn Kinds>,
}

/// A rule as it is written.
pub(super) struct Rule<'a> {
    pub(super) value: Value<'a>,
    pub(super) name: &'a str,
    pub(super) index: usize,
}

impl<'a> Document<'a> {
    pub(super) fn new(root: Value<'a>, kinds: Option<&'a dyn Kinds>) -> Self {
        let spec = root.get("spec").unwrap_or_default();
        let is_namespaced = Resource(root).kind() == "Policy";
        // What is null is told by the schema, and nothing more is to be said of it.
        let rules = list(spec, "rules").iter().enumerate().filter(|(_, rule)| !rule.is_null());
        Self {
            root,
            spec,
            rules: rules
                .map(|(index, rule)| Rule { value: *rule, name: text(*rule, "name"), index })
                .collect(),
            is_namespaced,
            namespace: if is_namespaced { Resource(root).namespace() } else { "" },
            background: spec.get("background").and_then(Value::as_bool).unwrap_or(true),
            kinds,
        }
    }
}

impl<'a> Rule<'a> {
    /// What `path` leads to, unless that is null.
    pub(super) fn given(&self, path: &[&str]) -> Option<Value<'a>> {
        self.value.path(path).filter(|value| !value.is_null())
    }

    /// Where it is written.
    pub(super) fn pointer(&self) -> Pointer {
        ["spec", "rules", &self.index.to_string()].into_iter().collect()
    }

    /// Whether the rule has `action`, which one without any content is not.
    pub(super) fn has(&self, action: &str) -> bool {
        match self.given(&[action]) {
            // The reference's CRD gives every `validate` a default, and so a content.
            Some(_) if action == "validate" => true,
            Some(Value::Object(fields)) => fields.iter().any(|(_, value)| match value {
                Value::Null | Value::Bool(false) | Value::String("") => false,
                Value::Object(inner) => action != "generate" || !inner.is_empty(),
                _ => true,
            }),
            Some(Value::Array(items)) => !items.is_empty(),
            _ => false,
        }
    }

    /// Whether it changes objects that are there already.
    pub(super) fn mutates_existing(&self) -> bool {
        self.given(&["mutate", "targets"]).is_some()
    }
}

/// Whether `value` is nested deeper than any document that was read can be.
pub(super) fn is_too_deep(value: Value<'_>, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| is_too_deep(*item, below)),
        Value::Object(object) => object.iter().any(|(_, item)| is_too_deep(item, below)),
        _ => false,
    }
}

/// Looks at what is around `spec`, and whether everything has a field's name and type.
pub(super) fn check(document: &Document<'_>, finder: &mut Finder) {
    let version = check_version(document.root, finder);
    check_kind(document.root, finder);
    check_metadata(document, finder);
    const KEYS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
    for key in document.root.as_object().unwrap_or_default().keys().filter(|key| !KEYS.contains(key)) {
        finder.below(key, |finder| {
            finder
                .error(format!("unknown field `{key}`"))
                .by_schema()
                .about_key()
                .suggest(closest(key, KEYS));
        });
    }
    match document.root.get("spec") {
        None | Some(Value::Null) => {
            finder.error("required field `spec` is missing").by_schema().about_key();
        }
        Some(spec) => finder.below("spec", |finder| {
            finder.schema(|path, found| schema::check(spec, &SPEC, version, path, found));
        }),
    }
}

/// The version that the document is of.
fn check_version(root: Value<'_>, finder: &mut Finder) -> Version {
    match text(root, "apiVersion") {
        "kyverno.io/v1" => Version::V1,
        "kyverno.io/v2beta1" => Version::V2,
        other => {
            finder.below("apiVersion", |finder| {
                finder
                    .error(format!("unsupported version `{other}` of a policy"))
                    .by_schema()
                    .hint("write `kyverno.io/v1` or `kyverno.io/v2beta1`");
            });
            Version::V1
        }
    }
}

fn check_kind(root: Value<'_>, finder: &mut Finder) {
    const KINDS: [&str; 2] = ["ClusterPolicy", "Policy"];
    let kind = text(root, "kind");
    if !KINDS.contains(&kind) {
        finder.below("kind", |finder| {
            finder
                .error(format!("`{kind}` is no kind of a policy"))
                .by_schema()
                .suggest(closest(kind, KINDS));
        });
    }
}

fn check_metadata(document: &Document<'_>, finder: &mut Finder) {
    finder.below("metadata", |finder| {
        let metadata = document.root.get("metadata").unwrap_or_default();
        let name = text(metadata, "name");
        let others: Vec<_> = ["name", "generateName"]
            .into_iter()
            .filter_map(|key| Some((key, given(metadata, key)?)))
            .filter(|(_, value)| value.as_str().is_none())
            .collect();
        for (key, value) in &others {
            finder.below(key, |finder| {
                finder.schema(|path, found| schema::check(*value, &Shape::Text, Version::V1, path, found));
            });
        }
        if !others.is_empty() {
            // It is there, and told to be no text.
        } else if name.is_empty() && text(metadata, "generateName").is_empty() {
            finder.error("required field `name` is missing").by_schema().about_key();
        } else if !name.is_empty() && !is_subdomain(name) {
            finder.below("name", |finder| {
                finder.error(format!("`{}` is no name of an object", shortened(name))).by_schema().hint(
                    "write lower case letters, digits, `-` and `.`, with a letter or digit at both ends",
                );
            });
        }
    });
}

/// Whether `name` is a DNS subdomain (RFC 1123), as names of policies are.
fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = label.as_bytes();
        bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
            && bytes.first().is_some_and(|byte| plain(*byte))
            && bytes.last().is_some_and(|byte| plain(*byte))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// At most the first 80 characters of `text`: more of it is of no use in a message.
pub(super) fn shortened(text: &str) -> &str {
    match text.char_indices().nth(80) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// `value` as the reference prints it: compact JSON with HTML characters escaped.
pub(super) fn printed(value: Value<'_>) -> String {
    json::Writer::compact().escape_html().to_string(value)
}
