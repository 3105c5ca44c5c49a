//! Patterns compared with the slow form, on resources and patterns made up for it.

use portcullis_kyverno::pattern::{Pattern, Verdict, scalar};
use portcullis_model::Numbers;
use portcullis_model::explain::{RecordLimits, Recorder};
use portcullis_value::{Arena, Budget, Limits, Value, json};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value as Json;

use crate::patterns::verdict;
use crate::slow::{self, Fault};

const KEYS: &[&str] = &["a", "b", "c", "d"];
const TAGS: &[&str] = &["a", "app/x", "app/y", "q"];

fn leaf() -> impl Strategy<Value = Json> + Clone {
    prop_oneof![
        1 => Just(Json::Null),
        2 => any::<bool>().prop_map(Json::from),
        3 => (0..4).prop_map(Json::from),
        2 => prop::sample::select(vec![0.0, 1.0, 1.5, 80.0]).prop_map(Json::from),
        5 => prop::sample::select(vec![
            "", "x", "y", "xy", "1", "80", "1.5", "5m", "1h", "1Gi", "512Mi", "-1", "true", "a b", "x|y",
            "global anchor mismatch", "anchor mismatch", "conditional",
        ])
        .prop_map(Json::from),
    ]
}

fn resource() -> impl Strategy<Value = Json> {
    let tags = prop::collection::btree_map(
        prop::sample::select(TAGS),
        prop_oneof![4 => prop::sample::select(vec!["x", "y", "1", ""]).prop_map(Json::from), 1 => leaf()],
        0..3,
    );
    let tags = tags.prop_map(object);
    let metadata =
        (prop::option::weighted(0.8, tags.clone()), prop::option::of(tags), prop::option::of(leaf()));
    let metadata = metadata.prop_map(|(labels, annotations, name)| {
        let entries = [("labels", labels), ("annotations", annotations), ("name", name)];
        object(entries.into_iter().filter_map(|(key, value)| Some((key, value?))))
    });
    leaf().prop_recursive(4, 24, 4, move |inner| {
        let map = prop::collection::btree_map(prop::sample::select(KEYS), inner.clone(), 0..4);
        let with_metadata = (map.clone(), metadata.clone()).prop_map(|(mut entries, metadata)| {
            entries.insert("metadata", metadata);
            object(entries)
        });
        prop_oneof![
            2 => prop::collection::vec(inner, 0..4).prop_map(Json::from),
            3 => map.prop_map(object),
            1 => with_metadata,
        ]
    })
}

fn object<K: Into<String>>(entries: impl IntoIterator<Item = (K, Json)>) -> Json {
    Json::Object(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn anchored(keys: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    let form =
        prop::sample::select(vec!["@", "@", "@", "(@)", "<(@)", "=(@)", "X(@)", "^(@)", "+(@)", " (@)"]);
    (form, prop::sample::select(keys)).prop_map(|(form, key)| form.replace('@', key))
}

fn text_pattern() -> impl Strategy<Value = String> + Clone {
    let atom = prop::sample::select(vec![
        "*",
        "?*",
        "x",
        "!x",
        "x*",
        ">1",
        "<2",
        "0",
        "1-2",
        "1!-2",
        "!*",
        "<=1Gi",
        "60m",
        "5m-2h",
        "80",
        "!",
        "-1-1",
        "1.5",
        "true",
        "global anchor mismatch",
    ]);
    let joint = prop::sample::select(vec!["|", "&", " | ", " & "]);
    (atom.clone(), prop::collection::vec((joint, atom), 0..3)).prop_map(|(first, rest)| {
        rest.iter().fold(first.to_owned(), |text, (joint, atom)| text + joint + atom)
    })
}

fn pattern() -> impl Strategy<Value = Json> {
    let tags = prop::collection::btree_map(
        anchored(&["a", "app/x", "app/*", "*", "?", "q"]),
        text_pattern().prop_map(Json::from),
        0..3,
    );
    let dropped = prop::option::weighted(0.2, (anchored(TAGS), leaf()));
    let tags = (tags, dropped).prop_map(|(mut tags, dropped)| {
        tags.extend(dropped);
        object(tags)
    });
    let metadata =
        prop::collection::btree_map(anchored(&["labels", "annotations"]), tags, 1..3).prop_map(object);
    let leaf = prop_oneof![2 => leaf(), 3 => text_pattern().prop_map(Json::from)];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let map = prop::collection::btree_map(anchored(KEYS), inner.clone(), 0..4);
        let with_metadata = (map.clone(), anchored(&["metadata"]), metadata.clone());
        let with_metadata = with_metadata.prop_map(|(mut entries, key, metadata)| {
            entries.insert(key, metadata);
            object(entries)
        });
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            1 => inner.prop_map(|first| Json::from(vec![first])),
            4 => map.prop_map(object),
            2 => with_metadata,
        ]
    })
}

/// A list of what has labels.
fn labelled() -> impl Strategy<Value = Json> {
    let labels =
        prop::collection::btree_map(prop::sample::select(TAGS), prop::sample::select(vec!["x", "1"]), 0..3);
    let item = labels.prop_map(|labels| {
        let labels = object(labels.into_iter().map(|(key, value)| (key, Json::from(value))));
        object([("metadata", object([("labels", labels)]))])
    });
    prop::collection::vec(item, 1..4).prop_map(|items| object([("c", Json::from(items))]))
}

/// A resource and a pattern that fits it more or less, or one that has nothing to do with it.
fn case() -> impl Strategy<Value = (Json, Json)> {
    let choices = prop::collection::vec(any::<u8>(), 0..60);
    let derived = (prop_oneof![5 => resource(), 1 => labelled()], choices).prop_map(|(resource, choices)| {
        let pattern = derive(&resource, &mut choices.into_iter());
        (resource, pattern)
    });
    prop_oneof![3 => derived, 1 => (resource(), pattern())]
}

/// A pattern made of `value`, changed here and there as `choices` say.
fn derive(value: &Json, choices: &mut impl Iterator<Item = u8>) -> Json {
    let choice = choices.next().unwrap_or_default();
    match value {
        Json::Object(entries) => {
            let mut pattern = serde_json::Map::new();
            for (key, value) in entries {
                let form = ["@", "@", "(@)", "<(@)", "=(@)", "X(@)", "^(@)", "@"];
                let mut key = form[usize::from(choices.next().unwrap_or_default() % 8)].replace('@', key);
                if choice.is_multiple_of(3) {
                    key = key.replace("app/x", "app/*");
                }
                pattern.insert(key, derive(value, choices));
            }
            if choice.is_multiple_of(7) {
                pattern.insert("^(z)".to_owned(), Json::from(vec![Json::from(1)]));
            }
            Json::Object(pattern)
        }
        Json::Array(items) if choice.is_multiple_of(3) => {
            items.iter().map(|item| derive(item, choices)).collect()
        }
        Json::Array(items) => items.iter().take(1).map(|item| derive(item, choices)).collect(),
        _ => match choice % 16 {
            0 => Json::from("?*"),
            1 => Json::from("!x"),
            2 => Json::from("x | 1 & >0"),
            3 => Json::from("<2"),
            4 => Json::from(2),
            5 => Json::from("*"),
            6 => Json::Null,
            _ => value.clone(),
        },
    }
}

/// The verdict of the crate.
fn quick(resource: &Json, pattern: &Json) -> Verdict {
    verdict(&resource.to_string(), &pattern.to_string())
}

/// The first of `count` cases that the slow form answers otherwise.
fn difference(fault: Option<Fault>, count: usize) -> Option<(Json, Json)> {
    let mut runner = TestRunner::deterministic();
    let cases = case();
    let mut cases = (0..count).map(|_| cases.new_tree(&mut runner).unwrap().current());
    cases.find(|(resource, pattern)| quick(resource, pattern) != slow::tree::check(resource, pattern, fault))
}

#[test]
fn the_comparison_with_the_slow_form_finds_planted_faults() {
    let faults = [
        Fault::NullIsNoZero,
        Fault::OneItemIsEnough,
        Fault::BarBindsTighter,
        Fault::ExistenceMeansAll,
        Fault::SkipsAreKept,
        Fault::ViolationsAfterCondition,
        Fault::LabelsAreNotRewritten,
        Fault::LabelsKeepNumbers,
        Fault::FieldsInOrder,
        Fault::MissingAnchorIsFine,
        Fault::TextsDoNotMatter,
    ];
    assert_eq!(difference(None, 2_000), None);
    for fault in faults {
        assert_ne!(difference(Some(fault), 20_000), None, "{fault:?} is not found");
    }
}

proptest! {
    #![proptest_config(Config { cases: 4000, ..Config::default() })]

    #[test]
    fn trees_are_judged_as_by_the_slow_form((resource, pattern) in case()) {
        prop_assert_eq!(quick(&resource, &pattern), slow::tree::check(&resource, &pattern, None));
    }

    #[test]
    fn patterns_of_a_pod_template_are_judged_as_by_the_slow_form(
        (resource, pattern) in case(), of_cron_job in any::<bool>(), missing in 0..5_usize,
    ) {
        let keys: &[&str] =
            if of_cron_job { &["spec", "jobTemplate", "spec", "template"] } else { &["spec", "template"] };
        let under = |keys: &[&str], inner: Json| keys.iter().rfold(inner, |inner, key| serde_json::json!({ *key: inner }));
        let (resource, pattern) = (under(keys.get(missing..).unwrap_or(keys), resource), under(keys, pattern));
        prop_assert_eq!(quick(&resource, &pattern), slow::tree::check(&resource, &pattern, None));
    }

    #[test]
    fn scalars_match_as_in_the_slow_form(value in leaf(), pattern in prop_oneof![leaf(), text_pattern().prop_map(Json::from)]) {
        let arena = Arena::new();
        let (value_text, pattern_text) = (value.to_string(), pattern.to_string());
        let got = scalar::matches(
            json::read(&arena, &value_text).unwrap(),
            json::read(&arena, &pattern_text).unwrap(),
            Numbers::AsWritten,
            &mut Budget::default(),
        );
        prop_assert_eq!(got, Ok(slow::scalar::matches(&value, &pattern, None)));
    }
}

proptest! {
    #[test]
    fn integers_seen_as_floats_are_floats((resource, pattern) in case()) {
        let arena = Arena::new();
        let (resource_text, pattern_text) = (resource.to_string(), pattern.to_string());
        let resource = json::read(&arena, &resource_text).unwrap();
        let pattern = Pattern::compile(json::read(&arena, &pattern_text).unwrap(), &mut Budget::default()).unwrap();
        let check = |resource: Value<'_>, numbers| pattern.check(resource, numbers, &mut Budget::default()).unwrap();
        let floats = resource.with_float_numbers(&arena);
        prop_assert_eq!(check(resource, Numbers::Floats), check(floats, Numbers::AsWritten));
        prop_assert_eq!(check(floats, Numbers::Floats), check(floats, Numbers::AsWritten));
    }

    #[test]
    fn what_is_taken_down_is_the_same_verdict((resource, pattern) in case()) {
        let arena = Arena::new();
        let (resource_text, pattern_text) = (resource.to_string(), pattern.to_string());
        let resource = json::read(&arena, &resource_text).unwrap();
        let pattern = Pattern::compile(json::read(&arena, &pattern_text).unwrap(), &mut Budget::default()).unwrap();
        let recorder = Recorder::new(RecordLimits::default());
        let budget = &mut Budget::default();
        let told = pattern.tell(resource, Numbers::AsWritten, Some(&recorder), budget).unwrap();
        let quick = pattern.check(resource, Numbers::AsWritten, &mut Budget::default()).unwrap();
        prop_assert_eq!(told, quick);
    }

    #[test]
    fn a_smaller_budget_gives_the_same_verdict_or_none(
        (resource, pattern) in case(), steps in 0..200_u64, bytes in 0..200_usize,
    ) {
        let arena = Arena::new();
        let (resource_text, pattern_text) = (resource.to_string(), pattern.to_string());
        let resource = json::read(&arena, &resource_text).unwrap();
        let pattern = Pattern::compile(json::read(&arena, &pattern_text).unwrap(), &mut Budget::default()).unwrap();
        let whole = pattern.check(resource, Numbers::AsWritten, &mut Budget::default()).unwrap();
        let mut small = Budget::new(Limits { steps, bytes, ..Limits::default() }, &|| false);
        if let Ok(verdict) = pattern.check(resource, Numbers::AsWritten, &mut small) {
            prop_assert_eq!(verdict, whole);
        }
    }
}
