//! Anchors in patterns.

use portcullis_value::Value;

use super::finder::Finder;
use crate::anchor::{Anchor, AnchorKind};

/// What a pattern is refused for. `name` is the pattern's path as the reference writes it: `anyPattern[0]`.
pub(super) fn check(pattern: Value<'_>, frame: &str, name: &str, finder: &mut Finder) {
    Walk { frame, name }.node(pattern, &mut "/".to_owned(), finder);
}

struct Walk<'p> {
    frame: &'p str,
    name: &'p str,
}

impl Walk<'_> {
    /// `path` is built as the reference builds it, slashes and all.
    fn node(&self, pattern: Value<'_>, path: &mut String, finder: &mut Finder) {
        let length = path.len();
        match pattern {
            Value::Object(fields) => {
                for (key, value) in fields.iter() {
                    path.extend(["/", key]);
                    finder.below(key, |finder| {
                        self.anchor(key, value, path, finder);
                        self.node(value, path, finder);
                    });
                    path.truncate(length);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.extend([&index.to_string(), "/"]);
                    finder.below(index, |finder| self.node(*item, path, finder));
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn anchor(&self, key: &str, value: Value<'_>, path: &str, finder: &mut Finder) {
        let (message, hint) = match (Anchor::parse(key).map(|anchor| anchor.kind), value) {
            (Some(AnchorKind::AddIfAbsent), _) => (
                format!("unsupported anchor {key}"),
                "a validation adds nothing: `=(key)` checks a key if it is there",
            ),
            (Some(AnchorKind::Existence), Value::Array([])) => (
                "existence anchor: should have at least one value".to_owned(),
                "write one element that must exist",
            ),
            (Some(AnchorKind::Existence), Value::Array(_)) => return,
            (Some(AnchorKind::Existence), _) => (
                "existence anchor should have value of type list".to_owned(),
                "write a list with the element that must exist, or `=(key)` for a map",
            ),
            _ => return,
        };
        let (frame, name) = (self.frame, self.name);
        finder.error(message).about_key().framed(format_args!("{frame}{name}.{path}.: ")).hint(hint);
    }
}

/// Keys that look like anchors and are none, and elements that nobody looks at.
pub(super) fn warn(pattern: Value<'_>, finder: &mut Finder) {
    match pattern {
        Value::Object(fields) => {
            for (key, value) in fields.iter() {
                finder.below(key, |finder| {
                    warn_of_key(key, finder);
                    warn(value, finder);
                });
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                finder.below(index, |finder| warn(*item, finder));
            }
        }
        _ => {}
    }
}

pub(super) fn warn_of_key(key: &str, finder: &mut Finder) {
    let trimmed = key.trim();
    let sign = trimmed.chars().next();
    let inner = sign.and_then(|sign| trimmed.get(sign.len_utf8()..));
    let is_near = inner.is_some_and(|inner| inner.starts_with('(') && inner.ends_with(')'));
    if is_near && Anchor::parse(key).is_none() {
        finder
            .warning(format!("`{key}` is no anchor: it is taken for a key of that name"))
            .about_key()
            .hint("anchors are `(key)`, `=(key)`, `X(key)`, `^(key)`, `<(key)` and, in mutations, `+(key)`");
    }
}

/// Whether labels and annotations that `pattern` asks for are strings, as the reference wants them.
pub(super) fn check_labels(pattern: Value<'_>, finder: &mut Finder) {
    for key in ["labels", "annotations"] {
        let labels = pattern.path(&["metadata", key]).and_then(Value::as_object).unwrap_or_default();
        for (label, value) in labels.iter().filter(|(_, value)| value.as_str().is_none()) {
            finder
                .error(
                    "labels and annotations supports only string values, \"use double quotes around the non string values\"",
                )
                .under(["metadata", key, label])
                .hint(format!("write \"{value}\""));
        }
    }
}
