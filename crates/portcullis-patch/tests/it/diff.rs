//! The difference of documents.

use portcullis_patch::diff::diff;
use portcullis_patch::json6902::{Options, Patch};
use portcullis_value::{Arena, Budget, Value};
use proptest::prelude::*;

use crate::arbitrary::{document, map_document};
use crate::read;

fn operations(arena: &Arena, before: &str, after: &str) -> Vec<String> {
    let (before, after) = (arena.str(before), arena.str(after));
    let operations = diff(arena, read(arena, before), read(arena, after));
    operations.iter().map(|operation| operation.to_value(arena).to_string()).collect()
}

#[track_caller]
fn check(before: &str, after: &str, want: &[&str]) {
    assert_eq!(operations(&Arena::new(), before, after), want);
}

#[test]
fn a_field_that_was_added_is_one_operation() {
    check(
        r#"{"kind":"Job","spec":{"backoffLimit":4,"template":{}}}"#,
        r#"{"kind":"Job","spec":{"backoffLimit":4,"template":{},"ttlSecondsAfterFinished":900}}"#,
        &[r#"{"op":"add","path":"/spec/ttlSecondsAfterFinished","value":900}"#],
    );
}

#[test]
fn fields_are_compared_in_key_order_and_keys_are_escaped() {
    check(
        r#"{"a/b":1,"c~d":{"x":1,"y":[1]},"gone":{}}"#,
        r#"{"a/b":2,"c~d":{"x":null,"y":{}},"new":{}}"#,
        &[
            r#"{"op":"replace","path":"/a~1b","value":2}"#,
            r#"{"op":"replace","path":"/c~0d/x","value":null}"#,
            r#"{"op":"replace","path":"/c~0d/y","value":{}}"#,
            r#"{"op":"remove","path":"/gone"}"#,
            r#"{"op":"add","path":"/new","value":{}}"#,
        ],
    );
}

#[test]
fn an_element_put_in_front_is_one_addition() {
    check(
        r#"{"c":[{"name":"a"},{"name":"b"}]}"#,
        r#"{"c":[{"name":"side"},{"name":"a"},{"name":"b"}]}"#,
        &[r#"{"op":"add","path":"/c/0","value":{"name":"side"}}"#],
    );
}

#[test]
fn an_element_that_was_patched_and_moved_to_the_front_leaves_the_others_alone() {
    check(
        r#"{"c":[{"name":"a"},{"name":"b","image":"x"},{"name":"c"}]}"#,
        r#"{"c":[{"name":"b","image":"y"},{"name":"a"},{"name":"c"}]}"#,
        &[
            r#"{"op":"add","path":"/c/0","value":{"image":"y","name":"b"}}"#,
            r#"{"op":"remove","path":"/c/2"}"#,
        ],
    );
}

#[test]
fn patched_elements_are_told_apart_by_name() {
    check(
        r#"{"c":[{"name":"a","v":1},{"name":"b","v":1}]}"#,
        r#"{"c":[{"name":"side"},{"name":"a","v":2},{"name":"b","v":2}]}"#,
        &[
            r#"{"op":"add","path":"/c/0","value":{"name":"side"}}"#,
            r#"{"op":"replace","path":"/c/1/v","value":2}"#,
            r#"{"op":"replace","path":"/c/2/v","value":2}"#,
        ],
    );
}

#[test]
fn indexes_are_those_of_the_list_as_it_is_then() {
    check(
        r#"["a","b","c","d","e"]"#,
        r#"["b","x","e","f"]"#,
        &[
            r#"{"op":"remove","path":"/0"}"#,
            r#"{"op":"replace","path":"/1","value":"x"}"#,
            r#"{"op":"remove","path":"/2"}"#,
            r#"{"op":"add","path":"/3","value":"f"}"#,
        ],
    );
}

#[test]
fn equal_documents_have_no_difference() {
    check(r#"{"a":[1,{"b":null}]}"#, r#"{"a":[1.0,{"b":null}]}"#, &[]);
}

#[test]
fn a_list_too_long_to_align_is_compared_index_by_index() {
    let numbers = |count: usize, first: &str| {
        let rest: Vec<_> = (1..count).map(|number| number.to_string()).collect();
        format!("[{first},{}]", rest.join(","))
    };
    let arena = Arena::new();
    let found = operations(&arena, &numbers(3000, "true"), &numbers(2999, "false").replace("2998", "null"));
    assert_eq!(
        found,
        [
            r#"{"op":"replace","path":"/0","value":false}"#,
            r#"{"op":"replace","path":"/2998","value":null}"#,
            r#"{"op":"remove","path":"/2999"}"#,
        ]
    );
}

/// `before` with its difference to `after` applied.
fn patched<'a>(arena: &'a Arena, before: Value<'a>, after: Value<'a>) -> Value<'a> {
    let patch = Patch { operations: diff(arena, before, after) };
    patch.apply(arena, before, Options::default(), &mut Budget::default()).unwrap()
}

proptest! {
    #[test]
    fn the_difference_applied_is_the_document_after(before in map_document(), after in map_document()) {
        let arena = Arena::new();
        let (before, after) = (before.borrow(&arena), after.borrow(&arena));
        prop_assert_eq!(patched(&arena, before, after), after);
    }

    #[test]
    fn another_library_makes_the_same_of_the_difference(before in map_document(), after in map_document()) {
        let arena = Arena::new();
        let (before, after) = (before.borrow(&arena), after.borrow(&arena));
        let operations: Vec<_> = diff(&arena, before, after).iter().map(|one| one.to_value(&arena)).collect();
        let patch: json_patch::Patch =
            serde_json::from_str(&arena.array(&operations).to_string()).unwrap();
        let mut document = serde_json::from_str(&before.to_string()).unwrap();
        json_patch::patch(&mut document, &patch).unwrap();
        prop_assert_eq!(document, serde_json::from_str::<serde_json::Value>(&after.to_string()).unwrap());
    }

    #[test]
    fn a_list_with_one_more_element_differs_by_one_addition(
        list in proptest::collection::vec(document(), 0..8), place: prop::sample::Index, element in document()
    ) {
        let arena = Arena::new();
        let before: Vec<_> = list.iter().map(|item| item.borrow(&arena)).collect();
        let mut after = before.clone();
        after.insert(place.index(before.len() + 1), element.borrow(&arena));
        let (before, after) = (arena.array(&before), arena.array(&after));
        prop_assert_eq!(diff(&arena, before, after).len(), 1);
        prop_assert_eq!(patched(&arena, before, after), after);
    }
}
