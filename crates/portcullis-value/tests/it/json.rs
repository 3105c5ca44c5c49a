//! JSON in and out.

use portcullis_value::json::{MAX_DEPTH, Scanner, Seed, Taken, Writer, is_valid, read};
use portcullis_value::{Arena, Kind, Number, OwnedValue, Value};
use proptest::prelude::*;
use serde::de::DeserializeSeed as _;

#[track_caller]
fn check(text: &str, want: &str) {
    let arena = Arena::new();
    assert_eq!(read(&arena, text).unwrap().to_string(), want);
}

#[test]
fn keys_are_sorted_and_the_last_of_equal_keys_wins() {
    check(r#"{"b":1,"a":2,"b":3}"#, r#"{"a":2,"b":3}"#);
    check(r#"{"a":1,"a":2,"a":{"b":1,"b":2}}"#, r#"{"a":{"b":2}}"#);
}

#[test]
fn integers_of_64_bits_are_exact_and_larger_ones_are_doubles() {
    check(
        "[9223372036854775807,18446744073709551615,1e3,1.0]",
        "[9223372036854775807,18446744073709551615,1000,1]",
    );
    let arena = Arena::new();
    assert!(matches!(read(&arena, "18446744073709551616").unwrap(), Value::Number(Number::Float(_))));
}

#[test]
fn strings_escape_as_go_escapes_them() {
    check(r#""a\u0000\u001f\"\\/\u2028<é""#, "\"a\\u0000\\u001f\\\"\\\\/\\u2028<é\"");
    let html = Writer::compact().escape_html().to_string(Value::String("a<b>&c"));
    assert_eq!(html, r#""a\u003cb\u003e\u0026c""#);
}

#[test]
fn indented_output_is_marshal_indent() {
    let arena = Arena::new();
    let value = read(&arena, r#"{"a":[1,{"b":[]}],"c":{}}"#).unwrap();
    let want = "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}";
    assert_eq!(Writer::indented(2).to_string(value), want);
}

#[test]
fn nesting_beyond_the_limit_is_an_error_with_its_place() {
    let arena = Arena::new();
    let deepest = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    assert_eq!(read(&arena, &deepest).unwrap().kind(), Kind::Array);
    let error = read(&arena, &"[".repeat(100_000)).unwrap_err();
    assert_eq!(error.to_string(), "nested deeper than 256 levels");
    assert_eq!((error.line, error.column), (1, 257));
}

#[test]
fn what_follows_the_document_is_an_error() {
    let arena = Arena::new();
    assert_eq!(read(&arena, "{} {}").unwrap_err().to_string(), "trailing characters");
    assert!(read(&arena, "").is_err());
    assert!(read(&arena, "1e400").is_err());
}

#[test]
fn a_value_that_comes_again_ends_where_it_would_have_ended() {
    let text = r#"[{"a": 1}, {"a": 1} ,{"a": 12},[1],[1],[12],{"a":1},1,12,"x","xy",{"a": 1},[ ],null]"#;
    let places = |take: &mut dyn FnMut(&mut Scanner<'static>) -> Option<()>| {
        let mut places = Vec::new();
        let mut item = |scanner: &mut Scanner<'static>| {
            take(scanner)?;
            places.push((scanner.at(), scanner.taken()));
            Some(())
        };
        Scanner::new(text).items(&mut item).unwrap();
        places
    };
    let mut last = Taken::default();
    assert_eq!(places(&mut |scanner| scanner.skip_like(&mut last)), places(&mut Scanner::skip));
    // What may stand at the top may be too deep elsewhere.
    let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    let deeper = format!("[{deepest}]");
    let mut last = Taken::default();
    assert_eq!(Scanner::new(&deepest).skip_like(&mut last), Some(()));
    assert_eq!(Scanner::new(&deepest).skip_like(&mut last), Some(()));
    assert_eq!(Scanner::new(&deeper).items(|scanner| scanner.skip_like(&mut last)), None);
}

#[test]
fn validity_is_a_matter_of_grammar_alone() {
    for text in ["null", " [1e400] ", r#"{"a":"\ud800"}"#, &("[".repeat(1000) + &"]".repeat(1000))] {
        assert!(is_valid(text), "`{text}`");
    }
    for text in ["", "a", "01", "[1,]", "{} {}", "'a'"] {
        assert!(!is_valid(text), "`{text}`");
    }
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    let leaf = prop_oneof![
        Just(OwnedValue::Null),
        any::<bool>().prop_map(OwnedValue::Bool),
        any::<i64>().prop_map(|n| OwnedValue::Number(n.into())),
        any::<u64>().prop_map(|n| OwnedValue::Number(n.into())),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| OwnedValue::Number(n.into())),
        ".*".prop_map(|text| OwnedValue::from(text.as_str())),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| OwnedValue::Array(items.into())),
            prop::collection::btree_map(".{0,6}", inner, 0..6).prop_map(|entries| {
                OwnedValue::Object(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}

/// What the general reader makes of `text`.
fn read_by_serde<'a>(arena: &'a Arena, text: &'a str) -> Option<Value<'a>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let value = Seed::new(arena).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| value)
}

#[test]
fn every_form_of_a_token_is_read_as_the_general_reader_reads_it() {
    let arena = Arena::new();
    for text in [
        "0",
        "-0",
        "-1",
        "01",
        "-",
        "1.",
        "1.0",
        "1e3",
        "1E+3",
        "1e",
        "+1",
        ".5",
        "--1",
        "1-1",
        "1 2",
        "999999999999999999",
        "-999999999999999999",
        "1000000000000000000",
        "9223372036854775808",
        r#""\u00e9\/\b\f\n\r\t""#,
        r#""\ud83d\ude00""#,
        r#""\ud800""#,
        r#""\u12""#,
        r#""\x""#,
        "\"a\nb\"",
        "\"",
        "\"\\",
        "tru",
        "true ",
        "nul",
        "falsey",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "{}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "[]",
        " [ ] ",
        "{ }",
        "{\"b\":1,\"a\":2,\"b\":3}",
        "\u{feff}1",
        "\u{a0}1",
        "[[]",
        "]",
    ] {
        let got = read(&arena, text).ok().map(|value| format!("{value:?}"));
        assert_eq!(got, read_by_serde(&arena, text).map(|value| format!("{value:?}")), "`{text}`");
    }
}

proptest! {
    #[test]
    fn documents_and_what_is_almost_one_are_read_as_the_general_reader_reads_them(
        value in any_value(), cut in any::<prop::sample::Index>(), insert in prop::option::of("[\\[\\]{}\",:\\\\0-9.e+ -]"),
    ) {
        let arena = Arena::new();
        let mut text = Writer::compact().to_string(value.borrow(&arena));
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
        if let Some(insert) = insert {
            text.insert_str(places[cut.index(places.len())], &insert);
        }
        let got = read(&arena, &text).ok();
        let want = read_by_serde(&arena, &text);
        prop_assert_eq!(got.map(|value| value.to_string()), want.map(|value| value.to_string()), "`{}`", text);
        prop_assert_eq!(got, want);
    }

    #[test]
    fn what_is_written_is_read_back(value in any_value()) {
        let arena = Arena::new();
        let value = value.borrow(&arena);
        for writer in [Writer::compact(), Writer::indented(2), Writer::compact().escape_html()] {
            let text = writer.to_string(value);
            // By text: a double of 17 digits is printed as the integer that it is nearest to, and read as that.
            prop_assert_eq!(read(&arena, &text).unwrap().to_string(), value.to_string());
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        let arena = Arena::new();
        let ours = read(&arena, &text).is_ok();
        prop_assert_eq!(ours, serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
