//! Traps in the overlay of `patchStrategicMerge`: what is written, and what will become of it.

use portcullis_patch::strategic::{Field, PLAIN, Type};
use portcullis_value::{Object, Value};

use crate::anchor::{Anchor, AnchorKind, bare_key};
use crate::checks::document::{Rule, list, text};
use crate::checks::finder::Finder;
use crate::checks::match_block::Filter;
use crate::checks::pattern::warn_of_key;
use crate::kind::KindSelector;

/// What an overlay is laid over.
pub(super) struct Subject {
    /// How its lists merge; `None` if the rule is for kinds that differ in that.
    of: Option<&'static Type>,
}

/// The versions that built-in kinds are looked for in when a rule leaves the version open.
const VERSIONS: [&str; 7] = [
    "v1",
    "apps/v1",
    "batch/v1",
    "batch/v1beta1",
    "networking.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
];

impl Subject {
    pub(super) fn of(rule: &Rule<'_>) -> Self {
        let mutate = rule.value.get("mutate").unwrap_or_default();
        let mut types = match list(mutate, "targets") {
            [] => Filter::deciding(rule.value.get("match").unwrap_or_default())
                .flat_map(|filter| filter.kinds().map(type_of).collect::<Vec<_>>())
                .collect(),
            targets => targets
                .iter()
                .map(|target| merging(text(*target, "apiVersion"), text(*target, "kind")))
                .collect::<Vec<_>>(),
        };
        types.dedup();
        match *types {
            [of] => Self { of },
            _ => Self { of: None },
        }
    }

    fn is_without_schema(&self) -> bool {
        self.of.is_some_and(|of| *of == PLAIN)
    }
}

/// How the lists of `kind`, as policies write kinds, merge.
fn type_of(kind: &str) -> Option<&'static Type> {
    let selector = KindSelector::parse(kind);
    if selector.kind.contains(['*', '?']) || !selector.subresource.is_empty() {
        return None;
    }
    if selector.version.contains(['*', '?']) || selector.group.contains(['*', '?']) {
        // Which version is meant is known of built-in kinds alone.
        return VERSIONS
            .iter()
            .map(|version| merging(version, &selector.kind))
            .find(|of| *of != Some(&PLAIN))
            .flatten();
    }
    let version = match &*selector.group {
        "" => selector.version.to_string(),
        group => format!("{group}/{}", selector.version),
    };
    merging(&version, &selector.kind)
}

fn merging(version: &str, kind: &str) -> Option<&'static Type> {
    if version.contains(['*', '?', '{']) || kind.contains(['*', '?', '{', '/']) {
        return None;
    }
    let entries = [("apiVersion", Value::String(version)), ("kind", Value::String(kind))];
    Some(Type::of(Value::Object(Object::from_sorted(&entries))))
}

/// The traps in `overlay`.
pub(super) fn warn(overlay: Value<'_>, subject: &Subject, finder: &mut Finder) {
    let field = subject.of.map(Field::Map);
    Walk { subject, finder }.node(overlay, field);
}

struct Walk<'w, 'f> {
    subject: &'w Subject,
    finder: &'f mut Finder,
}

impl Walk<'_, '_> {
    fn below(&mut self, token: impl std::fmt::Display, value: Value<'_>, field: Option<Field>) {
        let subject = self.subject;
        self.finder.below(token, |finder| Walk { subject, finder }.node(value, field));
    }

    /// `field` is how the value merges, if that is known.
    fn node(&mut self, value: Value<'_>, field: Option<Field>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields.iter() {
                    self.key(key, value);
                    let anchor = Anchor::parse(key).map(|anchor| anchor.kind);
                    // What stands in a condition is compared, not merged.
                    if !matches!(anchor, Some(AnchorKind::Condition | AnchorKind::Global)) {
                        let field = match field {
                            Some(Field::Map(of) | Field::Keyed { element: of, .. }) => {
                                Some(of.field(bare_key(key)))
                            }
                            Some(_) => Some(Field::Plain),
                            None => None,
                        };
                        self.below(key, value, field);
                    }
                }
            }
            Value::Array(items) => {
                self.list(items, field);
                for (index, item) in items.iter().enumerate() {
                    self.below(index, *item, field);
                }
            }
            _ => {}
        }
    }

    fn key(&mut self, key: &str, value: Value<'_>) {
        self.finder.below(key, |finder| {
            warn_of_key(key, finder);
            let Some(anchor) = Anchor::parse(key) else { return };
            match anchor.kind {
                AnchorKind::Equality | AnchorKind::Negation | AnchorKind::Existence => {
                    finder
                        .warning(format!(
                            "the anchor `{key}` means nothing in a mutation: it is written as a key"
                        ))
                        .about_key()
                        .hint(match anchor.kind {
                            AnchorKind::Negation => "ask for the absence of a key in `preconditions`",
                            _ => "conditions are `(key)` and `<(key)`, an addition is `+(key)`",
                        });
                }
                AnchorKind::Condition | AnchorKind::Global => warn_of_condition(key, value, finder),
                AnchorKind::AddIfAbsent => {}
            }
        });
    }

    fn list(&mut self, items: &[Value<'_>], field: Option<Field>) {
        if items.iter().any(|item| item.as_object().is_some() && has_anchor(*item)) {
            self.anchored_list(field);
        }
        let Some(Field::Keyed { keys, .. }) = field else { return };
        for (index, item) in items.iter().enumerate() {
            let Some(element) = item.as_object() else { continue };
            if has_anchor(*item) || ["$patch"].iter().chain(keys).any(|key| element.contains_key(key)) {
                continue;
            }
            let keys = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and ");
            let every = if keys == "`name`" { ", or `(name): \"*\"` to change every element" } else { "" };
            self.finder
                .warning(format!(
                    "the element has no {keys}: it says of no element of the list that it is meant"
                ))
                .under([index])
                .hint(format!("write its {keys}{every}"));
        }
    }

    /// A list with elements that apply on a condition.
    fn anchored_list(&mut self, field: Option<Field>) {
        const INSTEAD: &str = "use `foreach` with `patchesJson6902`";
        if self.subject.is_without_schema() {
            self.finder
                .warning(
                    "lists of this kind do not merge: the list of the object is replaced by what the anchors choose",
                )
                .hint(INSTEAD);
        } else if let Some(Field::Keyed { keys, .. }) = field
            && keys.first() != Some(&"name")
        {
            self.finder
                .warning(
                    "elements are chosen by anchors where they have a `name` alone: here nothing is changed",
                )
                .hint(INSTEAD);
        }
    }
}

/// Whether one of the anchors that mean something in mutations stands anywhere in `value`.
fn has_anchor(value: Value<'_>) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let kind = Anchor::parse(key).map(|anchor| anchor.kind);
            matches!(kind, Some(AnchorKind::Condition | AnchorKind::Global | AnchorKind::AddIfAbsent))
                || has_anchor(value)
        }),
        Value::Array(items) => items.iter().any(|item| has_anchor(*item)),
        _ => false,
    }
}

/// A condition with a map or list below it is merged after it held.
fn warn_of_condition(key: &str, value: Value<'_>, finder: &mut Finder) {
    let safe = |path: &str| format!("anchor what is compared inside, too: `{path}`");
    match value {
        Value::Object(fields) => {
            for (inner, value) in fields.iter().filter(|(inner, _)| Anchor::parse(inner).is_none()) {
                if holds_pattern(value) {
                    finder
                        .warning(format!(
                            "once `{key}` holds, the pattern of `{inner}` is written into the object"
                        ))
                        .under([inner])
                        .hint(safe(&format!("({inner})")));
                }
            }
        }
        Value::Array(items) => {
            let plain = |item: &Value<'_>| item.as_object().is_some_and(|_| !has_anchor(*item));
            if items.iter().any(plain) {
                finder
                    .warning(format!(
                        "once `{key}` holds, the list of the object is replaced by what is left of this one"
                    ))
                    .hint(safe("(key)"));
            }
        }
        _ => {}
    }
}

/// Whether a scalar in `value` is a pattern rather than a value.
fn holds_pattern(value: Value<'_>) -> bool {
    match value {
        Value::String(text) => text.contains(['*', '?', '|', '&']) || text.starts_with(['!', '<', '>']),
        Value::Array(items) => items.iter().any(|item| holds_pattern(*item)),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| Anchor::parse(key).is_none() && holds_pattern(value))
        }
        _ => false,
    }
}
