//! Reading the configuration from the strings of a ConfigMap.

use std::fmt;

use portcullis_value::{Arena, OwnedValue, Value, json};

use super::{Names, ResourceFilter, Settings};

/// An entry that is not used, and why: the default is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    /// Lower case, one line.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not used: {}", self.key, self.message)
    }
}

/// Settings of the reference that nothing here reads yet.
const WITHOUT_EFFECT: [&str; 6] = [
    "defaultRegistry",
    "enableDefaultRegistryMutation",
    "generateSuccessEvents",
    "maxContextSize",
    "successEventActions",
    "updateRequestThreshold",
];

impl Settings {
    /// Reads the entries of a ConfigMap; what cannot be used is told and left at its default.
    pub fn read<'t>(entries: impl IntoIterator<Item = (&'t str, &'t str)>) -> (Self, Vec<Problem>) {
        let mut settings = Self::default();
        let mut problems = Vec::new();
        for (key, text) in entries {
            if let Err(message) = settings.set(key, text) {
                problems.push(Problem { key: key.to_owned(), message });
            }
        }
        (settings, problems)
    }

    fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "resourceFilters" => self.resource_filters = filters(text)?,
            "excludeUsernames" => self.exclude_usernames = Names::parse(text),
            "excludeGroups" => self.exclude_groups = Names::parse(text),
            "excludeRoles" => self.exclude_roles = Names::parse(text),
            "excludeClusterRoles" => self.exclude_cluster_roles = Names::parse(text),
            "webhooks" => self.set_selectors(text)?,
            "webhookAnnotations" => self.webhook_annotations = strings(text)?,
            "webhookLabels" => self.webhook_labels = strings(text)?,
            "matchConditions" => self.match_conditions = conditions(text)?,
            key if WITHOUT_EFFECT.contains(&key) => return Err("it has no effect in this version".to_owned()),
            _ => return Err("there is no such setting".to_owned()),
        }
        Ok(())
    }

    /// `webhooks`: a map of selectors, or a list of which the first map counts, as older charts write it.
    fn set_selectors(&mut self, text: &str) -> Result<(), String> {
        let arena = Arena::new();
        let document = read(&arena, text)?;
        let webhook = match document {
            Value::Array(items) => items.first().copied().unwrap_or_default(),
            other => other,
        };
        let webhook =
            webhook.as_object().ok_or("expected a map of `namespaceSelector` and `objectSelector`")?;
        if let Some(key) = webhook.keys().find(|key| !matches!(*key, "namespaceSelector" | "objectSelector"))
        {
            return Err(format!("unknown field `{key}`"));
        }
        let selector = |key: &str| match webhook.get(key).unwrap_or_default() {
            selector @ (Value::Null | Value::Object(_)) => Ok(OwnedValue::from(selector)),
            other => Err(format!("expected `{key}` to be a map, found {}", other.kind())),
        };
        (self.namespace_selector, self.object_selector) =
            (selector("namespaceSelector")?, selector("objectSelector")?);
        Ok(())
    }
}

/// The groups in brackets; what stands between them separates.
fn filters(text: &str) -> Result<Vec<ResourceFilter>, String> {
    let mut filters = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('[') {
        let (filter, after) =
            after.split_once(']').ok_or_else(|| format!("`[{after}` has no closing bracket"))?;
        if filter.split(',').count() > 3 {
            return Err(format!("`[{filter}]` has more parts than kind, namespace and name"));
        }
        filters.push(ResourceFilter::parse(filter));
        rest = after;
    }
    Ok(filters)
}

fn read<'a>(arena: &'a Arena, text: &str) -> Result<Value<'a>, String> {
    json::read(arena, arena.str(text)).map_err(|error| format!("expected JSON: {error}"))
}

fn strings(text: &str) -> Result<Vec<(String, String)>, String> {
    let arena = Arena::new();
    let map = read(&arena, text)?.as_object().ok_or("expected a map of strings")?;
    let entry = |(key, value): (&str, Value<'_>)| match value.as_str() {
        Some(text) => Ok((key.to_owned(), text.to_owned())),
        None => Err(format!("expected `{key}` to be a string, found {}", value.kind())),
    };
    map.iter().map(entry).collect()
}

fn conditions(text: &str) -> Result<Vec<OwnedValue>, String> {
    let arena = Arena::new();
    let list = read(&arena, text)?;
    let list = list.as_array().ok_or("expected a list of conditions")?;
    let condition = |condition: &Value<'_>| {
        let text = |key| condition.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if text("name") && text("expression") {
            Ok(OwnedValue::from(*condition))
        } else {
            Err("expected every condition to have a `name` and an `expression`".to_owned())
        }
    };
    list.iter().map(condition).collect()
}
