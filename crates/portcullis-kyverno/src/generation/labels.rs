//! The labels of generated objects, by which what becomes of their trigger and their source is followed.

use portcullis_model::Resource;
use portcullis_value::{Arena, Object, Value};

use super::Origin;

/// Who made the object.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kyverno");

/// `object` with the labels of one that `trigger` had a rule generate; of a copy, `source` is what was copied.
pub(super) fn labelled<'a>(
    arena: &'a Arena,
    object: Value<'a>,
    origin: &'a Origin,
    trigger: Resource<'a>,
    source: Option<Resource<'a>>,
) -> Value<'a> {
    let text = |text: &'a str| Value::String(text);
    let mut labels = vec![
        (MANAGED_BY.0, text(MANAGED_BY.1)),
        ("generate.kyverno.io/policy-name", text(&origin.policy)),
        ("generate.kyverno.io/policy-namespace", text(&origin.namespace)),
        ("generate.kyverno.io/rule-name", text(&origin.rule)),
        ("generate.kyverno.io/trigger-group", text(trigger.gvk().group)),
        ("generate.kyverno.io/trigger-kind", text(trigger.kind())),
        ("generate.kyverno.io/trigger-namespace", text(trigger.namespace())),
        ("generate.kyverno.io/trigger-uid", text(trigger.uid())),
        ("generate.kyverno.io/trigger-version", text(trigger.gvk().version)),
    ];
    if let Some(source) = source {
        labels.extend([
            ("generate.kyverno.io/source-group", text(source.gvk().group)),
            ("generate.kyverno.io/source-kind", text(source.kind())),
            ("generate.kyverno.io/source-namespace", text(source.namespace())),
            ("generate.kyverno.io/source-uid", text(source.uid())),
            ("generate.kyverno.io/source-version", text(source.gvk().version)),
        ]);
    }
    let labels = Resource(object).labels().merged(arena, Object::from_unsorted(arena, &mut labels));
    object.with(arena, &["metadata", "labels"], Value::Object(labels))
}
