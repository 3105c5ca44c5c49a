//! Whether an object is the expected one.

use portcullis_value::{Arena, Object, Value};

/// Labels that a cluster's engine sets and a file does not hold.
const GENERATED: &str = "generate.kyverno.io/";

/// Whether `actual` and `expected` are one object but for what a file need not say: nulls, empty maps and lists, and
/// the labels of generated objects. 1 and 1.0 are equal.
pub(crate) fn is_expected(arena: &Arena, actual: Value<'_>, expected: Value<'_>) -> bool {
    bare(arena, actual) == bare(arena, expected)
}

fn bare<'a>(arena: &'a Arena, object: Value<'a>) -> Value<'a> {
    without_generated_labels(arena, tidy(arena, object.with_float_numbers(arena)))
}

/// `value` without nulls, empty maps and empty lists, at all depths. Reading has bounded the depth.
fn tidy<'a>(arena: &'a Arena, value: Value<'a>) -> Value<'a> {
    match value {
        Value::Object(object) => {
            let tidied = object.iter().map(|(key, value)| (key, tidy(arena, value)));
            let entries: Vec<_> = tidied.filter(|(_, value)| !value.is_null()).collect();
            match entries.is_empty() {
                true => Value::Null,
                false => Value::Object(Object::from_sorted(arena.slice(&entries))),
            }
        }
        Value::Array(items) => {
            let items: Vec<_> =
                items.iter().map(|item| tidy(arena, *item)).filter(|item| !item.is_null()).collect();
            if items.is_empty() { Value::Null } else { arena.array(&items) }
        }
        value => value,
    }
}

fn without_generated_labels<'a>(arena: &'a Arena, object: Value<'a>) -> Value<'a> {
    let labels = object.path(&["metadata", "labels"]).and_then(Value::as_object).unwrap_or_default();
    let managed =
        labels.keys().filter(|key| key.starts_with(GENERATED) || *key == "app.kubernetes.io/managed-by");
    let bare = managed.fold(object, |object, key| object.without(arena, &["metadata", "labels", key]));
    tidy(arena, bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(actual: &str, expected: &str, want: bool) {
        let arena = Arena::new();
        let read = |text| portcullis_yaml::read(&arena, text).unwrap();
        assert_eq!(is_expected(&arena, read(actual), read(expected)), want, "{actual} / {expected}");
    }

    #[test]
    fn what_a_file_need_not_say_makes_no_difference() {
        check("{spec: {a: 1, b: [], c: {d: null}}}", "{spec: {a: 1.0}}", true);
        check("{metadata: {labels: {generate.kyverno.io/policy: p}}, spec: 1}", "{spec: 1}", true);
        check("{metadata: {labels: {app.kubernetes.io/managed-by: kyverno}}}", "{}", true);
    }

    #[test]
    fn what_it_says_does() {
        check("{spec: {a: 1}}", "{spec: {a: 2}}", false);
        check("{spec: {a: 1, b: 2}}", "{spec: {a: 1}}", false);
        check("{spec: [1, 2]}", "{spec: [2, 1]}", false);
        check("{metadata: {labels: {app: a}}}", "{metadata: {labels: {app: b}}}", false);
    }
}
