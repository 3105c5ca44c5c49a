//! Label selectors in which `matchLabels` may hold wildcards.

use std::fmt;

use portcullis_gocompat::labels::{Error, Requirement, Selector};
use portcullis_gocompat::wildcard::{Wildcard, contains_wildcard};
use portcullis_value::{Arena, Object, Value};

use crate::variable::VariableError;

/// A compiled LabelSelector. The empty one matches everything.
#[derive(Clone, Debug)]
pub struct LabelSelector {
    /// What it asks for without wildcards.
    exact: Selector,
    wild: Box<[(Wildcard, Wildcard)]>,
}

impl LabelSelector {
    /// Reads a LabelSelector document. `matchExpressions` hold no wildcards.
    ///
    /// # Errors
    /// It is no LabelSelector, or what it asks for without wildcards can be no label. It matches nothing then.
    pub fn compile(document: Value<'_>) -> Result<Self, Error> {
        let arena = Arena::new();
        let labels = document.get("matchLabels").and_then(Value::as_object).unwrap_or_default();
        let (mut exact, mut wild) = (Vec::new(), Vec::new());
        for (key, value) in labels.iter() {
            match value.as_str() {
                Some(text) if contains_wildcard(key) || contains_wildcard(text) => {
                    wild.push((Wildcard::new(key), Wildcard::new(text)));
                }
                _ => exact.push((key, value)),
            }
        }
        let document = if wild.is_empty() {
            document
        } else {
            document.copy_to(&arena).with(
                &arena,
                &["matchLabels"],
                Value::Object(Object::from_sorted(&exact)),
            )
        };
        Ok(Self { exact: Selector::compile(document)?, wild: wild.into() })
    }

    /// Whether `labels` meet all that is asked for.
    ///
    /// A wildcard stands for the first label that fits it, key and value.
    ///
    /// # Errors
    /// What a wildcard stands for can be no label: the reference then finds no match, and says so.
    pub fn matches(&self, labels: Object<'_>) -> Result<bool, Error> {
        let mut all = self.exact.matches(labels);
        for (key, value) in &self.wild {
            let fits = |(name, text): &(&str, Value<'_>)| {
                key.matches(name) && text.as_str().is_some_and(|text| value.matches(text))
            };
            match labels.iter().find(fits) {
                Some((name, text)) => drop(Requirement::equals(name, text.as_str().unwrap_or_default())?),
                None => {
                    // COMPAT(kyverno): what fits no label is made a label by zeros, which is then missing.
                    let zeroed = |wildcard: &Wildcard| wildcard.as_str().replace(['*', '?'], "0");
                    Requirement::equals(&zeroed(key), &zeroed(value))?;
                    all = false;
                }
            }
        }
        Ok(all)
    }
}

/// What it asks for, with commas between.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = if self.exact.is_empty() { "" } else { "," };
        write!(f, "{}", self.exact)?;
        for (key, value) in &self.wild {
            write!(f, "{comma}{}={}", key.as_str(), value.as_str())?;
            comma = ",";
        }
        Ok(())
    }
}

/// A selector as a rule uses it: one with a fault selects nothing.
#[derive(Clone, Debug)]
pub(crate) struct Selection(Option<LabelSelector>);

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(selector) => selector.fmt(f),
            None => f.write_str("a selector with a fault, which selects nothing"),
        }
    }
}

impl Selection {
    pub(crate) fn compile(document: Value<'_>) -> Self {
        Self(LabelSelector::compile(document).ok())
    }

    /// The selector that variables were put into.
    ///
    /// # Errors
    /// It is none: it would select nothing without a word.
    pub(crate) fn rendered(document: Value<'_>) -> Result<Self, VariableError> {
        let selector = match document {
            Value::Object(_) => LabelSelector::compile(document).map_err(|error| error.to_string()),
            other => Err(format!("expected a map, got {}", other.kind())),
        };
        match selector {
            Ok(selector) => Ok(Self(Some(selector))),
            Err(error) => Err(VariableError::unresolved(format!("the selector cannot be used: {error}"))),
        }
    }

    pub(crate) fn selects(&self, labels: Object<'_>) -> bool {
        self.0.as_ref().is_some_and(|selector| selector.matches(labels).unwrap_or(false))
    }

    /// The steps that its wildcards may take on `labels`.
    pub(crate) fn steps(&self, labels: Object<'_>) -> u64 {
        let wild = self.0.as_ref().map_or(&[][..], |selector| &selector.wild);
        if wild.is_empty() {
            return 0;
        }
        let asked: usize = wild.iter().map(|(key, value)| key.as_str().len() + value.as_str().len()).sum();
        let given = labels.iter().map(|(name, text)| name.len() + text.as_str().unwrap_or_default().len());
        asked.saturating_mul(given.sum()) as u64 / 16
    }

    /// Whether it selects as Kubernetes does, to which a wildcard is a fault.
    pub(crate) fn selects_plainly(&self, labels: Object<'_>) -> bool {
        self.0.as_ref().is_some_and(|selector| selector.wild.is_empty()) && self.selects(labels)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_value::json;

    use super::*;

    #[track_caller]
    fn check(selector: &str, labels: &str, want: Option<bool>) {
        let arena = Arena::new();
        let labels = json::read(&arena, labels).unwrap().as_object().unwrap();
        let got = LabelSelector::compile(json::read(&arena, selector).unwrap())
            .and_then(|selector| selector.matches(labels));
        assert_eq!(got.ok(), want, "{selector} on {labels:?}");
    }

    #[test]
    fn wildcards_stand_for_a_label_that_is_there() {
        check(r#"{"matchLabels":{"app":"*"}}"#, r#"{"app":"x"}"#, Some(true));
        check(r#"{"matchLabels":{"app":"*"}}"#, "{}", Some(false));
        check(r#"{"matchLabels":{"*":"*"}}"#, "{}", Some(false));
        check(r#"{"matchLabels":{"corp.io/*":"?*"}}"#, r#"{"corp.io/t":""}"#, Some(false));
        check(r#"{"matchLabels":{"corp.io/*":"?*"}}"#, r#"{"a":"1","corp.io/t":"x"}"#, Some(true));
        check(r#"{"matchLabels":{"a":"1","b":"*"}}"#, r#"{"a":"1"}"#, Some(false));
        check("{}", r#"{"a":"1"}"#, Some(true));
    }

    #[test]
    fn zeros_that_make_no_label_are_an_error() {
        check(r#"{"matchLabels":{"a":"-*"}}"#, r#"{"a":"1"}"#, None);
        check(r#"{"matchLabels":{"*-":"1"}}"#, "{}", None);
    }

    #[test]
    fn the_rest_is_the_selector_of_kubernetes() {
        check(r#"{"matchLabels":{"bad key":"1"}}"#, "{}", None);
        check(r#"{"matchExpressions":[{"key":"a","operator":"In","values":["*"]}]}"#, r#"{"a":"1"}"#, None);
        let both = r#"{"matchLabels":{"a":"*"},"matchExpressions":[{"key":"b","operator":"DoesNotExist"}]}"#;
        check(both, r#"{"a":"1"}"#, Some(true));
        check(both, r#"{"a":"1","b":"2"}"#, Some(false));
    }
}
