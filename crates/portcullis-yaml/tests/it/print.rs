//! Printing, and reading what was printed.

use portcullis_value::{Arena, OwnedValue, Value};
use portcullis_yaml::{read, to_string};
use proptest::prelude::*;

#[track_caller]
fn check(text: &str, want: &str) {
    assert_eq!(to_string(Value::String(text)), format!("{want}\n"));
    let arena = Arena::new();
    assert_eq!(read(&arena, want).unwrap(), Value::String(text), "{want}");
}

#[test]
fn text_stands_plain_where_it_can() {
    for text in [
        "a",
        "/bin/sh",
        "-wle",
        "busybox:1.28",
        "print bpi(2000)",
        "added /a, removed /b",
        "a#b",
        "é",
        "http://x/y:z",
    ] {
        check(text, text);
    }
}

#[test]
fn text_that_would_read_as_something_else_is_quoted() {
    for text in [
        "true",
        "yes",
        "n",
        "ON",
        "1",
        "0x1F",
        "1_000",
        "1e3",
        ".5",
        "null",
        "~",
        "0644",
        "2024-01-02",
        "1:30",
        "=",
        "<<",
        "",
    ] {
        check(text, &format!("\"{text}\""));
    }
}

#[test]
fn text_with_signs_of_the_language_is_quoted() {
    for text in [
        "* * * * *",
        "[a]",
        "{{ x }}",
        "a: b",
        "a #b",
        "- a",
        "&a",
        "!x",
        "%a",
        "@a",
        "`a",
        " a",
        "a ",
        "a:",
        "---",
        "?",
        "| a",
    ] {
        check(text, &format!("'{text}'"));
    }
    check("'a'", "'''a'''");
}

#[test]
fn several_lines_are_a_block() {
    let arena = Arena::new();
    for (text, want) in [
        ("a\nb\n", "k: |\n  a\n  b\n"),
        ("a\n\nb", "k: |-\n  a\n\n  b\n"),
        ("a\n\n", "k: |+\n  a\n\n"),
        ("a\n  b\n", "k: |\n  a\n    b\n"),
        (" a\n", "k: |2\n   a\n"),
        ("\na", "k: |2-\n\n  a\n"),
        ("\n", "k: |2+\n\n"),
        ("a \nb", "k: \"a \\nb\"\n"),
    ] {
        let value = arena.object(&mut vec![("k", Value::String(text))]);
        assert_eq!(to_string(value), want);
        assert_eq!(read(&arena, want).unwrap(), value);
    }
}

#[test]
fn control_characters_are_escaped() {
    check("a\u{1b}[31mb", "\"a\\e[31mb\"");
    check("a\tb\u{1}", "\"a\\tb\\x01\"");
    check("a\u{2028}b\u{feff}", "\"a\\Lb\\uFEFF\"");
    check("\u{1f600}", "\"\\U0001F600\"");
}

#[test]
fn text_that_only_begins_like_a_time_stands_plain() {
    for text in ["2024-01-02!", "2024-01-02T", "1:200", "1:60", "a1:20", "24-01-02"] {
        check(text, text);
    }
    for text in ["2024-1-2", "2024-01-02T10:00:00Z", "2024-01-02 10:00:00.5", "-1_0:20:59.5_"] {
        check(text, &format!("\"{text}\""));
    }
}

#[test]
fn lists_in_maps_are_not_indented() {
    let arena = Arena::new();
    let text = "a:\n- b: 1\n  c:\n  - - x\n    - z\n- {}\nd: []\n";
    assert_eq!(to_string(read(&arena, text).unwrap()), text);
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    let text = || {
        prop_oneof![
            ".{0,12}",
            "[ a:#\\-?,'\"\n\t|>{}\\[\\]&*!%@`=<~0-9._]{0,10}",
            "(yes|No|on|null|~|0x1f|1e3|-0|\\+1|2024-01-02|1:30|<<|=|\\.inf)",
        ]
    };
    let leaf = prop_oneof![
        Just(OwnedValue::Null),
        any::<bool>().prop_map(OwnedValue::Bool),
        any::<i64>().prop_map(|number| OwnedValue::Number(number.into())),
        text().prop_map(|text| OwnedValue::from(text.as_str())),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| OwnedValue::Array(items.into())),
            prop::collection::btree_map(text(), inner, 0..5).prop_map(|entries| {
                OwnedValue::Object(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_reads_back_as_the_same_value(value in any_value()) {
        let arena = Arena::new();
        let value = value.borrow(&arena);
        let text = to_string(value);
        match read(&arena, &text) {
            Ok(read) => prop_assert_eq!(read, value, "{}", text),
            Err(error) => prop_assert!(false, "{}\n{}", error, text),
        }
    }
}
