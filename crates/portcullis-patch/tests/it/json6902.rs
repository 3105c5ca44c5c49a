//! JSON Patch.

use portcullis_patch::json6902::{ApplyError, MAX_OPERATIONS, Options, ParseError, Patch};
use portcullis_value::{Arena, Budget, Exhausted, OwnedValue};
use proptest::prelude::*;

use crate::arbitrary::{document, map_document};
use crate::read;

/// What applying `patch` to `document` gives, as text; errors too.
fn applied(document: &str, patch: &str, options: Options) -> String {
    let arena = Arena::new();
    let (before, patch) = (read(&arena, document), read(&arena, patch));
    let patch = match Patch::parse(patch) {
        Ok(patch) => patch,
        Err(error) => return error.to_string(),
    };
    match patch.apply(&arena, before, options, &mut Budget::default()) {
        Ok(after) => after.to_string(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(document: &str, patch: &str, want: &str) {
    assert_eq!(applied(document, patch, Options::LENIENT), want);
}

#[track_caller]
fn check_strict(document: &str, patch: &str, want: &str) {
    assert_eq!(applied(document, patch, Options::default()), want);
}

const POD: &str = r#"{"kind":"Pod","metadata":{"name":"p"},"spec":{"args":["x","y"],"none":null}}"#;

#[test]
fn operations_are_applied_in_order() {
    check(
        r#"{"a":{"b":[1,2]},"c":3}"#,
        r#"[{"op":"test","path":"/c","value":3},{"op":"move","from":"/c","path":"/a/b/0"},
            {"op":"copy","from":"/a/b","path":"/d"},{"op":"replace","path":"/a","value":null},
            {"op":"remove","path":"/d/1"}]"#,
        r#"{"a":null,"d":[3,2]}"#,
    );
}

#[test]
fn adding_makes_the_path() {
    let add = |path: &str| {
        applied("{}", &format!(r#"[{{"op":"add","path":"{path}","value":1}}]"#), Options::LENIENT)
    };
    assert_eq!(add("/a/x~1y"), r#"{"a":{"x/y":1}}"#);
    let nowhere =
        |path: &str| format!(r#"add operation does not apply: doc is missing path: "{path}": missing value"#);
    assert_eq!(add("/a/x~1y/~0"), nowhere("/a/x~1y/~0"));
    assert_eq!(add("a"), nowhere("a"));
    assert_eq!(add("/a/-"), r#"{"a":[1]}"#);
    assert_eq!(add("/a/0/b"), r#"{"a":[{"b":1}]}"#);
    assert_eq!(add("/a/2"), r#"{"a":[null,null,1]}"#);
    assert_eq!(add("/a/1/2"), r#"{"a":[null,[null,null,1]]}"#);
    assert_eq!(add("/a/-/b"), nowhere("/a/-/b"));
    check(r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/2/b","value":2}]"#, r#"{"a":[1,null,{"b":2}]}"#);
    check(r#"{"a":null}"#, r#"[{"op":"add","path":"/a/b","value":2}]"#, r#"{"a":{"b":2}}"#);
    check(POD, r#"[{"op":"add","path":"/kind/x","value":1}]"#, "invalid state detected");
    check_strict(
        "{}",
        r#"[{"op":"add","path":"/a/b","value":1}]"#,
        r#"add operation does not apply: doc is missing path: "/a/b": missing value"#,
    );
}

#[test]
fn indexes_may_be_negative_and_spelled_as_go_allows() {
    let list = |patch: &str| applied(r#"{"l":[1,2]}"#, &format!("[{patch}]"), Options::LENIENT);
    assert_eq!(list(r#"{"op":"add","path":"/l/-1","value":0}"#), r#"{"l":[1,2,0]}"#);
    assert_eq!(list(r#"{"op":"add","path":"/l/-2","value":0}"#), r#"{"l":[1,0,2]}"#);
    assert_eq!(list(r#"{"op":"add","path":"/l/-3","value":0}"#), r#"{"l":[0,1,2]}"#);
    assert_eq!(
        list(r#"{"op":"add","path":"/l/-4","value":0}"#),
        "error in add for path: '/l/-4': Unable to access invalid index: -4: invalid index referenced"
    );
    assert_eq!(list(r#"{"op":"replace","path":"/l/-1","value":0}"#), r#"{"l":[1,0]}"#);
    assert_eq!(list(r#"{"op":"remove","path":"/l/+01"}"#), r#"{"l":[1]}"#);
    assert_eq!(
        list(r#"{"op":"add","path":"/l/1.0","value":0}"#),
        "error in add for path: '/l/1.0': value was not a proper array index: '1.0': strconv.Atoi: parsing \"1.0\": invalid syntax"
    );
}

#[test]
fn removing_what_is_missing_is_no_error_if_so_asked() {
    for path in ["/nope", "/nope/x", "/spec/args/2", "/spec/args/-3", "/kind/x", ""] {
        let patch = format!(r#"[{{"op":"remove","path":"{path}"}}]"#);
        check(POD, &patch, POD);
        assert!(applied(POD, &patch, Options::default()).contains("remove"), "{path}");
    }
    check(
        POD,
        r#"[{"op":"remove","path":"/spec/args/-"}]"#,
        r#"error in remove for path: '/spec/args/-': strconv.Atoi: parsing "-": invalid syntax"#,
    );
}

#[test]
fn what_does_not_apply_says_so() {
    for (patch, want) in [
        (
            r#"{"op":"replace","path":"/metadata/x","value":1}"#,
            "replace operation does not apply: doc is missing key: /metadata/x: missing value",
        ),
        (
            r#"{"op":"replace","path":"/x/y","value":1}"#,
            "replace operation does not apply: doc is missing path: /x/y: missing value",
        ),
        (r#"{"op":"test","path":"/kind","value":"Job"}"#, "testing value /kind failed: test failed"),
        (
            r#"{"op":"test","path":"/x/y","value":null}"#,
            "test operation does not apply: is missing path: /x/y: missing value",
        ),
        (
            r#"{"op":"copy","from":"/x","path":"/y"}"#,
            "error in copy for from: '/x': unable to get nonexistent key: x: missing value",
        ),
        (
            r#"{"op":"move","from":"/metadata/x","path":"/y"}"#,
            "error in move for path: 'x': unable to get nonexistent key: x: missing value",
        ),
        (
            r#"{"op":"move","from":"/metadata","path":"/metadata/in"}"#,
            "move operation does not apply: doc is missing destination path: /metadata/in: missing value",
        ),
        (
            r#"{"op":"move","from":"","path":"/x"}"#,
            "unable to move entire document to another path: invalid state detected",
        ),
        (r#"{"op":"replace","path":"","value":1}"#, "replace operation value must be object or array"),
    ] {
        check(POD, &format!("[{patch}]"), want);
    }
}

#[test]
fn a_missing_value_tests_as_null_and_numbers_test_as_they_are_written() {
    check(POD, r#"[{"op":"test","path":"/nope"},{"op":"test","path":"/spec/none","value":null}]"#, POD);
    check(r#"{"n":1}"#, r#"[{"op":"test","path":"/n","value":1.0}]"#, "testing value /n failed: test failed");
    check(r#"{"n":1.0}"#, r#"[{"op":"test","path":"/n","value":1}]"#, r#"{"n":1}"#);
    check(
        r#"{"n":[{"m":1.5}]}"#,
        r#"[{"op":"test","path":"/n","value":[{"m":1.5}]}]"#,
        r#"{"n":[{"m":1.5}]}"#,
    );
}

#[test]
fn paths_of_the_library_s_own_kind() {
    check("{}", r#"[{"op":"add","path":"","value":{"a":1}}]"#, r#"{"a":1}"#);
    check("{}", r#"[{"op":"add","path":"/","value":1}]"#, r#"{"":1}"#);
    check("{}", r#"[{"op":"add","path":"//x","value":1}]"#, "{}");
    check("{}", r#"[{"op":"add","path":"first/x","value":1}]"#, r#"{"x":1}"#);
    check(r#"{"a":1}"#, r#"[{"op":"copy","from":"","path":"/a"}]"#, r#"{"a":{"a":1}}"#);
    check("{}", r#"[{"op":"add","path":"/a~2~","value":1}]"#, r#"{"a~2~":1}"#);
}

#[test]
fn what_is_no_patch_is_refused() {
    let arena = Arena::new();
    let error = |text| Patch::parse(read(&arena, text)).unwrap_err().to_string();
    assert_eq!(error("{}"), "json: cannot unmarshal object into Go value of type jsonpatch.Patch");
    assert_eq!(error("[true]"), "json: cannot unmarshal bool into Go value of type jsonpatch.Operation");
    assert_eq!(
        error(r#"[{"op":"merge","path":""}]"#),
        r#"invalid operation {"op":"merge","path":""}: unsupported operation"#
    );
    assert_eq!(
        error(r#"[{"op":"add","path":"/a"}]"#),
        r#"invalid operation {"op":"add","path":"/a"}: failed to decode 'value': operation, missing value field: missing value"#
    );
    assert_eq!(Patch::parse(read(&arena, "null")).unwrap(), Patch::default());
}

#[test]
fn the_limits_hold() {
    let arena = Arena::new();
    let long = format!("[{}]", vec![r#"{"op":"remove","path":"/a"}"#; MAX_OPERATIONS + 1].join(","));
    assert_eq!(Patch::parse(read(&arena, &long)), Err(ParseError::TooLong(MAX_OPERATIONS + 1)));

    let error = |document: &str, patch: &str| {
        let arena = Arena::new();
        let patch = Patch::parse(read(&arena, patch)).unwrap();
        patch.apply(&arena, read(&arena, document), Options::LENIENT, &mut Budget::default()).unwrap_err()
    };
    // A gigabyte of nulls.
    let padding = r#"[{"op":"add","path":"/a/1000000000","value":1}]"#;
    assert_eq!(error("{}", padding), ApplyError::Exhausted(Exhausted::Bytes));
    // Each copy doubles the document.
    let doubling = vec![r#"{"op":"copy","from":"/a","path":"/a/0"}"#; 64].join(",");
    let error_of_doubling = error(r#"{"a":[1]}"#, &format!("[{doubling}]"));
    assert!(matches!(error_of_doubling, ApplyError::Exhausted(Exhausted::Steps | Exhausted::Depth)));
    // Paths and documents deeper than a reader allows.
    let deep = format!(r#"[{{"op":"add","path":"{}","value":1}}]"#, "/a".repeat(100_000));
    assert_eq!(error("{}", &deep), ApplyError::Exhausted(Exhausted::Depth));
    let (first, second) = ("/a".repeat(200), "/b".repeat(200));
    let deeper = format!(
        r#"[{{"op":"add","path":"{first}","value":1}},{{"op":"add","path":"{second}","value":1}},
            {{"op":"move","from":"/a","path":"{second}"}}]"#
    );
    assert_eq!(error("{}", &deeper), ApplyError::Exhausted(Exhausted::Depth));
}

#[test]
fn a_patch_without_effect_gives_an_equal_document() {
    check(
        POD,
        r#"[{"op":"replace","path":"/metadata/name","value":"p"},{"op":"remove","path":"/x/y"}]"#,
        POD,
    );
    check(POD, "[]", POD);
}

/// An operation on a place that may be in the document: without the empty key and tests for null, with which Go's
/// library has its own way.
fn operation() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("a"),
        Just("b"),
        Just("name"),
        Just("x~1y"),
        Just("~01"),
        Just("0"),
        Just("1"),
        Just("-")
    ];
    let path = proptest::collection::vec(token, 1..4).prop_map(|tokens| format!("/{}", tokens.join("/")));
    let op =
        prop_oneof![Just("add"), Just("remove"), Just("replace"), Just("move"), Just("copy"), Just("test")];
    (op, path.clone(), path, document()).prop_map(|(op, from, path, value)| {
        let op = if value == OwnedValue::Null && op == "test" { "replace" } else { op };
        format!(r#"{{"op":"{op}","from":"{from}","path":"{path}","value":{value:?}}}"#)
    })
}

proptest! {
    #[test]
    fn another_library_makes_the_same_of_a_patch(
        document in map_document(), operations in proptest::collection::vec(operation(), 1..4)
    ) {
        let patch = format!("[{}]", operations.join(","));
        let arena = Arena::new();
        let found = Patch::parse(read(&arena, &patch)).unwrap().apply(
            &arena, document.borrow(&arena), Options::default(), &mut Budget::default(),
        );
        let mut other: serde_json::Value = serde_json::from_str(&format!("{document:?}")).unwrap();
        let theirs = json_patch::patch_unsafe(&mut other, &serde_json::from_str::<json_patch::Patch>(&patch).unwrap());
        match (found, theirs) {
            (Ok(found), Ok(())) => {
                prop_assert_eq!(other, serde_json::from_str::<serde_json::Value>(&found.to_string()).unwrap());
            }
            (Err(_), Err(_)) => {}
            (found, theirs) => prop_assert!(false, "{document:?} {patch}: {found:?} {theirs:?}"),
        }
    }

    #[test]
    fn nothing_breaks_on_any_patch(document in document(), patch in document(), path in "[/~0-9a-]{0,12}") {
        let arena = Arena::new();
        let _ = Patch::parse(patch.borrow(&arena));
        for op in ["add", "remove", "replace", "move", "copy", "test"] {
            let text = format!(r#"[{{"op":"{op}","from":"{path}","path":"{path}","value":{patch:?}}}]"#);
            let parsed = Patch::parse(read(&arena, &text)).unwrap();
            for options in [Options::LENIENT, Options::default()] {
                let after = parsed.apply(&arena, document.borrow(&arena), options, &mut Budget::default());
                let _ = after.map(OwnedValue::from);
            }
        }
    }
}
