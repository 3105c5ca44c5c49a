//! What is done about a violation: refused or reported, here or there.

use portcullis_gocompat::wildcard;
use portcullis_value::{Object, Value};

use crate::selector::Selection;

/// What is done about a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureAction {
    Audit,
    Enforce,
}

impl FailureAction {
    /// Only `Enforce` and `enforce` enforce; everything else that is written audits.
    pub(crate) fn of(text: &str) -> Self {
        if matches!(text, "Enforce" | "enforce") { FailureAction::Enforce } else { FailureAction::Audit }
    }
}

/// An action for some namespaces.
#[derive(Debug)]
pub(crate) struct ActionOverride {
    pub(crate) action: FailureAction,
    pub(crate) namespaces: Box<[Box<str>]>,
    pub(crate) namespace_selector: Option<Selection>,
}

impl ActionOverride {
    /// Compiles a list of overrides.
    pub(crate) fn compile(list: Option<Value<'_>>) -> Box<[Self]> {
        let items = list.and_then(Value::as_array).unwrap_or_default();
        items
            .iter()
            .map(|item| Self {
                action: FailureAction::of(item.get("action").and_then(Value::as_str).unwrap_or_default()),
                namespaces: item
                    .get("namespaces")
                    .and_then(Value::as_array)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|namespace| namespace.as_str().map(Box::from))
                    .collect(),
                namespace_selector: item
                    .get("namespaceSelector")
                    .filter(|selector| !selector.is_null())
                    .map(Selection::compile),
            })
            .collect()
    }

    /// Whether the override is for a namespace of this name and with these labels.
    pub(crate) fn covers(&self, namespace: &str, labels: Option<Object<'_>>) -> bool {
        let has_labels = |selector: &Selection| self.has_labels(|labels| selector.selects(labels), labels);
        match (&self.namespaces[..], &self.namespace_selector) {
            ([], None) => true,
            ([], Some(selector)) => has_labels(selector),
            (_, None) => self.names(namespace),
            (_, Some(selector)) => self.names(namespace) && has_labels(selector),
        }
    }

    /// Whether the override makes the reference choose a rule: it is for all, or one of its parts holds.
    ///
    /// COMPAT(kyverno): here a selector with wildcards selects nothing.
    pub(crate) fn selects(&self, namespace: &str, labels: Option<Object<'_>>) -> bool {
        let has_labels = || {
            let selector = self.namespace_selector.as_ref();
            selector
                .is_some_and(|selector| self.has_labels(|labels| selector.selects_plainly(labels), labels))
        };
        (self.namespaces.is_empty() && self.namespace_selector.is_none())
            || (!namespace.is_empty() && (self.names(namespace) || has_labels()))
    }

    fn names(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|pattern| wildcard::matches(pattern, namespace))
    }

    /// Whether `labels` are selected. Those that are not known are taken for those that enforce.
    fn has_labels(&self, selects: impl Fn(Object<'_>) -> bool, labels: Option<Object<'_>>) -> bool {
        labels.map_or(self.action == FailureAction::Enforce, selects)
    }
}
