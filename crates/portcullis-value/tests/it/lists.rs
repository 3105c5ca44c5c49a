//! Lists taken apart item by item.

use portcullis_value::json::{self, Lists, Part, Stop};
use portcullis_value::{Arena, Value};
use proptest::prelude::*;

/// The parts of `text`, which comes in pieces of `piece` bytes; where it stops early, `stop`.
fn parts(text: &str, piece: usize) -> (Vec<String>, Option<Stop>) {
    let (mut lists, mut parts) = (Lists::default(), Vec::new());
    let (mut start, mut end) = (0, 0);
    loop {
        let there = text.get(start..end).unwrap();
        match lists.next(there, |scanner| scanner.string()) {
            Ok((part, taken)) => {
                start += taken;
                parts.push(match part {
                    Part::Item(text) => format!("string {text}"),
                    Part::Unread(text) => format!("other {text}"),
                    Part::Member(key, text) => format!("{key} = {text}"),
                    Part::End => "end".to_owned(),
                    Part::Document(text) => format!("document {text}"),
                });
            }
            Err(Stop::CutShort) if end < text.len() => end = text.ceil_char_boundary(end + piece),
            Err(Stop::CutShort) if there.trim().is_empty() && !lists.is_inside() => return (parts, None),
            Err(stop) => return (parts, Some(stop)),
        }
    }
}

#[track_caller]
fn check(text: &str, want: &[&str], stop: Option<Stop>) {
    for piece in [1, 2, 7, 1000] {
        assert_eq!(
            parts(text, piece),
            (want.iter().map(|part| (*part).to_owned()).collect(), stop),
            "{piece}"
        );
    }
}

#[test]
fn the_items_of_a_list_come_one_by_one_between_its_other_members() {
    check(
        r#" { "kind" : "List", "items" : [ "a" , {"items":[1]},"b\u00e9\ud83d\ude00", "c" ] , "metadata":{"continue":"x"} } "#,
        &[
            r#"kind = "List""#,
            "string a",
            r#"other {"items":[1]}"#,
            r#"other "b\u00e9\ud83d\ude00""#,
            "string c",
            r#"metadata = {"continue":"x"}"#,
            "end",
        ],
        None,
    );
    check(
        r#"{"items":[]}{"items":null}{}[1]"#,
        &["end", "items = null", "end", "document {}", "document [1]"],
        None,
    );
}

#[test]
fn a_fault_is_told_from_a_text_that_is_not_there_yet() {
    check(r#"{"items":["a""#, &["string a"], Some(Stop::CutShort));
    check(r#"{"items":[{"a":"#, &[], Some(Stop::CutShort));
    let padding = " ".repeat(20);
    for (text, want) in [
        (r#"{"items":["a" "b"]}"#, vec!["string a"]),
        (r#"{"items":["a",{"b":tru}]}"#, vec!["string a"]),
        (r#"{"items":["\ud83d" ]}"#, vec![]),
        (r#"{"items":[}"#, vec![]),
        (r#"{items:[]}"#, vec![]),
    ] {
        check(&format!("{text}{padding}"), &want, Some(Stop::Fault));
    }
}

proptest! {
    /// The pieces that a text comes in make no difference, and the items are those that a reader of the whole finds.
    #[test]
    fn a_list_in_pieces_is_the_list(items in proptest::collection::vec(r#"[a-z\\"{}\[\],:é😀 ]{0,9}"#, 0..5), indent in 0..3usize, piece in 1..40usize) {
        let arena = Arena::new();
        let items: Vec<_> = items.iter().map(|text| match text.len() % 3 {
            0 => arena.array(&[arena.string(text), Value::Null]),
            _ => arena.string(text),
        }).collect();
        let list = arena.object(&mut vec![("a", Value::from(1)), ("items", arena.array(&items)), ("z", arena.string("\\\""))]);
        let text = match indent { 0 => list.to_string(), spaces => json::Writer::indented(spaces).to_string(list) };
        let (found, stop) = parts(&text, piece);
        prop_assert_eq!(stop, None);
        prop_assert_eq!(found.len(), items.len() + 3);
        for (found, item) in found.iter().skip(1).zip(&items) {
            let read = match found.split_once(' ').unwrap() {
                ("string", text) => Value::String(text),
                (_, text) => json::read(&arena, text).unwrap(),
            };
            prop_assert_eq!(read, *item);
        }
    }
}
