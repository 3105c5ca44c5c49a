//! JSON Merge Patch (RFC 7386).

use std::convert::Infallible;

use portcullis_value::{Arena, Object, Value};

use crate::fields::merge_fields;

/// `target` with `patch` merged into it: maps merge, `null` deletes a key, all else replaces.
///
/// The result [is the same](Value::is_same) value as `target` if the patch changes nothing. Merging is no deeper than `patch`,
/// whose depth its reader bounds.
pub fn merge<'a>(arena: &'a Arena, target: Value<'a>, patch: Value<'a>) -> Value<'a> {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => Value::Object(merge_maps(arena, target, patch)),
        (_, Value::Object(patch)) => Value::Object(merge_maps(arena, Object::default(), patch)),
        _ if target == patch => target,
        _ => patch,
    }
}

fn merge_maps<'a>(arena: &'a Arena, target: Object<'a>, patch: Object<'a>) -> Object<'a> {
    let Ok(merged) = merge_fields(arena, target, patch, |_, old, new| {
        let new = (!new.is_null()).then(|| merge(arena, old.unwrap_or_default(), new));
        Ok::<_, Infallible>(new)
    });
    merged
}

#[cfg(test)]
mod tests {
    use portcullis_value::json::read;

    use super::*;

    #[track_caller]
    fn check(target: &str, patch: &str, want: &str) {
        let arena = Arena::new();
        let (target, patch) = (read(&arena, target).unwrap(), read(&arena, patch).unwrap());
        let merged = merge(&arena, target, patch);
        assert_eq!(merged.to_string(), want);
        assert_eq!(merged.is_same(target), merged == target);
    }

    /// The table of the RFC's appendix A.
    #[test]
    fn the_examples_of_the_rfc() {
        check(r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#);
        check(r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#);
        check(r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#);
        check(r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#);
        check(r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#);
        check(r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#);
        check(r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#);
        check(r#"{"a":"foo"}"#, "null", "null");
        check(r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#);
        check(r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#);
        check("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#);
        check("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#);
    }

    #[test]
    fn a_patch_that_changes_nothing_gives_the_document_itself() {
        check(r#"{"a":{"b":[1]},"c":1}"#, r#"{"a":{"b":[1],"x":null},"c":1.0}"#, r#"{"a":{"b":[1]},"c":1}"#);
        check(r#"{"a":1}"#, "{}", r#"{"a":1}"#);
    }
}
