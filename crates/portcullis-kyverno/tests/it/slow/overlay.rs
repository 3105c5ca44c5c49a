//! Overlays that are maps of texts, with conditions and what is added where it is absent.

use serde_json::{Map, Value};

use super::{Fault, scalar};

/// `object` with `overlay` laid over it, where its conditions hold.
pub(crate) fn lay(object: &Value, overlay: &Value, fault: Option<Fault>) -> Value {
    if conditions_hold(object, overlay, fault) { merged(object, overlay, fault) } else { object.clone() }
}

/// Whether every condition in the overlay holds.
fn conditions_hold(object: &Value, overlay: &Value, fault: Option<Fault>) -> bool {
    let Some(overlay) = overlay.as_object() else { return true };
    overlay.iter().all(|(key, value)| match key.strip_prefix('(').and_then(|key| key.strip_suffix(')')) {
        Some(_) if fault == Some(Fault::OverlaysHaveNoConditions) => true,
        Some(key) => object.get(key).is_some_and(|there| scalar::matches(there, value, fault)),
        // What is there is not added, whatever its conditions are.
        None if key.starts_with('+') => true,
        None => conditions_hold(object.get(key).unwrap_or(&Value::Null), value, fault),
    })
}

fn merged(object: &Value, overlay: &Value, fault: Option<Fault>) -> Value {
    let Some(overlay) = overlay.as_object() else {
        return match (object, overlay) {
            // What is written over a text becomes one.
            (Value::String(_), Value::Number(_) | Value::Bool(_)) => Value::String(overlay.to_string()),
            _ => overlay.clone(),
        };
    };
    let mut result = object.as_object().cloned().unwrap_or_else(Map::new);
    for (key, value) in overlay {
        let added = key.strip_prefix("+(").and_then(|key| key.strip_suffix(')'));
        match added {
            _ if key.starts_with('(') => {}
            Some(key) if result.contains_key(key) && fault != Some(Fault::AdditionsReplace) => {}
            _ => {
                let key = added.unwrap_or(key);
                let before = result.get(key).cloned().unwrap_or_default();
                result.insert(key.to_owned(), merged(&before, value, fault));
            }
        }
    }
    Value::Object(result)
}

/// What a rule says of the object that it made.
pub(crate) fn told(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    match text(&object["metadata"]["namespace"]).as_str() {
        "" => format!("mutated {kind}/{name}"),
        namespace => format!("mutated {kind}/{name} in namespace {namespace}"),
    }
}
