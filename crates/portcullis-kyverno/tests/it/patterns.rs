//! Patterns: what they ask of a resource.

use portcullis_kyverno::pattern::{Pattern, Verdict, scalar, text};
use portcullis_model::Numbers;
use portcullis_value::{Arena, Budget, Exhausted, Limits, json};

pub(crate) fn verdict(resource: &str, pattern: &str) -> Verdict {
    let arena = Arena::new();
    let mut budget = Budget::default();
    let pattern = Pattern::compile(json::read(&arena, pattern).unwrap(), &mut budget).unwrap();
    pattern.check(json::read(&arena, resource).unwrap(), Numbers::AsWritten, &mut budget).unwrap()
}

/// `want` is `pass`, `skip`, `error` or the path of a failure.
#[track_caller]
fn check(resource: &str, pattern: &str, want: &str) {
    let got = match verdict(resource, pattern) {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Skip { .. } => "skip".to_owned(),
        Verdict::Error { .. } => "error".to_owned(),
        Verdict::Fail { path, .. } => path,
    };
    assert_eq!(got, want, "{resource} against {pattern}");
}

#[track_caller]
fn check_scalar(value: &str, patterns: &[(&str, bool)]) {
    let arena = Arena::new();
    let value = json::read(&arena, value).unwrap();
    for (pattern, want) in patterns {
        let pattern = json::read(&arena, pattern).unwrap();
        let got = scalar::matches(value, pattern, Numbers::AsWritten, &mut Budget::default());
        assert_eq!(got, Ok(*want), "{value} against {pattern}");
    }
}

#[test]
fn a_missing_key_must_be_written_as_optional() {
    check(r#"{"a":{}}"#, r#"{"a":{"p":"!Never"}}"#, "/a/p/");
    check(r#"{"a":{}}"#, r#"{"a":{"=(p)":"!Never"}}"#, "pass");
    check("{}", r#"{"a":"*"}"#, "/");
    check("{}", r#"{"a":null}"#, "pass");
    check("{}", r#"{"a":"<5"}"#, "pass");
}

#[test]
fn a_star_is_satisfied_by_a_map_and_by_the_template_of_a_pod_too() {
    check(r#"{"a":{}}"#, r#"{"a":"*"}"#, "pass");
    check(r#"{"spec":{"template":{}}}"#, r#"{"spec":{"template":"*"}}"#, "pass");
    check(r#"{"spec":{}}"#, r#"{"spec":{"template":"*"}}"#, "/spec/");
}

#[test]
fn a_condition_decides_whether_its_map_is_judged() {
    let pattern = r#"{"c":[{"(image)":"*:latest","pull":"Always"}]}"#;
    check(r#"{"c":[{"image":"a:latest","pull":"Always"},{"image":"b:1"}]}"#, pattern, "pass");
    check(r#"{"c":[{"image":"a:latest","pull":"Never"},{"image":"b:1"}]}"#, pattern, "/c/0/pull/");
    check(r#"{"c":[{"image":"b:1"},{"image":"c:2"}]}"#, pattern, "skip");
    check(r#"{"c":[]}"#, pattern, "pass");
}

#[test]
fn a_global_anchor_skips_the_whole_pattern() {
    let pattern = r#"{"spec":{"c":[{"<(image)":"corp/*"}],"s":2}}"#;
    check(r#"{"spec":{"c":[{"image":"other/x"}],"s":1}}"#, pattern, "skip");
    check(r#"{"spec":{"c":[{"image":"other/x"},{"image":"corp/y"}],"s":1}}"#, pattern, "/spec/s/");
    check(r#"{"spec":{"s":1}}"#, r#"{"spec":{"<(c)":[{"image":"corp/*"}],"s":2}}"#, "/spec/s/");
}

#[test]
fn existence_asks_for_one_item_and_negation_for_none() {
    check(r#"{"c":[{"n":"x"},{"n":"y"}]}"#, r#"{"^(c)":[{"n":"y"}]}"#, "pass");
    check(r#"{"c":[{"n":"x"}]}"#, r#"{"^(c)":[{"n":"y"}]}"#, "/c/");
    check("{}", r#"{"^(c)":[{"n":"y"}]}"#, "pass");
    check(r#"{"a":null}"#, r#"{"X(a)":"null"}"#, "/a/");
    check("{}", r#"{"X(a)":"null"}"#, "pass");
}

#[test]
fn a_violation_beside_an_anchor_never_met_is_an_error() {
    check(r#"{"c":1}"#, r#"{"^(q)":[{"n":1}],"c":2}"#, "error");
    check(r#"{"c":1,"q":[{"n":1}]}"#, r#"{"^(q)":[{"n":1}],"c":2}"#, "/c/");
    check(r#"{"c":[["a"]]}"#, r#"{"c":[["a"],["b"]]}"#, "error");
}

#[test]
fn the_first_label_that_fits_a_wildcard_fixes_it() {
    let pattern = r#"{"metadata":{"labels":{"corp.io/*":"?*"}}}"#;
    check(r#"{"metadata":{"labels":{"a":"","corp.io/x":"1"}}}"#, pattern, "pass");
    check(r#"{"metadata":{"labels":{"zz":"1"}}}"#, pattern, "/metadata/labels/corp.io/*/");
    let items = r#"{"i":[{"metadata":{"labels":{"app/*":"1"}}}]}"#;
    let resource = r#"{"i":[{"metadata":{"labels":{"q":"1"}}},{"metadata":{"labels":{"app/a":"1"}}}]}"#;
    check(resource, items, "/i/0/metadata/labels/app/*/");
    let resource = r#"{"i":[{"metadata":{"labels":{"app/a":"1"}}},{"metadata":{"labels":{"app/b":"1"}}}]}"#;
    check(resource, items, "/i/1/metadata/labels/app/a/");
}

#[test]
fn messages_name_the_value_the_pattern_and_the_path() {
    assert_eq!(
        verdict(r#"{"a":[{"b":[1,{"c":null}]}]}"#, r#"{"a":[{"b":"x"}]}"#),
        Verdict::Fail {
            path: "/a/0/b/".to_owned(),
            message: "resource value '[1 map[c:<nil>]]' does not match 'x' at path /a/0/b/".to_owned(),
        }
    );
    assert_eq!(
        verdict(r#"{"a":1,"c":2}"#, r#"{"(a)":2,"(b)":1}"#),
        Verdict::Skip {
            message: "conditional anchor mismatch: resource value '1' does not match '2' at path /a/; \
                      conditional anchor mismatch: conditional anchor key doesn't exist in the resource"
                .to_owned(),
        }
    );
}

#[test]
fn amounts_compare_by_what_they_measure() {
    check_scalar(r#""1Gi""#, &[(r#""1024Mi""#, true), (r#""<=1Gi""#, true), (r#""512Mi-2Gi""#, true)]);
    check_scalar(r#""1h""#, &[(r#""60m""#, true), (r#"">30m""#, true), (r#""1d""#, false)]);
    check_scalar("8080", &[(r#""80-9000""#, true), (r#""80!-9000""#, false), (r#""80*""#, true)]);
    check_scalar("80.0", &[(r#""80*""#, false), (r#""80""#, true), ("80", true), (r#""?*""#, true)]);
    check_scalar("null", &[(r#""0""#, true), (r#""!5""#, true), (r#""?*""#, false), ("null", true)]);
    check_scalar("-5", &[(r#""-10--1""#, true), (r#""-10-1""#, true), (r#"">-5""#, false)]);
}

#[test]
fn texts_are_alternatives_of_conjunctions() {
    check_scalar(r#""nginx""#, &[(r#""*:* & !*:latest""#, false), (r#""!*:latest""#, true)]);
    check_scalar(r#""b""#, &[(r#"">=5 & <=10 | b""#, true), (r#""!a|b""#, true), (r#""! b""#, false)]);
    check_scalar(r#""a|b""#, &[(r#""a|b""#, true)]);
    check_scalar(r#""""#, &[(r#""a | ""#, true), (r#""?*""#, false), ("null", true)]);
    assert_eq!(text::matches_text("v1.2", "v*", &mut Budget::default()), Ok(true));
}

#[test]
fn floats_look_different_from_integers() {
    let arena = Arena::new();
    let resource = json::read(&arena, r#"{"port":8080}"#).unwrap();
    let pattern = json::read(&arena, r#"{"port":"80*"}"#).unwrap();
    let pattern = Pattern::compile(pattern, &mut Budget::default()).unwrap();
    let check = |numbers| pattern.check(resource, numbers, &mut Budget::default()).unwrap();
    assert_eq!(check(Numbers::AsWritten), Verdict::Pass);
    assert!(matches!(check(Numbers::Floats), Verdict::Fail { .. }));
}

#[test]
fn hostile_patterns_end_with_the_budget() {
    let arena = Arena::new();
    let deep = arena.string(&("[".repeat(250) + &"]".repeat(250)));
    let deep = json::read(&arena, deep.as_str().unwrap()).unwrap();
    let deeper = (0..50).fold(deep, |inner, _| arena.array(&[inner]));
    let compile = |value, budget: &mut Budget<'_>| Pattern::compile(value, budget).map(drop);
    assert_eq!(compile(deep, &mut Budget::default()), Ok(()));
    assert_eq!(compile(deeper, &mut Budget::default()), Err(Exhausted::Depth));

    let stars = arena.string(&"*a?".repeat(1000));
    let long = arena.string(&"a".repeat(1_000_000));
    let pattern = Pattern::compile(stars, &mut Budget::default()).unwrap();
    let got = pattern.check(long, Numbers::AsWritten, &mut Budget::default());
    assert_eq!(got, Err(Exhausted::Steps));

    // Each of the items that do not fit would tell of the long text.
    let item = arena.object(&mut vec![("a", long)]);
    let items = arena.array(&vec![item; 1000]);
    let pattern = json::read(&arena, r#"[{"(a)":"x"}]"#).unwrap();
    let pattern = Pattern::compile(pattern, &mut Budget::default()).unwrap();
    let mut budget = Budget::new(Limits { steps: u64::MAX, ..Limits::default() }, &|| false);
    assert_eq!(pattern.check(items, Numbers::AsWritten, &mut budget), Err(Exhausted::Bytes));
}
