//! What an API server keeps of an object: the fields that the definition of its kind knows.

use std::collections::HashMap;

use anyhow::Result;
use portcullis_value::{Arena, json};
use serde_json::Value;

/// The schemas of the kinds that are defined here, by kind and `apiVersion`.
pub(crate) struct Schemas(HashMap<(String, String), Value>);

impl Schemas {
    /// Those of the definitions that are installed in a cluster.
    pub(crate) fn of_definitions() -> Result<Self> {
        let arena = Arena::new();
        let mut schemas = HashMap::new();
        let text = |value: &Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for definition in portcullis_kyverno::crds(&arena) {
            let definition: Value = serde_json::from_str(&json::Writer::compact().to_string(definition))?;
            let (group, kind) = (text(&definition, "/spec/group"), text(&definition, "/spec/names/kind"));
            let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
            for version in versions.into_iter().flatten() {
                let api_version = format!("{group}/{}", text(version, "/name"));
                let schema = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_default();
                schemas.insert((kind.clone(), api_version), schema);
            }
        }
        Ok(Self(schemas))
    }

    /// Takes the unknown fields out of `object`, but for its metadata, which has a schema of its own. What is of no known
    /// kind stays as it is.
    pub(crate) fn prune(&self, object: &mut Value) {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(schema) = self.0.get(&(text("kind"), text("apiVersion"))) else { return };
        for (key, value) in object.as_object_mut().into_iter().flatten() {
            if let Some(schema) = property(schema, key).filter(|_| key != "metadata") {
                prune(value, schema);
            }
        }
    }
}

fn property<'s>(schema: &'s Value, key: &str) -> Option<&'s Value> {
    schema.get("properties")?.get(key)
}

fn prune(value: &mut Value, schema: &Value) {
    match value {
        Value::Array(items) => {
            // A list where anything may stand keeps what is in it.
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| prune(item, schema));
            }
        }
        Value::Object(fields) => {
            let of_any_key = schema.get("additionalProperties");
            let is_open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            let of = |key: &str| property(schema, key).or(of_any_key);
            fields.retain(|key, _| is_open || of(key).is_some());
            for (key, field) in fields {
                if let Some(schema) = of(key) {
                    prune(field, schema);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_version_does_not_know_is_taken_out() {
        let schemas = Schemas::of_definitions().unwrap();
        let policy = |version: &str| {
            json!({"apiVersion": version, "kind": "ClusterPolicy", "metadata": {"name": "p"}, "spec": {"rules": [{
                "name": "r",
                "match": {"resources": {"kinds": ["Pod"]}},
                "preconditions": {"some": []},
                "validate": {"pattern": {"any": [{"thing": 1}]}}
            }]}})
        };
        let mut old = policy("kyverno.io/v1");
        schemas.prune(&mut old);
        assert_eq!(old, policy("kyverno.io/v1"));
        let mut new = policy("kyverno.io/v2beta1");
        schemas.prune(&mut new);
        let rule = &new["spec"]["rules"][0];
        assert_eq!((&rule["match"], &rule["preconditions"]), (&json!({}), &json!({})));
        assert_eq!(rule["validate"]["pattern"], json!({"any": [{"thing": 1}]}));
    }
}
